"""Supervised fine-tuning on the tasks' reference completions, by TRL's SFTTrainer.

Prompts are rendered once by `caderno.chat`, so that training sees the text that generation will; only the completion is
supervised. Rows longer than the limit are named and left out, never cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno import chat, tasks, trl_arguments
from caderno.errors import BadInput
from caderno.training import callbacks, ledgers

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTTrainer

    from caderno.models import Policy
    from caderno.runs import Stage


def dataset(rows: list[dict], policy: Policy, stage: Stage) -> Dataset:
    """Columns `prompt` and `completion`, rendered text. Rows over the length limit are left out: see the ledger."""
    from datasets import Dataset

    limit = stage.params.sft.max_length or stage.params.model.max_length
    kept, long = [], []
    for row in rows:
        text = chat.render(policy.tokenizer, row["prompt"], enable_thinking=stage.params.chat.enable_thinking)
        prompt = chat.for_trainer(policy.tokenizer, text)
        completion = tasks.reference(row)
        tokens = len(policy.tokenizer(prompt + completion)["input_ids"]) + 1  # the end of the turn
        (kept if tokens <= limit else long).append({"prompt": prompt, "completion": completion, "row_id": row["id"]})
    split = rows[0].get("split", "train")
    found = {"what": f"SFT rows of split {split}", "requested": len(rows), "effective": len(kept)}
    if long:
        found["left_out"] = names = [row["row_id"] for row in long]
        print(f"{len(long)} of {len(rows)} rows are longer than {limit} tokens and left out: {names[:20]}")
    stage.ledger([found])
    if not kept:
        raise BadInput(
            f"all {len(rows)} rows are longer than {limit} tokens", expected="rows that fit", where="sft.max_length",
            mend="Raise sft.max_length or model.max_length.",
        )  # fmt: skip
    return Dataset.from_list([{k: row[k] for k in ("prompt", "completion")} for row in kept])


def trainer(policy: Policy, train: Dataset, heldout: Dataset, stage: Stage) -> SFTTrainer:
    """TRL's trainer with this stage's parameters."""
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(**callbacks.common_arguments(stage), **trl_arguments.sft(stage.params))
    return SFTTrainer(
        model=policy.model, args=config, train_dataset=train, eval_dataset=heldout, processing_class=policy.tokenizer
    )


def train(sft: SFTTrainer, stage: Stage) -> dict:
    """Run the trainer, write the ledger, save the model; returns the stage's headline numbers."""
    seconds = callbacks.run(sft, stage)
    stage.ledger(ledgers.sft(sft, stage.params, callbacks.common_arguments(stage)))
    losses = [line for line in sft.state.log_history if "loss" in line]
    heldout = [line["eval_loss"] for line in sft.state.log_history if "eval_loss" in line]
    return {
        "steps": sft.state.global_step,
        "train_rows": len(sft.train_dataset),
        "loss": {"first": losses[0]["loss"], "last": losses[-1]["loss"]},
        "heldout_loss": {"first": heldout[0], "last": heldout[-1]},
        "seconds": seconds,
    }
