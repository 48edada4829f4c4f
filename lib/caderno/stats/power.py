"""What n can see: the power of a two-sided test, the n an effect needs, the smallest effect an n detects.

Three families: means (paired, or two arms), separate shares, and paired shares (McNemar). It plans; it tests nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from caderno.errors import BadInput

ALPHA, POWER = 0.05, 0.8
MOST = 10**9  # units; beyond it an effect is not detectable by anybody


def mean_power(n: int, effect: float, sd: float, *, paired: bool = True, alpha: float = ALPHA) -> float:
    """Probability that a t test on n units finds a true mean difference `effect`.

    `sd` is that of the differences when paired, of the scores in one arm when not; n then counts each arm.
    Source: Cohen, Statistical Power Analysis (1988), noncentral t, by statsmodels.
    """
    from statsmodels.stats.power import TTestIndPower, TTestPower

    _check(alpha=alpha, sd=sd, n=n)
    test = TTestPower() if paired else TTestIndPower()
    return _number(test.power(abs(effect) / sd, n, alpha))


def share_power(n: int, before: float, after: float, *, alpha: float = ALPHA) -> float:
    """Probability that a pooled z test on n per arm tells two separate shares apart.

    Source: Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (2003), section 4.2, without the
    continuity correction.
    """
    from scipy.stats import norm

    _check(alpha=alpha, n=n, share=before)
    _check(share=after)
    mean = (before + after) / 2
    pooled = math.sqrt(2 * mean * (1 - mean))
    own = math.sqrt(before * (1 - before) + after * (1 - after))
    return float(norm.cdf((math.sqrt(n) * abs(after - before) - norm.ppf(1 - alpha / 2) * pooled) / own))


def paired_share_power(n: int, effect: float, discordant: float, *, alpha: float = ALPHA) -> float:
    """Probability that McNemar's test on n pairs finds a share higher by `effect`, when `discordant` of them differ.

    Source: Connor, Biometrics 43 (1987).
    """
    from scipy.stats import norm

    _check(alpha=alpha, n=n, share=discordant)
    if not abs(effect) <= discordant:
        raise BadInput(f"an effect of {effect} with {discordant} discordant", expected="at most the discordant share")
    spread = math.sqrt(max(discordant - effect**2, 1e-12))
    found = math.sqrt(n) * abs(effect) - norm.ppf(1 - alpha / 2) * math.sqrt(discordant)
    return float(norm.cdf(found / spread))


def n_for_mean(effect: float, sd: float, *, paired: bool = True, power: float = POWER, alpha: float = ALPHA) -> int:
    """Units (per arm, when not paired) that a t test needs to find a true mean difference `effect`."""
    return _n(lambda n: mean_power(n, effect, sd, paired=paired, alpha=alpha), power, effect)


def n_for_share(before: float, after: float, *, power: float = POWER, alpha: float = ALPHA) -> int:
    """Units per arm to tell two separate shares apart: 0.72 from 0.75 takes 3,397."""
    return _n(lambda n: share_power(n, before, after, alpha=alpha), power, after - before)


def n_for_paired_share(effect: float, discordant: float, *, power: float = POWER, alpha: float = ALPHA) -> int:
    """Pairs for McNemar's test to find a share higher by `effect`, when `discordant` of the pairs differ."""
    return _n(lambda n: paired_share_power(n, effect, discordant, alpha=alpha), power, effect)


def detectable_mean(n: int, sd: float, *, paired: bool = True, power: float = POWER, alpha: float = ALPHA) -> float:
    """Smallest true mean difference that a t test on n units (per arm, when not paired) finds with this power."""
    at = _smallest(lambda effect: mean_power(n, effect * sd, sd, paired=paired, alpha=alpha), 100.0, power)
    if at is None:
        raise BadInput(f"n = {n}", expected="at least 2 units", where="detectable_mean")
    return at * sd


def detectable_share(n: int, before: float, *, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """Smallest rise of a share above `before` that n per arm find with this power; None where even 1 is too near."""
    return _smallest(lambda effect: share_power(n, before, before + effect, alpha=alpha), 1 - before, power)


def detectable_paired_share(n: int, discordant: float, *, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """Smallest change of a share that n pairs find, when `discordant` of them differ; None where none is seen."""
    return _smallest(lambda effect: paired_share_power(n, effect, discordant, alpha=alpha), discordant, power)


def _n(power_at: Callable[[int], float], power: float, effect: float) -> int:
    """The smallest n that reaches the power: doubled, then halved in."""
    _check(power=power)
    if effect == 0:
        raise BadInput("an effect of 0", expected="the smallest difference that would matter", where="caderno.stats")
    high = 2
    while power_at(high) < power:
        high *= 2
        if high > MOST:
            raise BadInput(f"an effect of {effect:.3g} needs more than {MOST:,} units", expected="a larger effect")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= power else (middle, high)
    return high


def _smallest(power_at: Callable[[float], float], largest: float, power: float) -> float | None:
    """The effect in (0, largest] at which the power is reached; power grows with the effect."""
    from scipy.optimize import brentq

    _check(power=power)
    if largest <= 0 or power_at(largest) < power:
        return None
    return float(brentq(lambda effect: power_at(effect) - power, 0.0, largest, xtol=1e-9))


def _number(value: float) -> float:
    """statsmodels gives NaN where the noncentral t underflows: so far out that the power is 1."""
    return 1.0 if math.isnan(value) else float(value)


def _check(*, alpha: float = ALPHA, power: float = POWER, sd: float = 1.0, n: float = 2, share: float = 0.5) -> None:
    for name, value, fits, expected in (
        ("alpha", alpha, 0 < alpha < 1, "between 0 and 1, such as 0.05"),
        ("power", power, 0 < power < 1, "between 0 and 1, such as 0.8"),
        ("sd", sd, sd > 0 and math.isfinite(sd), "a positive standard deviation"),
        ("n", n, n >= 2, "at least 2 units"),
        ("share", share, 0 <= share <= 1, "a share in [0, 1]"),
    ):
        if not fits:
            raise BadInput(f"{name} is {value}", expected=expected, where="caderno.stats")
