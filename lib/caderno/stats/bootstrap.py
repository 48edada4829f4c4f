"""Bootstrap intervals of any statistic, and of paired differences; whole prompts are resampled, never their samples.

For a plain mean of many prompts Student's interval (`intervals`) says the same at once; this is for skewed scores,
medians and other statistics that have no formula.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from caderno.errors import BadInput
from caderno.stats.intervals import Estimate, Floats, check_confidence, no_spread, units
from caderno.stats.pairs import Paired, differences, sign_flip_p

Statistic = Callable[..., Floats]  # takes `axis`, as numpy's do
RESAMPLES = 9_999
CELLS = 4_000_000  # numbers resampled at a time


def bootstrap_interval(
    values: Sequence[float], confidence: float = 0.95, *, statistic: Statistic = np.mean,
    groups: Sequence | None = None, resamples: int = RESAMPLES, seed: int = 0,
) -> Estimate:  # fmt: skip
    """A statistic of n units (numpy-like, with `axis`) with a bootstrap interval: BCa, or percentile where it fails.

    With `groups`, a unit is the mean of a group (each prompt weighs the same), and units are resampled. BCa cannot be
    computed where every resample lies on one side of the estimate; `method` says what was used. n < 2 or equal values
    leave the interval None. Below about 20 units every bootstrap interval is too narrow: prefer `mean_interval`.
    Source: Efron, JASA 82 (1987), by scipy.stats.bootstrap; clusters: Davison and Hinkley (1997), section 3.8.
    """
    check_confidence(confidence)
    if resamples < 100:
        raise BadInput(f"{resamples} resamples", expected="at least 100, better 9,999", where="bootstrap_interval")
    array = units(values, groups, "a bootstrap")
    value = float(statistic(array, axis=0))
    if why := no_spread(array):
        return Estimate(value, None, None, len(array), why)
    low, high, kind = _bounds(array, statistic, confidence, resamples, seed)
    if low == high:
        return Estimate(value, None, None, len(array), f"no interval: {resamples:,} resamples are all alike")
    unit = " over group means" if groups is not None else ""
    return Estimate(value, low, high, len(array), f"{kind} bootstrap{unit}, {resamples:,} resamples")


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], confidence: float = 0.95, *, groups: Sequence | None = None,
    resamples: int = RESAMPLES, seed: int = 0,
) -> Paired:  # fmt: skip
    """Mean of after - before with a bootstrap interval over units (prompts, with `groups`); p by sign flips.

    The resampling keeps pairs together: what a prompt has in common in both arms cancels.
    """
    difference = differences(before, after, groups)
    found = bootstrap_interval(difference, confidence, resamples=resamples, seed=seed)
    p = sign_flip_p(difference) if found.n > 1 else None
    unit = " of prompts' means" if groups is not None else ""
    method = f"paired{unit}: {found.method}; p by sign flips" if found.low is not None else found.method
    return Paired(found.value, found.low, found.high, p, found.n, method)


def _bounds(
    array: Floats, statistic: Statistic, confidence: float, resamples: int, seed: int
) -> tuple[float, float, str]:
    from scipy.stats import bootstrap

    def bounds(method: str):
        return bootstrap(
            (array,), statistic, axis=0, vectorized=True, confidence_level=confidence, n_resamples=resamples,
            method=method, batch=max(1, CELLS // len(array)), rng=seed,
        ).confidence_interval  # fmt: skip

    with warnings.catch_warnings():  # scipy warns of the very case that is told in `method`
        warnings.simplefilter("ignore")
        found, kind = bounds("BCa"), "BCa"
        if not np.isfinite([found.low, found.high]).all():
            found, kind = bounds("percentile"), "percentile (BCa is undefined here)"
    return float(found.low), float(found.high), kind
