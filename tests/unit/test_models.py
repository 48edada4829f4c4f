"""Models: exactly the weights that were asked for, or an error that names what is missing or differs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import conftest
import pytest
import torch
from safetensors.torch import load_file, save_file

from caderno import models
from caderno.errors import BadInput
from caderno.models import checks
from caderno.models.adapters import probe_logits
from caderno.params.sections import LoraParams, ModelParams
from caderno.params.training_sections import ArchitectureParams

UP = "model.layers.1.mlp.up_proj.weight"
EMBED = "model.embed_tokens.weight"


def params(path: Path | str, **more) -> ModelParams:
    return ModelParams(name=str(path), **more)


@pytest.fixture
def directory(tiny_model_dir, tmp_path) -> Path:
    """A copy to plant faults in."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def edit_weights(directory: Path, change) -> Path:
    state = load_file(directory / "model.safetensors")
    change(state)
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def edit_config(directory: Path, **changes) -> Path:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return directory


def truncate(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def loose_head(state) -> None:
    state["lm_head.weight"] = state[EMBED] + 0.5


# --- load


def test_load_gives_the_files_weights_and_reads_back_what_it_did(tiny_model_dir):
    policy = models.load(params(tiny_model_dir, max_length=200))
    for name, tensor in load_file(tiny_model_dir / "model.safetensors").items():
        assert torch.equal(policy.model.state_dict()[name], tensor)
    assert not policy.model.training
    info = policy.info
    assert (info["tied"], info["context_tokens"], info["vocabulary"]) == (True, 200, len(policy.tokenizer))
    assert info["parameters"] == info["trainable"] == sum(t.numel() for t in policy.model.parameters())
    effective = {row["what"]: (row["requested"], row["effective"]) for row in info["ledger"]}
    assert effective["model.dtype"] == ("float32", "float32")
    assert effective["model.attention"] == ("sdpa", "sdpa")
    json.dumps(info)


def test_dtype_attention_and_training_mode_take_effect(tiny_model_dir):
    wanted = params(tiny_model_dir, dtype="bfloat16", attention="eager", gradient_checkpointing=True)
    policy = models.load(wanted, for_training=True)
    effective = {row["what"]: row["effective"] for row in policy.info["ledger"]}
    assert effective["model.dtype"] == "bfloat16" and effective["model.attention"] == "eager"
    assert policy.model.training and effective["model.gradient_checkpointing"] is True


def test_shipped_model_is_found_by_its_name(tiny_model_dir, monkeypatch, tmp_path):
    shutil.copytree(tiny_model_dir, tmp_path / "tiny_base")
    monkeypatch.setattr("caderno.models.source.resources.files", lambda package: tmp_path)
    assert models.load(ModelParams(name="tiny")).info["source"] == str(tmp_path / "tiny_base")


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (lambda d: (d / "config.json").unlink(), "missing config.json"),
        (lambda d: (d / "model.safetensors").unlink(), r"missing weights \(model.safetensors\)"),
        (lambda d: [f.unlink() for f in d.glob("tokenizer*")], "missing a tokenizer"),
        (lambda d: [f.unlink() for f in d.iterdir()], "config.json, weights .*, a tokenizer"),
        (lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"), "pickles"),
        (lambda d: (d / "config.json").write_text("{ broken"), "not a valid JSON"),
        (truncate, "SafetensorError"),
        (lambda d: edit_weights(d, lambda s: s.pop(UP)), f"missing weights: {UP}"),
        (lambda d: edit_weights(d, lambda s: s.update({UP: torch.zeros(3, 3)})), r"\[3, 3\] in the file, \[64, 32\]"),
        (lambda d: edit_config(d, hidden_size=16), "wrong shapes"),
        (lambda d: edit_config(d, model_type="llama", architectures=["LlamaForCausalLM"]), "no place for: .*q_norm"),
        (lambda d: edit_weights(d, loose_head), "ties the head"),
        (lambda d: edit_config(d, tie_word_embeddings=False), "missing weights: lm_head.weight"),
    ],
)
def test_a_damaged_directory_is_an_error_that_names_the_damage(directory, plant, message):
    plant(directory)
    with pytest.raises(BadInput, match=message):
        models.load(params(directory))


def test_a_head_of_another_kind_may_be_left_out(directory):
    edit_weights(directory, lambda s: s.update({"value_head.weight": torch.zeros(2)}))
    assert checks.is_tied(models.load(params(directory)).model)


def test_a_missing_shard_is_named(directory):
    index = {
        "metadata": {},
        "weight_map": {EMBED: "model-00001-of-00002.safetensors", UP: "model-00002-of-00002.safetensors"},
    }
    (directory / "model.safetensors").rename(directory / "model-00001-of-00002.safetensors")
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadInput, match=r"missing model-00002-of-00002\.safetensors"):
        models.load(params(directory))
    (directory / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(BadInput, match="index"):
        models.load(params(directory))


def test_paths_that_are_no_models(tmp_path, directory):
    with pytest.raises(BadInput, match="there is no directory"):
        models.load(params(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="this is a file"):
        models.load(params(directory / "config.json"))
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(BadInput, match=r"name it under model\.adapter"):
        models.load(params(tmp_path / "adapter"))


def test_an_unreachable_hub_says_so(monkeypatch):
    import httpx
    from huggingface_hub import HfApi

    def unreachable(*args, **kwargs):
        raise httpx.ConnectError("Name or service not known")

    monkeypatch.setattr(HfApi, "model_info", unreachable)
    with pytest.raises(BadInput, match=r"cannot be reached \(Name or service not known\).*HF_HUB_OFFLINE=1"):
        models.load(params("nobody/no-such-model"))


def test_a_cached_hub_model_is_read_without_the_hub(monkeypatch):
    import httpx
    import huggingface_hub

    from caderno.models.source import resolve

    def unreachable(*args, **kwargs):
        raise httpx.ConnectError("no network")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a, **k: "/cache/config.json")
    assert resolve("org/cached").local_files_only


def test_more_tokens_than_rows_and_more_context_than_positions(directory, tiny_model_dir):
    with pytest.raises(BadInput, match="positions end at 512"):
        models.load(params(tiny_model_dir, max_length=513))
    conftest.build_tokenizer([*conftest.WORDS, "novo", "extra"]).save_pretrained(directory)
    with pytest.raises(BadInput, match="122 tokens and the model 120"):
        models.load(params(directory))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can do what is refused here")
@pytest.mark.parametrize(
    "wish", [{"backend": "unsloth"}, {"load_in_4bit": True}, {"attention": "flash_attention_2"}], ids=str
)
def test_what_needs_a_gpu_says_so(tiny_model_dir, wish):
    with pytest.raises(BadInput, match="needs an NVIDIA GPU") as refused:
        models.load(params(tiny_model_dir, dtype="bfloat16", **wish))
    assert refused.value.where == f"model.{next(iter(wish))}"


def test_importing_models_loads_no_torch():
    code = "import sys, caderno.models, caderno.generation, caderno.chat; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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


# --- adapters


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
