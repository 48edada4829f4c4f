"""Beta distributions of a prompt's chance, fitted to counts or to moments.

They extrapolate and weigh evidence; what is counted, and what follows from it, is for the callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOUNDS = (-6.0, 6.0)  # of log a and log b: beyond them the fit says "no spread" or "all at the ends" as well as it can


@dataclass(frozen=True)
class Beta:
    """Beta(a, b) of a chance p."""

    a: float
    b: float

    @property
    def mirrored(self) -> Beta:
        """The distribution of 1 - p."""
        return Beta(self.b, self.a)

    def power(self, n: int) -> float:
        """E[p^n]: the chance that n draws all succeed."""
        steps = np.arange(n)
        return float(np.prod((self.a + steps) / (self.a + self.b + steps)))

    def after(self, hits: int, misses: int) -> Beta:
        """The posterior once so many draws were seen."""
        return Beta(self.a + hits, self.b + misses)


JEFFREYS = Beta(0.5, 0.5)


def fitted(mean: float, variance: float) -> Beta | None:
    """The Beta of that mean and variance; None where there is none."""
    if not 0 < mean < 1 or not 0 < variance < mean * (1 - mean):
        return None
    weight = mean * (1 - mean) / variance - 1
    return Beta(mean * weight, (1 - mean) * weight)


def fitted_counts(hits: Sequence[int], draws: Sequence[int]) -> Beta | None:
    """The likeliest beta-binomial of hits among draws, one pair a prompt; None where all hit or none does."""
    from scipy.optimize import minimize
    from scipy.stats import betabinom

    k, n = np.asarray(hits), np.asarray(draws)
    if k.sum() in (0, n.sum()):
        return None

    def loss(logs: np.ndarray) -> float:
        return -float(betabinom.logpmf(k, n, *np.exp(logs)).sum())

    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[BOUNDS, BOUNDS])
    return Beta(*map(float, np.exp(found.x)))
