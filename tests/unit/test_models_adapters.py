"""Adapters: counted, merged without loss, and refused where they do not land on the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_files import params
from safetensors.torch import load_file, save_file

from caderno import models
from caderno.errors import BadInput
from caderno.models import checks
from caderno.models.adapters import probe_logits
from caderno.params.sections import LoraParams


def shaken(policy: models.Policy) -> models.Policy:
    """Fresh adapters are the identity; these are not."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return policy


def test_lora_counts_its_trainables(tiny_model_dir):
    policy = models.with_lora(models.load(params(tiny_model_dir)), LoraParams(rank=4, alpha=8))
    # rank·(in + out) of q, k, v, o (heads 2, kv 1, d 32) and gate, up, down, in 2 layers; the head is left out
    per_layer = 4 * ((32 + 64) + 2 * (32 + 32) + (64 + 32) + 3 * (32 + 64))
    assert policy.info["trainable"] == models.trainable_parameters(policy.model) == 2 * per_layer
    assert policy.info["lora"]["scale"] == 2.0 and "lm_head" not in policy.info["lora"]["targets"]
    with pytest.raises(BadInput, match="adapters already"):
        models.with_lora(policy, LoraParams(rank=4, alpha=8))
    with pytest.raises(BadInput, match="no adapter fits"):
        models.with_lora(models.load(params(tiny_model_dir)), LoraParams(rank=4, alpha=8, targets=("nothing",)))


def test_merged_on_save_it_is_the_adapter(tiny_model_dir, tmp_path):
    policy = shaken(models.with_lora(models.load(params(tiny_model_dir)), LoraParams(rank=4, alpha=8)))
    expected = probe_logits(policy.model.eval())
    saved = models.save(policy, tmp_path / "merged")
    again = models.load(params(tmp_path / "merged"))
    assert torch.allclose(probe_logits(again.model), expected, atol=1e-3)
    assert saved.info["merge_error"] <= 1e-3 and checks.is_tied(again.model)


@pytest.fixture
def adapter(tiny_model_dir, tmp_path) -> tuple[Path, torch.Tensor]:
    """A trained-looking adapter on disk, and its logits."""
    policy = shaken(models.with_lora(models.load(params(tiny_model_dir)), LoraParams(rank=4, alpha=8)))
    policy.model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter", probe_logits(policy.model.eval())


def test_adapter_is_merged_on_load(tiny_model_dir, adapter):
    path, expected = adapter
    policy = models.load(params(tiny_model_dir, adapter=str(path)))
    assert torch.allclose(probe_logits(policy.model), expected, atol=1e-3)
    assert policy.info["adapter_effect"] > 0 and not hasattr(policy.model, "peft_config")


def rename(state) -> None:
    for key in list(state):
        state[key.replace("base_model.model.", "base_model.model.wrapped.")] = state.pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename, "do not meet"),
        (lambda state: [tensor.zero_() for tensor in state.values()], "the same with the adapter and without"),
        (lambda state: state.pop(next(iter(state))), "do not meet"),
    ],
    ids=["renamed", "zero", "one missing"],
)
def test_an_adapter_that_does_not_land_is_an_error(tiny_model_dir, adapter, change, message):
    file = adapter[0] / "adapter_model.safetensors"
    state = load_file(file)
    change(state)
    save_file(state, file)
    with pytest.raises(BadInput, match=message):
        models.load(params(tiny_model_dir, adapter=str(adapter[0])))


def test_no_adapter_there(tiny_model_dir, tmp_path):
    with pytest.raises(BadInput, match="the adapter does not load"):
        models.load(params(tiny_model_dir, adapter=str(tmp_path)))


def test_an_untrue_merge_is_refused(tiny_model_dir, monkeypatch):
    from peft.tuners.lora import Linear

    policy = shaken(models.with_lora(models.load(params(tiny_model_dir)), LoraParams(rank=4, alpha=8)))
    monkeypatch.setattr(Linear, "merge", lambda self, *args, **kwargs: None)  # a merge that loses the adapter
    with pytest.raises(BadInput, match="merged weights differ"):
        models.save(policy, tiny_model_dir.parent / "never")
