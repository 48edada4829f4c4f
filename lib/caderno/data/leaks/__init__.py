"""Leaks: does an evaluation row stand in a training set, or in the training set of any ancestor.

Four ways of standing there: the same question, the same but for its form, common n-grams, a shared entity. Paraphrases
and translations are none of them: this does not find those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caderno import runs
from caderno.data.leaks.index import Index, Row, chunks
from caderno.data.leaks.report import Report
from caderno.data.leaks.sources import Source, evaluated_by_itself, evaluation, training
from caderno.data.leaks.tally import KINDS, Tally
from caderno.data.leaks.texts import Names, Reader, columns_of
from caderno.errors import BadInput

__all__ = ["Options", "Source", "columns_of", "evaluation", "find", "scan", "training"]


@dataclass(frozen=True)
class Options:
    """How to compare. `min_share`: of a row's n-grams, to be listed; `common`: of rows, above which an n-gram is
    boilerplate; `pairs`: most to list of a kind; `columns`: side -> alternatives, in place of the known names.
    """

    ngram: int = 8
    min_share: float = 0.1
    common: float = 0.01
    pairs: int = 20
    columns: Mapping[str, tuple[Names, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 2 <= self.ngram <= 100:
            raise BadInput(f"n-grams of {self.ngram} words", expected="2 to 100", where="ngram")
        if self.pairs < 1:
            raise BadInput(f"{self.pairs} pairs", expected="at least 1", where="pairs")
        for name in ("min_share", "common"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"{name} = {getattr(self, name)}", expected="a share, 0 to 1", where=name)


def find(
    train: str, evals: Sequence[str] = (), ancestors: Sequence[str] = (), options: Options | None = None
) -> dict[str, Any]:
    """Scan files, runs and parameter files by name; a run's ancestors are followed. The result is that of `scan`.

    Without `evals`, a run's or parameter file's own held-out and test rows. Raises BadInput for what cannot be read.
    """
    itself = evaluated_by_itself(train)
    if not evals and not itself:
        if not runs.given(train).exists():
            runs.find_run(train)  # raises, with the nearest name
        raise BadInput("nothing to look for", expected="at least one EVAL", where=train, mend="Name a file of rows.")
    return scan(training(train, ancestors), evaluation(evals or [itself]), options)


def scan(train: Sequence[Source], evals: Sequence[Source], options: Options | None = None) -> dict[str, Any]:
    """JSON-ready: verdict ("leak", "unknown", "review" or "clean"), the evaluation sets, one entry per training set.

    A leak is an evaluation row met exactly, normalised or by entity; n-gram hits are for review. "unknown" says that
    nothing was found, but not everything could be looked through. Memory grows with the evaluation rows alone.
    """
    options = options or Options()
    index = Index([_rows(source, options) for source in evals], options.ngram)
    report = Report(index, [source.name for source in evals], options.min_share, options.common, options.pairs)
    sets = report.evaluation()
    for entry in sets:
        if entry["empty"] == entry["rows"]:
            raise BadInput("no row has any text", expected="rows with text", where=entry["name"])
    found = [_scanned(source, index, report, options) for source in train]
    settings = {"ngram": options.ngram, "min_share": options.min_share, "common": options.common}
    return {"verdict": _verdict(found), **settings, "eval": sets, "train": found}


def _rows(source: Source, options: Options) -> Iterator[Row]:
    assert source.records is not None, source
    reader = Reader(source.name, options.columns)
    for number, record in source.records():
        name = record.get("id")
        yield Row(number, None if name is None else str(name), reader.read(number, record))


def _scanned(source: Source, index: Index, report: Report, options: Options) -> dict[str, Any]:
    known = {"name": source.name, "relation": source.relation}
    if source.records is None:
        return known | {"state": "unknown", "why": source.why}
    tally = Tally(index)
    for part in chunks(_rows(source, options)):
        tally.add(index.read(part))
    return known | {"state": "scanned"} | report.of(tally)


def _verdict(found: Sequence[Mapping[str, Any]]) -> str:
    scanned = [entry for entry in found if entry["state"] == "scanned"]
    if any(entry[kind]["rows"] for entry in scanned for kind in KINDS):
        return "leak"
    if len(scanned) < len(found):
        return "unknown"
    return "review" if any(entry["ngram"]["rows"] for entry in scanned) else "clean"
