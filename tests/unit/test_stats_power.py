"""Power, the n an effect needs and the smallest effect an n sees, against published figures and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from caderno import stats
from caderno.errors import BadInput


def test_three_points_of_72_need_thousands_per_arm():
    n = stats.n_for_share(0.72, 0.75)
    assert 3_300 < n < 3_600  # without and with the continuity correction: 3,397 and 3,463
    assert stats.share_power(n, 0.72, 0.75) >= 0.8 > stats.share_power(n - 1, 0.72, 0.75)


def test_72_against_73_2_of_500_is_far_from_significant():
    found = stats.proportions_difference(360, 500, 366, 500)
    assert found.difference == pytest.approx(0.012)
    assert found.p == pytest.approx(0.671, abs=1e-3)  # z = 0.43
    assert found.low < 0 < found.high and found.reading == "no detectable change"
    assert found.method.startswith("unpaired")


def test_newcombes_published_example():
    # Newcombe (1998), table II: 56/70 against 48/80, method 10: 0.0524 to 0.3339
    found = stats.proportions_difference(48, 80, 56, 70)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_shares_that_never_vary():
    assert stats.proportions_difference(10, 10, 10, 10).p == 1.0
    assert stats.proportions_difference(0, 10, 0, 10).p == 1.0


def test_what_500_prompts_see_of_a_share():
    assert stats.detectable_share(500, 0.72) == pytest.approx(0.0758, abs=5e-4)
    assert stats.detectable_paired_share(500, 0.15) == pytest.approx(0.0484, abs=5e-4)
    assert stats.n_for_paired_share(0.03, 0.15) == pytest.approx(1306, abs=3)  # Connor's formula, by hand
    assert stats.detectable_paired_share(20, 0.05) is None  # one discordant pair can never be significant
    assert stats.detectable_share(10, 0.99) is None


def test_cohens_table_of_the_t_test():
    # Cohen (1988), table 2.4.1: d = 0.5, two-sided 0.05, power 0.8: 64 per arm
    assert stats.n_for_mean(0.5, 1.0, paired=False) == 64
    assert stats.n_for_mean(0.5, 1.0) == 34
    assert stats.detectable_mean(64, 1.0, paired=False) == pytest.approx(0.5, abs=5e-3)


def test_detectable_and_needed_are_each_others_inverse():
    effect = stats.detectable_mean(400, 0.3)
    assert abs(stats.n_for_mean(effect, 0.3) - 400) <= 1
    assert stats.mean_power(10**6, 0.5, 0.3) == 1.0  # where the noncentral t underflows


def test_power_is_what_simulation_finds():
    rng, n, runs = np.random.default_rng(0), 60, 1_500
    found = [stats.paired_difference(np.zeros(n), rng.normal(0.11, 0.3, n)).p < 0.05 for _ in range(runs)]
    assert np.mean(found) == pytest.approx(stats.mean_power(n, 0.11, 0.3), abs=0.04)  # binomial SE 0.01
    shares = rng.binomial(300, [0.6, 0.7], (runs, 2))
    found = [stats.proportions_difference(a, 300, b, 300).p < 0.05 for a, b in shares]
    assert np.mean(found) == pytest.approx(stats.share_power(300, 0.6, 0.7), abs=0.04)


def test_paired_power_is_what_simulation_finds():
    """Connor's formula is for the asymptotic test; the exact McNemar test here is a little less powerful."""
    rng, n = np.random.default_rng(1), 400
    cells = rng.choice(3, size=(600, n), p=[0.12, 0.05, 0.83])
    found = [stats.paired_difference((c == 1) * 1.0, (c == 0) * 1.0).p < 0.05 for c in cells]
    assert stats.paired_share_power(n, 0.07, 0.17) - 0.08 < np.mean(found) < stats.paired_share_power(n, 0.07, 0.17)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.n_for_mean(0.0, 0.3),
        lambda: stats.n_for_mean(0.1, 0.0),
        lambda: stats.n_for_mean(0.1, 0.3, power=80),
        lambda: stats.n_for_mean(1e-9, 1.0),
        lambda: stats.n_for_share(0.7, 0.7),
        lambda: stats.share_power(100, 0.7, 1.2),
        lambda: stats.paired_share_power(100, 0.2, 0.1),
        lambda: stats.detectable_mean(1, 0.3),
        lambda: stats.proportions_difference(3, 2, 1, 2),
    ],
)
def test_what_cannot_be_planned_is_refused(call):
    with pytest.raises(BadInput):
        call()
