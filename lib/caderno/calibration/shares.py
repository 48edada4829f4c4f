"""Intervals of quantities in [0, 1] that were measured several times a prompt: shares, and chances of a prompt.

Means of scores and paired differences are `caderno.stats`'s; nothing here knows a task.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from caderno.stats import Estimate
from caderno.stats.intervals import check_confidence, too_few, units

METHOD = "Wilson interval with the effective n of clustered samples"


def clustered_share(values: Sequence[float], groups: Sequence[Hashable], confidence: float = 0.95) -> Estimate:
    """Mean of prompts' means of values in [0, 1] (flags, or chances), with Wilson's interval at the effective n.

    The effective n is p (1 - p) over the variance of the mean between prompts, times (z / t)^2 for having estimated
    it. It is no less than the number of prompts (samples of a prompt all alike), which it is where every value is 0 or
    every value is 1, and for flags no more than the number of values (independent). One prompt leaves no interval.
    Source: Korn and Graubard, Survey Methodology 24 (1998), with Wilson's interval in place of Clopper and Pearson's
    as recommended by Dean and Pagano, J. Survey Statistics and Methodology 3 (2015).
    """
    from scipy.stats import norm, t
    from statsmodels.stats.proportion import proportion_confint

    check_confidence(confidence)
    means = units(values, groups, "a share")
    prompts, share = len(means), float(np.clip(means.mean(), 0, 1))
    if prompts < 2:
        return Estimate(share, None, None, prompts, too_few(prompts))
    tail = (1 + confidence) / 2
    adjusted = _effective(means, share) * float(norm.ppf(tail) / t.ppf(tail, prompts - 1)) ** 2
    flags = np.isin(np.asarray(values, dtype=float), (0, 1)).all()
    n = float(np.clip(adjusted, prompts, len(values) if flags or np.isinf(adjusted) else None))
    low, high = proportion_confint(share * n, n, alpha=1 - confidence, method="wilson")
    return Estimate(share, float(max(low, 0)), float(min(high, 1)), prompts, METHOD)


def _effective(means: np.ndarray, share: float) -> float:
    """Independent draws that would give the mean the variance it has; the number of prompts where there is no spread
    because all are 0 or all are 1."""
    variance = float(means.var(ddof=1)) / len(means)
    if not 0 < share < 1:
        return float(len(means))
    return share * (1 - share) / variance if variance > 0 else float("inf")
