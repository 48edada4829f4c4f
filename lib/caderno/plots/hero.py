"""The README's one picture: what training changed, task by task, and how the reward got there.

It reads a run directory's artifacts and nothing else; a run without validation has no such picture.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes

from caderno.errors import BadInput
from caderno.plots.curves import draw_curve, series
from caderno.plots.style import AFTER, Picture, picture, style, temperature_name
from caderno.plots.validation import arms_of, dumbbells, find, finding, key_of, tasks_of, temperatures_of
from caderno.runs.files import read_json, whole_lines

RESULT = Path("40-validation") / "result.json"
METRICS = Path("30-grpo") / "metrics.jsonl"


def readme_hero(run_dir: Path | str) -> Picture:
    """Mean reward per task before and after, at each temperature, and GRPO's reward by step, 800 px wide.

    Raises BadInput when the run has no 40-validation/result.json or no 30-grpo/metrics.jsonl.
    """
    run_dir = Path(run_dir)
    result = read_json(_there(run_dir / RESULT))
    metrics = list(whole_lines(_there(run_dir / METRICS)))
    temperatures = sorted(temperatures_of(result), reverse=True)
    tasks = tasks_of(result)
    with style():
        figure = picture(0.75 + 0.36 * len(tasks), finding(result), _note(result), key_of(result))
        panels = figure.subplots(1, len(temperatures) + 1, width_ratios=[1] * len(temperatures) + [1.25])
        for axes, temperature in zip(panels, temperatures, strict=False):
            dumbbells(axes, result, "mean_reward", temperature, tasks, short=True)
            axes.set_title(f"reward, {temperature_name(temperature)}", pad=21)
            axes.tick_params(labelleft=axes is panels[0])
            _overall(axes, result, temperature)
        draw_curve(panels[-1], series(metrics, "reward"), "while training", "mean reward")
    return figure


def _overall(axes: Axes, result: dict, temperature: float) -> None:
    """Mean reward over all tasks, before → after, under the panel's title."""
    arms = [find(result["by_arm"], temperature=temperature, task="all", arm=arm) for arm in arms_of(result)]
    if None not in arms:
        text = " → ".join(f"{arm['mean_reward']['value']:.3f}" for arm in arms)
        axes.annotate(text, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", color=AFTER)


def _note(result: dict) -> str:
    confidence = f"{100 * result.get('confidence', 0.95):g} %"
    return (
        f"{result.get('n_prompts', '?')} test prompts, the same for both; bars are {confidence} intervals; bold: the "
        "paired difference's interval leaves 0 out. Right: reward of the training rollouts, means of the first and "
        "last steps."
    )


def _there(path: Path) -> Path:
    if not path.is_file():
        mend = "Run the stage first; a run that has not got so far has no picture yet."
        raise BadInput("no such file", expected="the stage's artifact", where=str(path), mend=mend)
    return path
