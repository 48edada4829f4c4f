"""Figures say what the artifacts say, with intervals, from 0, and with no text that is cut off or overprinted."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from fake_results import calibration, contributions, grpo_metrics, sft_metrics, validation, write_json, write_lines
from matplotlib.figure import Figure
from matplotlib.text import Text

from caderno import plots
from caderno.errors import BadInput
from caderno.plots.curves import running_mean, series


@pytest.fixture(scope="module")
def result() -> dict:
    return validation(np.random.default_rng(0))[0]


@pytest.fixture(scope="module")
def samples() -> list[dict]:
    return validation(np.random.default_rng(0))[1]


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def boxes(figure: Figure) -> dict[str, mpl.transforms.Bbox]:
    """Window extents of all text that is seen."""
    figure.draw_without_rendering()
    seen = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    hidden = undrawn(figure)
    return {f"{i}: {t.get_text()}": t.get_window_extent() for i, t in enumerate(seen) if t not in hidden}


def undrawn(figure: Figure) -> set[Text]:
    """Labels of ticks outside the view: they exist as objects and are never drawn."""
    axis = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    ticks = [(tick, sorted(a.get_view_interval())) for a in axis for tick in a.get_major_ticks()]
    return {tick.label1 for tick, (low, high) in ticks if not low - 1e-9 <= tick.get_loc() <= high + 1e-9}


def assert_readable(figure: Figure) -> None:
    """All text inside the picture, none over another, none smaller than 8 pt."""
    found = boxes(figure)
    width, height = figure.bbox.width, figure.bbox.height
    outside = [name for name, b in found.items() if b.x0 < -1 or b.y0 < -1 or b.x1 > width + 1 or b.y1 > height + 1]
    assert not outside
    pairs = itertools.combinations(found.items(), 2)
    assert not [(a, b) for (a, box), (b, other) in pairs if box.padded(-2).overlaps(other.padded(-2))]
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8


def worse(result: dict) -> dict:
    """The same result with a loss at T = 1 and no interval for one task."""
    changed = copy.deepcopy(result)
    for entry in changed["paired"]:
        if entry["temperature"] == 1.0:
            entry["mean_reward"].update(difference=-0.2, low=-0.3, high=-0.1)
        if entry["task"] == "push":
            entry["fully_correct"].update(low=None, high=None)
    return changed


def without_a_judge(result: dict) -> dict:
    """The same calibration with a task that nothing could judge."""
    for row in result["by_task"]:
        if row["task"] == "insights":
            row.update(mean_reward=None, fully_correct=None, unjudged=64)
    return result


def figures(result: dict, samples: list[dict], run_dir: Path) -> dict[str, Figure]:
    rng = np.random.default_rng(0)
    write_json(run_dir / "40-validation" / "result.json", result)
    write_lines(run_dir / "30-grpo" / "metrics.jsonl", grpo_metrics(rng))
    no_thought = calibration(rng)
    for row in no_thought["by_task"]:
        row.update(think_tokens_mean=0.0, think_tokens_p95=0, unclosed_share=0, ceiling_share=1.0)
    return {
        "hero": plots.readme_hero(run_dir),
        "before_after": plots.before_after(result),
        "before_after worse": plots.before_after(worse(result)),
        "curves": plots.training_curves(grpo_metrics(rng)),
        "curves long": plots.training_curves(grpo_metrics(rng, 700), ["reward", "loss", "entropy", "step_time"]),
        "curves by task": plots.training_curves(
            [{"step": i, f"rewards/{t}/mean": i / 90} for i in range(60) for t in ("push", "sql_qa")],
            {f"rewards/{t}/mean": (f"Reward, {t}", "score") for t in ("push", "sql_qa", "insights", "extraction")},
        ),
        "curves of one step": plots.training_curves([{"step": 1, "reward": 0.3}]),
        "losses": plots.losses(sft_metrics(rng)),
        "losses train only": plots.losses([{"step": i, "loss": 9 / i} for i in range(1, 300)]),
        "calibration": plots.calibration(calibration(rng)),
        "calibration no thought": plots.calibration(no_thought),
        "calibration without a judge": plots.calibration(without_a_judge(calibration(rng))),
        "contributions": plots.contributions(contributions()),
        "contributions of one task": plots.contributions([e for e in contributions() if e["task"] == "push"][:2]),
        "distribution": plots.score_distribution([s for s in samples if s["temperature"] == 1]),
        "distribution one arm": plots.score_distribution(
            [s for s in samples if s["temperature"] == 1 and s["arm"] == "sft" and s["task"] != "push"]
        ),
    }


def test_no_text_is_cut_overprinted_or_tiny(result: dict, samples: list[dict], tmp_path: Path) -> None:
    for name, figure in figures(result, samples, tmp_path).items():
        try:
            assert_readable(figure)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_the_readability_check_sees_a_planted_overlap(result: dict) -> None:
    figure = plots.before_after(result)
    figure.axes[0].set_title("mean reward, greedy, and far too much else besides, until it meets its neighbour's title")
    with pytest.raises(AssertionError):
        assert_readable(figure)


def test_before_after_draws_every_interval_and_states_the_finding(result: dict) -> None:
    figure = plots.before_after(worse(result))
    said = texts(figure)
    assert "down 0.20 at T = 1" in said and "(no interval)" in said and "GRPO, worse" in said
    greedy = next(e for e in result["by_arm"] if (e["task"], e["arm"], e["temperature"]) == ("push", "sft", 0.0))
    drawn = [tuple(line.get_xdata()) for line in figure.axes[0].lines]
    assert (greedy["mean_reward"]["low"], greedy["mean_reward"]["high"]) in drawn
    assert all(axes.get_xlim()[0] <= 0 and axes.get_xlim()[1] >= 1 for axes in figure.axes)


def test_no_detectable_change_is_not_told_as_a_gain(result: dict) -> None:
    flat = copy.deepcopy(result)
    for entry in flat["paired"]:
        entry["mean_reward"].update(difference=0.01, low=-0.02, high=0.04)
    assert "no detectable change at T = 1" in texts(plots.before_after(flat))


def test_task_without_figures_is_named(result: dict) -> None:
    missing = copy.deepcopy(result)
    missing["by_arm"] = [e for e in missing["by_arm"] if e["task"] != "push"]
    assert "no figures" in texts(plots.before_after(missing))


def test_curves_begin_at_zero_and_say_what_is_not_logged() -> None:
    figure = plots.training_curves([{"step": i, "reward": 0.5 + i / 1000} for i in range(40)])
    assert figure.axes[0].get_ylim()[0] == 0
    assert texts(figure).count("not logged") == 2


def test_a_step_logged_twice_counts_as_logged_last_and_nan_stays_out() -> None:
    lines = [{"step": 1, "reward": 0.1}, {"step": 2, "reward": float("nan")}, {"step": 1, "reward": 0.9}]
    assert series(lines, "reward").to_dict() == {1: 0.9}


def test_running_mean_keeps_a_slope() -> None:
    line = series([{"step": i, "loss": 3 - i / 100} for i in range(200)], "loss")
    smooth = running_mean(line)
    assert np.allclose(smooth, line[smooth.index]) and len(smooth) > 180


def test_contributions_are_drawn_as_long_as_they_are_and_add_up() -> None:
    figure = plots.contributions(contributions())
    drawn = sorted(bar.get_width() for bar in figure.axes[0].patches)
    expected = sorted(e[f"contribution_{end}"] for e in contributions() for end in ("first", "last"))
    assert drawn == pytest.approx(expected)
    push = sum(e["contribution_last"] for e in contributions() if e["task"] == "push")
    assert f"{push:.2f}" in texts(figure) and "think efficiency" in texts(figure)
    assert "What changed most: the task itself in push, mean 0.28 → 0.49" in texts(figure), "weights are no change"
    assert "The weights moved" in texts(figure)
    flat = [e | {"mean_last": e["mean_first"], "steps": 1} for e in contributions()]
    assert "No component's mean changed" in texts(plots.contributions(flat))
    assert "first 1 logged step with" in texts(plots.contributions(flat))
    still = [e | {"weight_last": e["weight_first"]} for e in contributions()]
    assert "The weights moved" not in texts(plots.contributions(still))


def test_a_task_that_nothing_could_judge_says_so() -> None:
    result = without_a_judge(calibration(np.random.default_rng(0)))
    assert texts(plots.calibration(result)).count("cannot be judged") == 2
    for row in result["by_task"]:
        row["mean_reward"] = None
    assert "No row of the calibration can be judged" in texts(plots.calibration(result))


def test_unscored_samples_are_counted_and_temperatures_are_not_mixed(samples: list[dict]) -> None:
    hot = [dict(s) for s in samples if s["temperature"] == 1]
    hot[0]["score"] = None
    assert "1 without a score" in texts(plots.score_distribution(hot))
    with pytest.raises(BadInput, match="one temperature"):
        plots.score_distribution(samples)


@pytest.mark.parametrize(
    "call",
    [
        lambda: plots.before_after({"paired": [], "by_arm": []}),
        lambda: plots.calibration({"by_task": []}),
        lambda: plots.contributions([]),
        lambda: plots.score_distribution([]),
        lambda: plots.readme_hero("no/such/run"),
        lambda: plots.training_curves([{"step": None, "reward": 0.1}]),
        lambda: plots.training_curves([{"step": 1, "reward": "high"}]),
    ],
)
def test_bad_input_is_refused(call) -> None:
    with pytest.raises(BadInput):
        call()


def test_style_is_local_and_a_notebook_gets_png_at_reading_width() -> None:
    before = dict(mpl.rcParams)
    figure = plots.losses(sft_metrics(np.random.default_rng(0)))
    assert dict(mpl.rcParams) == before
    png, shown = figure._repr_png_()
    assert png.startswith(b"\x89PNG") and shown["width"] == 800


def test_pyplot_stays_out() -> None:
    code = "import sys, caderno.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
