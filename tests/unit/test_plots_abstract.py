"""Figures of traces say what was measured, can be read at the README's width, and never show nothing as zero."""

from __future__ import annotations

import numpy as np
import pytest
from test_plots import assert_readable, texts

from caderno.abstract import health, interventions
from caderno.errors import BadInput
from caderno.plots import abstract
from caderno.plots.abstract_arms import spread


def traces(n: int = 300) -> list[list[int]]:
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.full(64, 0.5))
    return [rng.choice(64, int(length), p=share).tolist() for length in rng.integers(4, 41, n)]


@pytest.fixture(scope="module")
def measures() -> dict:
    spec = {"codes": 64, "min_codes": 4, "max_codes": 64}
    nulls = {"null": np.random.default_rng(1).integers(64, size=(200, 20)).tolist()}
    return health.measures(traces(), prompts=[i // 2 for i in range(300)], spec=spec, nulls=nulls)


def arm(name: str, accuracy: float, z: float, y: float = 2, **more) -> dict:
    low, high = max(0, accuracy - 0.02), min(1, accuracy + 0.02)
    return {
        "name": name,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "tokens_z": z,
        "tokens_y": y,
        "n": 2000,
    } | more


ARMS = [
    arm("verbal", 1.0, 20), arm("direct", 0.24, 0), arm("pause", 0.09, 6), arm("oracle", 0.998, 6),
    arm("warmup", 0.18, 6), arm("warmup_rl", 0.2, 6), arm("selection", 0.21, 6), arm("selection_rl", 0.25, 6),
    arm("staged", 0.974, 6, seeds=[0.974, 0.992, 0.95]), arm("staged_rl", 0.985, 6), arm("cold_rl", 0.12, 6),
]  # fmt: skip


@pytest.mark.parametrize("draw", [abstract.rank_frequency, abstract.lengths, abstract.positions, abstract.panel])
def test_every_figure_can_be_read(measures, draw):
    assert_readable(draw(measures))


@pytest.mark.parametrize(
    "odd",
    [[[5] * 13] * 50, [[]] * 5, [[1, 2, 3]], [[1], [2]], [[i % 3] * (1 + i % 2) for i in range(40)], [[7] * 300] * 30],
    ids=["one code", "all empty", "one trace", "two", "few codes", "long"],
)
def test_odd_traces_are_drawn_too(odd):
    found = health.measures(odd, prompts=list(range(len(odd))))
    assert_readable(abstract.panel(found))
    assert_readable(abstract.lengths(found))
    assert_readable(abstract.positions(found))


def test_the_panel_says_why_it_is_empty():
    found = abstract.panel(health.measures([[]] * 5))
    assert texts(found).count("no code was drawn") == 2
    with pytest.raises(BadInput, match="no code was drawn"):
        abstract.rank_frequency(health.measures([[]] * 5))


def test_the_curve_is_the_measured_one_and_carries_its_nulls(measures):
    figure = abstract.rank_frequency(measures)
    [axes] = figure.axes
    drawn = [line for line in axes.lines if line.get_marker() == "o"]
    assert drawn[0].get_ydata() == pytest.approx(measures["rank_frequency"]["shares"])
    assert len(axes.collections) == 2 and axes.get_xscale() == axes.get_yscale() == "log"
    assert "random-reward trainings" in texts(figure) and "no sign of selection" in texts(figure)


def test_interventions_show_intervals_differences_and_chance():
    rows, kept = [str(i) for i in range(200)], [(i % 16, i // 16) for i in range(200)]

    def answer(items):
        return [trace == kept[int(row)] or int(row) < 20 for row, trace in items]

    found = interventions.judge(answer, rows, kept, list(range(16)), truncate_to=(1,))
    figure = abstract.interventions(found, chance=0.1)
    assert_readable(figure)
    told = texts(figure)
    for said in ("z kept", "random codes", "another prompt's z", "first 1 codes", "chance", "points", "n = 200"):
        assert said in told
    assert "reads the trace" in told
    useless = interventions.judge(lambda items: [int(row) % 2 == 0 for row, _ in items], rows, kept, list(range(16)))
    assert "cost nothing that n = 200 can tell" in texts(abstract.interventions(useless))
    with pytest.raises(BadInput, match="no interventions"):
        abstract.interventions([])


@pytest.mark.parametrize("arms", [ARMS, ARMS[:1], ARMS[1:3], [arm("selection", 0.5, 140, 300, low=None, high=None)]])
def test_arms_can_be_read_however_many(arms):
    figure = abstract.accuracy_tokens(arms, chance=0.1)
    assert_readable(figure)
    for one in arms:
        assert f"{100 * one['accuracy']:.1f} %" in texts(figure)


def test_the_title_compares_the_best_arm_with_verbal():
    assert "Staged + RL: 98.5 % with 8 tokens; verbal: 100.0 % with 22" in texts(abstract.accuracy_tokens(ARMS))


def test_an_arm_without_its_tokens_is_refused():
    with pytest.raises(BadInput, match="arm 2: no tokens_z"):
        abstract.accuracy_tokens([ARMS[0], {**ARMS[1], "tokens_z": None}])
    with pytest.raises(BadInput, match="no arms"):
        abstract.accuracy_tokens([])


def test_labels_keep_their_order_and_distance():
    found = spread(np.array([1.0, 1.0, 0.99, 0.2, 0.1, 0.1, 0.05]), 0.1)
    assert (np.diff(found) <= -0.1 + 1e-9).all() and found[0] <= 1.05 and found[-1] >= 0
