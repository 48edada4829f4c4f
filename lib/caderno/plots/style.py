"""One quiet look for every figure: sizes for a README 800 px wide, colours that everyone can tell apart.

It draws nothing itself and knows no metric; it has no themes, since two looks in one write-up are one too many.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

WIDTH_IN = 8.0  # shown 800 px wide: 10 pt text is 14 px high
LEFT = 0.012  # where titles begin, as a share of the width
DPI = 200  # twice the 100 px per inch of the page, for dense screens

# Okabe and Ito's palette (2008), told apart under all common colour-vision deficiencies.
BEFORE, AFTER, LOSS = "#767676", "#0072B2", "#D55E00"
INK, MUTED, GRID = "#222222", "#5F6368", "#E6E6E6"

TASK_NAMES = {"sql_qa": "SQL answers", "extraction": "extraction", "insights": "insights", "push": "push"}
ARM_NAMES = {"sft": "SFT", "grpo": "GRPO", "base": "base"}

_RC = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib: the same picture on every machine
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#B8B8B8",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "white",
    "figure.dpi": DPI,
    "savefig.dpi": "figure",
    "savefig.facecolor": "white",
}


class Picture(Figure):
    """A Figure that a notebook can show, and that keeps its resolution wherever it is saved, without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue(), {"width": int(self.get_figwidth() * DPI / 2)}


@contextmanager
def style() -> Iterator[None]:
    """Within it, matplotlib draws in the house look; outside nothing changes."""
    with mpl.rc_context(_RC):
        yield


def picture(height_in: float, title: str, note: str = "", key: Sequence[tuple[str, str]] = ()) -> Picture:
    """An empty figure with its title, in grey what the marks mean, and `key`: (text, colour) in the marks' colours.

    Title and note wrap at the figure's width; the space they take comes on top of `height_in`, which is the panels'.
    """
    title, note = textwrap.fill(title, 78), textwrap.fill(note, 120)
    title_in = 0.30 + 0.21 * title.count("\n")
    note_in = 0.24 + 0.165 * note.count("\n") if note else 0.04
    head_in = title_in + note_in + (0.22 if key else 0)
    height_in += head_in
    figure = Picture(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.07, hspace=0.06, wspace=0.06)
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - head_in / height_in))
    figure.text(LEFT, 1 - 0.09 / height_in, title, va="top", fontsize=12.5, fontweight="bold")
    figure.text(LEFT, 1 - (title_in + 0.02) / height_in, note, va="top", fontsize=9, color=MUTED)
    if key:
        _add_key(figure, key, 1 - (title_in + note_in) / height_in)
    return figure


def _add_key(figure: Figure, key: Sequence[tuple[str, str]], top: float) -> None:
    """Coloured words in a row, upper left corner at `top` (share of the figure's height)."""
    words = [TextArea(text, textprops={"color": colour, "fontweight": "bold", "fontsize": 9.5}) for text, colour in key]
    row = HPacker(children=words, pad=0, sep=14, align="baseline")
    box = AnchoredOffsetbox("upper left", child=row, pad=0, borderpad=0, frameon=False)
    box.set_bbox_to_anchor((LEFT, top), transform=figure.transFigure)
    figure.add_artist(box)


def task_name(task: str) -> str:
    """How a task is called on an axis."""
    return "all tasks" if task == "all" else TASK_NAMES.get(task, task.replace("_", " "))


def arm_name(arm: str) -> str:
    """How an arm is called in a title."""
    return ARM_NAMES.get(arm, arm.replace("_", " "))


def temperature_name(temperature: float) -> str:
    """ "greedy" or "T = 1"."""
    return "greedy" if temperature == 0 else f"T = {temperature:g}"


def signed(value: float, digits: int = 2) -> str:
    """+0.12, −0.03 with a true minus sign, and no sign on what rounds to zero."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text[1:] if float(text[1:]) == 0 else text


def empty(axes: Axes, why: str) -> None:
    """Say on the panel why there is nothing on it: an empty panel reads as zero."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=9.5)
