"""Weights & Biases for a stage: opened first thing, offline unless told otherwise, under one id per run.

It logs nothing by itself: trainers report to the run that is open. A key never passes through parameters, which are
written to disk in many places: wandb finds it in its own environment variable or login.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caderno.errors import BadInput

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

    from caderno.runs import Stage


def open(stage: Stage) -> Run | None:
    """Opens tracking for a stage, or returns what is open already; None where `tracking.mode` is disabled.

    The environment's WANDB_MODE, where set, is what somebody told this machine and wins; the ledger says so. All
    stages of a run share the id that the run's manifest keeps, so that they appear as one run after a sync.

    Raises:
        BadInput: online, and wandb has no key.
    """
    mode = os.environ.get("WANDB_MODE") or stage.params.tracking.mode
    stage.ledger([{"what": "tracking.mode", "requested": stage.params.tracking.mode, "effective": mode}])
    if mode == "disabled":
        return None
    os.environ["WANDB_DIR"] = str(stage.run_dir)  # for processes that a trainer launches
    import wandb

    if wandb.run is None or wandb.run.id != stage.manifest["tracking_id"]:
        _init(stage, mode)
    stage.at_close(wandb.finish)
    return wandb.run


def _init(stage: Stage, mode: str) -> None:
    """Starts wandb's run."""
    import wandb

    try:
        wandb.init(
            project=stage.params.tracking.project,
            id=stage.manifest["tracking_id"],
            name=stage.manifest["name"],
            dir=stage.run_dir,
            mode=mode,
            resume="allow" if mode == "online" else None,  # offline there is nothing to ask, and wandb warns
            job_type=stage.name,
            config={"params": stage.params.model_dump(mode="json")},
            settings=wandb.Settings(console="off", silent=True),
        )
    except wandb.errors.UsageError as error:
        raise BadInput(
            f"wandb refused to start: {error}", where="tracking.mode", expected="a key in WANDB_API_KEY, or a login",
            mend="Run `wandb login`, or set tracking.mode to offline.",
        ) from error  # fmt: skip
