"""What an analysis says of its table and how: its parts, who is named with which figure, the advice, and its faults.

Every rule here is decided by the text and the row's facts; what a rule costs is decided in `insights`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from itertools import pairwise

from caderno.errors import BadInput
from caderno.tasks import names, wording
from caderno.tasks.base import figure, fold
from caderno.tasks.figures import Figure, figures, ratios

SECTIONS = ("destaque", "atencao", "recomendacao")
_LABEL = re.compile(r"(?<!\w)(destaque|atencao|recomendacao)[ *_]{0,4}:")
_BULLET = re.compile(r"(?m)^[ \t]*(?:[-*•–]|[0-9][.)])\s+")
# Infinitive and imperative of verbs that one can do to a shop. Folded.
ACTIONS = frozenset(
    "reforcar reforce investir invista ampliar amplie rever reveja melhorar melhore divulgar divulgue reduzir "
    "reduza priorizar priorize revisar revise promover promova negociar negocie renegociar renegocie aumentar "
    "aumente baixar baixe criar crie oferecer ofereca treinar treine acelerar acelere contratar contrate ajustar "
    "ajuste corrigir corrija investigar investigue analisar analise monitorar monitore acompanhar acompanhe repor "
    "reponha incentivar incentive focar foque planejar planeje lancar lance testar teste otimizar otimize expandir "
    "expanda verificar verifique estimular estimule impulsionar impulsione fortalecer fortaleca concentrar "
    "concentre cortar corte trocar troque anunciar anuncie organizar organize apurar apure ouvir ouca entender "
    "entenda aproximar aproxime diminuir diminua destinar destine adotar adote implementar implemente realizar "
    "realize montar monte abrir abra".split()
)
UNDONE = ("nao", "nada", "nunca", "sem")  # before an action: "não reforçar"
MIN_ADVICE_WORDS = 3  # beside the names: "melhorar natal" is no action yet
_NAME = f"[{names.MARKS}]"
_CLAIMED = re.compile(rf"(?<!\w)(maior|lider|menor|pior)(?: \w+){{0,2}} (?:e|foi|eh) (?:\w+ ){{0,2}}({_NAME})")
_CLAIMS = re.compile(rf"({_NAME}) (?:e|foi|eh|tem|lidera com) (?:o |a )(maior|lider|menor)(?!\w)")
LARGEST = ("maior", "lider")


@dataclass(frozen=True)
class Parts:
    """An analysis as it was written, and folded with marks for the names: before the first label, and the parts."""

    text: str
    before: str
    top: str
    low: str
    advice: str

    @property
    def body(self) -> str:
        """The parts without their labels."""
        return f"{self.top}\n{self.low}\n{self.advice}"

    @property
    def whole(self) -> str:
        """The parts and what comes before them."""
        return f"{self.before}\n{self.body}"


@dataclass(frozen=True)
class Table:
    """A row's lines by the marks of their names: figures, the largest and the smallest, how the row writes them."""

    values: dict[str, frozenset[float]]  # two figures where two names are alike
    top: frozenset[str]
    low: frozenset[str]
    most: float
    least: float
    names: names.Finder
    shown: dict[str, str]


def table_of(lines: list) -> Table:
    """The table of a row's lines. Raises BadInput for what is not a list of names with numbers."""
    pairs = [tuple(line) for line in lines if isinstance(line, list | tuple)] if isinstance(lines, list | tuple) else []
    good = all(len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) in (int, float) for pair in pairs)
    if not pairs or len(pairs) != len(lines) or not good:
        raise BadInput(f"lines {lines!r}"[:200], expected="[[name, number], ...]", where="facts")
    return _table(tuple(pairs))


@functools.lru_cache(maxsize=4096)
def _table(lines: tuple[tuple[str, float], ...]) -> Table:
    finder = names.finder(tuple(name for name, _ in lines))
    marked = [(finder.mark(fold(name)), name, float(figure(value))) for name, value in lines]
    values: dict[str, frozenset[float]] = {}
    for mark, _, value in marked:
        values[mark] = values.get(mark, frozenset()) | {value}
    most, least = max(value for _, _, value in marked), min(value for _, _, value in marked)
    top, low = (frozenset(mark for mark, _, value in marked if value == extreme) for extreme in (most, least))
    return Table(values, top, low, most, least, finder, {mark: name for mark, name, _ in marked})


def parts_of(text: str, table: Table) -> Parts | None:
    """The three labelled parts, each with a word or a name in it; None where a label lacks or comes out of order."""
    folded = table.names.mark(fold(_BULLET.sub("", text)))
    labels = list(_LABEL.finditer(folded))
    if tuple(found[1] for found in labels) != SECTIONS:
        return None
    ends = [found.start() for found in labels[1:]] + [len(folded)]
    top, low, advice = (folded[found.end() : end].strip() for found, end in zip(labels, ends, strict=True))
    if not all(wording.words(part) or named(part) for part in (top, low, advice)):
        return None
    return Parts(text, folded[: labels[0].start()], top, low, advice)


def named(marked: str) -> set[str]:
    """The marks of the names in a text."""
    return {character for character in marked if "\ue000" <= character <= "\uf8ff"}


class Analysis:
    """An analysis read against its row's table."""

    def __init__(self, parts: Parts, table: Table, row: dict):
        self.parts, self.table, self.row = parts, table, row
        self.words = wording.words(parts.whole)

    def facts(self) -> dict[str, bool]:
        """The four facts: each extreme named, and it alone, with its figure, and it alone."""
        found = {}
        for part, word, marks, value in (
            (self.parts.top, "maior", self.table.top, self.table.most),
            (self.parts.low, "menor", self.table.low, self.table.least),
        ):
            said, told = named(part), figures(part)
            digits = {one.value for one in told if not one.in_words}
            spelled = {one.value for one in told if one.in_words}
            found[f"{word} é {self.table.shown[min(marks)]}"] = len(said) == 1 and said <= marks
            found[f"{word} vale {figure(value)}"] = digits == {value} or (not digits and value in spelled)
        return found

    def invented(self) -> list[str]:
        """Figures and names that are not in the table. "as duas cidades" counts its lines, and is no figure."""
        known = frozenset().union(*self.table.values.values())
        told = figures(self.parts.whole)
        wrong = [one.value for one in told if one.value not in known and not self._counts(one)]
        found = [f"figura {figure(value)} não está na tabela" for value in wrong]
        if any(one.per_cent for one in told) and "%" not in self.row["prompt"][-1]["content"]:
            found.append("porcentagem que não está na tabela")
        found += ["fração que não está na tabela"] if ratios(self.parts.whole) else []
        return found + [f"{name} não está na tabela" for name in self._strangers()]

    def advice(self) -> list[str]:
        """What the recommendation lacks: an action, one of the lines, figures that are those lines' own."""
        said, words = named(self.parts.advice), wording.words(self.parts.advice)
        bidden = any(word in ACTIONS and before not in UNDONE for before, word in pairwise(["", *words]))
        acts = bidden and len(words) >= MIN_ADVICE_WORDS
        one_of_them = 0 < len(said) < max(2, len(self.table.values))
        own = frozenset().union(*(self.table.values[mark] for mark in said))
        swapped = any(one.value not in own and not self._counts(one) for one in figures(self.parts.advice))
        found = [] if acts and one_of_them else ["nenhuma ação concreta"]
        return [*found, "figura de outra linha na recomendação"] if swapped else found

    def faults(self) -> list[str]:
        """Faults of manner that leave the analysis usable."""
        found = {
            "frase pronta": wording.boilerplate(self.parts.body),
            "não parece português": not wording.portuguese(self.words, least=1),
        }
        return [why for why, holds in found.items() if holds]

    def grave(self) -> list[str]:
        """Faults that leave nothing of the task."""
        prompt = fold(self.row["prompt"][-1]["content"])
        found = {
            "copia o pedido": len(prompt) >= 15 and self.table.names.mark(prompt.rstrip(".")) in self.parts.whole,
            "palavras repetidas": wording.repeats(self.words, most=3),
            "sinais ou emojis demais": wording.spams(self.parts.text),
            "contradiz a tabela": self._contradicts(),
        }
        betrayal = wording.betrays(self.parts.whole)
        return [why for why, holds in found.items() if holds] + ([betrayal] if betrayal else [])

    def _counts(self, one: Figure) -> bool:
        return one.in_words and one.value.is_integer() and 2 <= one.value <= len(self.table.values)

    def _strangers(self) -> list[str]:
        """Names of the shop's catalogue that the table does not have."""
        profile = names.profile_of(self.row)
        kind = (self.row.get("entities") or ["none:"])[0].partition(":")[0]
        return names.listed(self.words, profile, kind) if profile and kind in ("city", "product") else []

    def _contradicts(self) -> bool:
        """Whether some line is called the largest or the smallest, in so many words, that is not."""
        said = _CLAIMED.findall(self.parts.whole)
        said += [(word, mark) for mark, word in _CLAIMS.findall(self.parts.whole)]
        return any(mark not in (self.table.top if word in LARGEST else self.table.low) for word, mark in said)
