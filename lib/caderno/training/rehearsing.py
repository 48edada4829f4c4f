"""Rehearsals of the Trainer under a run's own arguments, with a model of a few weights: is a NaN seen, does it resume.

They say what the installed libraries do with these arguments, not what a large model does with them.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno import trl_arguments

if TYPE_CHECKING:
    from transformers import Trainer

    from caderno.params import Params

STEPS, STOPPED, PLANTED = 4, 2, 2
ROWS, BATCH = 16, 2  # two passes of eight batches would be 16 steps: the rehearsal ends within the first


def facts(params: Params) -> dict[str, Any]:
    """{"nan_log", "resume"} for the probe guards, in seconds on a CPU."""
    return {"nan_log": nan_log(params), "resume": resume(params)}


def nan_log(params: Params, **changes: Any) -> dict[str, Any]:
    """The log of a training whose second step's loss is NaN. `changes` replace training arguments."""
    with tempfile.TemporaryDirectory(prefix="caderno-probe-") as directory:
        trainer = _trainer(params, directory, steps=PLANTED + 1, nan_at=PLANTED, **changes)
        trainer.train()
        log = [{"step": one["step"], "loss": one["loss"]} for one in trainer.state.log_history if "loss" in one]
    return {"planted": PLANTED, "log": log}


def resume(params: Params, *, delete: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """Rows and losses of each step of an unbroken training, and of one that was stopped and resumed.

    `delete` are files of the checkpoint that go before it is resumed; `changes` replace its arguments.
    """
    with tempfile.TemporaryDirectory(prefix="caderno-probe-") as directory:
        whole = _run(_trainer(params, f"{directory}/whole"))
        first = _trainer(params, f"{directory}/parts")
        first.add_callback(_stopping(STOPPED))
        begun = _run(first)
        checkpoint = Path(directory, "parts", f"checkpoint-{STOPPED}")
        for name in delete:
            (checkpoint / name).unlink()
        rest = _run(_trainer(params, f"{directory}/parts", **changes), str(checkpoint))
        shutil.rmtree(directory, ignore_errors=True)
        Path(directory).mkdir()
    return {"stopped": STOPPED, "whole": whole, "resumed": begun + rest}


def _run(trainer: Trainer, checkpoint: str | None = None) -> list[dict[str, Any]]:
    """[{"rows", "loss"}] of the steps that were made."""
    trainer.train(resume_from_checkpoint=checkpoint)
    return trainer.model.seen


def _stopping(step: int) -> Any:
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            control.should_save = control.should_training_stop = state.global_step >= step
            return control

    return Stop()


def _trainer(
    params: Params, directory: str, *, steps: int = STEPS, nan_at: int | None = None, **changes: Any
) -> Trainer:
    import torch
    from transformers import PrinterCallback, ProgressCallback, Trainer, TrainingArguments

    given = trl_arguments.common(params, gpu=False, output_dir=directory) | {
        "report_to": [], "max_steps": steps, "per_device_train_batch_size": BATCH, "learning_rate": 0.01,
        "logging_steps": 1, "save_steps": steps, "gradient_checkpointing": False, "disable_tqdm": True,
    }  # fmt: skip
    torch.manual_seed(0)
    rows = [{"number": place, "x": torch.randn(4)} for place in range(ROWS)]
    trainer = Trainer(_model(nan_at), TrainingArguments(**given | changes), train_dataset=rows)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _model(nan_at: int | None) -> Any:
    """A few weights and dropout, whose noise comes from the random state that a checkpoint must hold."""
    import torch

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.drop = torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)
            self.seen: list[dict[str, Any]] = []

        def forward(self, number: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
            loss = (self.drop(self.inner(x)) - x).square().mean()
            if nan_at is not None and len(self.seen) + 1 == nan_at:
                loss = loss * torch.nan
            self.seen.append({"rows": number.tolist(), "loss": loss.item()})
            return {"loss": loss}

    return Small()
