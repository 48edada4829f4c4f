"""Names in a text: those that a row is about, and those of the shop that it is not about.

It reads folded text. Invented names can be told only where all names are known: in rows of a generated shop.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from caderno.errors import BadInput
from caderno.shop import PROFILES, SPLITS, load_profile
from caderno.tasks.base import fold

# Names of the shop that are words of every day: they stand in honest texts.
EVERYDAY = frozenset(
    "agenda bota celular colar mesa saia barreiras contagem fortaleza franca imperatriz natal palmas santos".split()
)
# A name found is replaced by a private character of its own: no letter, no figure, and refused where a text has it.
FIRST_MARK, MOST_NAMES = 0xE000, 1000
MARKS = f"{chr(FIRST_MARK)}-{chr(FIRST_MARK + MOST_NAMES - 1)}"  # for a pattern's character class
_WORD = re.compile(r"[^\W_]+")


def key(name: str) -> str:
    """How a name is compared: its folded words ("Ji-Paraná" is "ji parana")."""
    return " ".join(_WORD.findall(fold(name)))


@dataclass(frozen=True)
class Finder:
    """Finds names in folded text as whole words, the longest first: pairs of a spelling and the name's mark."""

    spellings: tuple[tuple[str, str], ...]

    def mark(self, folded: str) -> str:
        """The text with each name replaced by its mark, so that none of its words and figures counts."""
        for spelling, mark in self.spellings:
            at = folded.find(spelling)
            while at >= 0:
                end = at + len(spelling)
                if _is_edge(folded, at - 1) and _is_edge(folded, end):
                    folded, end = f"{folded[:at]}{mark}{folded[end:]}", at + 1
                at = folded.find(spelling, end)
        return folded


def _is_edge(text: str, at: int) -> bool:
    return not 0 <= at < len(text) or not (text[at].isalnum() or text[at] == "_")


@functools.lru_cache(maxsize=8192)
def finder(names: tuple[str, ...]) -> Finder:
    """A finder of those names; the mark of names[i] is `mark(i)`, and of two names alike the first one's.

    Raises BadInput for a name without a letter or a digit, and for more than MOST_NAMES.
    """
    if len(names) > MOST_NAMES:
        raise BadInput(f"{len(names)} names", expected=f"at most {MOST_NAMES}", where="facts")
    found: dict[str, str] = {}
    for place, name in enumerate(names):
        if not key(name):
            raise BadInput(f"name {name!r}", expected="a name with a letter or a digit", where="facts")
        for spelling in _spellings(name):
            found.setdefault(spelling, mark(place))
    return Finder(tuple(sorted(found.items(), key=lambda pair: -len(pair[0]))))


def mark(place: int) -> str:
    """The mark of the name at a place."""
    return chr(FIRST_MARK + place)


def _spellings(name: str) -> list[str]:
    """A name as it is written and with spaces alone; Olist's cama_mesa_banho as "cama, mesa e banho" too."""
    words = key(name).split()
    found = [fold(name), " ".join(words)]
    if "_" in name and len(words) > 1:
        found += [f"{between.join(words[:-1])} e {words[-1]}" for between in (", ", " ")]
    return found


@functools.cache
def first_names() -> frozenset[str]:
    """The given names of every generated customer, folded."""
    return frozenset(fold(name).split()[0] for name in _customers())


@functools.cache
def surnames() -> frozenset[str]:
    """The family names of every generated customer, folded."""
    return frozenset(word for name in _customers() for word in fold(name).split()[1:])


def _customers() -> list[str]:
    return [name for profile in PROFILES for split in SPLITS for name in load_profile(profile).pools(split).customers]


@functools.cache
def catalogue(profile: str, kind: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The "product" or "city" names of a profile, all splits: first word -> names as folded words."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for split in SPLITS:
        pools = load_profile(profile).pools(split)
        for name, *_ in pools.products if kind == "product" else pools.cities:
            words = tuple(key(name).split())
            if key(name) not in EVERYDAY:
                found[words[0]] = (*found.get(words[0], ()), words)
    return found


def listed(words: list[str], profile: str, kind: str) -> list[str]:
    """Names of the catalogue that stand among folded words, in their order."""
    known = catalogue(profile, kind)
    return [
        " ".join(name)
        for place, word in enumerate(words)
        for name in known.get(word, ())
        if tuple(words[place : place + len(name)]) == name
    ]


def profile_of(row: dict) -> str | None:
    """The profile of a row's generated shop; None for rows from elsewhere, whose shop's names are not all known."""
    source = row.get("shop") or {}
    return source.get("profile") if source.get("source") == "shop" and source.get("profile") in PROFILES else None
