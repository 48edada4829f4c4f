"""What a guard answers: pass, warn, fail, unknown or not_applicable, with what it measured.

A missing input is unknown, never a pass. Which verdicts stop a run is the parameters' business, not the guard's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Answer = Literal["pass", "warn", "fail", "unknown", "not_applicable"]


@dataclass(frozen=True)
class Verdict:
    """One guard's answer. `source` is a paper, a thread `owner/repo#n`, or "proposed"."""

    guard: str
    verdict: Answer
    measured: float | int | str | None
    threshold: float | int | str | None
    unit: str
    why: str
    source: str = "proposed"
    step: int | None = None

    def as_dict(self) -> dict:
        """The row of guards.json."""
        return asdict(self)


def judged(guard: str, holds: bool, measured, threshold, unit: str, why: str, *, source: str = "proposed") -> Verdict:
    """pass when it holds, fail when it does not."""
    return Verdict(guard, "pass" if holds else "fail", measured, threshold, unit, why, source)
