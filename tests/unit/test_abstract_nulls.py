"""Shares by rank beside what chance and neutral drift give: each null accepts its own, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from caderno.abstract import health
from caderno.abstract.health_nulls import concentration, copying, drift, slope, urn, walk


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


def uneven(n: int, shares, length: int = 20, seed: int = 0) -> list[list[int]]:
    return np.random.default_rng(seed).choice(len(shares), (n, length), p=shares).tolist()


def test_uniform_traces_are_as_even_as_uniform():
    curve = health.measures(uneven(2000, np.full(64, 1 / 64)), spec={"codes": 64})["rank_frequency"]
    assert curve["uniform"]["p"] > 0.05 and curve["reading"] == "as even as uniform draws"
    low, high = curve["uniform"]["slope"]
    assert low < curve["slope"] < high


def test_drift_alone_looks_like_zipf_and_is_told_apart_from_selection():
    """Each generation copies itself: no code is good for anything, and the curve falls all the same."""
    rng = np.random.default_rng(1)
    shares = np.full(64, 1 / 64)
    for _ in range(40):
        shares = rng.multinomial(1500, shares) / 1500
    curve = health.measures(uneven(2000, shares), spec={"codes": 64})["rank_frequency"]
    assert curve["slope"] < -0.5 and curve["uniform"]["p"] < 0.02
    assert curve["drift"]["p"] > 0.05 and curve["reading"] == "uneven as drift alone makes it: no sign of selection"


@pytest.mark.parametrize("model", [urn, copying, walk])
def test_the_drift_null_rejects_its_own_no_more_than_it_says(model):
    rng = np.random.default_rng(2)
    shares = model(4.2, 32, rng)[:30]
    ps = [drift(rng.multinomial(6000, one), 32, rng)["p"] for one in shares]
    assert np.mean(np.array(ps) < 0.05) < 0.15


@pytest.mark.parametrize("model", [urn, copying, walk])
def test_drift_is_as_strong_as_was_asked_for(model, rng):
    shares = model(4.5, 64, rng)
    assert shares.sum(axis=1) == pytest.approx(1)
    bits = -(shares * np.log2(np.maximum(shares, 1e-300))).sum(axis=1)
    assert bits.mean() == pytest.approx(4.5, abs=0.06)


def test_twenty_even_codes_of_64_are_no_drift():
    curve = health.measures(uneven(2000, np.full(20, 0.05), 4), spec={"codes": 64})["rank_frequency"]
    assert curve["drift"]["p"] < 0.02 and "only random-reward trainings can tell" in curve["reading"]


def test_there_is_no_drift_to_what_is_even_or_a_single_code(rng):
    assert concentration(6.0, 64) is None and concentration(5.99, 64) > 10
    assert drift(np.full(64, 10_000), 64, rng) is None and drift(np.array([100]), 1, rng) is None


def test_slopes_are_those_of_the_curve():
    assert slope((1e6 / np.arange(1, 65)).astype(int)) == pytest.approx(-1, abs=0.01)
    assert slope(np.array([5, 5, 5, 5])) == pytest.approx(0, abs=1e-9) and slope(np.array([3, 1])) is None


def test_random_reward_trainings_are_read_beside():
    flat, steep = np.full(16, 1 / 16), np.exp2(-np.arange(1.0, 17))
    nulls = {str(i): uneven(200, np.random.default_rng(i).dirichlet(np.full(16, 3))) for i in range(3)}
    found = health.measures(uneven(500, steep / steep.sum()), nulls=nulls, spec={"codes": 16})["rank_frequency"]
    assert found["reading"].startswith("slope") and "outside" in found["reading"] and len(found["runs"]) == 3
    one = health.measures(uneven(500, flat), nulls={"0": nulls["0"]})["rank_frequency"]
    assert "fewer than three" in one["reading"] and 0 < one["runs"][0]["farthest"] < 1
