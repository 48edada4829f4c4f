"""How long the remaining steps take and what they cost, as an interval, from the few steps of a probe.

Step times have heavy tails, and a probe is short: the interval comes from a family of shifted log-normals and is made
wide where few steps leave the tail open. What a probe has not met (a kind of slow step rarer than about one in n) no
interval from it can hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from caderno.advice.probe import Probe
from caderno.advice.tails import bounds_of_sum
from caderno.errors import BadInput
from caderno.stats.intervals import Floats

MIN_STEPS = 5
TOO_WIDE = 3.0  # high over low: beyond it the interval decides nothing
MIN_REGRESSION = 8
MIN_R2 = 0.5
GOOD_FACTOR = 1.5


@dataclass(frozen=True)
class Regression:
    """seconds = fixed + per_token x tokens over n steps; `low`, `high`: the 95 % interval of per_token."""

    fixed_s: float
    per_token_s: float
    low: float
    high: float
    r2: float
    n: int
    tokens_are: str
    used: bool


@dataclass(frozen=True)
class Forecast:
    """Seconds of `steps` steps. With too few steps to say, low and high are only what the probe spans, no interval."""

    verdict: Literal["estimate", "too few steps to say"]
    why: str
    steps: int
    n: int
    low_s: float
    high_s: float
    middle_s: float | None
    confidence: float | None  # None: the range is no interval
    method: str
    warm_up: str
    seconds_from: str
    regression: Regression | None
    steps_wanted: int | None  # about how many probe steps would narrow it to a factor of 1.5
    low_usd: float | None = None
    high_usd: float | None = None


def forecast(
    probe: Probe, steps: int | None = None, *, usd_per_hour: float | None = None, tokens: float | None = None,
    confidence: float = 0.95, seed: int = 0,
) -> Forecast:  # fmt: skip
    """Time of the next `steps` steps (the planned ones still to come, without it), and cost.

    With fewer than 5 steps the range runs from all-like-the-fastest to all-like-the-slowest and claims no confidence.
    `tokens` is what the steps to come will take on average, in the probe's own unit; it needs a probe that logs tokens.
    Raises BadInput where the number of steps is not known, or `tokens` cannot be used.
    """
    steps = probe.steps_left if steps is None else steps
    if steps is None:
        raise BadInput("the log does not say how many steps are planned", expected="--steps N", where=probe.source)
    if steps < 1:
        raise BadInput(f"{steps} steps are left", expected="at least 1", where=probe.source, mend="Give --steps N.")
    if usd_per_hour is not None and not (usd_per_hour >= 0 and math.isfinite(usd_per_hour)):
        raise BadInput(f"{usd_per_hour} USD an hour", expected="0 or more", where="estimate")
    seconds, lengths, warm_up = _without_warm_up(probe)
    regression = _regression(seconds, lengths, probe.tokens_are)
    if tokens is not None and regression is None:
        raise BadInput(
            "--tokens with a probe from which seconds per token cannot be told", where=probe.source,
            expected=f"at least {MIN_REGRESSION} steps with their tokens, which explain half of the step times",
        )  # fmt: skip
    low, high, method = _range(probe, seconds, lengths, regression, steps, tokens, confidence, seed)
    return _told(probe, seconds, steps, (low, high), method, warm_up, regression, confidence, usd_per_hour, tokens)


def _range(
    probe: Probe, seconds: Floats, lengths: Floats | None, regression: Regression | None, steps: int,
    tokens: float | None, confidence: float, seed: int,
) -> tuple[float, float, str]:  # fmt: skip
    """Low, high and how they were found."""
    n = len(seconds)
    if n < MIN_STEPS:
        return steps * float(seconds.min()), steps * float(seconds.max()), "every step like the fastest, or the slowest"
    if regression is None or not regression.used or lengths is None:
        low, high = bounds_of_sum(seconds, steps, confidence, seed)
        return low, high, f"shifted log-normal step times, n = {n}"
    if tokens is not None:
        total = (steps * tokens, steps * tokens)
    else:
        most = None if probe.ceiling_tokens is None else steps * probe.ceiling_tokens
        total = bounds_of_sum(lengths, steps, confidence, seed, most)
    low, high = _through_tokens(seconds, lengths, regression, steps, total, tokens, confidence)
    whose = f"{tokens:g} {probe.tokens_are} as given" if tokens is not None else f"heavy-tailed {probe.tokens_are}"
    return low, high, f"step time regressed on tokens, n = {n}; {whose}"


def _through_tokens(
    seconds: Floats, lengths: Floats, regression: Regression, steps: int, total: tuple[float, float],
    tokens: float | None, confidence: float,
) -> tuple[float, float]:  # fmt: skip
    """The range of tokens and the error of the line, combined as squares (MOVER: Zou and Donner, 2008).

    Residuals have tails too: their total is bounded like step times, by the same family, after a shift to positive.
    """
    from scipy.stats import t

    n, centre = len(seconds), float(lengths.mean())
    mean = centre if tokens is None else tokens
    middle = steps * (regression.fixed_s + regression.per_token_s * mean)
    residual = seconds - regression.fixed_s - regression.per_token_s * lengths
    variance = float((residual**2).sum()) / (n - 2)
    spread = float(((lengths - centre) ** 2).sum())
    line = variance * (1 / n + (mean - centre) ** 2 / spread)
    error = float(t.ppf((1 + confidence) / 2, n - 2)) * steps * math.sqrt(line + variance / steps)
    shift = 2 * float(np.abs(residual).max()) + 1e-9
    tail_low, tail_high = bounds_of_sum(residual + shift, steps, confidence, 0)
    below = max(error, steps * shift - tail_low)
    above = max(error, tail_high - steps * shift)
    down = regression.per_token_s * max(0.0, steps * mean - total[0])
    up = regression.per_token_s * max(0.0, total[1] - steps * mean)
    least = steps * float(seconds.min()) if tokens is None else 0.0
    return max(least, middle - math.hypot(down, below)), middle + math.hypot(up, above)


def _without_warm_up(probe: Probe) -> tuple[Floats, Floats | None, str]:
    """Seconds and tokens without the run's first step, which compiles, allocates and fills caches; and what was done.

    It is left out by its place and not by its time: to drop a step because it was slow would bias what is left.
    """
    seconds = np.array(probe.seconds, dtype=float)
    lengths = None if probe.tokens is None else np.array(probe.tokens, dtype=float)
    if not probe.starts_run:
        return seconds, lengths, "the log does not begin with the run's first step: nothing was left out"
    if len(seconds) <= MIN_STEPS:
        return seconds, lengths, f"the first step ({seconds[0]:.3g} s, warm-up included) is kept: there are few others"
    return seconds[1:], None if lengths is None else lengths[1:], f"the first step ({seconds[0]:.3g} s) is left out"


def _regression(seconds: Floats, lengths: Floats | None, are: str) -> Regression | None:
    """The line of seconds on tokens, or None where there are too few steps or the tokens do not vary."""
    from scipy.stats import linregress, t

    n = len(seconds)
    if lengths is None or n < MIN_REGRESSION or float(np.ptp(lengths)) <= 1e-9 * float(lengths.max()):
        return None
    line = linregress(lengths, seconds)
    half = float(t.ppf(0.975, n - 2) * line.stderr)
    slope, r2 = float(line.slope), float(line.rvalue**2)
    used = r2 >= MIN_R2 and slope - half > 0
    return Regression(float(line.intercept), slope, slope - half, slope + half, r2, n, are, used)


def _told(
    probe: Probe, seconds: Floats, steps: int, bounds: tuple[float, float], method: str, warm_up: str,
    regression: Regression | None, confidence: float, usd_per_hour: float | None, tokens: float | None,
) -> Forecast:  # fmt: skip
    """The verdict: what is said, and what is not."""
    low, high = bounds
    n, factor = len(seconds), high / low if low > 0 else math.inf
    few, wide = n < MIN_STEPS, factor > TOO_WIDE
    verdict = "too few steps to say" if few or wide else "estimate"
    if few:
        why = (
            f"{n} step{'s' * (n != 1)} from {seconds.min():.3g} to {seconds.max():.3g} s say nothing of a mean; the "
            f"range is {steps:,} steps all like the fastest, or all like the slowest"
        )
    elif wide:
        why = f"the interval spans a factor of {factor:.1f}; beyond {TOO_WIDE:g} it decides nothing"
    else:
        why = f"{confidence:.0%} interval from {n} steps, a factor of {factor:.2f} from end to end"
    mean = float(seconds.mean())
    if tokens is not None and regression is not None:
        mean = regression.fixed_s + regression.per_token_s * tokens
    price = None if usd_per_hour is None else usd_per_hour / 3600
    return Forecast(
        verdict, why, steps, n, low, high, None if verdict != "estimate" else steps * mean,
        None if few else confidence, method, warm_up, probe.seconds_from, regression, _wanted(seconds, factor),
        None if price is None else low * price, None if price is None else high * price,
    )  # fmt: skip


def _wanted(seconds: Floats, factor: float) -> int | None:
    """About how many steps bring the ends within a factor of 1.5: log-widths shrink with the root of n.

    Where the range is no interval, the width is that of a log-normal's mean (Cox, as in Land, Technometrics 14, 1972).
    """
    n, wanted = len(seconds), math.log(GOOD_FACTOR)
    if n < 2 or factor <= GOOD_FACTOR:
        return None
    if n >= MIN_STEPS and math.isfinite(factor):
        return math.ceil(n * (math.log(factor) / wanted) ** 2)
    spread = float(np.log(seconds).std(ddof=1))
    per_step = spread * math.sqrt(1 + spread**2 / 2)  # standard error of the log of the mean, times root n
    return max(MIN_STEPS + 1, math.ceil((2 * 1.96 * per_step / wanted) ** 2))
