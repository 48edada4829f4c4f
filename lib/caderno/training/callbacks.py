"""What every training stage hooks into its Trainer: metrics to the stage's files, an orderly stop, a line to read.

It judges nothing: the guards that watch a run are `watching`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from caderno import trl_arguments
from caderno.errors import BadInput
from caderno.training.watching import Watch

if TYPE_CHECKING:
    from transformers import Trainer

    from caderno.runs import Stage

LINES_PER_RUN = 10
TOLD = ("loss", "eval_loss", "reward", "eval_reward", "entropy", "completions/mean_length", "learning_rate")


class StageCallback(TrainerCallback):
    """Writes what the Trainer logs, and turns a requested stop into a checkpoint and an end."""

    def __init__(self, stage: Stage):
        self.stage = stage

    def on_train_begin(self, args, state, control, **_):
        self.stage.expect_steps(state.max_steps)

    def on_log(self, args, state, control, logs=None, **_):
        values = {key: value for key, value in (logs or {}).items() if isinstance(value, int | float)}
        if "train_loss" in values:  # the closing summary is no step
            return
        self.stage.metrics(step=state.global_step, **values)
        every = max(1, state.max_steps // LINES_PER_RUN)
        if not self.stage.watched and (state.global_step % every == 0 or "eval_loss" in values):
            told = ", ".join(f"{key} {values[key]:.4g}" for key in TOLD if key in values)
            print(f"step {state.global_step}/{state.max_steps}: {told}", flush=True)

    def on_step_end(self, args, state, control, **_):
        if self.stage.stop_requested:
            control.should_save = True
            control.should_training_stop = True
        return control


def common_arguments(stage: Stage) -> dict:
    """TrainingArguments every stage shares, on this machine."""
    import torch

    if stage.params.processes > 1:
        raise BadInput(
            f"processes = {stage.params.processes}", expected="1", where="processes",
            mend="There is no launcher yet: one process would train on a part of every batch.",
        )  # fmt: skip
    return trl_arguments.common(
        stage.params, gpu=torch.cuda.is_available(), output_dir=str(stage.directory / "checkpoints"),
        watched=stage.watched,
    )  # fmt: skip


def run(trainer: Trainer, stage: Stage) -> float:
    """Train, from the newest complete checkpoint where there is one. Returns the seconds this attempt took.

    A stop requested by a signal saves a checkpoint at the end of the step and then raises Interrupted.
    """
    from time import monotonic

    from caderno.runs import newest_complete_checkpoint

    trainer.remove_callback(PrinterCallback)
    if not stage.watched:
        trainer.remove_callback(ProgressCallback)
    watch = Watch(stage)
    trainer.add_callback(StageCallback(stage))
    trainer.add_callback(watch)
    checkpoint = newest_complete_checkpoint(stage.directory / "checkpoints")
    stage.resume_step(int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0)
    started = monotonic()
    with stage.graceful():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    watch.close()
    return monotonic() - started
