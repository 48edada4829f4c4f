"""What GRPO would learn from: prompts' mean scores, length of thoughts against their budgets, groups without advantage.

It draws calibration's measures, groups and ticket as they stand; whether that is enough is what the ticket says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from caderno.errors import BadInput
from caderno.plots.scores import SAMPLINGS
from caderno.plots.style import INK, MUTED, Picture, empty, picture, style, task_name, temperature_name

BINS = np.linspace(0, 1, 11)  # 0.1 wide; the last one holds 1
LINES = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#8A8A8A")  # not those of the samplings beside them
GAP = 0.085  # of the axis, between the labels of two curves
NOTE = (
    "Left: up, as GRPO samples; down, as users get it. Thought: median, line to the 95th percentile, tick at the "
    "longest; black: budget."
)


def groups(result: Mapping, title: str | None = None) -> Picture:
    """Three panels: how prompts' mean scores spread per task, thoughts in tokens, and the expected share of groups
    without an advantage by group size (solid up to the k samples that were drawn, dashed where it is extrapolated).

    result: 10-calibration/result.json. Raises BadInput for a result without measures, as an older one is.
    """
    if not result.get("measures") or not result.get("groups"):
        raise BadInput("no measures", expected="measures and groups", where="calibration result")
    tasks = list(dict.fromkeys(one["task"] for one in result["measures"] if one["task"] != "all"))
    with style():
        note = f"{NOTE} {_curve_note(result)}"
        figure = picture(max(2.3, 0.75 + 0.52 * len(tasks)), title or finding(result), note, _key(result))
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.15, 0.85, 1.2])
        _spreads(left, result, tasks)
        _thoughts(middle, result, tasks)
        _curves(right, result, tasks)
    return figure


def finding(result: Mapping) -> str:
    """The ticket's answer and its gravest reason."""
    ticket = result["ticket"]
    holds = [reason for reason in ticket["reasons"] if reason["answer"] == "yes"]
    why = f"{task_name(holds[0]['task'])}: {holds[0]['why'].partition(';')[0]}" if holds else ""
    changes = [one["parameter"] for one in ticket["proposals"] if one["change"]]
    why = why or (f"{', '.join(changes)} too small" if changes else "")
    text = f"GRPO from here: {ticket['answer']}" + (f" ({why})" if why else "")
    return f"{text}, before SFT" if ticket["about"] else text


def _key(result: Mapping) -> list[tuple[str, str]]:
    names = {one["sampling"]: temperature_name(one["temperature"]) for one in result["measures"]}
    return [(f"■ {name} sampling ({names[name]})", SAMPLINGS[name][0]) for name in SAMPLINGS if name in names]


def _curve_note(result: Mapping) -> str:
    where = "GRPO's own prompts" if result["ticket"]["judged_on"] == "rollouts" else "held-out prompts"
    return f"Right: {where}; band: interval of all tasks; dashed: estimated, beyond the samples drawn."


def _rows(axes: Axes, tasks: Sequence[str], *, labels: bool) -> None:
    """A row per task, from the top."""
    axes.set(yticks=range(len(tasks)), ylim=(len(tasks) - 0.45, -0.55))
    axes.set_yticklabels([task_name(task) for task in tasks] if labels else [])
    axes.grid(axis="y", visible=False)


def _spreads(axes: Axes, result: Mapping, tasks: Sequence[str]) -> None:
    """Two histograms of prompts' mean scores per task, back to back on the task's line, each with its own
    highest bar as high as the row."""
    found = {
        (task, name): _shares([g["mean_score"] for g in result["groups"] if (g["task"], g["sampling"]) == (task, name)])
        for task in tasks
        for name in SAMPLINGS
    }
    for (task, name), shares in found.items():
        colour, lift = SAMPLINGS[name]
        heights = np.sign(lift) * 0.42 * shares / (shares.max() or 1)
        axes.bar(BINS[:-1], heights, 0.092, tasks.index(task), align="edge", color=colour, alpha=0.85, linewidth=0)
    for y in range(len(tasks)):
        axes.axhline(y, color="#B8B8B8", linewidth=0.8, zorder=0)
    _rows(axes, tasks, labels=True)
    axes.set(xlim=(-0.02, 1.02), xlabel="mean score of a prompt", title="prompts by score")
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])


def _shares(means: Sequence[float]) -> np.ndarray:
    """Share of the prompts in every bin; zeros for no prompts."""
    counts = np.histogram(means, BINS)[0]
    return counts / max(1, len(means))


def _thoughts(axes: Axes, result: Mapping, tasks: Sequence[str]) -> None:
    """Median, 95th percentile and maximum of thoughts, per task and sampling, and the budget."""
    axes.set_title("thought, tokens")
    shown = [
        one for one in result["measures"] if one["sampling"] in SAMPLINGS and one["task"] in tasks and one["thought"]
    ]
    if not shown:
        return empty(axes, "no thoughts in\nthese completions")
    for one in shown:
        colour, lift = SAMPLINGS[one["sampling"]]
        y, thought = tasks.index(one["task"]) + lift, one["thought"]
        axes.plot([thought["p50"], thought["p95"]], [y, y], color=colour, linewidth=1.6)
        axes.plot([thought["p95"], thought["max"]], [y, y], color=colour, linewidth=0.8, alpha=0.5)
        axes.plot(thought["max"], y, "|", color=colour, markersize=6, alpha=0.7)
        axes.plot(thought["p50"], y, "o", color=colour, markersize=5)
    top = 1.25 * max(1, *(one["thought"]["max"] for one in shown))
    for task, budget in {one["task"]: one["thought"]["budget"] for one in shown}.items():
        _budget(axes, tasks.index(task), budget, top)
    _rows(axes, tasks, labels=False)
    axes.set_xlim(-0.03 * top, top)
    axes.set_xlabel("tokens")
    axes.locator_params(axis="x", nbins=4, integer=True)


def _budget(axes: Axes, y: int, budget: int | None, top: float) -> None:
    """A bracket at the budget, or its figure at the edge where it lies beyond the axis."""
    if budget is None:
        return
    if budget <= top:
        axes.plot([budget, budget], [y - 0.36, y + 0.36], color=INK, linewidth=1.3, solid_capstyle="butt")
        return
    place = {"ha": "right", "va": "center", "fontsize": 8.5, "color": MUTED}
    axes.annotate(f"budget {budget} →", (1, y - 0.42), xycoords=("axes fraction", "data"), **place)


def _curves(axes: Axes, result: Mapping, tasks: Sequence[str]) -> None:
    """Expected zero-advantage share by group size, a line per task and a band over all."""
    ticket = result["ticket"]
    axes.set_title("groups without advantage")
    start = [one for one in result["measures"] if one["sampling"] == ticket["judged_on"]]
    known = {one["task"]: [z for z in one["zero_advantage"] if z["value"] is not None] for one in start}
    if not any(known.values()):
        return empty(axes, "one sample a prompt:\nno group to look at")
    ends = []
    for task, entries in known.items():
        if entries and (task != "all" or len(known) > 2):
            colour = INK if task == "all" else LINES[tasks.index(task) % len(LINES)]
            _curve(axes, entries, colour, strong=task == "all")
            ends.append((entries[-1]["value"], task_name(task), colour))
    sizes = [entry["group_size"] for entry in max(known.values(), key=len)]
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set(
        ylim=(-0.02, 1.02),
        xlim=(sizes[0] * 0.92, sizes[-1] * 1.08),
        xlabel=f"group size G (here {ticket['group_size']})",
    )
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.axvline(ticket["group_size"], color="#B8B8B8", linewidth=0.9, zorder=0)
    _labels(axes, ends)


def _curve(axes: Axes, entries: Sequence[Mapping], colour: str, *, strong: bool) -> None:
    """Solid up to k, dashed beyond; the band is the interval."""
    k = entries[0]["k"]
    for dashes, part in (("-", [e for e in entries if e["group_size"] <= k]), ("--", _beyond(entries, k))):
        x, y = [e["group_size"] for e in part], [e["value"] for e in part]
        axes.plot(x, y, dashes, color=colour, linewidth=2.2 if strong else 1.4, alpha=1 if strong else 0.85)
    x, y = [e["group_size"] for e in entries], [e["value"] for e in entries]
    axes.plot(x, y, "o", color=colour, markersize=4.5 if strong else 3.5, clip_on=False)
    band = [e for e in entries if e["low"] is not None]
    if strong and band:
        sizes, low, high = ([e[name] for e in band] for name in ("group_size", "low", "high"))
        axes.fill_between(sizes, low, high, color=colour, alpha=0.10, linewidth=0)


def _beyond(entries: Sequence[Mapping], k: int) -> list[Mapping]:
    """From the last size that was counted onwards."""
    last = max((e["group_size"] for e in entries if e["group_size"] <= k), default=0)
    return [e for e in entries if e["group_size"] >= last]


def _labels(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """The curves' names at their ends, moved apart where they would meet: up, and down again from the top."""
    places: list[float] = []
    for value, _, _ in sorted(ends):
        places.append(max(value, places[-1] + GAP if places else 0.0))
    limit = max(1.0, GAP * (len(places) - 1))
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - GAP
    for place, (_, name, colour) in zip(places, sorted(ends), strict=True):
        at = {"xycoords": ("axes fraction", "data"), "xytext": (7, 0), "textcoords": "offset points"}
        axes.annotate(name, (1, place), va="center", fontsize=9, color=colour, annotation_clip=False, **at)
