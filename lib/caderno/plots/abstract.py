"""Abstract traces: rank and frequency beside their nulls, lengths, entropy by position, likeness.

It draws what `caderno.abstract.health` measured as it stands; it simulates and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from caderno.errors import BadInput
from caderno.plots.abstract_arms import accuracy_tokens, interventions
from caderno.plots.style import AFTER, BEFORE, INK, LOSS, MUTED, Picture, empty, picture, style

__all__ = ["accuracy_tokens", "interventions", "lengths", "panel", "positions", "rank_frequency"]

DRIFT, EVEN = "#E69F00", "#767676"
RANK_NOTE = (
    "Bands: 95 % of simulated curves. Equal codes: independent uniform draws. Drift: neutral models of the same "
    "entropy, where codes gain and lose whatever they are good for. A falling line alone is no sign of selection."
)


def rank_frequency(measures: Mapping[str, Any], title: str | None = None) -> Picture:
    """Share of each code by rank, both axes logarithmic, with the bands of the two simulated nulls and null trainings.

    measures: of `caderno.abstract.health.measures`. Raises BadInput where no code was drawn.
    """
    curve = measures["rank_frequency"]
    if curve is None:
        raise BadInput("no code was drawn", expected="traces that are not all empty", where="rank_frequency")
    with style():
        figure = picture(2.9, title or _capital(curve["reading"]).replace(" -", " −"), RANK_NOTE, _rank_key(curve))
        _rank_panel(figure.subplots(), curve)
    return figure


def _rank_key(curve: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if curve is None or curve["ranks"] < 2:
        return []
    key = [("● these traces", AFTER), ("■ equal codes", EVEN)]
    key += [("■ drift alone", DRIFT)] if curve["drift"] else []
    return key + ([("– random-reward trainings", LOSS)] if curve["runs"] else [])


def _rank_panel(axes: Axes, curve: Mapping[str, Any], *, small: bool = False) -> None:
    if curve["ranks"] < 2:
        return empty(axes, curve["reading"])
    floor = 0.5 / curve["n"]
    for name, colour in (("uniform", EVEN), ("drift", DRIFT)):
        if band := curve[name]:
            ranks = np.arange(1, len(band["low"]) + 1)
            low, high = (np.maximum(band[side], floor) for side in ("low", "high"))
            axes.fill_between(ranks, low, high, color=colour, alpha=0.3, linewidth=1)
    for one in curve["runs"]:
        axes.plot(np.arange(1, len(one["shares"]) + 1), one["shares"], color=LOSS, linewidth=1.2)
    shares = np.array(curve["shares"])
    axes.plot(np.arange(1, len(shares) + 1), shares, "o-", color=AFTER, markersize=3 if small else 4, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="rank of the code", ylabel="share of all codes")
    highs = [curve[name]["high"][0] for name in ("uniform", "drift") if curve[name]]
    lowest = max(floor, shares[shares > 0].min() / 3)
    axes.set_ylim(lowest, min(1.5, 1.3 * max(shares[0], *highs)))
    axes.set_xlim(0.9, max(2, len(shares), len(curve["uniform"]["high"])) * 1.1)
    wide = axes.get_xlim()[1]
    axes.set_xticks([2**k for k in range(14) if 2**k <= wide], [f"{2**k:,}" for k in range(14) if 2**k <= wide])
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", size=0)
    return None


def lengths(measures: Mapping[str, Any], title: str | None = None) -> Picture:
    """Histogram of the traces' lengths in codes, with their mean, and the bounds where they are known."""
    length = measures["length"]
    told = f"Traces have {length['mean']:.1f} codes, sd {length['sd']:.1f}"
    if length["variance"] == 0:
        told = f"All {measures['n']:,} traces have {length['max']} codes"
    with style():
        figure = picture(2.3, title or told, f"Share of {measures['n']:,} traces by length. {_bounds_note(measures)}")
        _length_panel(figure.subplots(), measures)
    return figure


def _bounds_note(measures: Mapping[str, Any]) -> str:
    spec, length = measures["spec"], measures["length"]
    known = [f"{key.replace('_', ' ')} {spec[key]}" for key in ("min_codes", "max_codes") if spec[key] is not None]
    bounds = f"Bounds: {', '.join(known)}. " if known else ""
    return f"{bounds}{100 * length['share_at_max']:.1f} % are as long as any."


def _length_panel(axes: Axes, measures: Mapping[str, Any]) -> None:
    histogram = {int(key): n for key, n in measures["length"]["histogram"].items()}
    values, counts = np.array(list(histogram)), np.array(list(histogram.values())) / measures["n"]
    low, high = int(values.min()), int(values.max())
    step = max(1, -(-(high - low + 1) // 64))  # at most 64 bars
    edges = np.arange(low, high + step + 1, step) - 0.5
    drawn, _, _ = axes.hist(values, edges, weights=counts, color=AFTER, rwidth=0.9)
    mean, most = measures["length"]["mean"], measures["spec"]["max_codes"]
    right = max(high, most or 0)
    left = -0.5 if low <= right / 2 else low - 1.5
    right += max(1.0, 0.03 * (right - left))
    _mark(axes, mean, f"mean {mean:.1f}", left=mean > left + 0.7 * (right - left))
    if most is not None and most + 0.5 > mean + 0.4 * (right - left):
        _mark(axes, most + 0.5, "most allowed", left=True)
    axes.set_xlim(left, right)
    axes.set(xlabel="codes in a trace" + (f", bars of {step}" if step > 1 else ""), ylabel="share of traces")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set_yticks([tick for tick in MaxNLocator(nbins=4).tick_values(0, drawn.max()) if tick <= 1])
    axes.set_ylim(0, 1.2 * drawn.max())
    axes.grid(axis="x", visible=False)


def _mark(axes: Axes, x: float, text: str, *, left: bool) -> None:
    """A dashed line and what it is, in the room above the bars."""
    axes.axvline(x, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    axes.annotate(
        text, (x, 1), (-3 if left else 3, -1), xycoords=("data", "axes fraction"), textcoords="offset points",
        ha="right" if left else "left", va="top", fontsize=8.5, color=MUTED,
    )  # fmt: skip


def positions(measures: Mapping[str, Any], title: str | None = None) -> Picture:
    """Entropy at each position in bits, beside that of all codes together and the most the codebook allows."""
    first = measures["positions"][0] if measures["positions"] else None
    told = f"The first code carries {first['bits']:.1f} bits" if first else "No code was drawn"
    note = "Over the traces that reach a position (grey: their share), positions that 20 or more reach."
    with style():
        figure = picture(2.3, title or told, note)
        _position_panel(figure.subplots(), measures)
    return figure


def _position_panel(axes: Axes, measures: Mapping[str, Any]) -> None:
    told = [one for one in measures["positions"] if one["n"] >= min(20, measures["n"])]
    if not told:
        return empty(axes, "no code was drawn")
    places = np.array([one["position"] for one in told])
    most, together = measures["entropy"]["codebook_bits"], measures["entropy"]["bits"]
    top = max(most, 0.5)
    reach = np.array([one["n"] for one in told]) / measures["n"]
    axes.fill_between(places, reach * top, color=BEFORE, alpha=0.15, lw=0, step="mid")
    axes.plot(places, [one["bits"] for one in told], "o-", color=AFTER, markersize=3.5 if len(told) <= 64 else 0)
    apart = most - together > 0.12 * top
    marks = ([(most, "the most")] if most else []) + ([(together, "all codes together")] if apart else [])
    for value, text in marks:
        axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        axes.annotate(
            f"{text}, {value:.1f}", (1, value), (-2, 2), xycoords=("axes fraction", "data"), va="bottom", ha="right",
            textcoords="offset points", fontsize=8.5, color=MUTED,
        )  # fmt: skip
    axes.set(xlabel="position of the code", ylabel="bits", ylim=(0, 1.15 * top))
    axes.set_xlim(0.5, places[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    return None


def panel(measures: Mapping[str, Any], title: str | None = None) -> Picture:
    """Four panels: rank and frequency, lengths, entropy by position, and how alike traces are."""
    curve, first = measures["rank_frequency"], measures["unique"]["first"]
    different = f"{first['count']:,} different traces" if first["count"] > 1 else "One trace"
    told = f"{different} for {first['n']:,} {first['of']}"
    with style():
        note = f"{measures['n']:,} traces. {RANK_NOTE}"
        figure = picture(4.7, title or told, note, _rank_key(curve))
        (a, b), (c, d) = figure.subplots(2, 2)
        _rank_panel(a, curve, small=True) if curve else empty(a, "no code was drawn")
        _length_panel(b, measures)
        _position_panel(c, measures)
        _likeness_panel(d, measures)
        titles = ("rank and frequency", "length", "entropy by position", "how alike")
        for axes, name in zip((a, b, c, d), titles, strict=True):
            axes.set_title(name)
    return figure


def _likeness_panel(axes: Axes, measures: Mapping[str, Any]) -> None:
    """Likeness of traces of different prompts, and of one prompt where it has several samples."""
    likeness = measures["likeness"]
    rows = [(f"different {likeness['of']}", likeness["between"], BEFORE), ("one prompt", likeness["within"], AFTER)]
    rows = [row for row in rows if row[1]]
    if not rows:
        return empty(axes, "one trace is like no other")
    for y, (_, one, colour) in enumerate(rows):
        if one["low"] is not None:
            axes.plot([one["low"], one["high"]], [y, y], color=colour, linewidth=1.6)
        axes.plot(one["value"], y, "o", color=colour, markersize=6, clip_on=False)
    axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5), xlim=(-0.02, 1.02))
    axes.set_xlabel("edit similarity, 1: the same trace")
    axes.set_yticklabels([row[0] for row in rows])
    axes.grid(axis="y", visible=False)
    return None


def _percent(value: float, _: Any = None) -> str:
    return f"{100 * value:.3g} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
