"""Faults of what a stage leaves: a truncated file, NaN weights, a byte that changed, a merge that is another model."""

from __future__ import annotations

import shutil
from pathlib import Path

import conftest
import pytest
import torch
from model_files import edit_weights
from safetensors.torch import load_file

from caderno import models
from caderno.guards import facts_after
from caderno.params.sections import LoraParams
from falsifiers.registry import control, falsifies

LORA = LoraParams(rank=4, alpha=8)


@pytest.fixture
def stage(tmp_path, tiny_model_dir) -> Path:
    """A stage's directory with the final model, two checkpoints and the hashes written down."""
    for place in ("model", "checkpoints/checkpoint-5", "checkpoints/checkpoint-10"):
        shutil.copytree(tiny_model_dir, tmp_path / place)
    for step in (5, 10):
        (tmp_path / f"checkpoints/checkpoint-{step}/trainer_state.json").write_text("{}")
    facts_after.record_hashes(tmp_path)
    return tmp_path


def truncate(file: Path, to: float) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * to)])


@control("checkpoint-reopens")
def test_files_as_they_were_saved(stage):
    return {"weights": facts_after.weights(stage)}


@falsifies("checkpoint-reopens", "fail")
@pytest.mark.parametrize("place", ["model", "checkpoints/checkpoint-5", "checkpoints/checkpoint-10"])
def test_a_truncated_file_even_of_an_old_checkpoint(stage, place):
    truncate(stage / place / "model.safetensors", 0.7)
    return {"weights": facts_after.weights(stage)}


@falsifies("checkpoint-reopens", "fail")
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.02])
def test_a_file_cut_within_its_header(stage, kept):
    truncate(stage / "model/model.safetensors", kept)
    return {"weights": facts_after.weights(stage)}


@falsifies("checkpoint-reopens", "fail")
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_one_weight_that_is_no_number(stage, value):
    def spoil(state):
        next(iter(state.values())).view(-1)[3] = value

    edit_weights(stage / "model", spoil)
    return {"weights": facts_after.weights(stage)}


@falsifies("checkpoint-reopens", "fail")
def test_a_stage_that_left_no_weights(tmp_path):
    return {"weights": facts_after.weights(tmp_path)}


def test_a_checkpoint_that_was_cut_off_is_told_and_not_judged(stage):
    (stage / "checkpoints/checkpoint-10/trainer_state.json").unlink()
    truncate(stage / "checkpoints/checkpoint-10/model.safetensors", 0.5)
    facts = facts_after.weights(stage)
    assert facts["incomplete"] == ["checkpoint-10"]
    read = {one["path"]: one["read"] for one in facts["files"]}
    assert read == {"model/model.safetensors": True, "checkpoints/checkpoint-5/model.safetensors": True}


@control("checkpoint-hash")
def test_nothing_touched_since(stage):
    return {"hashes": facts_after.saved_hashes(stage)}


@falsifies("checkpoint-hash", "fail")
def test_one_byte_that_changed(stage):
    file = stage / "model/model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    return {"hashes": facts_after.saved_hashes(stage)}


@falsifies("checkpoint-hash", "fail")
def test_a_config_that_somebody_edited(stage):
    path = stage / "model/config.json"
    path.write_text(path.read_text().replace('"tie_word_embeddings": true', '"tie_word_embeddings": false'))
    return {"hashes": facts_after.saved_hashes(stage)}


@control("parent-hash")
def test_a_parent_as_it_was_saved(stage):
    return {"parent_hashes": facts_after.saved_hashes(stage)}


@falsifies("parent-hash", "fail")
def test_a_parent_that_is_gone(stage):
    shutil.rmtree(stage / "model")
    return {"parent_hashes": facts_after.saved_hashes(stage)}


@falsifies("parent-hash", "unknown")
def test_a_parent_that_nobody_wrote_down_is_unknown(stage):
    (stage / facts_after.RECORD).unlink()
    return {"parent_hashes": facts_after.saved_hashes(stage)}


@pytest.fixture
def adapted(small_tokenizer) -> models.Policy:
    """With an adapter that has moved."""
    found = models.with_lora(models.Policy(conftest.build_model(small_tokenizer), small_tokenizer), LORA)
    with torch.no_grad():
        for name, p in found.model.named_parameters():
            if "lora_B" in name:
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    return found


@control("merged-equals-adapter")
def test_merged_saved_and_loaded_again(adapted, tmp_path):
    before = facts_after.adapter_logits(adapted)
    return {"merged": facts_after.merged(before, models.save(adapted, tmp_path / "model"), tmp_path / "model")}


@control("merged-equals-adapter")
def test_a_large_model_is_compared_tensor_by_tensor(adapted, tmp_path, monkeypatch):
    monkeypatch.setattr(facts_after, "WHOLE_COPY", 0)
    before = facts_after.adapter_logits(adapted)
    return {"merged": facts_after.merged(before, models.save(adapted, tmp_path / "model"), tmp_path / "model")}


@falsifies("merged-equals-adapter", "fail")
def test_a_large_model_whose_file_holds_other_tensors(adapted, tmp_path, monkeypatch):
    monkeypatch.setattr(facts_after, "WHOLE_COPY", 0)
    before = facts_after.adapter_logits(adapted)
    saved = models.save(adapted, tmp_path / "model")
    edit_weights(tmp_path / "model", lambda state: next(iter(state.values())).mul_(1.01))
    return {"merged": facts_after.merged(before, saved, tmp_path / "model")}


@falsifies("merged-equals-adapter", "fail")
def test_a_tied_head_trained_loose_then_merged(adapted, tmp_path):
    """The head was made two and trained; the config still ties, and whoever loads the files drops one of them."""
    inner = adapted.model.get_base_model()
    head = inner.get_output_embeddings()
    head.weight = torch.nn.Parameter(inner.get_input_embeddings().weight.detach().clone().mul_(1.5))
    before = facts_after.adapter_logits(adapted)
    with pytest.warns(UserWarning, match="no longer tied"):
        merged = adapted.model.merge_and_unload()
    merged.config.tie_word_embeddings = True  # as trainers that know nothing of the two matrices leave it
    state = {name: tensor for name, tensor in merged.state_dict().items() if name != "lm_head.weight"}
    merged.save_pretrained(tmp_path / "model", state_dict=state)
    assert "lm_head.weight" not in load_file(tmp_path / "model/model.safetensors")
    saved = models.Policy(merged, adapted.tokenizer)
    return {"merged": facts_after.merged(before, saved, tmp_path / "model")}


@falsifies("merged-equals-adapter", "fail")
def test_a_base_that_was_saved_without_its_adapter(adapted, tmp_path):
    before = facts_after.adapter_logits(adapted)
    base = adapted.model.unload()
    saved = models.save(models.Policy(base, adapted.tokenizer), tmp_path / "model")
    return {"merged": facts_after.merged(before, saved, tmp_path / "model")}


@falsifies("merged-equals-adapter", "not_applicable")
def test_without_an_adapter_there_is_nothing_to_compare(small_tokenizer, tmp_path):
    policy = models.Policy(conftest.build_model(small_tokenizer), small_tokenizer)
    before = facts_after.adapter_logits(policy)
    return {"merged": facts_after.merged(before, models.save(policy, tmp_path / "model"), tmp_path / "model")}
