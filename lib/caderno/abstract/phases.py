"""One supervised training on rows [X; C; Z; Y] by transformers' Trainer with the bottleneck's loss.

It saves checkpoints and goes on from them; finished weights, with adapters merged, are saved by `finish`. Which rows
and traces it is given is for the arms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from caderno import generation, models, runs
from caderno.abstract import bottleneck, sequences, vocabulary
from caderno.errors import BadInput

if TYPE_CHECKING:
    import torch
    from transformers import Trainer, TrainingArguments

    from caderno.abstract.sequences import Segments
    from caderno.models import Policy
    from caderno.params import Params
    from caderno.params.abstract_sections import FitParams, PhaseParams

Report = Callable[[int, dict[str, float]], None]


def open_model(params: Params, directory: Path | None, *, for_training: bool = False) -> Policy:
    """The weights that an earlier step left, or the run's own; with fresh adapters where LoRA is asked for.

    Of the new embedding rows, LoRA trains the abstract vocabulary's alone.
    """
    named = params.model if directory is None else generation.plain(params.model, directory / "model")
    policy = models.load(named, for_training=for_training)
    if for_training and params.model.lora:
        return models.with_lora(policy, params.model.lora, vocabulary.of(policy.tokenizer).new_ids)
    return policy


def finish(policy: Policy, directory: Path) -> None:
    """Adapters merged, weights and tokenizer saved under `model/`, reopened and compared."""
    models.save(policy, directory / "model")


def steps_of(spec: PhaseParams, rows: int) -> int:
    """Optimizer steps of a training on so many rows."""
    return spec.steps or max(1, math.ceil(spec.epochs * rows / spec.batch_size))


def fit(
    policy: Policy, rows: Sequence[Segments], spec: FitParams, directory: Path, *, seed: int, steps: int,
    weight_z: float = 1.0, loss_on: Sequence[str] = sequences.LOSS_ON, report: Report | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """Train for `steps` optimizer steps, from the newest complete checkpoint where there is one.

    Returns steps, rows, seconds of this attempt, and loss, loss_z, loss_y as first and last logged. Where `stop` says
    so, a checkpoint is saved at the end of the step and the result has fewer steps than asked.
    """
    trainer = _trainer(policy, rows, spec, directory, seed, steps, weight_z, loss_on)
    trainer.add_callback(listener(report, stop))
    checkpoint = runs.newest_complete_checkpoint(directory / "checkpoints")
    started = monotonic()
    if checkpoint and int(checkpoint.name.partition("-")[2]) >= steps:
        _reopen(trainer, checkpoint)
    else:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    logged = [line for line in trainer.state.log_history if "loss" in line]
    ends = {key: _ends([line[key] for line in logged if key in line]) for key in ("loss", "loss_z", "loss_y")}
    return {"steps": trainer.state.global_step, "rows": len(rows), "seconds": monotonic() - started, **ends}


def _reopen(trainer: Trainer, checkpoint: Path) -> None:
    """Weights and log of a training that came to its end: Trainer itself would take one step more."""
    from transformers import TrainerState

    trainer._load_from_checkpoint(str(checkpoint))
    trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))


def _ends(values: list[float]) -> dict[str, float | None]:
    real = [value for value in values if not math.isnan(value)]
    return {"first": real[0], "last": real[-1]} if real else {"first": None, "last": None}


def _trainer(
    policy: Policy, rows: Sequence[Segments], spec: FitParams, directory: Path, seed: int, steps: int,
    weight_z: float, loss_on: Sequence[str],
) -> Trainer:  # fmt: skip
    from transformers import PrinterCallback, ProgressCallback

    tokenizer = policy.tokenizer
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    arguments = _arguments(policy, spec, directory, seed, steps)
    trainer = _trainer_class()(
        model=policy.model, args=arguments, train_dataset=list(rows), processing_class=tokenizer,
        data_collator=partial(sequences.collate, pad_id=pad_id, loss_on=loss_on),
        optimizers=(_optimizer(policy.model, spec), None),
    )  # fmt: skip
    trainer.weight_z = weight_z
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _optimizer(model: torch.nn.Module, spec: FitParams) -> torch.optim.Optimizer | None:
    """Muon with AdamW where asked for; None leaves AdamW to the Trainer."""
    if spec.muon_learning_rate is None:
        return None
    if hasattr(model, "peft_config"):
        raise BadInput(
            "Muon for low-rank adapters", expected="AdamW, or every weight trained", where="muon_learning_rate",
            mend="Leave muon_learning_rate empty, or set model.lora to null.",
        )  # fmt: skip
    from caderno.training.muon import MuonWithAdamW

    return MuonWithAdamW(model, spec.muon_learning_rate, spec.learning_rate)


def _arguments(policy: Policy, spec: FitParams, directory: Path, seed: int, steps: int) -> TrainingArguments:
    import torch
    from transformers import TrainingArguments

    gpu, dtype = torch.cuda.is_available(), policy.model.dtype
    return TrainingArguments(
        output_dir=str(directory / "checkpoints"), max_steps=steps, seed=seed, data_seed=seed, report_to=[],
        per_device_train_batch_size=spec.batch_size // spec.gradient_accumulation_steps,
        gradient_accumulation_steps=spec.gradient_accumulation_steps,
        learning_rate=spec.learning_rate, lr_scheduler_type=spec.schedule, warmup_steps=spec.warmup_share,
        adam_beta2=0.95, weight_decay=0.0, max_grad_norm=1.0, logging_steps=spec.logging_steps,
        save_steps=spec.save_steps, save_total_limit=1, remove_unused_columns=False, logging_nan_inf_filter=False,
        use_cpu=not gpu, bf16=gpu and dtype == torch.bfloat16, fp16=gpu and dtype == torch.float16,
        disable_tqdm=True, dataloader_pin_memory=gpu,
    )  # fmt: skip


def _trainer_class() -> type[Trainer]:
    """Trainer over `sequences.collate`'s batches, whose loss is a mean over all the tokens of an optimizer step."""
    import torch
    from transformers import Trainer

    class SegmentTrainer(Trainer):
        weight_z: float = 1.0

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.model_accepts_loss_kwargs = True  # the denominator of a whole step is asked for, not a micro-batch's
            self.parts: dict[str, list[float]] = {"loss_z": [], "loss_y": []}

        def _get_num_items_in_batch(self, batch_samples, device):
            """The sum over the step's micro-batches and processes; gradients are averaged over processes, hence /."""
            total = sum(bottleneck.denominator(batch, self.weight_z) for batch in batch_samples).to(device)
            return self.accelerator.gather(total).sum() / self.args.world_size if self.args.world_size > 1 else total

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            found = bottleneck.loss(model, inputs, self.weight_z, num_items_in_batch)
            for name, values in self.parts.items():
                values.append(float(found[name]))
            return (found["loss"], found) if return_outputs else found["loss"]

        def log(self, logs, *args, **kwargs):
            if "loss" in logs:
                for name, values in self.parts.items():
                    told = torch.tensor([value for value in values if not math.isnan(value)])
                    logs |= {name: told.mean().item()} if len(told) else {}
                    values.clear()
            super().log(logs, *args, **kwargs)

    return SegmentTrainer


def listener(report: Report | None, stop: Callable[[], bool]) -> Any:
    """A callback: logged numbers to `report`, and a checkpoint and an end where `stop` says so."""
    from transformers import TrainerCallback

    class Listener(TrainerCallback):
        """Hands logged numbers on, and ends the training in order where a stop is asked for."""

        def on_log(self, args, state, control, logs=None, **_):
            if report and logs and "loss" in logs:
                report(state.global_step, {key: value for key, value in logs.items() if isinstance(value, int | float)})

        def on_step_end(self, args, state, control, **_):
            if stop():
                control.should_save = control.should_training_stop = True
            return control

    return Listener()
