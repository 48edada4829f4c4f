"""What to train a model with: adapter, rates, batch and group, steps for a pass, memory; each value with its reason.

Everything follows from the model's own config and the number of prompts; nothing is tuned and nothing is started.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from caderno.advice.architecture import BYTES, Architecture
from caderno.advice.rates import BLOG, Method, Task, learning_rates
from caderno.errors import BadInput

ALPHA = 32
SMALL_RANK, MOST_RANK = 32, 256
GROUPS = (4, 16)  # the useful range of completions per prompt
GROUP, PROMPTS_PER_STEP = 8, 8
SFT_BATCH = {"lora": 16, "full": 32}
LORA_BATCH_LIMIT = 32
GIB = 2**30


def advise(
    model: Architecture, method: Method = "lora", task: Task = "sft", prompts: int | None = None,
    completion_tokens: int | None = None, dtype: str = "bfloat16",
) -> dict[str, Any]:  # fmt: skip
    """Advice as plain data, in the order it should be read.

    `prompts`: distinct training prompts or rows; `completion_tokens`: supervised tokens of all of them, for SFT's rank.
    Raises BadInput for numbers below 1 or a dtype that is not one.
    """
    for what, value in (("prompts", prompts), ("completion tokens", completion_tokens)):
        if value is not None and value < 1:
            raise BadInput(f"{what}: {value}", expected="at least 1", where="advise")
    if dtype not in BYTES:
        raise BadInput(f"dtype {dtype!r}", expected=", ".join(BYTES), where="advise")
    lora = _adapter(model, task, completion_tokens) if method == "lora" else None
    trainable = lora["parameters"] if lora else model.parameters
    return {
        "model": _facts(model),
        "method": method,
        "task": task,
        "learning_rate": asdict(learning_rates(model, method, task)),
        "lora": lora,
        "batch": _batch(method, task),
        "steps": _steps(method, task, prompts),
        "trainable_parameters": trainable,
        "memory": _memory(model, method, trainable, dtype),
    }


def _facts(model: Architecture) -> dict[str, Any]:
    """The config's sizes and what follows from them."""
    spare = model.spare_rows
    told = {
        None: "no tokenizer.json beside the config: not known",
        0: "every row of the embedding is a token: new tokens need the matrix extended",
    }.get(spare, f"rows without a token: up to {spare} tokens can be added without a larger matrix")
    if spare is not None and spare < 0:
        told = "the tokenizer has more ids than the model has rows: they do not belong together"
    return {
        "name": model.name, "family": model.family, "hidden_size": model.hidden_size, "layers": model.layers,
        "heads": model.heads, "kv_heads": model.kv_heads, "head_dim": model.head_dim,
        "intermediate_size": model.intermediate_size, "vocab_size": model.vocab_size,
        "parameters": model.parameters, "tied": model.tied,
        "tied_means": "embedding and head are one matrix: train both or neither"
        if model.tied
        else "embedding and head are two matrices",
        "spare_rows": spare, "spare_rows_means": told, "context_tokens": model.context_tokens,
        "tensor_parallel_sizes": list(model.tensor_parallel_sizes),
    }  # fmt: skip


def _adapter(model: Architecture, task: Task, completion_tokens: int | None) -> dict[str, Any]:
    """Rank, alpha and targets with their reasons."""
    rank, reason = _rank(model, task, completion_tokens)
    return {
        "rank": rank, "rank_reason": reason, "alpha": ALPHA,
        "alpha_reason": f"{ALPHA} at every rank: the best rate then hardly depends on the rank ({BLOG})",
        "targets": "all-linear",
        "targets_reason": f"every linear layer, the MLP above all; attention alone falls behind ({BLOG})",
        "parameters": model.lora_parameters(rank),
    }  # fmt: skip


def _rank(model: Architecture, task: Task, completion_tokens: int | None) -> tuple[int, str]:
    """A power of two: what the data needs, no more than a quarter of the width."""
    most = 2 ** int(math.log2(max(1, model.hidden_size // 4)))
    if task == "grpo":
        rank = min(SMALL_RANK, most)
        return rank, f"RL learns about a bit an episode, so 1 to 32 serve alike ({BLOG}; TRL's guide to it)"
    per_rank = model.lora_parameters(1)
    if completion_tokens is None or per_rank is None:
        rank = min(SMALL_RANK, most)
        holds = f", {per_rank * rank:,} here" if per_rank else ""
        return rank, f"enough for as many supervised tokens as it has parameters{holds}; with --tokens it is computed"
    needed = 2 ** math.ceil(math.log2(max(1.0, completion_tokens / per_rank)))
    rank = max(8, min(needed, most, MOST_RANK))
    told = f"{completion_tokens:,} supervised tokens and {per_rank:,} parameters a rank (one parameter a token: {BLOG})"
    if needed > rank:
        told += f"; they would take rank {needed:,}: full fine-tuning may do better"
    return rank, told


def _batch(method: Method, task: Task) -> dict[str, Any]:
    if task == "sft":
        rows = SFT_BATCH[method]
        why = "LoRA loses more than full fine-tuning on large batches" if method == "lora" else "a common size"
        limit = f"; stay below {LORA_BATCH_LIMIT} ({BLOG}; TRL's guide to it)" if method == "lora" else ""
        return {"rows": rows, "reason": f"{why}{limit}"}
    return {
        "prompts_per_step": PROMPTS_PER_STEP, "group_size": GROUP, "group_range": list(GROUPS),
        "completions": PROMPTS_PER_STEP * GROUP,
        "reason": f"groups of {GROUPS[0]} to {GROUPS[1]} (proposed): small ones often get one reward for all, "
        "large ones cost rollouts; several prompts a step, for one prompt's gradient is mostly noise",
    }  # fmt: skip


def _steps(method: Method, task: Task, prompts: int | None) -> dict[str, Any]:
    per_step = PROMPTS_PER_STEP if task == "grpo" else SFT_BATCH[method]
    if prompts is None:
        return {"per_step": per_step, "one_pass": None, "reason": "with --prompts: prompts / prompts per step"}
    steps = math.ceil(prompts / per_step)
    return {
        "per_step": per_step, "one_pass": steps, "prompts": prompts,
        "reason": f"{prompts:,} prompts, {per_step} a step: fewer steps leave prompts unseen",
    }  # fmt: skip


def _memory(model: Architecture, method: Method, trainable: int | None, dtype: str) -> dict[str, Any]:
    """GiB of weights, gradients and AdamW's moments, and what grows with length; activations are not in it."""
    width = BYTES[dtype]
    trained_width = 4 if method == "lora" else width
    logits = model.vocab_size * 1024 * 4
    halves = method == "full" and width == 2
    found: dict[str, Any] = {
        "dtype": dtype,
        "formula": f"weights: parameters x {width}; gradients and AdamW's two moments: trainable x {3 * trained_width}"
        + (", and the adapter itself x 4 (PEFT keeps it in float32)" if method == "lora" else ""),
        "kv_cache_mib_per_1k_tokens": round(model.kv_cache_bytes(1024, dtype) / 2**20, 2),
        "kv_cache_formula": f"2 x layers x kv heads x head size x 1,024 tokens x {BYTES[dtype]} bytes, per sequence",
        "logits_mib_per_1k_tokens": round(logits / 2**20, 1),
        "logits_formula": "vocabulary x 1,024 tokens x 4 bytes, per sequence, unless the loss is computed in pieces",
        "left_out": "activations, the sampler's own copy, fragmentation: measure them with a probe"
        + ("; float32 master weights, where a trainer keeps them, add 12 bytes a parameter" if halves else ""),
    }
    if model.parameters is None or trainable is None:
        return {**found, "weights_gib": None, "training_gib": None, "total_gib": None}
    weights = model.parameters * width
    training = trainable * (3 * trained_width + (4 if method == "lora" else 0))
    gib = {"weights_gib": weights, "training_gib": training, "total_gib": weights + training}
    return found | {key: round(value / GIB, 3) for key, value in gib.items()}
