"""What each component of each task brought to GRPO's reward: stacked bars, first steps above last steps.

It draws the entries of 30-grpo/result.json as they stand; which weights were in force is in the table beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from caderno.errors import BadInput
from caderno.plots.style import AFTER, BEFORE, MUTED, Picture, picture, style, task_name

COMPONENTS = {
    "format": ("format", BEFORE),
    "partial": ("partial credit", "#56B4E9"),
    "task": ("the task itself", AFTER),
    "think_efficiency": ("think efficiency", "#E69F00"),
}
LIFT = {"first": -0.19, "last": 0.19}  # rows between the bars of one task; the first steps are the upper bar


def contributions(entries: Sequence[Mapping], title: str | None = None) -> Picture:
    """Two bars per task, the first and the last logged steps, made of the components' contributions to the reward.

    entries: `contributions` of 30-grpo/result.json; a contribution is weight x mean, so a bar is as long as the mean
    reward of the task's completions. Raises BadInput for no entries.
    """
    if not entries:
        raise BadInput("no entries", expected="a non-empty list under `contributions`", where="GRPO result")
    tasks = list(dict.fromkeys(entry["task"] for entry in entries))
    present = dict.fromkeys(entry["component"] for entry in entries)
    key = [(f"■ {COMPONENTS[name][0]}", COMPONENTS[name][1]) for name in COMPONENTS if name in present]
    with style():
        figure = picture(0.55 + 0.5 * len(tasks), title or _finding(entries), _note(entries), key)
        axes = figure.subplots()
        for y, task in enumerate(tasks):
            for end in LIFT:
                _bar(axes, y, [entry for entry in entries if entry["task"] == task], end)
        axes.set(
            yticks=range(len(tasks)), ylim=(len(tasks) - 0.5, -0.5), xlabel="mean reward of the task's completions"
        )
        axes.set_yticklabels([task_name(task) for task in tasks])
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, 1.12 * max(_total(entries, task, end) for task in tasks for end in LIFT) or 1)
    return figure


def _bar(axes: Axes, y: float, entries: Sequence[Mapping], end: str) -> None:
    """Components side by side, their sum in words at the end."""
    left = 0.0
    for entry in entries:
        width = entry[f"contribution_{end}"]
        colour = COMPONENTS[entry["component"]][1]
        axes.barh(y + LIFT[end], width, 0.32, left, color=colour, alpha=0.55 if end == "first" else 1, linewidth=0)
        left += width
    place = {"textcoords": "offset points", "xytext": (5, 0), "va": "center", "fontsize": 9, "color": MUTED}
    axes.annotate(f"{left:.2f}", (left, y + LIFT[end]), **place)


def _total(entries: Sequence[Mapping], task: str, end: str) -> float:
    return sum(entry[f"contribution_{end}"] for entry in entries if entry["task"] == task)


def _finding(entries: Sequence[Mapping]) -> str:
    """Which component's mean changed most: means are the policy's, contributions move with the weights as well."""
    most = max(entries, key=lambda entry: abs(entry["mean_last"] - entry["mean_first"]))
    if abs(most["mean_last"] - most["mean_first"]) < 0.01:
        return "No component's mean changed by 0.01"
    name, task = COMPONENTS[most["component"]][0], task_name(most["task"])
    return f"What changed most: {name} in {task}, mean {most['mean_first']:.2f} → {most['mean_last']:.2f}"


def _note(entries: Sequence[Mapping]) -> str:
    k = sorted({entry["steps"] for entry in entries})
    steps = f"{k[0]}" if len(k) == 1 else f"{k[0]} to {k[-1]}"
    steps += " logged step" if k[-1] == 1 else " logged steps"
    text = f"Upper, pale: first {steps} with the task; lower: last. A part is its weight times its mean."
    moved = any(entry["weight_first"] != entry["weight_last"] for entry in entries)
    return f"{text} The weights moved in between: a shorter bar may be a better policy." if moved else text
