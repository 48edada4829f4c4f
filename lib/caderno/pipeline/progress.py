"""How far a run is, read from its files alone: the same answer from the runner, from `caderno status`, from elsewhere.

It computes and formats nothing for the eye: `view` draws it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from caderno import runs
from caderno.params.sections import Params

TAIL_BYTES = 2**16  # some thirty of GRPO's lines: enough for a pace, cheap to read twice a second


@dataclass(frozen=True)
class StageRow:
    """One stage at one moment. Times in seconds; None where not known."""

    stage: str
    state: str
    attempt: int
    step: int | None
    total: int | None
    elapsed_s: float | None
    eta_s: float | None
    reward: float | None
    loss: float | None
    error: str | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def stage_rows(run_dir: Path, params: Params) -> list[StageRow]:
    """The stages of a run, in order."""
    return [_row(run_dir, stage, params) for stage in params.stages]


def _row(run_dir: Path, stage: str, params: Params) -> StageRow:
    directory = runs.stage_directory(run_dir, stage)
    status = runs.read_status(directory)
    lines = list(runs.whole_lines(directory / "metrics.jsonl", TAIL_BYTES))
    step = lines[-1]["step"] if lines else None
    total = status.get("total_steps") or planned_steps(stage, params)
    running = status["state"] == "running"
    return StageRow(
        stage=directory.name,
        state=status["state"],
        attempt=status["attempt"],
        step=step,
        total=total,
        elapsed_s=_elapsed_s(status),
        eta_s=(total - step) * pace_s(lines) if running and total and step and pace_s(lines) is not None else None,
        reward=_last(lines, "reward"),
        loss=_last(lines, "loss"),
        error=status["error"],
    )


def _elapsed_s(status: dict[str, Any]) -> float | None:
    """Seconds since this attempt began, or what it took. Not known where a killed process could not say."""
    if status["started"] is None or (status["state"] == "interrupted" and status["ended"] is None):
        return None
    return runs.seconds_between(status["started"], status["ended"])


def _last(lines: list[dict[str, Any]], key: str) -> float | None:
    """The newest value of a metric."""
    return next((line[key] for line in reversed(lines) if line.get(key) is not None), None)


def pace_s(lines: list[dict[str, Any]]) -> float | None:
    """Seconds a step, over the lines given."""
    if not lines or lines[-1]["step"] <= lines[0]["step"]:
        return None
    return (lines[-1]["wall_s"] - lines[0]["wall_s"]) / (lines[-1]["step"] - lines[0]["step"])


def planned_steps(stage: str, params: Params) -> int | None:
    """Optimizer steps that the parameters ask for; a stage that knows better says so by `expect_steps`."""
    if stage == "grpo":
        return params.grpo.max_steps
    if stage == "sft":
        rows = min(params.data.sft_rows or params.data.train_rows, params.data.train_rows)
        return params.sft.max_steps or math.ceil(params.sft.epochs * math.ceil(rows / params.sft.batch_size))
    return None
