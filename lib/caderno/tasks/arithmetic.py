"""Chained arithmetic: a start and k operations, each on the last result, modulo 10; the answer is the last digit.

Generated, with the chain of thought in words and every value on the way, for the runs that teach other ways to think.
The thought is not judged; and nothing here says how many operations a model can learn.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterator

from caderno.errors import BadInput
from caderno.shop.profile import SPLITS, split_of
from caderno.tasks.base import Score, nothing, scored
from caderno.thinking import answer_of

NAME = "arithmetic"
NEEDS_SHOP = False
THINK_BUDGET_TOKENS = 40  # four operations take 25 of the tiny base's tokens
SYSTEM_PROMPT = {
    "small": "responda quanto vale.",  # whole words of the tiny base, which never met `calcule`
    "full": (
        "Faça as operações em ordem, cada uma sobre o resultado da anterior, e de cada resultado guarde só o resto da "
        "divisão por {modulus}. Pense passo a passo e responda só com o último resultado."
    ),
}
MOST_DRAWS = 200  # per row asked for, before the expressions of a split count as used up
_ANSWER = re.compile(r"\s*(\d+)\s*\.?\s*")


def rows(split: str, n: int, seed: int, operations: int = 4, modulus: int = 10, profile: str = "small") -> list[dict]:
    """n rows with different expressions of that split; the first of them are the same for any larger n.

    Operations are +, - and x, equally often: numbers below `modulus` are added and subtracted, and those prime to it
    are multiplied by (3, 7, 9 for 10), so that every step can be undone and no value is likelier than another. An
    expression's split is its hash's, whatever is asked for.

    Raises:
        BadInput: an unknown split, a number out of range, or fewer expressions than rows.
    """
    _require(split, n, operations, modulus)
    rng = random.Random(f"{NAME} {split} {seed} {operations} {modulus}")
    drawn: dict[str, tuple[int, list[tuple[str, int]]]] = {}
    for _ in range(MOST_DRAWS * n + 1000):
        if len(drawn) == n:
            break
        start, steps = _draw(rng, operations, modulus)
        text = _text(start, steps)
        if split_of(f"{text} mod {modulus}") == split:
            drawn.setdefault(text, (start, steps))
    if len(drawn) < n:
        raise BadInput(
            f"{len(drawn)} different expressions of {operations} operations in split {split}", expected=f"at least {n}",
            where=NAME, mend="Ask for fewer rows or more operations.",
        )  # fmt: skip
    return [_row(split, text, *chain, modulus, profile) for text, chain in drawn.items()]


def _require(split: str, n: int, operations: int, modulus: int) -> None:
    if split not in SPLITS:
        raise BadInput(f"unknown split {split!r}", expected=f"one of {', '.join(SPLITS)}", where=NAME)
    for name, value, least in (("n", n, 0), ("operations", operations, 1), ("modulus", modulus, 3)):
        if value < least:
            raise BadInput(f"{name} = {value}", expected=f"at least {least}", where=NAME)


def _draw(rng: random.Random, operations: int, modulus: int) -> tuple[int, list[tuple[str, int]]]:
    """A start and the operations on it."""
    factors = [one for one in range(2, modulus) if math.gcd(one, modulus) == 1]
    steps = []
    for _ in range(operations):
        sign = rng.choice("+-*")
        steps.append((sign, rng.choice(factors) if sign == "*" else rng.randrange(1, modulus)))
    return rng.randrange(modulus), steps


def _text(start: int, steps: list[tuple[str, int]]) -> str:
    """3; + 4; * 7: a list of steps, not an expression in which * would come first."""
    return "; ".join([str(start), *(f"{sign} {operand}" for sign, operand in steps)])


def _worked(start: int, steps: list[tuple[str, int]], modulus: int) -> Iterator[tuple[str, int]]:
    """Each step as text, `3 + 4 = 7`, and its value."""
    value = start
    for sign, operand in steps:
        before = value
        value = {"+": before + operand, "-": before - operand, "*": before * operand}[sign] % modulus
        yield f"{before} {sign} {operand} = {value}", value


def _row(split: str, text: str, start: int, steps: list[tuple[str, int]], modulus: int, profile: str) -> dict:
    worked = list(_worked(start, steps, modulus))
    told, values = [one for one, _ in worked], [value for _, value in worked]
    key, gold = f"{text} mod {modulus}", str(values[-1])
    system = SYSTEM_PROMPT[profile].replace("{modulus}", str(modulus))
    return {
        "id": f"{NAME}-{hashlib.sha256(key.encode()).hexdigest()[:16]}",
        "task": NAME,
        "split": split,
        "prompt": [{"role": "system", "content": system}, {"role": "user", "content": text}],
        "gold": gold,
        "reference": f"<think>\n{'; '.join(told)}.\n</think>\n\n{gold}",
        "entities": [f"expression:{key}"],
        "facts": {
            "question": text, "start": start, "operations": [list(step) for step in steps], "modulus": modulus,
            "steps": told, "values": values, "answer": gold,
        },
    }  # fmt: skip


def prefix(row: dict, operations: int) -> dict:
    """The row of an expression's first operations: its answer is one of the values on the row's own way.

    Training on it supervises the process, however hidden: whoever does so has to say it.
    """
    facts = row["facts"]
    start, steps, modulus = facts["start"], [tuple(step) for step in facts["operations"][:operations]], facts["modulus"]
    text = _text(start, steps)
    made = _row(row["split"], text, start, steps, modulus, "small")
    return made | {"prompt": [*row["prompt"][:-1], {"role": "user", "content": text}]}


def score(row: dict, completion: str) -> Score:
    """Format: the answer is one number and nothing else, but for a full stop. Partial and task: it is the right one.

    No thought is asked for or judged, and a value that is near, or right on the way, is worth nothing.
    """
    answer = answer_of(completion)
    match = _ANSWER.fullmatch(answer)
    if not match:
        return nothing("a resposta não é só um número" if answer else "resposta vazia")
    right = match[1].lstrip("0") == row["gold"].lstrip("0")
    return scored(1.0, right, right, [] if right else [f"diz {match[1][:20]}"])
