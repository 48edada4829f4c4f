"""Prediction bounds of a sum of positive, heavy-tailed numbers from a few of them.

One function. It was chosen for its coverage in simulation (log-normal, Pareto, exponential, Weibull, stragglers), and
is no theorem; a kind of large number that is too rare to have been met is not covered.
"""

from __future__ import annotations

import numpy as np

from caderno.stats.intervals import Floats

SHIFTS = np.array([0.0, 0.5, 0.8, 0.9, 0.95])  # shares of the smallest value that every value is supposed to exceed
PRIOR = np.log([0.5, 0.125, 0.125, 0.125, 0.125])
DRAWS, SIMULATED = 1_000, 300  # draws of the posterior; numbers of a sum that are drawn one by one
SLOWEST_TIMES = 2.0


def bounds_of_sum(
    values: Floats, count: int, confidence: float = 0.95, seed: int = 0, most: float | None = None
) -> tuple[float, float]:
    """Low and high of the sum of `count` further numbers of the kind of `values`, shape (n,), n >= 3, all positive.

    Values less a shift are taken as log-normal; shifts are weighed by their likelihood, location and scale drawn from
    their posterior under Jeffreys' prior (Krishnamoorthy and Mathew, J. Stat. Planning and Inference 115, 2003, for the
    mean of a log-normal). Then: the low end is no higher than the bootstrap's; the high end no lower than the
    bootstrap's with one more value, twice the largest, as if it had been met; and no higher than `count` times that
    value. `most` caps the sum where something else bounds it.
    """
    rng = np.random.default_rng(seed)
    if np.ptp(values) <= 1e-9 * values.max():
        total = count * float(values.mean())
        return total, total
    tail = (1 - confidence) / 2
    low, high = np.quantile(_predictive(values, count, rng), [tail, 1 - tail])
    met = np.append(values, SLOWEST_TIMES * values.max())
    low = min(low, count * np.quantile(_means(values, rng), tail))
    high = max(high, count * np.quantile(_means(met, rng), 1 - tail))
    high = min(high, count * SLOWEST_TIMES * values.max())
    return float(low), float(high if most is None else max(low, min(high, most)))


def _predictive(values: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draws of the sum, shape (DRAWS,), from the posterior over shifts, locations and scales."""
    n = len(values)
    shifts = SHIFTS * values.min()
    logs = np.log(values - shifts[:, None])  # (shifts, n)
    variances = np.maximum(logs.var(axis=1, ddof=1), 1e-18)
    weights = PRIOR - (n - 1) / 2 * np.log(variances) - logs.sum(axis=1)  # marginal likelihood; the last term is the
    weights = np.exp(weights - weights.max())  # Jacobian of the logarithm
    which = rng.choice(len(shifts), DRAWS, p=weights / weights.sum())
    scale2 = variances[which] * (n - 1) / rng.chisquare(n - 1, DRAWS)
    place = logs.mean(axis=1)[which] + rng.normal(size=DRAWS) * np.sqrt(scale2 / n)
    drawn = min(count, SIMULATED)
    # A longer sum is a multiple of the simulated part: a little too wide rather than too narrow.
    exponents = place[:, None] + np.sqrt(scale2)[:, None] * rng.normal(size=(DRAWS, drawn))
    return shifts[which] * count + np.exp(np.minimum(exponents, 500.0)).sum(axis=1) * (count / drawn)


def _means(values: Floats, rng: np.random.Generator) -> Floats:
    """Means of bootstrap resamples, shape (DRAWS,)."""
    return rng.choice(values, (DRAWS, len(values))).mean(axis=1)
