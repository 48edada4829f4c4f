"""Intervals and paired tests against published values, limits, and their own coverage."""

from __future__ import annotations

import numpy as np
import pytest

from caderno import stats
from caderno.errors import BadInput


def test_wilson_matches_a_published_interval() -> None:
    got = stats.proportion_interval(360, 500)  # 72 % of MATH-500
    assert (round(got.low, 3), round(got.high, 3)) == (0.679, 0.758)
    assert got.method == "Wilson interval" and got.n == 500


def test_wilson_does_not_collapse_at_the_ends() -> None:
    none, every = stats.proportion_interval(0, 20), stats.proportion_interval(20, 20)
    assert none.low == pytest.approx(0, abs=1e-12) and none.high == pytest.approx(0.1611, abs=1e-4)
    assert every.high == pytest.approx(1, abs=1e-12) and every.low == pytest.approx(1 - none.high)


def test_mean_interval_is_students() -> None:
    # Student's sleep data, extra hours under the second drug: 2.33 with t(9, .975) = 2.262 and s = 2.002
    got = stats.mean_interval([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    assert got.value == pytest.approx(2.33)
    assert (got.low, got.high) == (pytest.approx(0.898, abs=1e-3), pytest.approx(3.762, abs=1e-3))


@pytest.mark.parametrize("values", [[0.4], [0.7] * 12, [0.1 + 0.2, 0.3]])
def test_no_interval_is_claimed_without_spread(values: list[float]) -> None:
    got = stats.mean_interval(values)
    assert got.low is None and got.high is None and "no interval" in got.method


def test_samples_of_one_prompt_count_once() -> None:
    values, prompts = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0], ["a", "a", "a", "b", "b", "b"]
    grouped, flat = stats.mean_interval(values, groups=prompts), stats.mean_interval(values)
    assert grouped.n == 2 and flat.n == 6
    assert grouped.high - grouped.low > 3 * (flat.high - flat.low)


def test_paired_t_on_students_sleep_data_repeated() -> None:
    before = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    after = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    small = stats.paired_difference(before, after)
    assert small.difference == pytest.approx(1.58)
    assert (small.low, small.high) == (pytest.approx(0.700, abs=1e-3), pytest.approx(2.460, abs=1e-3))
    assert small.p == pytest.approx(4 / 1024)  # nine positive differences, one zero: 2 x 2 of 2^10 assignments
    assert "sign flips" in small.method
    large = stats.paired_difference(np.tile(before, 3), np.tile(after, 3))
    assert large.n == 30 and large.method == "paired t" and large.p < 1e-5


def test_exact_mcnemar_p_and_interval_of_binary_outcomes() -> None:
    before = [0] * 12 + [1] * 5 + [1] * 40 + [0] * 43
    after = [1] * 12 + [0] * 5 + [1] * 40 + [0] * 43
    got = stats.paired_difference(before, after)
    assert got.difference == pytest.approx(0.07) and got.n == 100
    assert got.p == pytest.approx(0.1435, abs=1e-4)  # 2 * Binomial(17, 1/2) P(X <= 5)
    assert got.low < 0 < got.high and got.reading == "no detectable change"
    assert "McNemar" in got.method


def test_equal_arms_never_read_as_a_change() -> None:
    same = np.linspace(0, 1, 40)
    means, binary = stats.paired_difference(same, same), stats.paired_difference([0, 1] * 20, [0, 1] * 20)
    assert (means.difference, means.p, means.low) == (0, 1, None) and means.reading == "cannot be told"
    assert binary.p == 1 and binary.low < 0 < binary.high


@pytest.mark.parametrize(("shift", "expected"), [(0.4, "gain"), (-0.4, "loss"), (0.0, "no detectable change")])
def test_reading_follows_the_planted_shift(shift: float, expected: str) -> None:
    rng = np.random.default_rng(1)
    before = rng.uniform(0, 0.5, 200)
    noise = rng.normal(0, 0.1, 200)
    assert stats.paired_difference(before, before + shift + noise - noise.mean()).reading == expected


def test_holm_by_hand_and_in_order() -> None:
    assert stats.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert stats.holm([]) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.mean_interval([]),
        lambda: stats.mean_interval([0.1, None]),
        lambda: stats.mean_interval([0.1, float("nan")]),
        lambda: stats.mean_interval([0.1, 0.2], groups=["a"]),
        lambda: stats.mean_interval([0.1, 0.2], confidence=95),
        lambda: stats.proportion_interval(3, 2),
        lambda: stats.proportion_interval(0, 0),
        lambda: stats.paired_difference([0.1, 0.2], [0.1]),
        lambda: stats.holm([0.2, 1.2]),
    ],
)
def test_bad_input_is_refused(call) -> None:
    with pytest.raises(BadInput):
        call()


def test_intervals_cover_what_they_say() -> None:
    """400 simulated studies each: coverage of 95 % intervals stays near 0.95 (binomial SE 0.011)."""
    rng, studies = np.random.default_rng(0), 400
    mean = [stats.mean_interval(rng.beta(2, 3, 40)) for _ in range(studies)]
    assert 0.91 < np.mean([e.low <= 0.4 <= e.high for e in mean]) < 0.985
    share = [stats.proportion_interval(int(rng.binomial(60, 0.1)), 60) for _ in range(studies)]
    assert 0.91 < np.mean([e.low <= 0.1 <= e.high for e in share]) < 0.985
    pairs = [_binary_pair(rng) for _ in range(studies)]
    assert 0.91 < np.mean([e.low <= 0.1 <= e.high for e in pairs]) < 0.985


def test_p_of_identical_populations_is_rarely_small() -> None:
    rng = np.random.default_rng(2)
    ps = [stats.paired_difference(x, x + rng.normal(0, 0.2, 12)).p for x in rng.uniform(0, 1, (150, 12))]
    assert 0.005 < np.mean([p < 0.05 for p in ps]) < 0.11


def _binary_pair(rng: np.random.Generator) -> stats.Paired:
    """80 prompts: 25 % gained, 15 % lost, so the true difference is 0.1."""
    cell = rng.choice(4, size=80, p=[0.25, 0.15, 0.3, 0.3])
    return stats.paired_difference(np.isin(cell, (1, 2)).astype(int), np.isin(cell, (0, 2)).astype(int))
