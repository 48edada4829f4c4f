"""The figure of groups says what the calibration says, is readable, and refuses what it cannot draw."""

from __future__ import annotations

import pytest
from calibrating import CUT, always, analysed, eight_of_eight, healthy, mixed, samples
from test_plots import assert_readable, texts

from caderno import plots
from caderno.errors import BadInput

SHOP = ("sql_qa", "insights", "push", "extraction")


def cut() -> dict:
    """v3: one completion a prompt, all at the ceiling, two inside their thought."""
    return analysed({"training": eight_of_eight()}, stages=["calibration", "grpo"])


RESULTS = {
    "two tasks": lambda: analysed(),
    "the shop's": lambda: analysed(healthy(tasks=SHOP)),
    "own prompts": lambda: analysed(healthy(tasks=SHOP), rollouts=[s for t in SHOP for s in samples(t, 40, 4, mixed)]),
    "one task": lambda: analysed(healthy(tasks=("math",))),
    "long names": lambda: analysed(healthy(tasks=(*SHOP, "arithmetic", "math"), prompts=20)),
    "eight of eight": cut,
    "no thoughts": lambda: analysed({"training": [s | {"think_tokens": 0} for s in healthy(tasks=SHOP)["training"]]}),
    "before SFT": lambda: analysed(stages=["calibration", "sft", "grpo"]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_figure_is_readable(name):
    assert_readable(plots.groups(RESULTS[name]()))


def test_it_says_what_the_ticket_says():
    assert "GRPO from here: go" in texts(plots.groups(analysed()))
    told = texts(plots.groups(cut()))
    assert "GRPO from here: no-go (all tasks: 100 % of completions end at the ceiling" in told
    assert "one sample a prompt" in told and "budget" in told
    assert "before SFT" in texts(plots.groups(analysed(stages=["calibration", "sft", "grpo"])))
    assert "no thoughts in" in texts(plots.groups(RESULTS["no thoughts"]()))


def test_every_task_has_its_bars_and_its_curve():
    figure = plots.groups(analysed(healthy(tasks=SHOP)))
    left, middle, right = figure.axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["SQL answers", "insights", "push", "extraction"]
    highest = {round(abs(bar.get_height()), 6) for bar in left.patches if bar.get_height()}
    assert max(highest) == pytest.approx(0.42) and len(left.patches) == 4 * 2 * 10
    assert {text.get_text() for text in right.texts} == {"SQL answers", "insights", "push", "extraction", "all tasks"}
    solid, dashed = ([line for line in right.lines if line.get_linestyle() == style] for style in ("-", "--"))
    assert len(dashed) == 5 and {max(line.get_xdata()) for line in dashed} == {16}
    assert {4.0, 8.0} <= {float(max(line.get_xdata())) for line in solid}, "counted up to k = 4; the run's own G is 8"
    assert len([text for text in middle.texts if text.get_text().startswith("budget")]) == 4


def test_names_stay_by_their_curves():
    drawn = {"training": [s for t in SHOP[:3] for s in samples(t, 30, 4, always(0.0))] + samples("push2", 30, 4, mixed)}
    right = plots.groups(analysed(drawn)).axes[2]
    places = {text.get_text(): text.xy[1] for text in right.texts}
    assert places["push2"] < 0.1 and min(places[name] for name in ("SQL answers", "insights", "push")) > 0.7
    assert max(places.values()) <= 1


def test_a_budget_within_the_axis_is_a_mark():
    middle = plots.groups(analysed(tasks={"push": {"think_budget_tokens": 10}, "extraction": {}})).axes[1]
    marks = [line for line in middle.lines if list(line.get_xdata()) == [10, 10]]
    assert len(marks) == 1 and [text.get_text() for text in middle.texts] == ["budget 150 →"]


def test_a_result_without_measures_is_refused():
    older = {"by_task": analysed()["by_task"]}
    with pytest.raises(BadInput, match="no measures"):
        plots.groups(older)


def test_an_unjudged_task_has_no_bars_and_breaks_nothing():
    drawn = healthy()
    drawn["training"] += samples("math", 10, 4, lambda rng, i: [None] * 4, **CUT)
    assert_readable(plots.groups(analysed(drawn)))
