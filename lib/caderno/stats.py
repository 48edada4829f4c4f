"""Means, shares and paired differences, each with the n and the interval that it needs to be believed.

It holds no formula that scipy or statsmodels has already, plans no sample sizes, and never looks at a file: callers
bring the numbers, one per prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from caderno.errors import BadInput

SMALL_SAMPLE = 30  # below this, the p of a mean comes from sign flips instead of Student's t
RESAMPLES = 9_999  # sign flips drawn where the exact set would be larger


@dataclass(frozen=True)
class Estimate:
    """A number about a population, from n independent units; `low` and `high` are None where n cannot tell them."""

    value: float
    low: float | None
    high: float | None
    n: int
    method: str


@dataclass(frozen=True)
class Paired:
    """A difference, after minus before, on the same n units; `p` is two-sided."""

    difference: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    method: str

    @property
    def reading(self) -> str:
        """What the interval allows one to say; see `reading`."""
        return reading(self.low, self.high)


def reading(low: float | None, high: float | None) -> str:
    """ "gain" above 0, "loss" below 0, "no detectable change" across 0, "cannot be told" without an interval."""
    if low is None or high is None:
        return "cannot be told"
    return "gain" if low > 0 else "loss" if high < 0 else "no detectable change"


def mean_interval(values: Sequence[float], confidence: float = 0.95, *, groups: Sequence | None = None) -> Estimate:
    """Mean of n independent values with Student's t interval.

    With `groups` (one label per value, say the prompt each sample answers), values are averaged within a group first
    and n counts groups: samples of one prompt are not independent. n < 2 or no spread at all leaves the interval None,
    since a width of zero would claim a certainty that the data do not give.
    Raises BadInput for no values or one that is not finite. Source: Student, Biometrika 6 (1908).
    """
    array = _finite(values, "a mean")
    unit = ""
    if groups is not None:
        array = pd.Series(array).groupby(np.asarray(_same_length(groups, array, "groups"))).mean().to_numpy()
        unit = " over group means"
    low, high, note = _t_interval(array, confidence)
    return Estimate(float(array.mean()), low, high, len(array), note or f"t interval{unit}")


def proportion_interval(k: int, n: int, confidence: float = 0.95) -> Estimate:
    """Share k / n of independent yes-or-no outcomes with Wilson's score interval, which holds up at 0 and at n.

    n = 1 leaves the interval None. Raises BadInput unless 0 <= k <= n and n >= 1.
    Source: Wilson, JASA 22 (1927); Brown, Cai and DasGupta, Statistical Science 16 (2001).
    """
    from statsmodels.stats.proportion import proportion_confint

    _check_confidence(confidence)
    if n < 1 or not 0 <= k <= n:
        raise BadInput(f"{k} of {n} is not a share", expected="0 <= k <= n with n >= 1", where="proportion_interval")
    if n < 2:
        return Estimate(k / n, None, None, n, _too_few(n))
    low, high = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    return Estimate(k / n, float(low), float(high), n, "Wilson interval")


def paired_difference(before: Sequence[float], after: Sequence[float], confidence: float = 0.95) -> Paired:
    """Mean of after - before over the same n units, in the same order, with an interval and a two-sided p.

    Yes-or-no outcomes (every value 0 or 1): Bonett and Price's adjusted Wald interval (JEBS 37, 2012) and the exact
    McNemar p (Biometrika 12, 1947). Other values: the paired t interval, with the t test's p for n >= 30 and a
    sign-flip permutation p below that (Fisher, The Design of Experiments, 1935). `method` says which.
    Raises BadInput for lengths that differ, no values, or one that is not finite.
    """
    first = _finite(before, "before")
    second = _same_length(_finite(after, "after"), first, "after")
    if np.isin(np.concatenate([first, second]), (0.0, 1.0)).all():
        return _paired_binary(first, second, confidence)
    return _paired_means(second - first, confidence)


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for being several, in the given order, by Holm's step-down (Scand. J. Statistics 6, 1979).

    For independent readings of one claim, such as the tasks of a validation; leave an overall figure out of it.
    """
    from statsmodels.stats.multitest import multipletests

    if any(p is None or not 0 <= p <= 1 for p in ps):
        raise BadInput(f"p values {list(ps)}", expected="numbers in [0, 1]", where="holm")
    return [float(p) for p in multipletests(ps, method="holm")[1]] if len(ps) else []


def _paired_means(difference: NDArray[np.float64], confidence: float) -> Paired:
    """Differences that are not all in {-1, 0, 1}: t interval; p by t or by sign flips."""
    n = len(difference)
    low, high, note = _t_interval(difference, confidence)
    if n < 2 or (n >= SMALL_SAMPLE and note):
        p = None if difference.any() else 1.0  # n equal non-zero differences have no variance to test against
        return Paired(float(difference.mean()), low, high, p if n > 1 else None, n, note)
    if n >= SMALL_SAMPLE:
        from scipy.stats import ttest_1samp

        return Paired(float(difference.mean()), low, high, float(ttest_1samp(difference, 0).pvalue), n, "paired t")
    method = f"{note or 'paired t interval'}; p by sign flips"
    return Paired(float(difference.mean()), low, high, _sign_flip_p(difference), n, method)


def _sign_flip_p(difference: NDArray[np.float64]) -> float:
    """Share of sign assignments whose mean is at least as far from 0; exact up to n = 13, else drawn with one seed."""
    from scipy.stats import permutation_test

    return float(
        permutation_test(
            (difference,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, axis=0, rng=0
        ).pvalue
    )


def _paired_binary(before: NDArray[np.float64], after: NDArray[np.float64], confidence: float) -> Paired:
    """Bonett and Price (2012), equation for the adjusted interval: one unit added to each discordant cell."""
    from scipy.stats import norm
    from statsmodels.stats.contingency_tables import mcnemar

    _check_confidence(confidence)
    n = len(before)
    if n < 2:
        return Paired(float(after[0] - before[0]), None, None, None, n, _too_few(n))
    gained, lost = int((after > before).sum()), int((after < before).sum())
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = norm.ppf((1 + confidence) / 2) * np.sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    p = float(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue)
    return Paired((gained - lost) / n, float(low), float(high), p, n, "Bonett-Price interval; exact McNemar p")


def _t_interval(values: NDArray[np.float64], confidence: float) -> tuple[float | None, float | None, str]:
    """Low, high and "" ; or None, None and the reason."""
    from scipy.stats import sem, t

    _check_confidence(confidence)
    n = len(values)
    if n < 2:
        return None, None, _too_few(n)
    error = float(sem(values))
    if error <= 1e-12 * max(1.0, float(np.abs(values).max())):  # equal up to rounding
        return None, None, f"no interval: all {n} values are equal"
    low, high = t.interval(confidence, n - 1, loc=values.mean(), scale=error)
    return float(low), float(high), ""


def _too_few(n: int) -> str:
    return f"no interval: n = {n}"


def _finite(values: Sequence[float], what: str) -> NDArray[np.float64]:
    """The values as floats, shape (n,); None (a reward nobody could compute) and NaN are refused, not averaged."""
    array = np.asarray(list(values), dtype=float)
    if not len(array) or not np.isfinite(array).all():
        got = "no values" if not len(array) else f"{int((~np.isfinite(array)).sum())} of {len(array)} are not finite"
        mend = "Leave out units that could not be scored, in both arms, and say how many."
        raise BadInput(f"{what}: {got}", expected="at least one finite number", where="caderno.stats", mend=mend)
    return array


def _same_length(values: Sequence, reference: NDArray[np.float64], what: str) -> NDArray:
    """`values`, when there is one for each of `reference`."""
    if len(values) != len(reference):
        expected = f"{len(reference)}, one per unit in the same order"
        raise BadInput(f"{what} has {len(values)} entries", expected=expected, where="caderno.stats")
    return np.asarray(values)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise BadInput(f"confidence {confidence}", expected="a number between 0 and 1, such as 0.95")
