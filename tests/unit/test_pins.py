"""The pins agree with one another and with the versions that were decided; each disagreement is planted once.

Whether the gpu set works is not asked here: nothing of it is installed on the machine that runs these tests.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DECIDED = {
    "torch": "2.13.0",
    "transformers": "5.17.0",
    "trl": "1.14.2",
    "peft": "0.21.2",
    "accelerate": "1.15.0",
    "datasets": "4.8.5",
}
GPU_ONLY = {"vllm": "0.32.0", "unsloth": "2026.10.7"}


@pytest.fixture
def compile_pins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("compile_pins")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The five files, to plant faults in."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "environment.yml", tmp_path)
    return tmp_path


def test_the_pins_are_in_step(compile_pins):
    assert compile_pins.drift(ROOT) == []


def test_environment_yml_is_what_the_pins_give(compile_pins):
    assert (ROOT / "environment.yml").read_text() == compile_pins.environment_yml(ROOT)


def test_the_decided_versions_are_pinned(compile_pins):
    cpu, gpu = compile_pins.pins(ROOT, "cpu"), compile_pins.pins(ROOT, "gpu")
    assert {name: cpu.get(name) for name in DECIDED} == DECIDED
    assert {name: gpu.get(name) for name in DECIDED | GPU_ONLY} == DECIDED | GPU_ONLY
    assert {"bitsandbytes", "deepspeed", "vllm", "unsloth"} <= gpu.keys() - cpu.keys()
    assert {"triton", "nvidia-nccl-cu13"} <= gpu.keys()


def test_no_file_names_a_place():
    for file in (*(ROOT / "requirements").iterdir(), ROOT / "environment.yml"):
        for line in file.read_text().splitlines():
            assert line.startswith("#") or not any(sign in line for sign in ("://", "/", "@", "index", "find-links")), (
                line
            )


FAULTS = {
    "another version in one set": ("requirements/cpu.txt", "\nnumpy==", "\nnumpy==9", "numpy"),
    "another direct version": ("requirements/gpu.txt", "\ntrl==1.14.2\n", "\ntrl==1.15.0\n", "trl==1.14.2"),
    "a package missing from a set": ("requirements/gpu.txt", "\nregex==", "\n#regex==", "regex"),
    "a range": ("requirements/cpu.txt", "\npandas==", "\npandas>=", "pandas"),
    "a build's label": ("requirements/cpu.txt", "torch==2.13.0", "torch==2.13.0+cpu", "torch==2.13.0+cpu"),
    "a path": ("requirements/gpu.txt", "torch==2.13.0", "torch @ file:///wheels/torch.whl", "file:///wheels"),
    "a package of CUDA": ("requirements/cpu.txt", "\ntqdm==", "\nnvidia-nccl-cu13==2.29.7\ntqdm==", "belongs to CUDA"),
    "torchvision": ("requirements/cpu.txt", "\ntqdm==", "\ntorchvision==0.28.0\ntqdm==", "torchvision"),
    "something new asked for": ("requirements/cpu.in", "\npandas\n", "\npandas\npolars\n", "polars"),
    "another version asked for": ("requirements/cpu.in", "transformers==5.17.0", "transformers==5.18.0", "5.18.0"),
    "another version for conda": ("environment.yml", "- peft==0.21.2", "- peft==0.21.1", "peft"),
    "a package missing for conda": ("environment.yml", "      - vllm==0.32.0\n", "", "vllm"),
    "one too many for conda": ("environment.yml", "- vllm==0.32.0", "- vllm==0.32.0\n      - polars==1.0", "polars"),
    "a loose version for conda": ("environment.yml", "- vllm==0.32.0", "- vllm", "vllm"),
    "another Python for conda": ("environment.yml", "python=3.11", "python=3.12", "python=3.12"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_drift_is_named(compile_pins, copy, fault):
    place, old, new, expected = FAULTS[fault]
    text = (copy / place).read_text()
    assert text.count(old) == 1
    (copy / place).write_text(text.replace(old, new))
    found = compile_pins.drift(copy)
    assert any(expected in sentence for sentence in found), found


def needed(names: set[str]) -> set[str]:
    """Installed distributions that these need, directly or not."""
    seen: set[str] = set()
    while names:
        seen |= names
        below = set()
        for name in names:
            for line in importlib.metadata.requires(name) or ():
                requirement = Requirement(line)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    below.add(canonicalize_name(requirement.name))
        names = below - seen
    return seen


def test_everything_needed_is_pinned(compile_pins):
    installed = {canonicalize_name(found.name) for found in importlib.metadata.distributions()}
    name = "gpu" if "vllm" in installed else "cpu"
    direct = {canonicalize_name(requirement.name) for requirement in compile_pins.direct(ROOT, name)}
    assert needed(direct) <= compile_pins.pins(ROOT, name).keys()
