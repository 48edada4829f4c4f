"""What every task shares: a row, a score with its reasons, and small readers of model output.

It knows no task; the registry is `caderno.tasks`.
"""

from __future__ import annotations

import functools
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
FAULT_LEAVES = 0.4  # of a task's part, for each fault in how an otherwise right text is written
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


# The marks of Portuguese, on the letters that take them. Any other mark stays, so that "c\u0337" is never read as "c".
_ACCENTED = "áàâãäéèêëíìîïóòôõöúùûüçñ"
_PLAIN = str.maketrans(_ACCENTED, "".join(unicodedata.normalize("NFD", letter)[0] for letter in _ACCENTED))
_FOLDED_AT_MOST = 200  # characters kept in memory per text: names and short answers, not whole completions


def fold(text: str) -> str:
    """Lower case, no Portuguese accents, single spaces: how names are compared. Look-alikes stay what they are."""
    return _folded(text) if len(text) <= _FOLDED_AT_MOST else _fold(text)


def _fold(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.casefold()).translate(_PLAIN)
    return " ".join(text.lower().split())


_folded = functools.lru_cache(maxsize=16_384)(_fold)


def says(text: str, phrase: str) -> bool:
    """Whether the folded text holds the folded phrase as whole words."""
    return whole(fold(phrase)).search(fold(text)) is not None


@functools.lru_cache(maxsize=4096)
def whole(folded: str) -> re.Pattern:
    """A pattern for a folded phrase as whole words."""
    return re.compile(rf"(?<!\w){re.escape(folded)}(?!\w)")


# Only ASCII digits are figures; a minus is one where it touches its figure and follows no word.
_NUMBER = re.compile(r"(?:(?<![\w.,])-)?(?:[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?(?![0-9])|[0-9]+(?:[.,][0-9]+)?)")
_GROUPED = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{3})+")


def numbers(text: str) -> list[float]:
    """The figures in a text, Brazilian (1.234,56) or plain (1234.56) notation, with their signs."""
    return [number(token) for token in _NUMBER.findall(text)]


def number(token: str) -> float:
    """One figure in either notation. Raises ValueError for what is none."""
    if "," in token:
        token = token.replace(".", "").replace(",", ".")
    elif _GROUPED.fullmatch(token):
        token = token.replace(".", "")
    return float(token)


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
