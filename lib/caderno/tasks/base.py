"""What every task shares: a row, a score with its reasons, and small readers of model output.

It knows no task; the registry is `caderno.tasks`.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caderno.errors import BadInput

if TYPE_CHECKING:
    from caderno.shop import Shop

# Format is a means: a well-formed answer that says nothing earns 0.2, never more.
WEIGHTS = {"format": 0.2, "partial": 0.4, "task": 0.4}
FULLY_CORRECT = 1.0 - 1e-9
GENERIC_SYSTEM_PROMPT = "Você é um assistente de uma loja online brasileira. Responda em português."


@dataclass(frozen=True)
class Score:
    """A judged completion. `parts` and `total` lie in [0, 1]; `why` says what was missing."""

    parts: dict[str, float]
    why: str
    total: float = field(init=False)

    def __post_init__(self) -> None:
        for name, value in self.parts.items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"component {name} = {value} lies outside [0, 1]")
        object.__setattr__(self, "total", sum(WEIGHTS[name] * self.parts[name] for name in WEIGHTS))

    @property
    def fully_correct(self) -> bool:
        return self.total >= FULLY_CORRECT


def scored(format: float, partial: float, task: float, missing: list[str]) -> Score:
    """A Score from its three components and what was found missing."""
    parts = {"format": float(format), "partial": float(partial), "task": float(task)}
    return Score(parts, "; ".join(missing) if missing else "tudo certo")


def nothing(why: str) -> Score:
    """The score of a completion with nothing in it to judge."""
    return scored(0, 0, 0, [why])


def fold(text: str) -> str:
    """Lower case, no accents, single spaces: how names are compared."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def says(text: str, phrase: str) -> bool:
    """Whether the folded text holds the folded phrase as whole words."""
    return re.search(rf"(?<!\w){re.escape(fold(phrase))}(?!\w)", fold(text)) is not None


_NUMBER = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+(?:[.,]\d+)?")


def numbers(text: str) -> list[float]:
    """The figures in a text, Brazilian (1.234,56) or plain (1234.56) notation."""
    found = []
    for token in _NUMBER.findall(text):
        if "," in token:
            token = token.replace(".", "").replace(",", ".")
        elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+", token):
            token = token.replace(".", "")
        found.append(float(token))
    return found


def without(text: str, names: Iterable[str]) -> str:
    """The text less some names, so that the 128 of "celular 128 gb" is not taken for a figure."""
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", " ", text)
    return text


def figure(value: float) -> str:
    """A figure as the prompts and the references write it: 12, 12.5, never 12.0."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def make_row(
    task: str, shop: Shop, index: int, seed: int, system: str, user: str, thought: str, answer: str, **extra: object
) -> dict:
    """One row. `gold` is the whole reference completion, thought included."""
    return {
        "id": f"{task}-{shop.split}-{seed}-{index:05d}",
        "task": task,
        "split": shop.split,
        "prompt": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "gold": f"<think>\n{thought}\n</think>\n\n{answer}",
        **extra,
        "shop": shop.source,
    }


def rng_for(task: str, shop: Shop, seed: int) -> random.Random:
    """A generator that depends on the task, the split and the seed alone."""
    return random.Random(f"{task} {shop.split} {seed}")


def need(rows: list, n: int, task: str, shop: Shop) -> list:
    """The first n of the candidates, or an error that says how many the shop could give."""
    if len(rows) < n:
        raise BadInput(
            f"{len(rows)} usable rows for task {task}, split {shop.split}",
            expected=f"at least {n}",
            where=f"shop {shop.source}",
            mend="Ask for fewer rows, or raise data.orders (generated shop) or give more data.",
        )
    return rows[:n]
