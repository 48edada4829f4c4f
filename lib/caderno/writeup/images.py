"""The write-up's figures: drawn from the artifacts that are there, saved where the Markdown looks for them.

It chooses and saves; how a figure looks is for `caderno.plots`. Figures that notebooks saved are left where they are.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caderno.writeup.artifacts import RunRecord, StageRecord, understood

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {
    "hero": "Before and after per task, and the reward while training",
    "before-after": "Mean reward and share fully correct per task, before and after",
    "score-distribution": "Scores of the completions, per task and arm",
    "training-curves": "Reward, entropy and completion length over GRPO's steps",
    "contributions": "What each component contributed to the reward, first and last steps of GRPO",
    "sft-losses": "Training and held-out loss of SFT",
    "pretrain-losses": "Training and held-out loss of pretraining",
    "groups": "Prompts by their mean score, thoughts against their budgets, and groups without an advantage",
    "accuracy-tokens": "Accuracy of every arm against the tokens of its thought or trace and its answer",
    "interventions": "Accuracy of the best abstract arm with its trace kept, dropped, randomised, swapped and cut",
    "trace-panel": "Its traces: codes by rank, lengths, entropy by position, likeness",
    "calibration": "Score, ceiling and thinking per task at two temperatures",
}

HERO = "40-validation/result.json, 30-grpo/metrics.jsonl"


@dataclass(frozen=True)
class Image:
    """A figure as PNG bytes, with what a reader who cannot see it is told and the artifact it came from."""

    png: bytes
    caption: str
    source: str


def draw(record: RunRecord) -> dict[str, Image]:
    """Name -> image, for every figure whose artifacts are there.

    Raises:
        BadInput: an artifact that is there cannot be drawn.
    """
    drawn = {}
    for name, (source, figure) in _wanted(record).items():
        with understood(record.run_dir / source.split(", ")[0]):
            drawn[name] = Image(png(figure()), CAPTIONS[name], source)
    return drawn


def _wanted(record: RunRecord) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """Name -> (artifact, how to draw it) of what can be drawn."""
    from caderno import plots

    stages = record.stages
    wanted: dict[str, tuple[str, Callable[[], Figure]]] = {}
    for name in ("pretrain", "sft"):
        if stages[name].metrics:
            source, metrics = f"{stages[name].folder}/metrics.jsonl", stages[name].metrics
            wanted[f"{name}-losses"] = source, lambda metrics=metrics: plots.losses(metrics)
    if (stages["calibration"].result or {}).get("by_task"):
        wanted["calibration"] = "10-calibration/result.json", lambda: plots.calibration(stages["calibration"].result)
    if (stages["calibration"].result or {}).get("groups"):
        wanted["groups"] = "10-calibration/result.json", lambda: plots.groups(stages["calibration"].result)
    grpo, validation = stages["grpo"], stages["validation"]
    if grpo.metrics:
        wanted["training-curves"] = "30-grpo/metrics.jsonl", lambda: plots.training_curves(grpo.metrics)
    if entries := (grpo.result or {}).get("contributions"):
        wanted["contributions"] = "30-grpo/result.json", lambda: plots.contributions(entries)
    if (validation.result or {}).get("paired"):
        wanted["before-after"] = "40-validation/result.json", lambda: plots.before_after(validation.result)
        if grpo.metrics:
            wanted["hero"] = HERO, lambda: plots.readme_hero(record.run_dir)
    wanted |= _abstract(stages["abstract_cot"])
    hottest = max((s["temperature"] for s in validation.samples), default=None)
    samples = [s for s in validation.samples if s["temperature"] == hottest]
    if any(sample["score"] is not None for sample in samples):
        wanted["score-distribution"] = "40-validation/samples.jsonl", lambda: plots.score_distribution(samples)
    return wanted


def _abstract(stage: StageRecord) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """The pictures of abstract chain-of-thought, of all arms and of the best one."""
    from caderno import plots
    from caderno.abstract import telling

    result, source = stage.result, f"{stage.folder}/result.json"
    if not result:
        return {}
    chance, best = result["chance"], telling.best(result)
    wanted = {"accuracy-tokens": (source, lambda: plots.accuracy_tokens(telling.points(result), chance=chance))}
    if best is None:
        return wanted
    return wanted | {
        "interventions": (source, lambda: plots.interventions(best["interventions"], chance=chance)),
        "trace-panel": (
            source, lambda: plots.trace_panel(result["health"][best["arm"]], title=f"Traces of {best['arm']}")
        ),
    }  # fmt: skip


def png(figure: Figure) -> bytes:
    """256 colours are plenty for these figures and a third of the bytes, which a repository keeps for ever."""
    from PIL import Image as Pillow

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png")
    picture = Pillow.open(full).convert("RGB").quantize(256, dither=Pillow.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def save(images: dict[str, Image], directory: Path) -> None:
    """Writes the images as <name>.png, each in one step; one of ours whose artifact is gone is removed with it."""
    for name in CAPTIONS.keys() - images.keys():
        (directory / f"{name}.png").unlink(missing_ok=True)
    for name, image in images.items():
        path = directory / f"{name}.png"
        if path.is_file() and path.read_bytes() == image.png:
            continue
        directory.mkdir(parents=True, exist_ok=True)
        temporary = directory / f".{name}.png.tmp"
        temporary.write_bytes(image.png)
        temporary.replace(path)
