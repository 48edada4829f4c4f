"""Scores of completions: calibration per task at two temperatures, and how scores are spread.

It takes calibration's result and scored samples as they stand; it neither scores nor decides what is good enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from caderno.errors import BadInput
from caderno.plots.style import (
    AFTER,
    BEFORE,
    LOSS,
    MUTED,
    Picture,
    arm_name,
    picture,
    style,
    task_name,
    temperature_name,
)

SAMPLINGS = {"training": (LOSS, -0.17), "deployment": (AFTER, 0.17)}
CALIBRATION_NOTE = "Bars: intervals of the mean. Thought: mean, line to the 95th percentile; open: share never closed."
BINS = np.linspace(0, 1, 21)  # 0.05 wide; the last bin holds 1


def calibration(result: Mapping, title: str | None = None) -> Picture:
    """Three panels per task at the training and the deployment temperature: mean reward, ceiling share, thinking.

    result: 10-calibration/result.json. Shares and rewards run from 0 to 1, thoughts in tokens from 0 (point: mean,
    end of the line: 95th percentile).
    """
    rows = result.get("by_task") or []
    if not rows:
        raise BadInput("no tasks", expected="a non-empty list under `by_task`", where="calibration result")
    tasks = sorted(dict.fromkeys(row["task"] for row in rows), key=lambda task: task == "all")
    with style():
        figure = picture(0.65 + 0.40 * len(tasks), title or _calibration_finding(rows), CALIBRATION_NOTE, _key(rows))
        panels = figure.subplots(1, 3, sharey=True)
        for row in rows:
            colour, lift = SAMPLINGS[row["sampling"]]
            y = tasks.index(row["task"]) + lift
            _reward(panels[0], y, row["mean_reward"], colour)
            _ceiling(panels[1], y, row["ceiling_share"], colour)
            _thought(panels[2], y, row, colour)
        _finish_calibration(panels, rows, tasks)
    return figure


def _reward(axes: Axes, y: float, estimate: Mapping | None, colour: str) -> None:
    if estimate is None:
        axes.text(0.5, y, "cannot be judged", ha="center", va="center", color=MUTED, fontsize=9)
        return
    if estimate["low"] is not None:
        axes.plot([estimate["low"], estimate["high"]], [y, y], color=colour, linewidth=1.4)
    axes.plot(estimate["value"], y, "o", color=colour, markersize=6, clip_on=False)


def _ceiling(axes: Axes, y: float, share: float, colour: str) -> None:
    axes.plot([0, share], [y, y], color=colour, linewidth=1.4, alpha=0.5)
    axes.plot(share, y, "o", color=colour, markersize=6, clip_on=False)


def _thought(axes: Axes, y: float, row: Mapping, colour: str) -> None:
    """Mean to 95th percentile; a share of thoughts that never closed is written beside it, since it hides length."""
    if not row.get("think_tokens_mean"):
        return
    mean, p95 = row["think_tokens_mean"], row["think_tokens_p95"]
    axes.plot([mean, p95], [y, y], color=colour, linewidth=1.4, alpha=0.6)
    axes.plot(mean, y, "o", color=colour, markersize=6)
    if row.get("unclosed_share"):
        text = f" {100 * row['unclosed_share']:.0f} % open"
        axes.annotate(text, (p95, y), va="center", fontsize=8.5, color=colour, annotation_clip=False)


def _finish_calibration(panels: Sequence[Axes], rows: Sequence[Mapping], tasks: Sequence[str]) -> None:
    """Titles, limits and task names."""
    for axes, name in zip(panels, ("mean reward", "share cut at the ceiling", "thought, tokens"), strict=True):
        axes.set_title(name)
        axes.grid(axis="y", visible=False)
    for axes in panels[:2]:
        axes.set_xlim(-0.02, 1.02)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    panels[0].set(yticks=range(len(tasks)), ylim=(len(tasks) - 0.5, -0.5))
    panels[0].set_yticklabels([task_name(task) for task in tasks])
    if "all" in tasks and len(tasks) > 1:
        for axes in panels:
            axes.axhline(tasks.index("all") - 0.5, color="#B8B8B8", linewidth=0.8)
    thoughts = [row["think_tokens_p95"] for row in rows if row.get("think_tokens_mean")]
    if thoughts:
        panels[2].set_xlim(0, 1.35 * max(1.0, *thoughts))
        panels[2].locator_params(axis="x", nbins=4)
    else:
        middle = {"transform": panels[2].transAxes, "ha": "center", "va": "center", "color": MUTED, "fontsize": 9.5}
        panels[2].text(0.5, 0.5, "no thoughts in\nthese completions", **middle)
        panels[2].set_xticks([])


def _calibration_finding(rows: Sequence[Mapping]) -> str:
    """Which task has least to learn from, and which runs into the ceiling most."""
    tasks = [row for row in rows if row["task"] != "all"] or list(rows)
    training = [row for row in tasks if row["sampling"] == "training"] or tasks
    judged = [row for row in training if row["mean_reward"] is not None]
    if not judged:
        return "No row of the calibration can be judged"
    weak = min(judged, key=lambda row: row["mean_reward"]["value"])
    cut = max(training, key=lambda row: row["ceiling_share"])
    reward = f"{task_name(weak['task'])} scores lowest at the start ({weak['mean_reward']['value']:.2f})"
    who = " and" if cut["task"] == weak["task"] else f"; {task_name(cut['task'])}"
    share = f"{who} is cut most ({100 * cut['ceiling_share']:.0f} %)"
    text = reward + (share if cut["ceiling_share"] else "; nothing is cut at the ceiling")
    return text[0].upper() + text[1:]


def _key(rows: Sequence[Mapping]) -> list[tuple[str, str]]:
    """Samplings in their colours, with their temperatures."""
    names = {row["sampling"]: temperature_name(row["temperature"]) for row in rows}
    return [(f"● {sampling} sampling ({t})", SAMPLINGS[sampling][0]) for sampling, t in names.items()]


def score_distribution(samples: Sequence[Mapping], title: str | None = None) -> Picture:
    """Histogram of scores (share of an arm's completions, bins of 0.05) per task, one outline per arm.

    samples: scored samples with `task`, `score` and, where there are several, `arm`. Samples without a score are
    counted in the note. One temperature at a time: mixed ones are refused, since their mixture describes neither.
    """
    frame = pd.DataFrame(samples, columns=["task", "arm", "temperature", "score"])
    if frame.empty or frame["temperature"].nunique() > 1:
        got = "no samples" if frame.empty else f"temperatures {sorted(frame['temperature'].unique())}"
        raise BadInput(got, expected="scored samples of one temperature", where="score_distribution")
    scored = frame.dropna(subset="score")
    tasks, arms = list(scored["task"].unique()), list(scored["arm"].fillna("").unique())
    with style():
        figure = picture(0.2 + 1.5 * -(-len(tasks) // 2), title or _spread(scored), _spread_note(frame), _arm_key(arms))
        panels = list(figure.subplots(-(-len(tasks) // 2), 2, squeeze=False, sharex=True).flat)
        for i, (axes, task) in enumerate(zip(panels, tasks, strict=False)):
            _histogram(axes, scored[scored["task"] == task], arms, task)
            axes.tick_params(labelbottom=i + 2 >= len(tasks))
            axes.set_xlabel("score" if i + 2 >= len(tasks) else "")
        for axes in panels[len(tasks) :]:
            axes.remove()
    return figure


def _histogram(axes: Axes, scored: pd.DataFrame, arms: Sequence[str], task: str) -> None:
    """Grey area for the first arm, coloured outlines for the others, so that both can be read where they overlap."""
    for i, arm in enumerate(arms):
        values = scored.loc[scored["arm"].fillna("") == arm, "score"].to_numpy()
        weights = np.full(len(values), 1 / max(1, len(values)))
        if i == 0 and len(arms) > 1:
            axes.hist(values, BINS, weights=weights, color=BEFORE, alpha=0.35)
        else:
            axes.hist(values, BINS, weights=weights, histtype="step", color=(AFTER, LOSS)[i > 1], linewidth=1.6)
    axes.set_title(task_name(task))
    n = int((scored["arm"].fillna("") == arms[-1]).sum())
    axes.set_title(f"n = {n}", loc="right", color=MUTED, fontweight="normal", fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.tick_params(axis="x", pad=6)
    axes.grid(axis="x", visible=False)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.locator_params(axis="y", nbins=4)


def _spread(scored: pd.DataFrame) -> str:
    """Share of completions at exactly 1 and at exactly 0 in the last arm."""
    last = scored[scored["arm"].fillna("") == scored["arm"].fillna("").iloc[-1]]["score"]
    name = arm_name(scored["arm"].iloc[-1]) if scored["arm"].notna().any() else "All"
    ones, zeros = (last == 1).mean(), (last == 0).mean()
    return f"{name}: {100 * ones:.0f} % of completions score 1, {100 * zeros:.0f} % score 0"


def _spread_note(frame: pd.DataFrame) -> str:
    at = frame["temperature"].dropna()
    temperature = f", {temperature_name(at.iloc[0])}" if len(at) else ""
    text = f"Share of an arm's completions by score, in bins of 0.05{temperature}."
    missing = int(frame["score"].isna().sum())
    return f"{text} {missing} without a score are left out." if missing else text


def _arm_key(arms: Sequence[str]) -> list[tuple[str, str]]:
    if len(arms) < 2:
        return []
    return [(f"■ {arm_name(arms[0])}", BEFORE)] + [
        (f"▢ {arm_name(arm)}", (AFTER, LOSS)[i > 0]) for i, arm in enumerate(arms[1:])
    ]
