"""After-guard on the ledger: a value that a library changed in silence is a verdict, by what it does to the experiment.

It reads rows that others wrote; nothing is measured here. What a row means is decided by its name.
"""

from __future__ import annotations

from typing import Any

from caderno.guards.guard import Facts, Finding, failed, guard, passed, unknown, warned

# With another value of these the run is another experiment than the parameters say.
EXPERIMENT = {
    "adapted modules", "arguments that were ignored", "beta", "completion_only_loss", "data_seed", "engine", "epsilon",
    "epsilon_high", "gradient_accumulation_steps", "hard_think_budget, tokens", "learning_rate",
    "learning_rate, first logged", "learning_rate, last logged", "lora.rank", "lora.scale", "lora.targets", "loss_type",
    "lr_scheduler_type", "mask_truncated_completions", "max_completion_length", "max_grad_norm", "max_length",
    "max_steps", "min_p", "model.attention", "model.dtype", "model.load_in_4bit", "model.max_length", "model.revision",
    "num_generations", "num_iterations", "num_train_epochs", "optimizer", "packing", "per_device_train_batch_size",
    "processes", "reference of the KL", "repetition_penalty", "rows are cut at, tokens", "rows per optimizer step",
    "scale_rewards", "seed", "steps", "steps_per_generation", "temperature", "temperature of the log-probabilities",
    "tie_word_embeddings", "top_k", "top_p", "trainable parameters", "vocabulary, rows of the embedding",
    "vocabulary, tokens with a row", "warm-up, steps", "warmup_steps", "weight_decay",
}  # fmt: skip
# Documented: a word that stands for a number measured later, and a machine's own setting that is meant to win.
RESOLVED = {"early_stop.delta", "tracking.mode"}
# Rows of data that were counted, not settings; those left out are named beside the count.
COUNTED = ("SFT rows of split", "prompts of split", "rows no ")


def kind(row: dict[str, Any]) -> str:
    """same, resolved, counted, unread, experiment or other: what a row of ledger.json says."""
    what, asked, held = row["what"], row["requested"], row["effective"]
    if asked == held:
        return "same"
    if asked is None or what in RESOLVED:  # null leaves the choice to the library
        return "resolved"
    if "left_out" in row or what.startswith(COUNTED):
        return "counted"
    if held is None:
        return "unread"
    return "experiment" if what.removeprefix("argument ") in EXPERIMENT else "other"


@guard(
    "ledger-match", stage="after", needs=("ledger",), threshold=0, unit="values that came out otherwise",
    source="unslothai/unsloth#3572, huggingface/accelerate#2926", classes=("O1", "R7"),
)  # fmt: skip
def ledger_match(facts: Facts) -> Finding:
    """What the parameters asked for is what optimizer, sampler, model and trainer really held."""
    rows = facts["ledger"]
    found = {name: [row for row in rows if kind(row) == name] for name in ("experiment", "other", "unread")}
    changed = [*found["experiment"], *found["other"]]
    if found["experiment"]:
        return failed(len(changed), f"{_told(changed)}: the run is not the one that the parameters describe")
    if changed:
        return warned(len(changed), _told(changed))
    if not rows or found["unread"]:
        names = ", ".join(f"{row['what']}{_why(row)}" for row in found["unread"]) or "no value at all"
        return unknown(f"could not be read back: {names}" if found["unread"] else "the ledger holds no value")
    return passed(0, f"{len(rows)} values: {sum(kind(row) == 'same' for row in rows)} as asked, the rest documented")


def _told(rows: list[dict[str, Any]]) -> str:
    return "; ".join(f"{row['what']} was asked as {row['requested']} and was {row['effective']}" for row in rows)


def _why(row: dict[str, Any]) -> str:
    return f" ({row['why']})" if row.get("why") else ""
