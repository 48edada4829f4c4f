"""Groups without advantage and clustered shares: against exact values and simulation, and where they must widen."""

from __future__ import annotations

import itertools
from functools import cache
from math import comb

import numpy as np
import pytest

from caderno.calibration.agreement import alike, zero_advantage
from caderno.calibration.betas import JEFFREYS, Beta, fitted, fitted_counts
from caderno.calibration.shares import clustered_share
from caderno.errors import BadInput
from caderno.stats import proportion_interval

LEVELS = np.arange(6) / 5


def chances(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A prompt's distribution over LEVELS: graded with three in ten prompts fixed, or two values, p ~ Beta(2, 1)."""
    if kind == "binary":
        p = rng.beta(2, 1)
        return np.array([1 - p, 0, 0, 0, 0, p])
    return np.eye(6)[5] if rng.random() < 0.3 else rng.dirichlet(np.full(6, 0.4))


@cache
def truth(kind: str, size: int) -> float:
    rng = np.random.default_rng(99)
    return float(np.mean([(chances(kind, rng) ** size).sum() for _ in range(20_000)]))


def drawn(kind: str, prompts: int, k: int, rng: np.random.Generator) -> list[list[float]]:
    return [list(rng.choice(LEVELS, size=k, p=chances(kind, rng))) for _ in range(prompts)]


def test_subsets_are_counted_exactly():
    rewards = [1.0, 1.0, 0.2, 1.0, 0.2]
    for size in range(2, 6):
        subsets = list(itertools.combinations(rewards, size))
        assert alike(rewards, size) == pytest.approx(np.mean([len(set(one)) == 1 for one in subsets]))
    assert alike([0.1 + 0.2, 0.3], 2) == 1, "equal up to rounding is equal, as for the trainer"


def test_up_to_k_the_estimate_is_unbiased_and_the_usual_short_cut_is_not():
    rng, size, k = np.random.default_rng(1), 4, 4
    found, resampled = [], []
    for _ in range(400):
        prompts = drawn("graded", 20, k, rng)
        found.append(zero_advantage(prompts, size)["value"])
        counts = [np.unique(one, return_counts=True)[1] for one in prompts]
        resampled.append(np.mean([((one / k) ** size).sum() for one in counts]))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth("graded", size)) < 4 * error
    assert np.mean(resampled) > truth("graded", size) + 10 * error, "k of k with replacement: too high, as documented"


@pytest.mark.parametrize("kind", ["binary", "graded"])
@pytest.mark.parametrize("size", [4, 8, 16])
@pytest.mark.parametrize("prompts", [12, 60])
def test_intervals_cover_the_truth_on_both_sides_of_k(kind, size, prompts):
    rng, wanted = np.random.default_rng(size + prompts), truth(kind, size)
    found = [zero_advantage(drawn(kind, prompts, 4, rng), size) for _ in range(60)]
    covered = np.mean([one["low"] <= wanted <= one["high"] for one in found])
    assert covered >= 0.85, "nominal 0.95, less the noise of 60 simulations"
    assert all(0 <= one["low"] <= one["value"] <= one["high"] <= 1 for one in found)


def test_the_beta_binomial_hits_what_it_assumes_and_says_what_it_did():
    rng = np.random.default_rng(5)
    found = [zero_advantage(drawn("binary", 80, 4, rng), 16) for _ in range(30)]
    assert np.mean([one["value"] for one in found]) == pytest.approx(truth("binary", 16), abs=0.03)
    assert "beta-binomial" in found[0]["method"] and "beyond k = 4" in found[0]["method"]
    graded = zero_advantage(drawn("graded", 80, 4, rng), 16)
    assert "chance to agree" in graded["method"]
    assert zero_advantage(drawn("graded", 80, 4, rng), 4)["method"] == "unbiased, from subsets of k"


def test_extrapolation_never_pretends_to_close_in():
    """Ten times the prompts, the same width: what was not drawn stays unknown."""
    rng = np.random.default_rng(2)
    widths = [
        (one := zero_advantage(drawn("graded", prompts, 4, rng), 16))["high"] - one["low"] for prompts in (200, 2000)
    ]
    assert min(widths) > 0.2 and widths[1] > 0.6 * widths[0]


def test_prompts_that_always_agree_may_still_differ():
    few, many = (zero_advantage([[1.0] * 4] * n, 8) for n in (5, 200))
    assert few["value"] == many["value"] == 1 and few["low"] < 0.5 < 0.9 < many["low"] < 1
    never = zero_advantage([[0.0, 0.2, 0.4, 0.6]] * 40, 8)
    assert never["value"] == 0 and never["high"] < 0.1


def test_one_sample_tells_nothing_and_two_tell_bounds():
    nothing = zero_advantage([[1.0]] * 30, 8)
    assert (nothing["value"], nothing["low"], nothing["n"], nothing["k"]) == (None, None, 0, 0)
    two = zero_advantage([[1.0, 1.0]] * 15 + [[1.0, 0.0]] * 15, 8)
    assert two["k"] == 2 and two["low"] < 0.5**7 * 1.01 < two["value"] <= 0.5 < two["high"]
    single = zero_advantage([[1.0, 1.0, 0.0]], 8)
    assert single["low"] is None and "no interval: n = 1" in single["method"]
    uneven = zero_advantage([[1.0] * 4, [0.0, 1.0], [1.0]], 4)
    assert (uneven["k"], uneven["n"]) == (2, 2), "the fewest samples decide; one sample is no group"


def test_betas_have_their_powers_and_moments():
    beta = Beta(2, 3)
    assert beta.power(1) == pytest.approx(0.4) and beta.power(2) == pytest.approx(0.4 * 3 / 6)
    assert beta.mirrored.power(1) == pytest.approx(0.6) and JEFFREYS.after(4, 0) == Beta(4.5, 0.5)
    same = fitted(0.4, 0.04)
    assert (same.a, same.b) == (pytest.approx(2), pytest.approx(3))
    assert fitted(0.4, 0.24) is None and fitted(1, 0) is None
    rng = np.random.default_rng(0)
    found = fitted_counts(rng.binomial(8, rng.beta(2, 3, 800)), [8] * 800)
    assert found.a == pytest.approx(2, rel=0.25) and found.b == pytest.approx(3, rel=0.25)
    assert fitted_counts([4, 4], [4, 4]) is None and fitted_counts([0, 0], [4, 4]) is None


def test_a_share_of_independent_flags_is_wilsons_and_repeats_add_nothing():
    flags = [1.0] * 30 + [0.0] * 70
    once = clustered_share(flags, range(100))
    wilson = proportion_interval(30, 100)
    assert once.low == pytest.approx(wilson.low, abs=0.01) and once.high == pytest.approx(wilson.high, abs=0.01)
    four_times = clustered_share(np.repeat(flags, 4), np.repeat(range(100), 4))
    assert (four_times.low, four_times.high, four_times.n) == (once.low, once.high, 100)
    independent = clustered_share([1.0, 0.0, 0.0, 0.0] * 100, np.repeat(range(100), 4))
    assert independent.high - independent.low < 0.6 * (once.high - once.low), "samples that differ do add"


def test_a_share_without_spread_has_the_interval_of_its_prompts():
    all_eight = clustered_share([1.0] * 8, range(8))
    assert (all_eight.value, all_eight.high) == (1, 1) and all_eight.low == pytest.approx(8 / (8 + 1.96**2), abs=1e-3)
    assert clustered_share([0.0] * 32, np.repeat(range(8), 4)).high == pytest.approx(1 - all_eight.low)
    assert clustered_share([1.0, 0.0], ["a", "a"]).low is None
    with pytest.raises(BadInput, match="confidence 95"):
        clustered_share([1.0], ["a"], 95)


def test_clustered_shares_cover():
    rng, covered = np.random.default_rng(3), []
    for _ in range(400):
        p = np.repeat(rng.beta(0.3, 1.2, 40), 4)  # mean 0.2
        found = clustered_share((rng.random(160) < p).astype(float), np.repeat(range(40), 4))
        covered.append(found.low <= 0.2 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.99


def test_the_identity_behind_the_bounds_holds():
    """Z(G) = E[q^(G-1)] with log-convex moments, on a distribution known exactly."""
    ps = [np.array([0.9, 0.1]), np.array([0.5, 0.5]), np.array([1.0, 0.0])]
    z = {size: np.mean([(p**size).sum() for p in ps]) for size in (3, 4, 8, 16)}
    for size in (8, 16):
        assert z[4] * (z[4] / z[3]) ** (size - 4) <= z[size] <= z[4]
    assert comb(4, 2) * alike([1, 1, 0, 0], 2) == 2
