"""Before and after on the same prompts: one line per task, intervals on both ends, the paired difference in words.

It draws what 40-validation/result.json says and estimates nothing anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from caderno import stats
from caderno.errors import BadInput
from caderno.plots.style import (
    AFTER,
    BEFORE,
    INK,
    LOSS,
    MUTED,
    Picture,
    arm_name,
    picture,
    signed,
    style,
    task_name,
    temperature_name,
)

MEASURES = {"mean_reward": "mean reward", "fully_correct": "fully correct"}


def arms_of(result: Mapping) -> tuple[str, str]:
    """The last pair that was compared, (before, after). Raises BadInput when the result compares nothing."""
    pairs = result.get("paired") or []
    if not pairs:
        raise BadInput("no paired comparison", expected="a non-empty list under `paired`", where="validation result")
    return pairs[-1]["before"], pairs[-1]["after"]


def temperatures_of(result: Mapping) -> list[float]:
    """Temperatures that have a comparison, ascending."""
    return sorted({entry["temperature"] for entry in result.get("paired") or []})


def tasks_of(result: Mapping) -> list[str]:
    """Tasks in the order of the result, "all" last."""
    tasks = list(dict.fromkeys(entry["task"] for entry in result.get("paired") or []))
    return [task for task in tasks if task != "all"] + [task for task in tasks if task == "all"]


def before_after(result: Mapping, title: str | None = None) -> Picture:
    """Mean reward and share fully correct per task, before and after, at each temperature.

    result: 40-validation/result.json. Rows of panels are temperatures, columns are measures; every axis is 0 to 1.
    Hollow grey: before; filled: after; thin bars: the intervals of the artifact; right: paired difference.
    """
    temperatures, tasks = temperatures_of(result), tasks_of(result)
    height_in = len(temperatures) * (0.62 + 0.33 * len(tasks))
    with style():
        figure = picture(height_in, title or finding(result), _note(result), key_of(result))
        panels = figure.subplots(len(temperatures), 2, squeeze=False, sharey=True)
        for row, temperature in zip(panels, temperatures, strict=True):
            for axes, (measure, name) in zip(row, MEASURES.items(), strict=True):
                dumbbells(axes, result, measure, temperature, tasks)
                axes.set_title(f"{name}, {temperature_name(temperature)}")
    return figure


def dumbbells(
    axes: Axes, result: Mapping, measure: str, temperature: float, tasks: list[str], *, short: bool = False
) -> None:
    """One row per task on a 0-to-1 axis; a task without figures says so. `short`: differences without intervals."""
    before, after = arms_of(result)
    for y, task in enumerate(tasks):
        pair = find(result["paired"], temperature=temperature, task=task, before=before, after=after)
        ends = [find(result["by_arm"], temperature=temperature, task=task, arm=arm) for arm in (before, after)]
        if pair is None or None in ends:
            axes.text(0.5, y, "no figures", ha="center", va="center", color=MUTED)
            continue
        _dumbbell(axes, y, ends[0][measure], ends[1][measure], pair[measure], short)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(tasks) - 0.45, -0.55), yticks=range(len(tasks)))
    ticks = [0, 0.5, 1] if short else [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticklabels([task_name(task) for task in tasks])
    axes.grid(axis="y", visible=False)
    if "all" in tasks and len(tasks) > 1:
        axes.axhline(tasks.index("all") - 0.5, color="#B8B8B8", linewidth=0.8)


def _dumbbell(axes: Axes, y: float, before: Mapping, after: Mapping, pair: Mapping, short: bool) -> None:
    """Two points with their intervals (before a little above), a line between them, the difference at the right."""
    reading = stats.reading(pair["low"], pair["high"])
    colour = LOSS if reading == "loss" else AFTER
    axes.plot([before["value"], after["value"]], [y, y], color=colour, linewidth=2.5, alpha=0.35, zorder=2)
    for end, tint, lift, face in ((before, BEFORE, -0.17, "white"), (after, colour, 0.17, colour)):
        if end["low"] is not None:
            axes.plot([end["low"], end["high"]], [y + lift] * 2, color=tint, linewidth=1.1, zorder=3)
        mark = {"markersize": 6.5, "markerfacecolor": face, "markeredgewidth": 1.4, "clip_on": False}
        axes.plot(end["value"], y, "o", color=tint, zorder=4, **mark)
    strong = reading in ("gain", "loss")
    axes.annotate(
        signed(pair["difference"]) if short else difference_text(pair),
        (1, y),
        xycoords=("axes fraction", "data"),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=INK if strong else MUTED,
        fontweight="bold" if strong else "normal",
        annotation_clip=False,
    )


def key_of(result: Mapping) -> list[tuple[str, str]]:
    """The arms' names in the marks' own colours; a third entry only where something got worse."""
    before, after = (arm_name(arm) for arm in arms_of(result))
    pairs = [entry[measure] for entry in result["paired"] for measure in MEASURES]
    worse = any(stats.reading(pair["low"], pair["high"]) == "loss" for pair in pairs)
    return [(f"○ {before}", BEFORE), (f"● {after}", AFTER)] + ([(f"● {after}, worse", LOSS)] if worse else [])


def difference_text(pair: Mapping) -> str:
    """+0.15 [+0.12, +0.18], or the difference alone where there is no interval."""
    if pair["low"] is None:
        return f"{signed(pair['difference'])} (no interval)"
    return f"{signed(pair['difference'])} [{signed(pair['low'])}, {signed(pair['high'])}]"


def finding(result: Mapping) -> str:
    """A title that says what happened overall, by the rule of `stats.reading`, worst case included."""
    before, after = (arm_name(arm) for arm in arms_of(result))
    overall = [
        f"{_change(pair['mean_reward'])} {'greedy' if temperature == 0 else f'at {temperature_name(temperature)}'}"
        for temperature in sorted(temperatures_of(result), reverse=True)
        if (pair := find(result["paired"], temperature=temperature, task="all")) is not None
    ]
    return f"{after} against {before}, mean reward: {', '.join(overall) or 'task by task'}"


def _change(pair: Mapping) -> str:
    word = stats.reading(pair["low"], pair["high"])
    return {"gain": f"up {pair['difference']:.2f}", "loss": f"down {-pair['difference']:.2f}"}.get(word, word)


def _note(result: Mapping) -> str:
    confidence = f"{100 * result.get('confidence', 0.95):g} %"
    n = result.get("n_prompts")
    prompts = f"the same {n} prompts" if n else "the same prompts"
    right = "Right of each panel: paired difference, bold where its interval leaves 0 out."
    return f"{confidence} intervals on {prompts}. {right}"


def find(entries: list[Mapping], **wanted: object) -> Mapping | None:
    """The entry with these values, or None."""
    return next((e for e in entries if all(e.get(key) == value for key, value in wanted.items())), None)
