"""Benchmark of phase A: one step by bottleneck attention against the public reproduction's way of the same step.

Forward and backward, no optimizer; each measurement is a process of its own, which this file is as well:
`bench_bottleneck.py ARM TOKENS DEVICE VOCABULARY` prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_lines import OVERHEAD, Line, in_turn, process, seconds

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LENGTHS = (1024, 2048, 4096, 8192)
SMALLER_VOCABULARY, SMALLER_LENGTHS = 5376, (4096, 8192)
PROPORTIONS = (120, 7428, 15, 527)  # X, C, Z, Y of one row of the reproduction's, 8,090 tokens
SAME = 1e-4  # loss and gradient norm of the arms, relative
LIMITS = {4096: (-40.0, -25.0), 8192: (-55.0, -40.0)}  # time and memory against the baseline, per cent
BASELINE = "dense 4-D mask, sdpa, all logits"
GIB = 2**30
# Qwen3-0.6B at a quarter of its widths (half the heads, of half the size) and 4 of its 28 layers. The vocabulary is a
# compromise: 32 times the width (Qwen3-4B: 59, 0.6B: 148), the head half the layers' parameters (0.11 and 0.35). It
# decides how much the baseline's logits cost, so that the longest lengths are measured with the 0.6B's share as well.
SMALL = {
    "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64,
    "intermediate_size": 768, "vocab_size": 8192,
}  # fmt: skip
QWEN3_4B = {
    "hidden_size": 2560, "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 9728, "vocab_size": 151_936,
}  # fmt: skip
MORE = {"max_position_embeddings": 40_960, "tie_word_embeddings": True, "rope_theta": 1e6}


def bottlenecked(repeats: int) -> list[Line]:
    """Time, peak memory, and how far loss and gradient norm are apart, at each length; on a GPU the 4B's as well."""
    import torch

    lines = [line for tokens in LENGTHS for line in _lines(tokens, "cpu", repeats)]
    lines += [line for tokens in SMALLER_LENGTHS for line in _lines(tokens, "cpu", repeats, SMALLER_VOCABULARY)]
    if torch.cuda.is_available():
        lines += _lines(8192, "cuda", repeats)
    return lines


def _lines(tokens: int, device: str, repeats: int, vocabulary: int = SMALL["vocab_size"]) -> list[Line]:
    found: dict[str, list[dict]] = {"ours": [], "theirs": []}

    def measure(arm: str):
        return lambda _: found[arm].append(_apart(arm, tokens, device, vocabulary)) or 0.0

    in_turn(repeats, measure("ours"), measure("theirs"))
    ours, theirs = ({key: [one[key] for one in found[arm]] for key in found[arm][0]} for arm in found)
    name = f"{tokens:,} tokens" if device == "cpu" else f"{tokens:,} tokens, Qwen3-4B's shape on a GPU"
    name += f", vocabulary {vocabulary:,}" if vocabulary != SMALL["vocab_size"] else ""
    time, memory = LIMITS.get(tokens, (None, None)) if device == "cpu" else (None, None)

    def against(what: str, unit: str, key: str, limit: float | None) -> Line:
        return Line(f"{name}: {what}", unit, ours[key], BASELINE, theirs[key], OVERHEAD, at_most=limit)

    return [
        against("step", "s", "took_s", time),
        against("peak memory of the process" if device == "cpu" else "peak GPU memory", "GiB", "peak_gib", memory),
        *(
            Line(f"{name}: {what} apart, relative", "", [_relative(ours[key], theirs[key])], at_most=SAME)
            for what, key in (("loss", "loss"), ("gradient norm", "norm"))
        ),
    ]


def _relative(ours: list[float], theirs: list[float]) -> float:
    return max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True))


def _apart(arm: str, tokens: int, device: str, vocabulary: int) -> dict[str, float]:
    """One measurement in a process of its own: what an allocator keeps of one arm must not serve the other."""
    return json.loads(
        process([sys.executable, Path(__file__), arm, str(tokens), device, str(vocabulary)]).splitlines()[-1]
    )


def spans(tokens: int) -> tuple[int, int, int, int]:
    """Lengths of X, C, Z and Y in the row's proportions."""
    x, _, z, y = (max(2, round(part * tokens / sum(PROPORTIONS))) for part in PROPORTIONS)
    return x, tokens - x - z - y, z, y


def one_batch(tokens: int, vocabulary: int) -> dict[str, torch.Tensor]:
    """One row of random tokens."""
    import random

    from caderno.abstract.sequences import Segments, collate

    rng = random.Random(tokens)
    parts = [tuple(rng.randrange(vocabulary) for _ in range(n)) for n in spans(tokens)]
    return collate([Segments("bench", *parts)], 0)


def dense_mask(batch: dict[str, torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    """The reproduction's mask: additive, -inf where nothing is seen, in the model's own type, (1, 1, T, T)."""
    import torch

    x, c, z, _ = batch["spans"][0].tolist()
    width = batch["input_ids"].shape[1]
    seen = torch.ones(width, width, dtype=torch.bool, device=batch["input_ids"].device).tril_()
    seen[x + c + z :, x : x + c] = False
    return torch.zeros(width, width, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))[None, None]


def theirs(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Logits at every position, in float32, and transformers' own loss."""
    mask = dense_mask(batch, model.dtype)
    return model(input_ids=batch["input_ids"], attention_mask=mask, labels=batch["labels"], use_cache=False).loss


def ours(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    from caderno.abstract import bottleneck

    return bottleneck.loss(model, batch)["loss"]


def decoder(shape: dict[str, Any], device: str) -> PreTrainedModel:
    """Random weights, the same for both arms; float32 on a CPU, bfloat16 and checkpointing on a GPU."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        config = Qwen3Config(**shape, **MORE, dtype=torch.float32 if device == "cpu" else torch.bfloat16)
        model = Qwen3ForCausalLM._from_config(config, attn_implementation="sdpa").train()
    if device != "cpu":
        model.gradient_checkpointing_enable()
    return model


def measured(arm: str, tokens: int, device: str, vocabulary: int) -> dict[str, float]:
    """One step after one of 256 tokens, which loads what is loaded at the first call."""
    import torch

    shape = SMALL | {"vocab_size": vocabulary} if device == "cpu" else QWEN3_4B
    model, way = decoder(shape, device), {"ours": ours, "theirs": theirs}[arm]
    kept: list[float] = []

    def step(length: int) -> None:
        model.zero_grad(set_to_none=True)
        batch = {key: value.to(device) for key, value in one_batch(length, shape["vocab_size"]).items()}
        loss = way(model, batch)
        loss.backward()
        kept.append(float(loss.detach()))

    step(256)
    took_s = seconds(lambda: step(tokens))
    norm = float(torch.nn.utils.get_total_norm([p.grad.float() for p in model.parameters() if p.grad is not None]))
    return {"took_s": took_s, "peak_gib": _peak(device) / GIB, "loss": kept[-1], "norm": norm}


def _peak(device: str) -> int:
    """Bytes: the process's largest resident size, or the GPU's largest allocation."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    import torch

    return torch.cuda.max_memory_allocated()


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
