"""Init, from scratch and save: exactly those weights, or an error that names what differs."""

from __future__ import annotations

import shutil
from pathlib import Path

import conftest
import pytest
import torch
from model_files import EMBED, UP, edit_weights, loose_head, params, truncate
from safetensors.torch import load_file

from caderno import models
from caderno.errors import BadInput
from caderno.models import checks
from caderno.models.adapters import probe_logits
from caderno.params.training_sections import ArchitectureParams

# --- init: exact weights or an error


def test_init_puts_exactly_those_weights_in(tiny_model_dir, tmp_path):
    other = conftest.save_model(tmp_path / "other", seed=7)
    policy = models.load(params(tiny_model_dir, init=str(other)))
    for name, tensor in load_file(other / "model.safetensors").items():
        assert torch.equal(policy.model.state_dict()[name], tensor)
    assert checks.is_tied(policy.model)
    filled = models.init_from(conftest.build_model(policy.tokenizer, seed=3), other / "model.safetensors")
    assert torch.equal(probe_logits(filled), probe_logits(policy.model))


def test_init_names_every_field_that_differs(tiny_model_dir, tmp_path):
    changes = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96}
    rope = {"rope_type": "default", "rope_theta": 1e6}
    other = conftest.save_model(tmp_path / "other", tie_word_embeddings=False, rope_parameters=rope, **changes)
    with pytest.raises(BadInput) as refused:
        models.load(params(tiny_model_dir, init=str(other)))
    for field in [*changes, "rope_theta", "tie_word_embeddings"]:
        assert field in str(refused.value)
    assert "num_hidden_layers" not in str(refused.value)


def test_init_sees_a_rope_theta_that_every_shape_would_let_pass(tiny_model_dir, tmp_path):
    rope = {"rope_type": "default", "rope_theta": 1e6}
    other = conftest.save_model(tmp_path / "other", rope_parameters=rope)
    with pytest.raises(BadInput, match=r"another architecture: rope_theta is 1000000.0 there, 10000.0 here"):
        models.load(params(tiny_model_dir, init=str(other)))


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (lambda d: edit_weights(d, lambda s: s.pop(UP)), f"missing: {UP}"),
        (lambda d: edit_weights(d, lambda s: s.update({"foo.weight": torch.ones(2)})), "unknown: foo.weight"),
        (lambda d: edit_weights(d, lambda s: s.update({UP: torch.ones(3, 3)})), r"\[3, 3\] there, \[64, 32\] here"),
        (lambda d: edit_weights(d, lambda s: s[UP].fill_(torch.nan)), f"not finite in {UP}"),
        (lambda d: edit_weights(d, loose_head), "lm_head.weight differs from"),
        (truncate, "truncated or corrupt"),
        (lambda d: (d / "model.safetensors").unlink(), "no weights: model.safetensors missing"),
        (lambda d: shutil.rmtree(d), "no weights at"),
        (lambda d: conftest.build_tokenizer(conftest.WORDS[::-1]).save_pretrained(d), "tokens differ"),
    ],
)
def test_init_refuses_what_is_not_exact(tiny_model_dir, directory, plant, message):
    plant(directory)
    with pytest.raises(BadInput, match=message):
        models.load(params(tiny_model_dir, init=str(directory)))


def test_init_takes_a_head_that_equals_its_embedding(tiny_model_dir, directory):
    edit_weights(directory, lambda s: s.update({"lm_head.weight": s[EMBED].clone()}))
    assert checks.is_tied(models.load(params(tiny_model_dir, init=str(directory))).model)


# --- from scratch, save


def test_from_scratch_follows_the_parameters_and_the_seed():
    tokenizer = conftest.build_tokenizer()
    shape = ArchitectureParams(hidden_size=64, layers=2, heads=4, kv_heads=2, intermediate_size=96, rope_theta=5e4)
    state = torch.random.get_rng_state()
    policy, again, other = (models.from_scratch(shape, tokenizer, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(probe_logits(policy.model), probe_logits(again.model))
    assert not torch.equal(probe_logits(policy.model), probe_logits(other.model))
    torch.manual_seed(1)
    assert torch.equal(probe_logits(models.from_scratch(shape, tokenizer).model), probe_logits(policy.model))
    found = policy.info["architecture"]
    assert (found["hidden_size"], found["num_key_value_heads"], found["rope_theta"]) == (64, 2, 5e4)
    assert found["vocab_size"] == len(tokenizer) and policy.info["tied"]
    # V·H + layers·(q, o: 2·H·heads·d; k, v: 2·H·kv·d; MLP: 3·H·F; norms: 2·H + 2·d) + final norm H
    layer = 2 * 64 * 4 * 32 + 2 * 64 * 2 * 32 + 3 * 64 * 96 + 2 * 64 + 2 * 32
    assert policy.info["parameters"] == len(tokenizer) * 64 + 2 * layer + 64


def test_saved_and_loaded_again_it_is_the_same_and_tied(tiny_model_dir, tmp_path):
    policy = models.load(params(tiny_model_dir))
    models.save(policy, tmp_path / "out")
    again = models.load(params(tmp_path / "out"))
    assert checks.is_tied(again.model)
    assert torch.equal(probe_logits(policy.model), probe_logits(again.model))
    assert again.tokenizer.chat_template == policy.tokenizer.chat_template
    models.save(policy, tmp_path / "out")  # an earlier directory is replaced
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_a_loose_head_is_not_saved(tiny_model_dir, tmp_path):
    policy = models.load(params(tiny_model_dir))
    policy.model.lm_head.weight = torch.nn.Parameter(policy.model.lm_head.weight + 0.5)
    with pytest.raises(BadInput, match="ties the head"):
        models.save(policy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_was_written_is_checked(tiny_model_dir, tmp_path):
    from caderno.models.saving import require_saved

    policy = models.load(params(tiny_model_dir))
    for plant in (lambda s: s.pop(UP), lambda s: s.update({"lm_head.weight": s[EMBED].clone()})):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        edit_weights(Path(models.save(policy, tmp_path / "out") and tmp_path / "out"), plant)
        with pytest.raises(BadInput, match="what was written is not the model"):
            require_saved(policy.model, tmp_path / "out")


def test_a_full_disk_is_told_before_writing(tiny_model_dir, tmp_path, monkeypatch):
    policy = models.load(params(tiny_model_dir))
    monkeypatch.setattr("caderno.models.saving.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(BadInput, match="are free"):
        models.save(policy, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
