"""What a guard answers: pass, warn, fail, unknown or not_applicable, with what it measured.

A missing input is unknown, never a pass. Which verdicts stop a run is the parameters' business, not the guard's.
"""

from __future__ import annotations

import math
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
        """The row of guards.json. A measure that is not finite is text, since JSON has no NaN."""
        row = asdict(self)
        if isinstance(self.measured, float) and not math.isfinite(self.measured):
            row["measured"] = str(self.measured)
        return row
