"""Muon for the matrices and AdamW for the rest, in one optimizer that a Trainer can drive.

`torch.optim.Muon` orthogonalises in bfloat16, which is slow on a CPU, and one matrix at a time; here those of one shape
go through together, in their own precision. It has no weight decay: the corpus never repeats.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Newton-Schulz coefficients of Muon (Jordan et al., 2024): steep at 0, so that five steps suffice.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(update: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly (singular values in about 0.7-1.2). Shape (N, rows, columns)."""
    wide = update.size(-2) > update.size(-1)
    x = update.mT if wide else update
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT  # (N, r, r)
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x.mT if wide else x


class MuonWithAdamW(torch.optim.AdamW):
    """AdamW whose groups marked `muon` are stepped by Muon with Nesterov momentum instead."""

    def __init__(self, model: nn.Module, muon_lr: float, adamw_lr: float, momentum: float = 0.95):
        embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        trained = [p for p in model.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim == 2 and id(p) not in embeddings]
        rest = [p for p in trained if not (p.ndim == 2 and id(p) not in embeddings)]
        groups = [
            {"params": matrices, "lr": muon_lr, "muon": True, "momentum": momentum},
            {"params": rest, "lr": adamw_lr, "muon": False, "momentum": 0.0},
        ]
        super().__init__(groups, betas=(0.9, 0.95), weight_decay=0.0)

    def __setstate__(self, state: dict) -> None:
        """AdamW's own asks every weight for its count of steps; Muon keeps none, and its state would not load."""
        for kept in state["state"].values():
            kept.setdefault("step", torch.tensor(0.0))
        super().__setstate__(state)

    @torch.no_grad()
    def step(self, closure=None):
        """One step of both. Muon's update is scaled by sqrt(max(1, rows / columns)), as in the reference."""
        if closure is not None:
            raise ValueError("MuonWithAdamW takes no closure")
        all_groups = self.param_groups
        for group in all_groups:
            if group["muon"]:
                self._muon(group)
        try:
            self.param_groups = [group for group in all_groups if not group["muon"]]
            super().step()
        finally:
            self.param_groups = all_groups

    def _muon(self, group: dict) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for weight in group["params"]:
            if weight.grad is not None:
                by_shape.setdefault(weight.shape, []).append(weight)
        for (rows, columns), weights in by_shape.items():
            updates = torch.stack([self._momentum(weight, group["momentum"]) for weight in weights])
            scale = max(1.0, rows / columns) ** 0.5
            for weight, update in zip(weights, orthogonalise(updates), strict=True):
                weight.add_(update, alpha=-group["lr"] * scale)

    def _momentum(self, weight: Tensor, momentum: float) -> Tensor:
        state = self.state[weight]
        buffer = state.setdefault("momentum_buffer", torch.zeros_like(weight))
        buffer.lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(buffer, momentum)
