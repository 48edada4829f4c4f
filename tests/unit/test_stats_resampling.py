"""Bootstrap intervals, samples clustered by prompt, several seeds: known values, limits, coverage in simulation."""

from __future__ import annotations

import numpy as np
import pytest

from caderno import stats
from caderno.errors import BadInput

STUDIES = 200  # binomial SE of a coverage near 0.95: 0.015


def covers(estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def test_a_bootstrap_mean_agrees_with_students_interval():
    values = np.random.default_rng(0).beta(2, 3, 300)
    boot, student = stats.bootstrap_interval(values), stats.mean_interval(values)
    assert (boot.low, boot.high) == (pytest.approx(student.low, abs=3e-3), pytest.approx(student.high, abs=3e-3))
    assert boot.n == 300 and boot.method == "BCa bootstrap, 9,999 resamples"
    assert stats.bootstrap_interval(values) == boot  # seeded


def test_a_median_has_an_interval_too():
    values = np.random.default_rng(1).lognormal(0, 1, 200)
    found = stats.bootstrap_interval(values, statistic=np.median, resamples=999)
    assert found.value == np.median(values) and found.low < 1 < found.high


def test_where_bca_is_undefined_the_percentile_interval_says_so():
    values = [0.0] * 6 + [1.0] * 3  # leaving any one out leaves the median where it is
    found = stats.bootstrap_interval(values, statistic=np.median, resamples=999)
    assert found.method.startswith("percentile (BCa is undefined here)") and found.high == 1.0
    alike = stats.bootstrap_interval([0.0] * 30 + [1.0], statistic=np.median, resamples=999)
    assert alike.low is None and "all alike" in alike.method


@pytest.mark.parametrize("values", [[0.4], [0.7] * 12])
def test_nothing_is_claimed_without_spread(values):
    found = stats.bootstrap_interval(values)
    assert found.low is None and found.high is None and "no interval" in found.method
    assert stats.paired_bootstrap(values, values).low is None


def test_bootstrap_covers():
    rng = np.random.default_rng(2)
    found = [stats.bootstrap_interval(rng.beta(2, 3, 40), resamples=799) for _ in range(STUDIES)]
    assert 0.90 < np.mean([covers(one, 0.4) for one in found]) < 0.99


def clustered(rng, prompts: int = 30, samples: int = 8):
    """Scores whose prompts differ more than the samples of a prompt; true mean 0.5."""
    values = 0.5 + rng.normal(0, 0.2, (prompts, 1)) + rng.normal(0, 0.1, (prompts, samples))
    return values.ravel(), np.repeat(np.arange(prompts), samples).tolist()


def test_prompts_are_resampled_and_not_their_samples():
    """The planted fault: 240 samples taken as independent cover far too seldom; 30 prompts cover as they say."""
    rng, whole, flat, difference = np.random.default_rng(3), [], [], []
    for _ in range(STUDIES):
        values, prompts = clustered(rng)
        whole.append(covers(stats.bootstrap_interval(values, groups=prompts, resamples=499), 0.5))
        flat.append(covers(stats.bootstrap_interval(values, resamples=499), 0.5))
        gain = clustered(rng)[0] - 0.45
        found = stats.paired_bootstrap(values, values + gain, groups=prompts, resamples=499)
        difference.append(covers(found, 0.05))
        assert found.n == 30
    assert np.mean(flat) < 0.7
    assert 0.89 < np.mean(whole) < 0.99 and 0.89 < np.mean(difference) < 0.99


def test_paired_differences_count_prompts():
    before, prompts = clustered(np.random.default_rng(4))
    after = before + 0.01 + np.random.default_rng(5).normal(0, 0.05, len(before))
    found = stats.paired_difference(before, after, groups=prompts)
    assert found.n == 30 and found.difference == pytest.approx(np.mean(after - before))
    resampled = stats.paired_bootstrap(before, after, groups=prompts)
    assert resampled.low == pytest.approx(found.low, abs=0.005) and "sign flips" in resampled.method
    binary = stats.paired_difference([0, 1, 0, 1], [1, 1, 0, 1], groups=["a", "a", "b", "b"])
    assert binary.n == 2 and "McNemar" not in binary.method  # halves are not yes-or-no outcomes


def drawn_seeds(rng, seeds: int, prompts: int, between: float):
    scores = (
        rng.normal(0, between, (seeds, 1)) + rng.normal(0, 0.3, (1, prompts)) + rng.normal(0, 0.3, (seeds, prompts))
    )
    return (
        scores.ravel(),
        np.repeat(np.arange(seeds), prompts).tolist(),
        np.tile(np.arange(prompts), seeds).tolist(),
    )


@pytest.mark.parametrize(("seeds", "between"), [(3, 0.05), (5, 0.1), (3, 0.0)])
def test_intervals_over_seeds_cover(seeds, between):
    rng, both, only, pairs = np.random.default_rng(6), [], [], []
    for _ in range(STUDIES):
        arm = drawn_seeds(rng, seeds, 60, between)
        both.append(covers(stats.over_seeds(*arm).mean, 0.0))
        only.append(covers(stats.mean_interval(arm[0], groups=arm[2]), 0.0))
        pairs.append(covers(stats.seeds_difference(arm, drawn_seeds(rng, seeds, 60, between)), 0.0))
    assert np.mean(both) > 0.90 and np.mean(pairs) > 0.90
    assert between < 0.1 or np.mean(only) < 0.90  # prompts alone, however many, do not see what seeds do


def test_one_seed_says_nothing_of_another():
    found = stats.over_seeds([0.1, 0.4, 0.3], ["a"] * 3)
    assert found.mean.low is None and found.mean.n == 1 and "one seed" in found.mean.method
    assert found.between_sd is None and found.by_seed == {"a": pytest.approx(0.2667, abs=1e-3)}


def test_seeds_count_as_n_and_samples_do_not():
    found = stats.over_seeds([0.1, 0.3, 0.5, 0.7, 0.2, 0.4], ["a", "a", "b", "b", "c", "c"])
    assert found.mean.n == 3 and found.between_sd == pytest.approx(np.std([0.2, 0.6, 0.3], ddof=1))
    low = 0.3667 - 4.3027 * found.between_sd / np.sqrt(3)
    assert found.mean.low == pytest.approx(low, abs=1e-3)


def test_seeds_that_answered_different_prompts_are_refused():
    with pytest.raises(BadInput, match="no score"):
        stats.over_seeds([0.1, 0.2, 0.3], ["a", "a", "b"], ["p", "q", "p"])


def test_the_noise_of_an_evaluation():
    """v = 0.04 within a prompt, b = 0.09 between: an evaluation of 64 prompts moves by 0.025 on its own prompts."""
    rng = np.random.default_rng(7)
    scores = rng.normal(0, 0.3, (500, 1)) + rng.normal(0, 0.2, (500, 4))
    prompts = np.repeat(np.arange(500), 4).tolist()
    noise = stats.evaluation_noise(scores.ravel(), prompts, prompts=64)
    assert noise.same_prompts == pytest.approx(0.2 / 8, rel=0.05) and noise.n == 500
    assert noise.other_prompts == pytest.approx(np.sqrt(0.13 / 64), rel=0.08)
    with pytest.raises(BadInput, match="one score"):
        stats.evaluation_noise([0.1, 0.2], ["a", "b"], prompts=64)
