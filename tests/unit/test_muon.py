"""Muon with AdamW: updates of even singular values, the right weights in each half, and a state that goes on."""

from __future__ import annotations

import conftest
import pytest
import torch
from torch import nn

from caderno.training.muon import MuonWithAdamW, orthogonalise


def spread(x: torch.Tensor) -> tuple[float, float]:
    values = torch.linalg.svdvals(x)
    return values.min().item(), values.max().item()


@pytest.mark.parametrize("shape", [(1, 64, 16), (1, 16, 64), (5, 48, 24), (3, 24, 96)], ids=str)
def test_singular_values_become_even(shape):
    torch.manual_seed(0)
    raw = torch.randn(shape) * torch.logspace(0, -1, shape[-1])  # columns of unequal size
    low, high = spread(orthogonalise(raw))
    assert 0.5 <= low <= high <= 1.5
    low, high = spread(orthogonalise(raw, steps=0))
    assert low < 0.3, "without the iteration they are as uneven as the gradient"


def test_directions_are_kept_and_the_scale_is_not():
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(24, 12))[0] for _ in range(2))  # (24, 12)
    update = left @ torch.diag(torch.linspace(0.5, 3, 12)) @ right.mT  # rank 12
    rotated = left.mT @ orthogonalise(update[None])[0] @ right  # (12, 12)
    assert torch.allclose(rotated, torch.diag(rotated.diagonal()), atol=1e-4)
    assert (rotated.diagonal() > 0.5).all()
    assert torch.allclose(orthogonalise(update[None]), orthogonalise(1000 * update[None]), atol=1e-4)


def test_a_batch_is_each_of_its_matrices_alone():
    torch.manual_seed(0)
    batch = torch.randn(4, 20, 8)
    alone = torch.cat([orthogonalise(one[None]) for one in batch])
    assert torch.allclose(orthogonalise(batch), alone, atol=1e-5)


def test_embeddings_and_norms_go_to_adamw_and_every_weight_to_one_half():
    model = conftest.build_model(conftest.build_tokenizer())
    names = {id(weight): name for name, weight in model.named_parameters()}
    muon, adamw = MuonWithAdamW(model, 0.02, 0.006).param_groups
    matrices, rest = ([names[id(weight)] for weight in group["params"]] for group in (muon, adamw))
    assert sorted(matrices + rest) == sorted(names.values()) and len(matrices) == 2 * 7
    assert all(name.endswith("_proj.weight") for name in matrices)
    assert "model.embed_tokens.weight" in rest and all("norm" in n or "embed" in n for n in rest)
    assert (muon["lr"], muon["momentum"], adamw["lr"]) == (0.02, 0.95, 0.006)
    assert muon["weight_decay"] == adamw["weight_decay"] == 0


def test_frozen_weights_are_left_out():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[0].requires_grad_(False)
    groups = MuonWithAdamW(model, 0.1, 0.1).param_groups
    assert [[id(weight) for weight in g["params"]] for g in groups] == [[id(model[1].weight)], [id(model[1].bias)]]


@pytest.mark.parametrize(("rows", "columns", "scale"), [(32, 8, 2.0), (8, 32, 1.0), (8, 8, 1.0)])
def test_a_first_step_goes_along_the_orthogonalised_gradient(rows, columns, scale):
    torch.manual_seed(0)
    layer = nn.Linear(columns, rows)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    layer.weight.grad, layer.bias.grad = torch.randn(rows, columns), torch.randn(rows)
    MuonWithAdamW(layer, 0.1, 0.01).step()
    expected = -0.1 * scale * orthogonalise(layer.weight.grad[None])[0]
    assert torch.allclose(layer.weight - weight, expected, atol=1e-5)
    assert torch.allclose(layer.bias - bias, -0.01 * layer.bias.grad.sign(), atol=1e-5), "AdamW's first step"


def test_momentum_averages_gradients_and_looks_ahead():
    torch.manual_seed(0)
    layer = nn.Linear(6, 6, bias=False)
    optimizer = MuonWithAdamW(layer, 0.1, 0.1)
    first, second = torch.randn(2, 6, 6)
    layer.weight.grad = first
    optimizer.step()
    before = layer.weight.detach().clone()
    layer.weight.grad = second
    optimizer.step()
    buffer = 0.95 * 0.05 * first + 0.05 * second
    expected = -0.1 * orthogonalise((0.05 * second + 0.95 * buffer)[None])[0]  # Nesterov
    assert torch.allclose(layer.weight - before, expected, atol=1e-5)


def test_what_has_no_gradient_stays_and_a_closure_is_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    before = [weight.detach().clone() for weight in model.parameters()]
    model[0].weight.grad = torch.ones(4, 4)
    optimizer = MuonWithAdamW(model, 0.1, 0.1)
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert moved == [True, False, False, False]
    with pytest.raises(ValueError, match="no closure"):
        optimizer.step(lambda: 0.0)


class Quadratic:
    """Least squares on a fixed linear map, with the optimizer and its schedule: (256, 8) -> (256, 4)."""

    def __init__(self):
        torch.manual_seed(0)
        self.x = torch.randn(256, 8)
        self.y = self.x @ torch.randn(8, 4) + 1
        self.model = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 4))
        self.optimizer = MuonWithAdamW(self.model, 0.1, 0.05)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 0.97**step)

    def steps(self, n: int) -> list[float]:
        losses = []
        for _ in range(n):
            self.optimizer.zero_grad()
            loss = nn.functional.mse_loss(self.model(self.x), self.y)
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.item())
        return losses


def test_a_few_steps_reduce_a_quadratic_loss():
    losses = Quadratic().steps(60)
    assert losses[-1] < 0.05 * losses[0]


def test_a_loaded_state_goes_on_as_if_never_stopped():
    whole, halves, forgetful = Quadratic(), Quadratic(), Quadratic()
    expected = whole.steps(10)[5:]
    halves.steps(5)
    resumed = Quadratic()
    for part in ("model", "optimizer", "schedule"):
        getattr(resumed, part).load_state_dict(getattr(halves, part).state_dict())
    forgetful.model.load_state_dict(halves.model.state_dict())
    assert resumed.steps(5) == expected
    assert forgetful.steps(5) != expected, "the momentum matters here"
    state = whole.optimizer.state
    muon, adamw = (whole.optimizer.param_groups[i]["params"][0] for i in (0, 1))
    assert set(state[muon]) == {"momentum_buffer"} and {"exp_avg", "exp_avg_sq"} <= set(state[adamw])
    assert whole.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.97**10)
