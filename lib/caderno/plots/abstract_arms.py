"""Accuracy of abstract traces: arm by arm against tokens, and with the trace changed.

It draws what an evaluation measured; it pairs nothing and ranks nothing but the labels, from the top down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from caderno.errors import BadInput
from caderno.plots.style import AFTER, BEFORE, INK, LOSS, MUTED, Picture, picture, style

CONTROLS = (
    "direct",
    "direct_staged",
    "direct_stepwise",
    "verbal",
    "pause",
    "oracle",
    "random z",
    "cold_rl",
    "random_rl",
)
NAMES = {
    "kept": "z kept", "dropped": "z dropped", "randomised": "random codes", "shuffled": "z shuffled",
    "swapped": "another prompt's z",
}  # fmt: skip
NEEDED = ("name", "accuracy", "tokens_z", "tokens_y", "n")
LABEL_IN = 0.20  # height of a line of text


def accuracy_tokens(
    arms: Sequence[Mapping[str, Any]], chance: float | None = None, title: str | None = None
) -> Picture:  # fmt: skip
    """Accuracy (with its interval) of each arm by its mean tokens per answer, of z and of y together, log scale.

    arms: dicts with name, accuracy, low, high (None: no interval), tokens_z, tokens_y, n, and where an arm has several
    training seeds `seeds`, their accuracies, drawn as small rings. Controls are grey; `verbal`'s z is its thought.
    Raises BadInput for no arms, or one without these.
    """
    for place, arm in enumerate(arms, 1):
        if missing := [key for key in NEEDED if arm.get(key) is None]:
            raise BadInput(f"no {', '.join(missing)}", expected=", ".join(NEEDED), where=f"arm {place}")
    if not arms:
        raise BadInput("no arms", expected="at least one", where="accuracy_tokens")
    n = sorted({arm["n"] for arm in arms})
    held = f"n = {n[0]:,}" if len(n) == 1 else f"n = {n[0]:,} to {n[-1]:,}"
    note = f"Held-out rows, {held}; bars: 95 % intervals. Tokens per answer, mean: z (thought or trace) + y (answer)."
    note += " Rings: training seeds." if any(arm.get("seeds") for arm in arms) else ""
    with style():
        key = [("● trained on traces", AFTER), ("● controls", BEFORE)]
        figure = picture(max(2.6, 0.7 + LABEL_IN * len(arms)), title or _finding(arms), note, key)
        axes = figure.subplots()
        _points(axes, arms)
        _finish(axes, arms, chance)
        _labels(axes, arms, figure.get_figheight())
    return figure


def total(arm: Mapping[str, Any]) -> float:
    """Tokens of z and y together."""
    return float(arm["tokens_z"] + arm["tokens_y"])


def colour(arm: Mapping[str, Any]) -> str:
    """Grey for what an arm is compared with."""
    return BEFORE if arm["name"] in CONTROLS else AFTER


def _finding(arms: Sequence[Mapping[str, Any]]) -> str:
    """The best arm that writes codes, beside the verbal one where it is there."""
    mine = [arm for arm in arms if colour(arm) == AFTER] or list(arms)
    best = max(mine, key=lambda arm: arm["accuracy"])
    told = f"{_name(best)[:1].upper()}{_name(best)[1:]}: {100 * best['accuracy']:.1f} % with {total(best):.3g} tokens"
    verbal = next((arm for arm in arms if arm["name"] == "verbal" and arm is not best), None)
    return told + (f"; verbal: {100 * verbal['accuracy']:.1f} % with {total(verbal):.3g}" if verbal else "")


def _name(arm: Mapping[str, Any]) -> str:
    return arm["name"].replace("_rl", " + RL").replace("_", " ")


def _points(axes: Axes, arms: Sequence[Mapping[str, Any]]) -> None:
    for arm in arms:
        x = total(arm)
        if arm.get("low") is not None:
            axes.plot([x, x], [arm["low"], arm["high"]], color=colour(arm), linewidth=1.4)
        for one in arm.get("seeds") or ():
            axes.plot(x, one, "o", color=colour(arm), markersize=4, markerfacecolor="none", markeredgewidth=0.9)
        axes.plot(x, arm["accuracy"], "o", color=colour(arm), markersize=6.5, markeredgecolor="white", clip_on=False)


def _finish(axes: Axes, arms: Sequence[Mapping[str, Any]], chance: float | None) -> None:
    """Scales, ticks and the line of chance."""
    xs = np.array([max(total(arm), 0.5) for arm in arms])
    low, high = xs.min() / 1.35, xs.max() * 1.35
    axes.set(xscale="log", xlim=(low, high), ylim=(-0.02, 1.03), xlabel="tokens per answer, z + y", ylabel="accuracy")
    ticks = [t for t in (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10000) if low <= t <= high]
    axes.set_xticks(ticks, [f"{t:,}" for t in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", size=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    if chance is not None:
        axes.axhline(chance, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        axes.annotate("chance", (0, chance), (3, -3), xycoords=("axes fraction", "data"), textcoords="offset points",
                      fontsize=8.5, color=MUTED, va="top")  # fmt: skip


def _labels(axes: Axes, arms: Sequence[Mapping[str, Any]], height_in: float) -> None:
    """Names in a column at the right, from the top in the order of accuracy, each with a line to its point.

    Beside the points they would lie over each other: controls share their few tokens and their low accuracy.
    """
    ordered = sorted(arms, key=lambda arm: (-arm["accuracy"], total(arm)))
    gap = 1.25 * LABEL_IN / (height_in - 1.2)
    wanted = np.array([(arm["accuracy"] + 0.02) / 1.05 for arm in ordered])
    for arm, y in zip(ordered, spread(wanted, gap), strict=True):
        shared = {"textcoords": "axes fraction", "annotation_clip": False, "va": "center"}
        line = {"arrowstyle": "-", "color": "#C8C8C8", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}
        text = f"{_name(arm)}  {100 * arm['accuracy']:.1f} %, {_tokens(arm)}"
        ink = INK if colour(arm) == AFTER else MUTED
        axes.annotate(text, (1, y), (1.06, y), xycoords="axes fraction", fontsize=9, color=ink, **shared)
        axes.annotate("", (total(arm), arm["accuracy"]), (1.05, y), arrowprops=line, **shared)


def _tokens(arm: Mapping[str, Any]) -> str:
    return f"{arm['tokens_z']:.3g} + {arm['tokens_y']:.3g}"


def spread(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Heights (descending) moved to lie `gap` apart, from 0 up to 1.05, and above it where there is no room."""
    steps = gap * np.arange(len(wanted))
    placed = np.minimum.accumulate(np.minimum(wanted, 1.05) + steps) - steps
    return np.maximum(placed, steps[::-1])


def interventions(found: Sequence[Mapping[str, Any]], chance: float | None = None, title: str | None = None) -> Picture:
    """Accuracy under each intervention with its interval; the dashed line is chance.

    found: of `caderno.abstract.interventions.judge`. Raises BadInput for none.
    """
    if not found:
        raise BadInput("no interventions", expected="at least one", where="interventions")
    note = f"Points with 95 % intervals, n = {found[0]['n']:,}. Right: difference to z kept, with its interval."
    with style():
        figure = picture(0.6 + 0.3 * len(found), title or _reads(found), note)
        _intervention_panel(figure.subplots(), found, chance)
    return figure


def _reads(found: Sequence[Mapping[str, Any]]) -> str:
    """What replacing the trace does, where the interval lets one say it."""
    by_name = {one["name"]: one for one in found}
    other = by_name.get("randomised") or by_name.get("swapped")
    if not other or other["difference_high"] is None:
        return "Accuracy with the trace changed"
    points = f"{100 * abs(other['difference']):.0f} points"
    if other["difference_high"] < 0:
        return f"The answer reads the trace: other codes in its place cost {points}"
    return f"Other codes in the trace's place cost nothing that n = {other['n']:,} can tell"


def _intervention_panel(axes: Axes, found: Sequence[Mapping[str, Any]], chance: float | None) -> None:
    for y, one in enumerate(found):
        colour = AFTER if one["name"] == "kept" else LOSS
        if one["low"] is not None:
            axes.plot([one["low"], one["high"]], [y, y], color=colour, linewidth=1.4)
        axes.plot(one["accuracy"], y, "o", color=colour, markersize=6, clip_on=False)
        if one["difference"] is not None:
            axes.annotate(
                _difference(one), (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=MUTED,
                annotation_clip=False,
            )  # fmt: skip
    if chance is not None:
        axes.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        axes.annotate("chance", (chance, 1), (3, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
                      fontsize=8.5, color=MUTED, va="bottom")  # fmt: skip
    axes.set(yticks=range(len(found)), ylim=(len(found) - 0.5, -0.5), xlim=(-0.01, 1.01), xlabel="accuracy")
    axes.set_yticklabels([_named(one["name"]) for one in found])
    axes.grid(axis="y", visible=False)


def _difference(one: Mapping[str, Any]) -> str:
    text = f"{100 * one['difference']:+.1f}"
    if one["difference_low"] is not None:
        text += f" ({100 * one['difference_low']:+.1f} to {100 * one['difference_high']:+.1f})"
    return f"{text} points".replace("-", "−")


def _named(name: str) -> str:
    return f"first {name.removeprefix('truncated_')} codes" if name.startswith("truncated_") else NAMES.get(name, name)
