"""Faults of training steps: a frozen adapter, dead tensors, NaN that is hidden, a resume that forgets."""

from __future__ import annotations

import conftest
import pytest
import torch
from materials import params, rows

from caderno import models
from caderno.guards import facts_probe_steps
from caderno.params.sections import LoraParams
from caderno.training import rehearsing
from falsifiers.registry import control, falsifies

LORA = LoraParams(rank=4, alpha=8)


@pytest.fixture
def policy(small_tokenizer) -> models.Policy:
    return models.Policy(conftest.build_model(small_tokenizer), small_tokenizer)


@pytest.fixture
def adapted(policy) -> models.Policy:
    return models.with_lora(policy, LORA)


def stepped(policy) -> dict:
    before = {name: p.clone() for name, p in policy.model.named_parameters()}
    facts = facts_probe_steps.steps(policy, rows(), params())
    assert all(torch.equal(p, before[name]) for name, p in policy.model.named_parameters()), "put back"
    return {"steps": facts}


def freeze(model, part: str) -> None:
    for name, p in model.named_parameters():
        if part in name:
            p.requires_grad = False


@falsifies("weights-move", "fail")
def test_an_adapter_that_was_loaded_frozen(adapted):
    freeze(adapted.model, "lora_")
    return stepped(adapted)


@falsifies("weights-move", "fail")
def test_one_layer_of_the_adapter_is_frozen(adapted):
    freeze(adapted.model, "layers.1.mlp.down_proj.lora_A")
    return stepped(adapted)


@falsifies("weights-move", "fail")
def test_a_layer_that_is_not_in_the_graph(policy):
    layer = policy.model.model.layers[1]
    layer.mlp.forward = lambda x: torch.zeros_like(x)
    return stepped(policy)


@falsifies("weights-move", "not_applicable")
def test_nothing_is_trained(policy):
    return {"steps": facts_probe_steps.steps(policy, rows(), params(stages=["preflight", "calibration"]))}


@control("weights-move")
def test_every_tensor_moves(policy):
    return stepped(policy)


@control("weights-move")
def test_every_tensor_of_the_adapter_moves(adapted):
    return stepped(adapted)


@falsifies("adapter-on-off", "fail")
def test_an_adapter_that_is_not_in_the_forward_pass(adapted):
    adapted.model.base_model.disable_adapter_layers()
    facts = facts_probe_steps.steps(adapted, rows(), params())
    return {"steps": facts | {"adapter_effect": facts_probe_steps.adapter_effect(adapted.model)}}


@falsifies("adapter-on-off", "not_applicable")
def test_without_adapter(policy):
    return stepped(policy)


@control("adapter-on-off")
def test_the_adapter_acts_after_a_step(adapted):
    return stepped(adapted)


@falsifies("finite-gradients", "fail")
def test_activations_that_overflow(policy):
    policy.model.model.layers[0].register_forward_hook(lambda module, given, out: out * torch.inf)
    return stepped(policy)


@control("finite-gradients")
def test_gradients_are_numbers(policy):
    return stepped(policy)


def on_a_gpu(**fields) -> dict:
    """The facts of a GPU, which is not here."""
    return {"steps": {"batch": (4, 2048), "peak_share": 0.6} | fields}


@falsifies("length-memory", "fail")
def test_the_longest_rows_fill_the_gpu():
    return on_a_gpu(peak_share=0.95)


@falsifies("length-memory", "fail")
def test_the_longest_rows_do_not_fit():
    return on_a_gpu(out_of_memory=True, unknown="out of memory")


@falsifies("length-memory", "unknown")
def test_no_gpu_to_measure(policy):
    return stepped(policy)


@control("length-memory")
def test_the_longest_rows_leave_room():
    return on_a_gpu()


@falsifies("accumulation", "fail")
def test_a_model_that_drops_num_items_in_batch(policy):
    real = policy.model.forward
    policy.model.forward = lambda *given, num_items_in_batch=None, **more: real(*given, **more)
    return {"accumulation": facts_probe_steps.accumulation(policy, rows(), params())}


@control("accumulation")
def test_a_model_that_takes_it(policy):
    return {"accumulation": facts_probe_steps.accumulation(policy, rows(), params())}


@falsifies("nan-visible", "fail")
def test_the_filter_is_on():
    return {"nan_log": rehearsing.nan_log(params(), logging_nan_inf_filter=True)}


@falsifies("nan-visible", "unknown")
def test_the_step_is_not_logged():
    return {"nan_log": rehearsing.nan_log(params(), logging_steps=100)}


@control("nan-visible")
def test_the_runs_own_arguments_show_it():
    return {"nan_log": rehearsing.nan_log(params())}


@falsifies("resume-equivalence", "fail")
def test_the_random_state_is_lost():
    return {"resume": rehearsing.resume(params(), delete=("rng_state.pth",))}


@falsifies("resume-equivalence", "fail")
def test_the_sampler_begins_anew():
    facts = {"resume": rehearsing.resume(params(), ignore_data_skip=True)}
    whole, resumed = (facts["resume"][key][2]["rows"] for key in ("whole", "resumed"))
    assert whole != resumed, "the first divergent rows are what it names"
    return facts


@control("resume-equivalence")
def test_resumed_is_unbroken():
    return {"resume": rehearsing.resume(params())}
