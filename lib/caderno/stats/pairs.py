"""Differences between two arms, with an interval and a p: paired on the same units, or of two separate shares.

It adjusts p values for being several; which of them belong to one claim is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from caderno.errors import BadInput
from caderno.stats.intervals import Floats, check_confidence, finite, reading, same_length, t_interval, too_few, units

SMALL_SAMPLE = 30  # below this, the p of a mean comes from sign flips instead of Student's t
RESAMPLES = 9_999  # sign flips drawn where the exact set would be larger


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


def paired_difference(
    before: Sequence[float], after: Sequence[float], confidence: float = 0.95, *, groups: Sequence | None = None
) -> Paired:
    """Mean of after - before over the same n units, in the same order, with an interval and a two-sided p.

    Yes-or-no outcomes (every value 0 or 1): Bonett and Price's adjusted Wald interval (JEBS 37, 2012) and the exact
    McNemar p (Biometrika 12, 1947). Other values: the paired t interval, with the t test's p for n >= 30 and a
    sign-flip permutation p below that (Fisher, The Design of Experiments, 1935). `method` says which.
    With `groups` (the prompt of each pair of samples) pairs are averaged within a prompt first, and n counts prompts.
    Raises BadInput for lengths that differ, no values, or one that is not finite.
    """
    first = units(before, groups, "before")
    same_length(after, before, "after")
    second = units(after, groups, "after")
    if np.isin(np.concatenate([first, second]), (0.0, 1.0)).all():
        return _paired_binary(first, second, confidence)
    return _paired_means(second - first, confidence)


def proportions_difference(
    k_before: int, n_before: int, k_after: int, n_after: int, confidence: float = 0.95
) -> Paired:
    """Difference of two *separate* shares, as of two published scores: Newcombe's interval, pooled z test.

    `n` is the smaller arm. Prefer `paired_difference` where both arms answered the same prompts: it sees more.
    Source: Newcombe, Statistics in Medicine 17 (1998), method 10.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    check_confidence(confidence)
    for k, n in ((k_before, n_before), (k_after, n_after)):
        if n < 1 or not 0 <= k <= n:
            raise BadInput(f"{k} of {n} is not a share", expected="0 <= k <= n with n >= 1", where="caderno.stats")
    low, high = confint_proportions_2indep(
        k_after, n_after, k_before, n_before, method="newcomb", compare="diff", alpha=1 - confidence
    )
    difference = k_after / n_after - k_before / n_before
    certain = k_before + k_after in (0, n_before + n_after)  # nothing varies: the pooled variance is 0
    p = 1.0 if certain else float(proportions_ztest([k_after, k_before], [n_after, n_before])[1])
    n = min(n_before, n_after)
    return Paired(difference, float(low), float(high), p, n, "unpaired: Newcombe interval; pooled z p")


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for being several, in the given order, by Holm's step-down (Scand. J. Statistics 6, 1979).

    For independent readings of one claim, such as the tasks of a validation; leave an overall figure out of it.
    """
    from statsmodels.stats.multitest import multipletests

    if any(p is None or not 0 <= p <= 1 for p in ps):
        raise BadInput(f"p values {list(ps)}", expected="numbers in [0, 1]", where="holm")
    return [float(p) for p in multipletests(ps, method="holm")[1]] if len(ps) else []


def _paired_means(difference: Floats, confidence: float) -> Paired:
    """Differences that are not all in {-1, 0, 1}: t interval; p by t or by sign flips."""
    n = len(difference)
    low, high, note = t_interval(difference, confidence)
    if n < 2 or (n >= SMALL_SAMPLE and note):
        p = None if difference.any() else 1.0  # n equal non-zero differences have no variance to test against
        return Paired(float(difference.mean()), low, high, p if n > 1 else None, n, note)
    if n >= SMALL_SAMPLE:
        from scipy.stats import ttest_1samp

        return Paired(float(difference.mean()), low, high, float(ttest_1samp(difference, 0).pvalue), n, "paired t")
    method = f"{note or 'paired t interval'}; p by sign flips"
    return Paired(float(difference.mean()), low, high, sign_flip_p(difference), n, method)


def sign_flip_p(difference: Floats) -> float:
    """Share of sign assignments whose mean is at least as far from 0; exact up to n = 13, else drawn with one seed."""
    from scipy.stats import permutation_test

    batch = max(1, 4_000_000 // len(difference))  # the drawn signs of large n would not fit into memory at once
    return float(
        permutation_test(
            (difference,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, axis=0,
            batch=batch, rng=0,
        ).pvalue
    )  # fmt: skip


def _paired_binary(before: Floats, after: Floats, confidence: float) -> Paired:
    """Bonett and Price (2012), equation for the adjusted interval: one unit added to each discordant cell."""
    from scipy.stats import norm
    from statsmodels.stats.contingency_tables import mcnemar

    check_confidence(confidence)
    n = len(before)
    if n < 2:
        return Paired(float(after[0] - before[0]), None, None, None, n, too_few(n))
    gained, lost = int((after > before).sum()), int((after < before).sum())
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = norm.ppf((1 + confidence) / 2) * np.sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    p = float(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue)
    return Paired((gained - lost) / n, float(low), float(high), p, n, "Bonett-Price interval; exact McNemar p")


def differences(before: Sequence[float], after: Sequence[float], groups: Sequence | None) -> Floats:
    """After minus before per unit, shape (n,)."""
    first, second = finite(before, "before"), finite(after, "after")
    same_length(second, first, "after")
    return units(second - first, groups, "a difference")
