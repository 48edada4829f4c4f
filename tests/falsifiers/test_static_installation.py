"""Faults of what is installed and of the runner's files; notebooks, caches and secrets are planted as real files."""

from __future__ import annotations

import json
import shutil

import pytest

from caderno import guards, params, runs, trl_arguments
from caderno.guards import facts_static_files as files
from caderno.guards.trl_configs import Asked
from falsifiers.plants import clean, inside, with_fact
from falsifiers.registry import control, falsifies

HF_LIKE = "hf_" + "aB3dE5gH7j" * 4  # no token: made up here


@falsifies("version-lock", "fail")
def test_another_trl():
    return inside("installed", trl="1.15.0")


@falsifies("version-lock", "fail")
def test_no_trl():
    return inside("installed", trl=None)


@falsifies("version-lock", "warn")
def test_another_package_that_trains_nothing():
    return inside("installed", rich="15.0.0")


@control("version-lock")
def test_the_lock():
    return clean()


def told(**stages: dict) -> dict:
    """What the installed TRL says to these arguments."""
    with Asked() as asked:
        asked.ask(stages, processes=1)
        return asked.answer()


@pytest.fixture(scope="module")
def refused() -> dict:
    """TRL's answers to an argument that is gone since transformers 5.14, and to a batch that splits groups."""
    split = {"output_dir": "x", "per_device_train_batch_size": 6, "num_generations": 4}
    return told(sft={"output_dir": "x", "warmup_ratio": 0.1}, grpo=split)


@pytest.fixture(scope="module")
def taken() -> dict:
    """TRL's answers to an argument that will go, and to the demo's own."""
    demo = params.load(runs.checkout() / "params" / "demo.yaml")
    return told(sft={"output_dir": "x", "pad_token": "<|pad|>"}, grpo=trl_arguments.all_stages(demo, gpu=False)["grpo"])


@falsifies("trl-configs", "fail")
@pytest.mark.parametrize(("stage", "word"), [("sft", "warmup_ratio"), ("grpo", "divisible")])
def test_arguments_that_trl_refuses(refused, taken, stage, word):
    facts = {"trl_configs": {"grpo": taken["grpo"]} | {stage: refused[stage]}}
    assert word in guards.by_name("trl-configs")(facts).why
    return facts


@falsifies("trl-configs", "warn")
def test_an_argument_that_trl_replaces():
    return with_fact("trl_configs", {"grpo": {"error": None, "changed": {"logging_steps": [0.5, 1]}, "warnings": []}})


@falsifies("trl-configs", "warn")
def test_an_argument_that_will_go(taken):
    return {"trl_configs": taken}


@control("trl-configs")
def test_the_demos_own_arguments(taken):
    return {"trl_configs": {"grpo": taken["grpo"]}}


@falsifies("patched-versions", "fail")
@pytest.mark.parametrize(
    ("name", "version"),
    [("torch", "2.9.1"), ("transformers", "5.2.0"), ("jupyterlab", "4.5.6"), ("jupyter-server", "2.19.9")],
)
def test_a_version_with_a_hole(name, version):
    return inside("installed", **{name: version})


@control("patched-versions")
def test_no_hole():
    return clean()


@falsifies("unsloth-cache", "fail")
def test_a_cache_compiled_from_another_trl(tmp_path):
    return _cache(tmp_path, "1.13.0")


@control("unsloth-cache")
def test_a_cache_of_the_installed_versions(tmp_path):
    return _cache(tmp_path, "1.14.2")


def _cache(tmp_path, trl: str) -> dict:
    cache = tmp_path / "unsloth_compiled_cache"
    cache.mkdir()
    stamp = f'"""\n2026.10.7\n2026.10.7\n5.17.0\n{trl}\n__UNSLOTH_VERSIONING__\n"""\n'
    (cache / "UnslothGRPOTrainer.py").write_text(stamp + "x = 1\n")
    (cache / "mine.py").write_text("x = 1\n")
    stamps = files.unsloth_stamps(tmp_path)
    assert stamps == {"UnslothGRPOTrainer.py": ("5.17.0", trl)}
    return with_fact("unsloth_stamps", stamps, model={"backend": "unsloth"})


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one notebook; `change` rewrites it."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    path = folder / "20_sft.ipynb"
    shutil.copy(runs.checkout() / "notebooks" / "20_sft.ipynb", path)

    def change(act):
        book = json.loads(path.read_text())
        act(book)
        path.write_text(json.dumps(book))

    return tmp_path, change


def _untagged(book: dict) -> None:
    for cell in book["cells"]:
        cell["metadata"].pop("tags", None)


def _renamed(book: dict) -> None:
    cell = next(cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", []))
    cell["source"] = [line.replace("params_file", "parameters") for line in cell["source"]]


def _without_kernel(book: dict) -> None:
    book["metadata"].pop("kernelspec")


@falsifies("runner-contract", "fail")
@pytest.mark.parametrize("fault", [_untagged, _renamed, _without_kernel])
def test_a_notebook_that_would_overwrite_its_parameters(checkout, fault):
    root, change = checkout
    change(fault)
    return with_fact("notebooks", files.notebooks(root, ["sft"]))


@falsifies("runner-contract", "fail")
def test_a_stage_without_a_notebook(checkout):
    return with_fact("notebooks", files.notebooks(checkout[0], ["sft", "grpo"]))


@control("runner-contract")
def test_the_notebook_as_it_is(checkout):
    return with_fact("notebooks", files.notebooks(checkout[0], ["sft"]))


@falsifies("parameter-secrets", "fail")
def test_a_token_in_a_comment(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"name: a\nmodel: {{name: tiny}}   # {HF_LIKE}\n")
    found = files.secrets(params.load(path), [path])
    assert not any(HF_LIKE in one for one in found)
    return with_fact("secrets", found)


@falsifies("parameter-secrets", "fail")
def test_a_key_in_a_value(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nmodel: {name: tiny}\n")
    key = "description=api_key=" + "q7" * 12
    return with_fact("secrets", files.secrets(params.load(path, [key]), []))


@control("parameter-secrets")
@pytest.mark.parametrize("name", ["demo", "tucano2/v3", "tucano2/v4", "base"])
def test_the_shipped_files(name):
    path = runs.checkout() / "params" / f"{name}.yaml"
    return with_fact("secrets", files.secrets(params.load(path), [path]))


@falsifies("nan-filter", "fail")
def test_the_trainers_own_default():
    facts = clean()
    del facts["arguments"]["grpo"]["logging_nan_inf_filter"]
    return facts


@control("nan-filter")
def test_a_nan_that_stays_visible():
    return clean()
