"""What a guard is: a pure function of facts with a name, a threshold, its unit and where the threshold comes from.

It gathers no facts: collectors measure, guards judge. A fact that a guard needs and that is not there gives *unknown*.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from caderno.errors import BadInput
from caderno.guards.verdict import Answer, Verdict

Facts = Mapping[str, Any]
Stage = Literal["static", "data", "probe", "running", "after"]
STAGES: tuple[Stage, ...] = ("static", "data", "probe", "running", "after")
Number = float | int | str | None


@dataclass(frozen=True)
class Finding:
    """What a guard's function returns. `threshold` replaces the declared one where the facts decide it."""

    answer: Answer
    measured: Number
    why: str
    threshold: Number = None


def passed(measured: Number, why: str, threshold: Number = None) -> Finding:
    """It holds."""
    return Finding("pass", measured, why, threshold)


def warned(measured: Number, why: str, threshold: Number = None) -> Finding:
    """It may be meant; people should know."""
    return Finding("warn", measured, why, threshold)


def failed(measured: Number, why: str, threshold: Number = None) -> Finding:
    """It does not hold."""
    return Finding("fail", measured, why, threshold)


def unknown(why: str) -> Finding:
    """It cannot be told from these facts."""
    return Finding("unknown", None, why)


def not_applicable(why: str) -> Finding:
    """The measure means nothing under this configuration."""
    return Finding("not_applicable", None, why)


SEVERITY: tuple[Answer, ...] = ("fail", "warn", "unknown", "pass", "not_applicable")


def worst(findings: Iterable[Finding]) -> Finding:
    """The gravest of several findings, with the reasons of all that are as grave.

    Where one guard judges several stages or files. No findings at all is a defect of the caller: ValueError.
    """
    found = sorted(findings, key=lambda one: SEVERITY.index(one.answer))
    gravest = [one for one in found if one.answer == found[0].answer]
    return replace(found[0], why="; ".join(dict.fromkeys(one.why for one in gravest)))


@dataclass(frozen=True)
class Guard:
    """A named check. Call it with facts, get a Verdict."""

    name: str
    stage: Stage
    about: str  # the one sentence of the function's docstring
    needs: tuple[str, ...]
    threshold: Number
    unit: str
    source: str  # a paper, a thread `owner/repo#n`, or "proposed"
    classes: tuple[str, ...]  # failure classes it guards against
    judge: Callable[[Facts], Finding]

    def __call__(self, facts: Facts, step: int | None = None) -> Verdict:
        missing = [need for need in self.needs if facts.get(need) is None]
        found = unknown(f"needs {', '.join(missing)}, and that is not known here") if missing else self.judge(facts)
        threshold = self.threshold if found.threshold is None else found.threshold
        return Verdict(self.name, found.answer, found.measured, threshold, self.unit, found.why, self.source, step)


_GUARDS: dict[str, Guard] = {}


def guard(
    name: str, *, stage: Stage, needs: Iterable[str], threshold: Number, unit: str, source: str,
    classes: Iterable[str] = (),
) -> Callable[[Callable[[Facts], Finding]], Guard]:  # fmt: skip
    """Register a function of facts as the guard of that name; its docstring is what people read."""

    def register(judge: Callable[[Facts], Finding]) -> Guard:
        known = _GUARDS.get(name)
        if known and known.judge.__module__ != judge.__module__:  # the same module: a notebook has reloaded it
            raise ValueError(f"two guards are called {name!r}")
        about = " ".join((judge.__doc__ or "").split())
        made = Guard(name, stage, about, tuple(needs), threshold, unit, source, tuple(classes), judge)
        _GUARDS[name] = made
        return made

    return register


def load(stage: Stage) -> None:
    """Import the modules that register a stage's guards: those of this package that are named after it."""
    for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if found.name == stage or found.name.startswith(f"{stage}_"):
            importlib.import_module(f"caderno.guards.{found.name}")


def all_guards(stage: Stage | None = None) -> dict[str, Guard]:
    """Every guard by name, or those of one stage; by stage, then by module, then as they stand in it.

    Not as they were registered: that depends on who imported a module first.
    """
    for one in STAGES if stage is None else (stage,):
        load(one)
    ordered = sorted(_GUARDS.items(), key=lambda item: (STAGES.index(item[1].stage), item[1].judge.__module__))
    return {name: one for name, one in ordered if stage in (None, one.stage)}


def by_name(name: str) -> Guard:
    """The guard of that name. Raises BadInput with the names there are."""
    found = _GUARDS.get(name) or all_guards().get(name)
    if found is None:
        near = difflib.get_close_matches(name, _GUARDS, n=1)
        raise BadInput(
            f"unknown guard {name!r}", expected=f"one of {', '.join(_GUARDS)}", where="guards",
            mend=f"Did you mean {near[0]!r}?" if near else "",
        )  # fmt: skip
    return found


def judge(which: Stage | Iterable[str], facts: Facts, step: int | None = None) -> list[Verdict]:
    """The verdicts of a stage's guards, or of those named, on these facts."""
    if which in STAGES:
        return [one(facts, step) for one in all_guards(which).values()]
    return [by_name(name)(facts, step) for name in ([which] if isinstance(which, str) else which)]


def stops(verdicts: Iterable[Verdict], stop_on: Iterable[Answer]) -> list[Verdict]:
    """Those that stop a run: their answers are among `stop_on` (the parameters' `guards.stop_on`)."""
    return [verdict for verdict in verdicts if verdict.verdict in stop_on]
