"""Faults of machine and model: GPUs, precision, heads, ties, files that run code, a host that stops when idle."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from caderno.guards import facts_static_machine as machine
from caderno.guards import facts_static_model as models
from falsifiers.plants import CONFIG, L4, clean, parameters, with_fact
from falsifiers.registry import control, falsifies

T4 = {"name": "Tesla T4", "memory_gib": 15.0, "used_gib": 0.1, "capability": 7.5}


@falsifies("hardware", "warn")
def test_a_smaller_gpu_than_the_file_wants():
    return with_fact("gpus", [T4])


@falsifies("hardware", "fail")
def test_two_processes_on_one_gpu():
    return clean(processes=2)


@control("hardware")
def test_the_gpu_that_was_asked_for():
    return clean()


@falsifies("gpu-free")
def test_a_forgotten_kernel_holds_memory():
    return with_fact("gpus", [L4 | {"used_gib": 9.0}])


@control("gpu-free")
def test_a_free_gpu():
    return clean()


@falsifies("dtype-gpu", "fail")
def test_bfloat16_on_a_t4():
    return with_fact("gpus", [T4])


@falsifies("dtype-gpu", "fail")
def test_float16_of_a_bfloat16_model():
    return with_fact("gpus", None, model={"dtype": "float16"})


@control("dtype-gpu")
def test_bfloat16_on_an_l4():
    return clean()


@falsifies("tensor-parallel", "fail")
def test_three_gpus_for_32_heads():
    return clean(engine={"tensor_parallel": 3})


@control("tensor-parallel")
def test_two_gpus_for_32_heads():
    return clean(engine={"tensor_parallel": 2})


@falsifies("tied-targets", "fail")
def test_an_adapter_on_a_tied_head():
    return clean(model={"lora": {"targets": ["q_proj", "lm_head"]}})


@control("tied-targets")
def test_an_adapter_on_a_head_of_its_own():
    untied = {"directory": "/m", "parameters": 7_000_000_000, "config": CONFIG | {"tie_word_embeddings": False}}
    return with_fact("model", untied, model={"lora": {"targets": ["q_proj", "lm_head"]}})


class Payload:
    """What a malicious pickle does when it is opened; it is never opened here."""

    def __reduce__(self):
        return print, ("code ran",)


@pytest.fixture
def model_dir(tmp_path) -> Path:
    """A directory with a configuration and nothing else."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def _files(folder: Path) -> dict:
    return with_fact("model_files", models.suspicious_files(parameters(model={"name": str(folder)})))


@falsifies("pickle-weights", "fail")
@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "model.ckpt"])
def test_weights_that_are_a_pickle(model_dir, name):
    (model_dir / name).write_bytes(pickle.dumps(Payload()))
    return _files(model_dir)


@falsifies("pickle-weights", "fail")
def test_an_adapter_that_is_a_pickle(model_dir):
    (model_dir / "model.safetensors").write_bytes(b"")
    adapter = model_dir / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Payload()))
    params = parameters(model={"name": str(model_dir), "adapter": str(adapter)})
    return with_fact("model_files", models.suspicious_files(params))


@control("pickle-weights")
def test_safetensors_beside_a_trainers_own_files(model_dir):
    (model_dir / "model.safetensors").write_bytes(b"")
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth"):
        (model_dir / name).write_bytes(b"")
    return _files(model_dir)


@falsifies("remote-code")
def test_a_repository_with_code(model_dir):
    (model_dir / "modeling_own.py").write_text("print('code ran')\n")
    return _files(model_dir)


@falsifies("remote-code")
def test_a_configuration_that_points_to_code(model_dir):
    config = CONFIG | {"auto_map": {"AutoModelForCausalLM": "other/repository--modeling.Model"}}
    (model_dir / "config.json").write_text(json.dumps(config))
    return _files(model_dir)


@control("remote-code")
def test_no_code(model_dir):
    return _files(model_dir)


@falsifies("revision-pinned")
@pytest.mark.parametrize("revision", [None, "main", "v1.0"])
def test_a_hub_model_without_a_commit(revision):
    return clean(model={"revision": revision})


@control("revision-pinned")
def test_a_commit():
    return clean()


@falsifies("durable-logs")
def test_runs_in_memory(tmp_path):
    why = machine.temporary(tmp_path, {"/": "ext4", str(tmp_path): "tmpfs"})
    return with_fact("run_root", {"where": str(tmp_path), "free_bytes": 2**40, "temporary": why})


@control("durable-logs")
def test_runs_on_a_disk():
    why = machine.temporary(Path("/home/user/runs"), {"/": "ext4", "/tmp": "tmpfs"})
    return with_fact("run_root", {"where": "/home/user/runs", "free_bytes": 2**40, "temporary": why})


@falsifies("idle-shutdown")
def test_an_instance_that_stops_after_three_idle_hours():
    return with_fact("idle_shutdown", {"google": True, "idle_s": 10_800.0})


@control("idle-shutdown")
def test_an_instance_that_stays():
    return clean()
