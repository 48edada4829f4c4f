"""Whether the reward has risen, falls, stands still or lacks room to rise, or whether a log cannot tell yet.

One answer for every running guard that asks, so that no two disagree. It raises no alarm: what follows is the guards'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from caderno.guards.histories import EXCUSE, History, Trend, points, trend

LONG_WINDOW = 50  # logged steps in which a turn is looked for
LEAST = 2 * LONG_WINDOW  # before which nothing is said to stand still: a policy may need some steps to find its way
EFFECT = 0.05  # of the reward's range: the rise that matters where nobody states another
PROVEN = 0.98  # confidence that a rise of that size is ruled out: 1 % on its side of the slope's interval

State = Literal["risen", "falling", "ceiling", "flat", "untold"]


@dataclass(frozen=True)
class Progress:
    """What the rewards of a log say of the policy's progress, and in words from what."""

    state: State
    told: str
    line: Trend | None


def rewards(history: History, last: int | None = None) -> list[tuple[float, float]]:
    """(step, reward) while the present weights of a staged reward have been in force; the last so many of them.

    A mean reward under other weights is another measure: its jump is neither gain nor loss.
    """
    now, start = None, 0
    for place in range(len(history) - 1, -1, -1):
        weights = [history[place].get(f"weights/{part}") for part in ("format", "partial", "task")]
        if None in weights:
            continue
        now = now or weights
        if weights != now:
            start = place + 1
            break
    return points(history[start:], "reward", last)


def progress(history: History, settings: Mapping[str, Any]) -> Progress:
    """The state of the reward.

    "risen": by more than its noise, over the log or its last 50 steps; "falling": not over the log, and over its last
    50 it falls by more than its noise. "ceiling": not risen, and less room above than the rise that matters. "flat": a
    rise that matters is ruled out, even if the reward went on to the planned end as fast as its noise allows. "untold":
    the log can rule out neither.
    """
    found = rewards(history)
    if len(found) < 4:
        return Progress("untold", f"{len(found)} rewards in this log", None)
    line, recent = trend(found, EXCUSE), trend(found[-LONG_WINDOW:])
    reach = settings.get("reward_range")
    effect = settings.get("smallest_effect", EFFECT) * reach if reach else None
    told = f"reward {line.start:.3g} to {line.end:.3g} over {line.n} logged steps"
    if line.rises:  # asked first: on the plateau after a rise chance alone makes a recent fall now and then
        return Progress("risen", told, line)
    if recent.falls and recent.start - recent.end > (effect or 0.0):
        return Progress("falling", f"{told}, {recent.start:.3g} to {recent.end:.3g} over the last {recent.n}", line)
    if trend(found[-LONG_WINDOW:], EXCUSE).rises:
        return Progress("risen", told, line)
    if effect is None:
        return Progress("untold", f"{told}; how large a rise would matter depends on the reward's range", line)
    if reach - line.end <= effect:
        return Progress("ceiling", f"{told}, of {reach:g}: no room for a rise of {effect:g}", line)
    return _against(effect, found, told, line, settings.get("max_steps") or 0)


def _against(effect: float, found: list, told: str, line: Trend, planned: float) -> Progress:
    """Whether the largest rise that the noise allows, to the planned end of the run, is smaller than what matters."""
    if line.n < LEAST:
        return Progress("untold", f"{told}: too few to say that it stands still", line)
    first, last = found[0][0], max(found[-1][0], planned)
    most = trend(found, PROVEN).high * (last - first)
    if most < effect:
        why = f"at most {most:+.2g} by step {last:g}, less than the {effect:g} that would matter"
        return Progress("flat", f"{told}: {why}", line)
    why = f"up to {most:+.2g} by step {last:g} is within its noise, and {effect:g} would matter"
    return Progress("untold", f"{told}: {why}", line)
