"""Gathers what the probe guards judge of training steps: a few real ones by hand, with everything put back afterwards.

Plain torch: forward, cross-entropy, AdamW. What a Trainer adds is rehearsed in `caderno.training.rehearsing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from caderno.guards.facts_probe_model import texts
from caderno.guards.facts_probe_rollouts import evaluating, logprobs
from caderno.models.adapters import probe_logits

if TYPE_CHECKING:
    from torch import Tensor

    from caderno.models import Policy
    from caderno.params import Params

STEPS = 2  # an adapter's first matrix has no gradient before its second has moved
ROWS_ON_A_CPU = 4
SYNC_RATE, SYNC_STEPS, SYNC_NATS = 1e-3, 8, 0.05  # updates until the trainer's own probabilities have moved


@contextmanager
def rehearsed(model: Any) -> Iterator[None]:
    """Whatever happens to the trainable weights inside is undone; gradients are dropped."""
    import torch

    kept = {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}
    training = model.training
    try:
        yield
    finally:
        with torch.no_grad():
            for name, p in model.named_parameters():
                if name in kept:
                    p.copy_(kept[name])
        model.zero_grad(set_to_none=True)
        model.train(training)


def steps(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """Two AdamW steps at the run's own rate on the longest rows; {} where no stage trains this model.

    Which tensors stood still, which gradients were no numbers, what the adapter does, and the peak of memory.
    """
    import torch

    stage = next((one for one in ("sft", "grpo") if one in params.stages), None)
    if stage is None:
        return {}
    rate = getattr(params, stage).learning_rate
    batch = longest(policy, rows, params, stage)
    names = {name: p.requires_grad for name, p in policy.model.named_parameters()}
    found: dict[str, Any] = {
        "steps": STEPS, "learning_rate": rate, "batch": tuple(batch["input_ids"].shape), "peak_share": None,
        "tensors": sum(names.values()), "frozen": [n for n, on in names.items() if "lora_" in n and not on],
        "still": [], "bad_gradients": [], "losses": [],
    }  # fmt: skip
    if not found["tensors"]:
        return found
    with rehearsed(policy.model):
        try:
            found |= _stepped(policy.model, batch, rate)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            return found | {"out_of_memory": True, "unknown": "out of memory before two steps ended"}
    return found


def longest(policy: Policy, rows: Sequence[dict], params: Params, stage: str) -> dict[str, Tensor]:
    """The longest rows as one batch: as many as the trainer takes at once on a GPU, a few on a CPU."""
    import torch

    device = policy.model.device
    spec = getattr(params, stage)
    total = spec.batch_size if stage == "sft" else spec.prompts_per_step * spec.group_size
    n = total // (spec.gradient_accumulation_steps * params.processes) if device.type == "cuda" else ROWS_ON_A_CPU
    limit = params.model.max_length
    likely = sorted(rows, key=lambda row: -len(str(row["prompt"])) - len(row["gold"]))[: 4 * n]
    found = sorted((ids for ids in texts(policy, likely, params) if len(ids) <= limit), key=len, reverse=True)
    found = (found * n)[:n] or [[0] * limit]
    width = len(found[0])
    ids = torch.tensor([row + [row[-1]] * (width - len(row)) for row in found], device=device)
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in found], device=device)
    return {"input_ids": ids, "attention_mask": real, "labels": ids.masked_fill(real == 0, -100)}


def _stepped(model: Any, batch: dict[str, Tensor], rate: float) -> dict[str, Any]:
    import torch

    gpu = model.device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    before = {name: p.detach().to("cpu", copy=True) for name, p in trainable.items()}
    losses, bad = [], set()
    optimizer = torch.optim.AdamW(trainable.values(), lr=rate, weight_decay=0.0)
    model.train()
    for _ in range(STEPS):
        loss = model(**batch).loss
        if loss.requires_grad:
            loss.backward()
        bad |= {name for name, p in trainable.items() if p.grad is not None and not p.grad.isfinite().all()}
        losses.append(loss.item())
        optimizer.step()
        optimizer.zero_grad()
    still = [name for name, p in trainable.items() if torch.equal(p.detach().cpu(), before[name])]
    peak = torch.cuda.max_memory_allocated() / torch.cuda.get_device_properties(0).total_memory if gpu else None
    return {
        "still": still, "losses": losses, "bad_gradients": sorted(bad), "peak_share": peak,
        "adapter_effect": adapter_effect(model),
    }  # fmt: skip


def adapter_effect(model: Any) -> float | None:
    """Largest change of a logit by the adapter as it stands; None where there is none."""
    if not hasattr(model, "disable_adapter"):
        return None
    with evaluating(model):
        on = probe_logits(model)
        with model.disable_adapter():
            return (on - probe_logits(model)).abs().max().item()


class Update:
    """Real AdamW steps until the trainer's own log-probabilities have moved enough to tell old weights from new."""

    def __init__(self, policy: Policy, rows: Sequence[dict], params: Params) -> None:
        stage = "sft" if "sft" in params.stages else "grpo"
        self.policy, self.batch = policy, longest(policy, rows, params, stage)

    def __call__(self) -> None:
        import torch

        model = self.policy.model
        ids = self.batch["input_ids"][0].tolist()
        watched = [(ids[:1], ids[1:33])]
        before = logprobs(self.policy, watched)
        trainable = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trainable, lr=SYNC_RATE, weight_decay=0.0)
        for _ in range(SYNC_STEPS if trainable else 0):
            model(**self.batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            now = logprobs(self.policy, watched)
            moved = sum(abs(a - b) for a, b in zip(before, now, strict=True)) / len(now)
            if not moved < SYNC_NATS:
                return


def accumulation(policy: Policy, rows: Sequence[dict], params: Params, pieces: int = 4) -> dict[str, Any]:
    """The loss of rows of different lengths at once, and as the sum over pieces, as the Trainer adds them up."""
    import torch

    ordered = sorted(texts(policy, rows[:32], params), key=len)
    chosen = ordered[:: max(1, len(ordered) // pieces)][:pieces]
    width, device = max(map(len, chosen)), policy.model.device
    ids = torch.tensor([row + [row[-1]] * (width - len(row)) for row in chosen], device=device)
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in chosen], device=device)
    labels = ids.masked_fill(real == 0, -100)
    n = (labels[:, 1:] != -100).sum()
    with evaluating(policy.model) as model:

        def loss(part: slice) -> float:
            given = {"input_ids": ids[part], "attention_mask": real[part], "labels": labels[part]}
            return model(**given, num_items_in_batch=n).loss.item()

        whole, parts = loss(slice(None)), sum(loss(slice(i, i + 1)) for i in range(len(chosen)))
    return {"whole": whole, "parts": parts if math.isfinite(parts) else math.nan, "pieces": len(chosen)}
