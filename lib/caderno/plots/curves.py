"""Curves over optimizer steps: reward, entropy and completion length of GRPO, and losses of SFT and pretraining.

It reads metrics.jsonl's lines as they are, under the trainer's own keys; it fits nothing and forecasts nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from caderno.errors import BadInput
from caderno.plots.style import AFTER, LOSS, Picture, empty, picture, signed, style, task_name

LABELS = {
    "reward": ("mean reward", "reward, 0 to 1"),
    "entropy": ("entropy", "nats per token"),
    "completions/mean_length": ("completion length", "tokens"),
    "completions/clipped_ratio": ("cut at the ceiling", "share of completions"),
    "frac_reward_zero_std": ("groups of equal reward", "share of groups"),
    "loss": ("loss", "nats per token"),
    "grad_norm": ("gradient norm", "before clipping"),
    "learning_rate": ("learning rate", "per step"),
    "step_time": ("time per step", "seconds"),
    "kl": ("KL to the start", "nats per token"),
}
DEFAULT_KEYS = ("reward", "entropy", "completions/mean_length")
TASK_REWARD = re.compile(r"rewards/(.+)/mean")
HELDOUT_KEYS = ("eval_loss", "heldout_loss", "val_loss")
ENDS = 10  # "start" and "end" of a curve: means of so many logged steps, as in 30-grpo/result.json


def series(metrics: Sequence[Mapping], key: str) -> pd.Series:
    """Values of `key` by step, ascending; a step logged twice (after a resume) counts once, as logged last.

    Raises BadInput for a line without a step or a value that is not a number. None and NaN stay out.
    """
    values: dict[int, float] = {}
    for number, line in enumerate(metrics, start=1):
        if line.get(key) is None:
            continue
        if not isinstance(line.get("step"), int | float) or not isinstance(line[key], int | float):
            raise BadInput(
                f"step {line.get('step')!r}, {key} {line[key]!r}", expected="numbers", where=f"line {number}"
            )
        values[int(line["step"])] = float(line[key])
    found = pd.Series(values, dtype=float).sort_index()
    return found[np.isfinite(found)]


def ends(values: pd.Series) -> tuple[float, float]:
    """Means of the first and the last ten logged steps, or of half of them each where fewer than twenty are there."""
    k = max(1, min(ENDS, len(values) // 2))
    return float(values.iloc[:k].mean()), float(values.iloc[-k:].mean())


def window(n: int) -> int:
    """Steps in the running mean: an odd eighth of n, at most 31, so that a trend survives and the noise does not."""
    return min(31, max(3, n // 8 // 2 * 2 + 1)) if n >= 12 else 1


def running_mean(values: pd.Series) -> pd.Series:
    """Mean over `window(n)` steps around each, always centred; near the ends down to half as wide, then none.

    A window cut on one side would bend the curve there: on a falling loss it starts too low.
    """
    array, n = values.to_numpy(), len(values)
    reach = np.minimum(window(n) // 2, np.minimum(np.arange(n), np.arange(n)[::-1]))
    inner = [i for i in range(n) if reach[i] >= window(n) // 4]
    return pd.Series([array[i - reach[i] : i + reach[i] + 1].mean() for i in inner], index=values.index[inner])


def training_curves(
    metrics: Sequence[Mapping],
    keys: Sequence[str] | Mapping[str, tuple[str, str]] = DEFAULT_KEYS,
    labels: Mapping[str, tuple[str, str]] | None = None,
    title: str | None = None,
) -> Picture:
    """One panel per key over optimizer steps: points as logged, a running mean, held-out `eval_` values in orange.

    metrics: lines of a metrics.jsonl, each with `step`. labels (or keys, as a mapping): key -> (name, unit), beside
    or instead of LABELS.
    Axes begin at 0. A key that no line has is said to be "not logged". Raises BadInput for lines that cannot be read.
    """
    names = {**LABELS, **(keys if isinstance(keys, Mapping) else {}), **(labels or {})}
    found = {key: series(metrics, key) for key in keys}
    n = max((len(values) for values in found.values()), default=0)
    columns = 2 if len(keys) == 4 else min(3, len(keys))
    rows = math.ceil(len(keys) / columns)
    with style():
        figure = picture(2.25 * rows, title or _finding(found, names), _curve_note(metrics, keys, n))
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, key in zip(panels, keys, strict=False):
            draw_curve(axes, found[key], *_label(key, names), heldout=series(metrics, f"eval_{key}"))
        for axes in panels[len(keys) :]:
            axes.remove()
    return figure


def draw_curve(axes: Axes, values: pd.Series, name: str, unit: str, heldout: pd.Series | None = None) -> None:
    """One quantity: raw points, running mean, first and last means in words."""
    axes.set_title(name, pad=21)
    if values.empty:
        return empty(axes, "not logged")
    _points_and_line(axes, values)
    if heldout is not None and len(heldout):
        _squares(axes, heldout)
    first, last = ends(values)
    ends_text = f"{first:.3g} → {last:.3g}".replace("-", "−")
    axes.annotate(ends_text, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", color=AFTER)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(unit)
    _from_zero(axes, values, heldout)


def _points_and_line(axes: Axes, values: pd.Series) -> pd.Series:
    """Points as logged and their running mean, which is returned; few points are joined instead."""
    few = window(len(values)) == 1
    axes.plot(values.index, values, ".", color=AFTER, alpha=1 if few else 0.4, markersize=8 if few else 5.5, mew=0)
    smooth = running_mean(values)
    axes.plot(smooth.index, smooth, color=AFTER, linewidth=0.8 if few else None)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    return smooth


def _squares(axes: Axes, heldout: pd.Series) -> None:
    """Held-out values; more than twenty are a line alone."""
    marker = "s" if len(heldout) <= 20 else ""
    axes.plot(heldout.index, heldout, marker=marker, color=LOSS, markersize=5, linewidth=1.2, markerfacecolor="white")


def losses(metrics: Sequence[Mapping], title: str | None = None) -> Picture:
    """Training and held-out loss (nats per token) of SFT or pretraining, on one axis that begins at 0.

    Held-out values are read from eval_loss, heldout_loss or val_loss, whichever the lines have.
    """
    train = series(metrics, "loss")
    heldout = next((s for s in (series(metrics, key) for key in HELDOUT_KEYS) if len(s)), pd.Series(dtype=float))
    with style():
        figure = picture(2.7, title or _loss_finding(train, heldout), _loss_note(train, heldout))
        axes = figure.subplots()
        if train.empty and heldout.empty:
            empty(axes, "no loss was logged")
            return figure
        smooth = _points_and_line(axes, train)
        _squares(axes, heldout)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("loss, nats per token")
        _from_zero(axes, train, heldout)
        _label_ends(axes, {"train": (smooth, AFTER), "held out": (heldout, LOSS)})
    return figure


def _label_ends(axes: Axes, curves: Mapping[str, tuple[pd.Series, str]]) -> None:
    """Names at the right end of the curves, moved apart where the ends are too close to be read."""
    there = sorted(((s.iloc[-1], name, colour) for name, (s, colour) in curves.items() if len(s)), reverse=True)
    close = len(there) == 2 and there[0][0] - there[1][0] < 0.09 * axes.get_ylim()[1]
    for (value, name, colour), lift in zip(there, (7, -7), strict=False):
        axes.annotate(
            f"{name} {value:.3g}",
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(6, lift if close else 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )


def _from_zero(axes: Axes, values: pd.Series, heldout: pd.Series | None) -> None:
    """Begin at 0 (or below it where values are), with room above the highest point."""
    both = pd.concat([values, heldout]) if heldout is not None else values
    low, high = min(0.0, float(both.min())), float(both.max())
    room = 0.08 * ((high - low) or 1.0)
    axes.set_ylim(low - (room if low < 0 else 0), high + room)
    axes.locator_params(axis="y", nbins=5)
    axes.margins(x=0.02)


def _finding(found: Mapping[str, pd.Series], names: Mapping[str, tuple[str, str]]) -> str:
    """The first curve's way from its start to its end; of several tasks' rewards, which moved most."""
    there = {key: values for key, values in found.items() if len(values) > 1}
    if len(there) > 1 and all(TASK_REWARD.fullmatch(key) for key in there):
        moved = {key: ends(values)[1] - ends(values)[0] for key, values in there.items()}
        most = max(moved, key=lambda key: abs(moved[key]))
        return f"Reward by task: {task_name(TASK_REWARD.fullmatch(most)[1])} moved most ({signed(moved[most])})"
    key, values = next(iter(found.items()))
    name = _label(key, names)[0].capitalize()
    if values.empty:
        return f"{name} was not logged"
    step = int(values.index[-1])
    if len(values) == 1:
        return f"{name} is {values.iloc[0]:.2f} at step {step}, the only one logged"
    first, last = ends(values)
    return f"{name} went from {first:.2f} to {last:.2f} in {step} steps"


def _label(key: str, names: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Name and unit of a metric; the key itself where nobody named it."""
    task = TASK_REWARD.fullmatch(key)
    return names.get(key) or ((task_name(task[1]), "reward, 0 to 1") if task else (key, ""))


def _curve_note(metrics: Sequence[Mapping], keys: Sequence[str], n: int) -> str:
    """What points, line and squares are."""
    text = f"Points: logged steps. Line: running mean of {window(n)}. " if window(n) > 1 else "Points: logged steps. "
    k = max(1, min(ENDS, n // 2))
    text += f"Numbers: means of the first and last {k} steps." if k > 1 else ""
    return text + " Orange: held-out rows." if any(len(series(metrics, f"eval_{key}")) for key in keys) else text


def _loss_finding(train: pd.Series, heldout: pd.Series) -> str:
    """Where the held-out loss (or, without one, the training loss) went."""
    values, name = (heldout, "Held-out loss") if len(heldout) else (train, "Training loss")
    if values.empty:
        return "No loss was logged"
    lowest = f", lowest {values.min():.3g} at step {values.idxmin()}" if values.idxmin() != values.index[-1] else ""
    return f"{name} went from {values.iloc[0]:.3g} to {values.iloc[-1]:.3g} in {int(values.index[-1])} steps{lowest}"


def _loss_note(train: pd.Series, heldout: pd.Series) -> str:
    text = f"Points: logged steps. Line: running mean of {window(len(train))}." if window(len(train)) > 1 else ""
    return f"{text} Orange: held-out rows." if len(heldout) else f"{text} No held-out loss was logged."
