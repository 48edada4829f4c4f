"""Figures as people write them in Portuguese: digits with their unit, and numbers in words.

It reads folded text. What figure ought to stand where is the task's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from caderno.tasks.base import number

_UNITS = (
    "zero um dois tres quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete "
    "dezoito dezenove"
).split()
_TENS = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa".split()
_HUNDREDS = "cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos".split()
VALUES = {word: value for value, word in enumerate(_UNITS)}
VALUES |= {word: 10 * value for value, word in enumerate(_TENS, 2)}
VALUES |= {word: 100 * value for value, word in enumerate(_HUNDREDS, 1)}
VALUES |= {"uma": 1, "duas": 2, "catorze": 14, "meia duzia": 6, "duzia": 12, "cem": 100, "mil": 1000}
_ALONE = ("um", "uma")  # articles, unless part of a longer number
RATIOS = ("metade", "dobro", "triplo", "quadruplo", "um terco", "dois tercos", "um quarto", "tres quartos")

_ANY = "|".join(sorted(VALUES, key=len, reverse=True))
_PER_CENT = r"(?:\s*(%|por ?cento\b))?"
_DIGITS = re.compile(
    r"(?<![\w.,])(-?)([0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?(?![0-9])|[0-9]+(?:[.,][0-9]+)?)" + _PER_CENT
    + r"|([0-9]+)" + _PER_CENT
)  # fmt: skip
_WORDS = re.compile(rf"(?<!\w)(?<!por )((?:{_ANY})(?:(?: e)? (?:{_ANY}))*)(?!\w)" + _PER_CENT)
_RATIO = re.compile(rf"(?<!\w)(?:{'|'.join(RATIOS)})(?!\w)")
_MONEY = re.compile(r"(?<!\w)r\$|[$€£]|(?<!\w)(?:reais|centavos?)(?!\w)")


@dataclass(frozen=True)
class Figure:
    """A figure with its sign, whether it is a per cent, and whether it was written in words."""

    value: float
    per_cent: bool
    in_words: bool = False


def figures(folded: str) -> list[Figure]:
    """Every figure of a folded text; a digit inside a word ("5x") counts as one."""
    found = []
    for sign, token, unit, inside, inside_unit in _DIGITS.findall(folded):
        value = number(token or inside)
        found.append(Figure(-value if sign else value, bool(unit or inside_unit)))
    for token, unit in _WORDS.findall(folded):
        if token not in _ALONE or unit:
            found.append(Figure(_spelled(token), bool(unit), in_words=True))
    return found


def _spelled(token: str) -> float:
    """The value of a number in words: thousands multiply, the rest adds up."""
    total = rest = 0
    for word in token.replace("meia duzia", "6").split():
        if word == "mil":
            total, rest = total + max(rest, 1) * 1000, 0
        elif word != "e":
            rest += VALUES.get(word, 6)
    return float(total + rest)


def ratios(folded: str) -> bool:
    """Whether a share of something is told in words: half, double, a third."""
    return _RATIO.search(folded) is not None


def money(folded: str) -> bool:
    """Whether a folded text speaks of an amount of money."""
    return _MONEY.search(folded) is not None
