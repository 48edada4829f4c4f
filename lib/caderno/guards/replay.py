"""The running guards over a finished log: what each would have said, and at which step it would first have fired.

It reads no files (`facts_logs` does) and stops nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from caderno.guards.guard import SEVERITY, Guard, all_guards
from caderno.guards.verdict import Verdict

LOOKS = 400  # at a longer log guards look this often, and then at every step before the look that fired


def replay(history: Sequence[Mapping[str, float]], settings: Mapping[str, Any]) -> list[Verdict]:
    """One verdict a running guard, gravest first: of the step where it first fired at its gravest, else of the end.

    A guard sees at every step only what had been logged by then.
    """
    found = [_first(one, history, settings) for one in all_guards("running").values()]
    return sorted(found, key=lambda verdict: SEVERITY.index(verdict.verdict))


def _first(guard: Guard, history: Sequence[Mapping[str, float]], settings: Mapping[str, Any]) -> Verdict:
    def at(end: int) -> Verdict:
        return guard({"history": history[:end], "settings": settings}, history[end - 1].get("step"))

    stride = math.ceil(len(history) / LOOKS)
    looks = [*range(stride, len(history), stride), len(history)]
    last = at(len(history))
    for answer in ("fail", "warn"):
        for look in looks:
            if at(look).verdict == answer:
                steps = range(max(1, look - stride + 1), look + 1)
                return _told(next(found for end in steps if (found := at(end)).verdict == answer), last)
    return replace(last, step=None)


def _told(first: Verdict, last: Verdict) -> Verdict:
    """The verdict of when it first fired, with what became of it."""
    if first.step == last.step:
        return first
    at_end = last.why if last.verdict == first.verdict else f"{last.verdict}, {last.why}"
    return replace(first, why=f"{first.why}. At the end: {at_end}")
