"""Supervised fine-tuning on the tasks' reference completions, by TRL's SFTTrainer.

Prompts are rendered once by `caderno.chat`, so that training sees the text that generation will; only the completion is
supervised. Rows longer than the limit are named and left out, never cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno import chat
from caderno.errors import BadInput
from caderno.training import callbacks

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTTrainer

    from caderno.models import Policy
    from caderno.runs import Stage


def dataset(rows: list[dict], policy: Policy, stage: Stage) -> Dataset:
    """Columns `prompt` and `completion`, rendered text. Rows over the length limit are printed and left out."""
    from datasets import Dataset

    limit = stage.params.sft.max_length or stage.params.model.max_length
    kept, long = [], []
    for row in rows:
        text = chat.render(policy.tokenizer, row["prompt"], enable_thinking=stage.params.chat.enable_thinking)
        prompt = chat.for_trainer(policy.tokenizer, text)
        tokens = len(policy.tokenizer(prompt + row["gold"])["input_ids"]) + 1  # the end of the turn
        (kept if tokens <= limit else long).append({"prompt": prompt, "completion": row["gold"], "row_id": row["id"]})
    if long:
        names = [row["row_id"] for row in long[:20]]
        print(f"{len(long)} of {len(rows)} rows are longer than {limit} tokens and left out: {names}")
    if not kept:
        raise BadInput(
            f"all {len(rows)} rows are longer than {limit} tokens", expected="rows that fit", where="sft.max_length",
            mend="Raise sft.max_length or model.max_length.",
        )  # fmt: skip
    return Dataset.from_list([{k: row[k] for k in ("prompt", "completion")} for row in kept])


def trainer(policy: Policy, train: Dataset, heldout: Dataset, stage: Stage) -> SFTTrainer:
    """TRL's trainer with this stage's parameters."""
    from trl import SFTConfig, SFTTrainer

    spec = stage.params.sft
    per_step = spec.gradient_accumulation_steps * stage.params.processes
    config = SFTConfig(
        **callbacks.common_arguments(stage),
        max_length=None,  # long rows are already out: nothing may be cut here
        completion_only_loss=True,
        per_device_train_batch_size=spec.batch_size // per_step,
        per_device_eval_batch_size=spec.batch_size,
        gradient_accumulation_steps=spec.gradient_accumulation_steps,
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps or -1,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.schedule,
        warmup_steps=spec.warmup_share,
        weight_decay=spec.weight_decay,
        logging_steps=spec.logging_steps,
        eval_strategy="steps",
        eval_steps=spec.eval_steps,
        eval_on_start=True,
        save_steps=spec.save_steps,
        save_total_limit=spec.save_total_limit,
    )
    return SFTTrainer(
        model=policy.model, args=config, train_dataset=train, eval_dataset=heldout, processing_class=policy.tokenizer
    )


def train(sft: SFTTrainer, stage: Stage) -> dict:
    """Run the trainer, write the ledger, save the model; returns the stage's headline numbers."""
    spec = stage.params.sft
    seconds = callbacks.run(sft, stage)
    requested = {
        "learning_rate": spec.learning_rate, "lr_scheduler_type": spec.schedule,
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "num_train_epochs": spec.epochs, "weight_decay": spec.weight_decay, "seed": stage.params.seed,
    }  # fmt: skip
    stage.ledger(callbacks.ledger(sft, requested))
    losses = [line for line in sft.state.log_history if "loss" in line]
    heldout = [line["eval_loss"] for line in sft.state.log_history if "eval_loss" in line]
    return {
        "steps": sft.state.global_step,
        "train_rows": len(sft.train_dataset),
        "loss": {"first": losses[0]["loss"], "last": losses[-1]["loss"]},
        "heldout_loss": {"first": heldout[0], "last": heldout[-1]},
        "seconds": seconds,
    }
