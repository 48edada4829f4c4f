"""Models: exactly the weights that were asked for, or an error that names what is missing or differs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import conftest
import pytest
import torch
from model_files import EMBED, UP, edit_config, edit_weights, loose_head, params, truncate
from safetensors.torch import load_file

from caderno import models
from caderno.errors import BadInput
from caderno.models import checks
from caderno.params.sections import ModelParams


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
