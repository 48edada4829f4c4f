"""Means and shares with the n and the interval that they need to be believed.

Differences are in `pairs`, resampling in `bootstrap`; nothing here plans a sample size.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caderno.errors import BadInput

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number about a population, from n independent units; `low` and `high` are None where n cannot tell them."""

    value: float
    low: float | None
    high: float | None
    n: int
    method: str


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
    array = units(values, groups, "a mean")
    low, high, note = t_interval(array, confidence)
    unit = " over group means" if groups is not None else ""
    return Estimate(float(array.mean()), low, high, len(array), note or f"t interval{unit}")


def proportion_interval(k: int, n: int, confidence: float = 0.95) -> Estimate:
    """Share k / n of independent yes-or-no outcomes with Wilson's score interval, which holds up at 0 and at n.

    n = 1 leaves the interval None. Raises BadInput unless 0 <= k <= n and n >= 1.
    Source: Wilson, JASA 22 (1927); Brown, Cai and DasGupta, Statistical Science 16 (2001).
    """
    from statsmodels.stats.proportion import proportion_confint

    check_confidence(confidence)
    if n < 1 or not 0 <= k <= n:
        raise BadInput(f"{k} of {n} is not a share", expected="0 <= k <= n with n >= 1", where="proportion_interval")
    if n < 2:
        return Estimate(k / n, None, None, n, too_few(n))
    low, high = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    return Estimate(k / n, float(low), float(high), n, "Wilson interval")


def t_interval(values: Floats, confidence: float) -> tuple[float | None, float | None, str]:
    """Low, high and "" ; or None, None and the reason."""
    from scipy.stats import sem, t

    check_confidence(confidence)
    n = len(values)
    if why := no_spread(values):
        return None, None, why
    low, high = t.interval(confidence, n - 1, loc=values.mean(), scale=float(sem(values)))
    return float(low), float(high), ""


def no_spread(values: Floats) -> str:
    """Why n values allow no interval, or ""."""
    n = len(values)
    if n < 2:
        return too_few(n)
    spread = float(values.std(ddof=1)) / np.sqrt(n)
    equal_up_to_rounding = spread <= 1e-12 * max(1.0, float(np.abs(values).max()))
    return f"no interval: all {n} values are equal" if equal_up_to_rounding else ""


def too_few(n: int) -> str:
    """Why one value has no interval."""
    return f"no interval: n = {n}"


def units(values: Sequence[float], groups: Sequence | None, what: str) -> Floats:
    """The independent units, shape (n,): the values themselves, or the mean of each group in order of appearance."""
    array = finite(values, what)
    if groups is None:
        return array
    labels = codes(same_length(groups, array, "groups"))
    return np.bincount(labels, weights=array) / np.bincount(labels)


def codes(labels: Sequence[Hashable]) -> NDArray[np.int64]:
    """0, 1, 2, ... for each distinct label in order of appearance, shape (n,)."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(label, len(known)) for label in labels], dtype=np.int64)


def finite(values: Sequence[float], what: str) -> Floats:
    """The values as floats, shape (n,); None (a reward nobody could compute) and NaN are refused, not averaged."""
    array = np.asarray(list(values), dtype=float)
    if not len(array) or not np.isfinite(array).all():
        got = "no values" if not len(array) else f"{int((~np.isfinite(array)).sum())} of {len(array)} are not finite"
        mend = "Leave out units that could not be scored, in both arms, and say how many."
        raise BadInput(f"{what}: {got}", expected="at least one finite number", where="caderno.stats", mend=mend)
    return array


def same_length(values: Sequence, reference: Sequence, what: str) -> Sequence:
    """`values`, when there is one for each of `reference`."""
    if len(values) != len(reference):
        expected = f"{len(reference)}, one per unit in the same order"
        raise BadInput(f"{what} has {len(values)} entries", expected=expected, where="caderno.stats")
    return values


def check_confidence(confidence: float) -> None:
    """Refuses 95 for 0.95."""
    if not 0 < confidence < 1:
        raise BadInput(f"confidence {confidence}", expected="a number between 0 and 1, such as 0.95")
