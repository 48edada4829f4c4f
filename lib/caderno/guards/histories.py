"""What running guards read from a log: the values of a key, its recent window, and whether it rises or falls.

It knows no thresholds and no files: a history is a list of dicts, one per logged step, with TRL's keys and "step".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

History = Sequence[Mapping[str, float]]
ALARM = 0.999  # confidence of a trend that rings an alarm: a guard that looks at every step looks often
EXCUSE = 0.9  # of one that keeps an alarm quiet


def points(history: History, key: str, last: int | None = None) -> list[tuple[float, float]]:
    """(step, value) of the steps that log the key; the last so many of them."""
    found: list[tuple[float, float]] = []
    for entry in reversed(history):
        if key in entry and entry[key] is not None:
            found.append((entry.get("step", len(found)), entry[key]))
            if last is not None and len(found) == last:
                break
    return found[::-1]


def values(history: History, key: str, last: int | None = None) -> list[float]:
    """The values of a key, in order; the last so many of them."""
    return [value for _, value in points(history, key, last)]


def first_values(history: History, key: str, n: int) -> list[float]:
    """The first n values of a key."""
    found = []
    for entry in history:
        if key in entry and entry[key] is not None:
            found.append(entry[key])
            if len(found) == n:
                break
    return found


def keys(history: History) -> set[str]:
    """Every key the log holds."""
    return {key for entry in history for key in entry}


@dataclass(frozen=True)
class Trend:
    """Slope of a value over its steps, with an interval; `low` and `high` are None under four points."""

    slope: float
    low: float | None
    high: float | None
    start: float  # fitted value at the first point
    end: float  # fitted value at the last point
    n: int

    @property
    def rises(self) -> bool:
        return self.low is not None and self.low > 0

    @property
    def falls(self) -> bool:
        return self.high is not None and self.high < 0


def trend(found: Sequence[tuple[float, float]], confidence: float = ALARM) -> Trend:
    """Least-squares line through (step, value), Student's interval for the slope. At least two finite points."""
    from scipy.special import stdtrit

    n = len(found)
    mean_x, mean_y = fmean(x for x, _ in found), fmean(y for _, y in found)
    spread = sum((x - mean_x) ** 2 for x, _ in found)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in found) / spread if spread else 0.0
    start, end = (mean_y + slope * (found[place][0] - mean_x) for place in (0, -1))
    if n < 4 or not spread:
        return Trend(slope, None, None, start, end, n)
    residual = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in found) / (n - 2)
    half = float(stdtrit(n - 2, (1 + confidence) / 2)) * math.sqrt(residual / spread)
    return Trend(slope, slope - half, slope + half, start, end, n)


NOT_RL = "no rewards in this log: not reinforcement learning"
RL_KEYS = ("reward", "reward_std", "frac_reward_zero_std", "kl", "completions/mean_length", "completions/clipped_ratio")


def is_rl(history: History, settings: Mapping) -> bool:
    """Whether this is a log of reinforcement learning: it has rewards, or its settings say so."""
    if "method" in settings:
        return settings["method"] in ("grpo", "rl")
    return any(key in entry for entry in history for key in RL_KEYS)
