"""Faults of loaded weights: a lost tensor, one exploding layer, the wrong reference, a tied head trained loose."""

from __future__ import annotations

from types import SimpleNamespace

import conftest
import pytest
import torch
from materials import params, rows

from caderno import models
from caderno.guards import facts_probe_model
from caderno.params.sections import LoraParams
from caderno.training import references
from falsifiers.registry import control, falsifies

KL = params(grpo={"kl_coef": 0.1})
LORA = LoraParams(rank=4, alpha=8)


@pytest.fixture
def policy(small_tokenizer) -> models.Policy:
    return models.Policy(conftest.build_model(small_tokenizer), small_tokenizer)


@pytest.fixture
def adapted(policy) -> models.Policy:
    """With an adapter that has moved."""
    found = models.with_lora(policy, LORA)
    spoil(found.model, "lora_B")
    return found


def spoil(model, part: str, scale: float = 0.05) -> None:
    with torch.no_grad():
        for name, p in model.named_parameters():
            if part in name:
                p.add_(scale * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def shipped() -> models.Policy:
    """The tiny base itself: trained weights. Leave them alone."""
    return models.load(params().model)


@falsifies("init-sanity", "fail")
def test_weights_drawn_at_random(policy):
    return {"init": facts_probe_model.init(policy, rows(), params())}


@falsifies("init-sanity", "fail")
def test_one_lost_tensor():
    spoilt = models.load(params().model)
    head = spoilt.model.get_input_embeddings().weight
    with torch.no_grad():
        head.copy_(head[torch.randperm(len(head), generator=torch.Generator().manual_seed(0))])
    return {"init": facts_probe_model.init(spoilt, rows(), params())}


@control("init-sanity")
def test_the_shipped_weights(shipped):
    return {"init": facts_probe_model.init(shipped, rows(), params())}


@falsifies("layer-scale", "fail")
def test_one_mlp_seventeen_times_too_large(policy):
    ids = facts_probe_model.texts(policy, rows()[:1], params())[0]
    reference = facts_probe_model.layer_std(policy.model, ids)
    with torch.no_grad():
        policy.model.model.layers[0].mlp.down_proj.weight.mul_(17)
    std = facts_probe_model.layer_std(policy.model, ids)
    return {"layers": {"std": std, "reference": reference, "how": "the weights before"}}


@falsifies("layer-scale", "fail")
def test_a_layer_that_overflows(policy):
    with torch.no_grad():
        policy.model.model.layers[1].mlp.down_proj.weight.fill_(torch.inf)
    return {"layers": facts_probe_model.layers(policy, rows(), params())}


@control("layer-scale")
def test_another_attention_gives_the_same_layers(policy):
    facts = facts_probe_model.layers(policy, rows(), params())
    assert policy.model.config._attn_implementation == "sdpa", "put back"
    return {"layers": facts}


def reference(policy: models.Policy, given=KL) -> dict:
    return {"reference": facts_probe_model.reference(policy, given, references.shown)}


@falsifies("ref-policy", "fail")
def test_a_trained_adapter_and_its_base_as_reference(adapted):
    """The training would refuse it: in words, not by a KL that happens to be below the limit."""
    facts = reference(adapted)
    assert "the adapters change a logit" in facts["reference"]["refused"]
    return facts


@falsifies("ref-policy", "fail")
def test_the_base_of_a_trained_adapter_that_nobody_refuses(adapted, monkeypatch):
    monkeypatch.setattr(references, "_require_fresh", lambda *_: None)
    return reference(adapted)


@pytest.fixture
def changed(directory) -> models.Policy:
    """With weights put in place after loading, of which its config's directory knows nothing."""
    found = models.load(params(model={"name": str(directory), "max_length": 256}).model)
    spoil(found.model, "mlp", 0.5)
    return found


@falsifies("ref-policy", "fail")
def test_a_reference_loaded_by_the_policys_name(changed, monkeypatch):
    """TRL's own way under full fine-tuning."""
    by_name = type(changed.model).from_pretrained(changed.model.config._name_or_path).eval()
    monkeypatch.setattr(references, "_reference", lambda *_: by_name)
    return reference(changed)


@falsifies("ref-policy", "fail")
def test_a_copy_that_lost_a_tensor(policy, monkeypatch):
    other = conftest.build_model(policy.tokenizer)
    spoil(other, "mlp", 0.5)
    monkeypatch.setattr(references, "copy", SimpleNamespace(deepcopy=lambda model: other))
    return reference(policy)


@control("ref-policy")
def test_a_fresh_adapter(policy):
    return reference(models.with_lora(policy, LORA))


@control("ref-policy")
def test_a_copy_of_weights_put_in_place_after_loading(changed):
    return reference(changed)


@falsifies("ref-policy", "not_applicable")
def test_no_kl_no_reference(policy):
    return reference(policy, params())


@falsifies("tied-head", "fail")
def test_a_tied_head_trained_loose(policy):
    """The config ties; head and embedding were trained as two matrices, of which one is saved."""
    head = policy.model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone() + 0.5 * torch.rand(head.weight.shape))
    return {"merge": facts_probe_model.merge(policy)}


@falsifies("tied-head", "fail")
def test_an_adapter_with_copies_of_head_and_embedding(policy):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"])
    model = get_peft_model(policy.model, config)
    spoil(model, "lm_head.modules_to_save", 0.5)
    return {"merge": facts_probe_model.merge(models.Policy(model, policy.tokenizer))}


@falsifies("tied-head", "fail")
def test_a_merge_in_place_that_loses_the_adapter(adapted, monkeypatch):
    monkeypatch.setattr(facts_probe_model, "WHOLE_COPY", 0)
    monkeypatch.setattr(
        type(adapted.model.base_model), "merge_adapter", lambda self, *a, **k: self.disable_adapter_layers()
    )
    monkeypatch.setattr(type(adapted.model.base_model), "unmerge_adapter", lambda self: self.enable_adapter_layers())
    return {"merge": facts_probe_model.merge(adapted)}


@falsifies("tied-head", "unknown")
def test_a_large_model_without_adapter_is_not_saved_here(policy, monkeypatch):
    monkeypatch.setattr(facts_probe_model, "WHOLE_COPY", 0)
    return {"merge": facts_probe_model.merge(policy)}


@pytest.mark.parametrize("whole", [True, False], ids=["saved", "in place"])
@control("tied-head")
def test_a_merge_that_keeps_the_adapter(adapted, monkeypatch, whole):
    monkeypatch.setattr(facts_probe_model, "WHOLE_COPY", 10**9 if whole else 0)
    return {"merge": facts_probe_model.merge(adapted)}


@control("tied-head")
def test_a_tie_that_holds(policy):
    return {"merge": facts_probe_model.merge(policy)}


@falsifies("packed-documents", "fail")
def test_documents_under_one_causal_mask(policy):
    leak = facts_probe_model.packed_leak(policy, positions_restart=False)
    return {"packing": {"used": True, "leak": leak}}


@falsifies("packed-documents", "not_applicable")
def test_nothing_is_packed():
    return {"packing": facts_probe_model.packing(params(), {"sft": {}})}


@control("packed-documents")
def test_documents_whose_positions_start_again(policy):
    return {"packing": facts_probe_model.packing(params(), {"sft": {"packing": True}}, policy)}
