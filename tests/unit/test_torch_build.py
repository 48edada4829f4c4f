"""The build of torch that set-up asks for and what it accepts as installed: wheels of both kinds are planted.

No real wheel is opened and nothing is fetched.
"""

from __future__ import annotations

import importlib
import platform
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = "numpy==2.3.5\ntorch==2.13.0\ntorchmetrics==1.0\n"
HERE = f"cp311-cp311-manylinux_2_28_{platform.machine()}"


@pytest.fixture
def torch_build(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("torch_build")


def version_py(version: str, cuda: str | None) -> str:
    return f"from typing import Optional\n__version__ = '{version}'\ncuda: Optional[str] = {cuda!r}\nhip = None\n"


def wheel(folder: Path, version: str, cuda: str | None, tags: str = HERE) -> Path:
    path = folder / f"torch-{version}-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("torch/version.py", version_py(version.split("+")[0], cuda))
    return path


@pytest.mark.parametrize("version", ["2.13.0+cpu", "2.13.0"])
def test_a_cpu_wheel_of_find_links_is_taken_by_its_path(torch_build, tmp_path, version):
    wheel(tmp_path, "2.13.0+cu130", "13.0")
    wheel(tmp_path, "2.13.0+zzz", "13.0")
    wheel(tmp_path, "2.13.01+cpu", None)
    wheel(tmp_path, version, None, tags="cp312-cp312-manylinux_2_28_" + platform.machine())
    wheel(tmp_path, version, None, tags="cp311-cp311-manylinux_2_28_sparc")
    assert torch_build.local_cpu_wheel(str(tmp_path), "2.13.0") is None
    found = wheel(tmp_path, version, None)
    assert torch_build.local_cpu_wheel(f"/no/such/place {tmp_path.as_uri()} https://links.test", "2.13.0") == found
    choice = torch_build.requirements("cpu", PINS, str(tmp_path))
    assert choice.text == f"numpy==2.3.5\ntorch @ {found.as_uri()}\ntorchmetrics==1.0\n"
    assert choice.flags == []


def test_without_one_it_is_pytorchs_cpu_build(torch_build, tmp_path):
    choice = torch_build.requirements("cpu", PINS, str(tmp_path))
    assert (choice.text, choice.flags) == (PINS, ["--torch-backend", "cpu"])
    assert "find-links" in choice.mend


def test_the_gpu_set_passes_over_a_cpu_wheel(torch_build, tmp_path):
    wheel(tmp_path, "2.13.0+cpu", None)
    choice = torch_build.requirements("gpu", PINS, str(tmp_path))
    assert choice.text == "numpy==2.3.5\ntorch==2.13.0,!=2.13.0+cpu\ntorchmetrics==1.0\n"
    assert choice.flags == []


@pytest.mark.parametrize(
    ("name", "version", "cuda", "message"),
    [
        ("cpu", "2.13.0+cpu", None, ""),
        ("cpu", "2.13.0", None, ""),
        ("gpu", "2.13.0", "13.0", ""),
        ("cpu", "2.13.0", "13.0", "built for CUDA 13.0; expected a CPU build"),
        ("gpu", "2.13.0+cpu", None, "a CPU build; expected a build for CUDA"),
        ("cpu", "2.14.0+cpu", None, "torch 2.14.0.*expected a CPU build of torch 2.13.0"),
    ],
)
def test_what_was_installed_is_looked_at(torch_build, tmp_path, name, version, cuda, message):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/version.py").write_text(version_py(version, cuda))
    if not message:
        assert version in torch_build.verify(name, PINS, tmp_path)
        return
    with pytest.raises(torch_build.WrongTorch, match=message):
        torch_build.verify(name, PINS, tmp_path)


def test_no_torch_and_no_answer_are_no_pass(torch_build, tmp_path):
    with pytest.raises(torch_build.WrongTorch, match="is missing after the installation"):
        torch_build.verify("cpu", PINS, tmp_path)
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/version.py").write_text("__version__ = '2.13.0'\n")
    with pytest.raises(torch_build.WrongTorch, match="no line `cuda"):
        torch_build.verify("cpu", PINS, tmp_path)
    with pytest.raises(torch_build.WrongTorch, match="no line `torch==VERSION`"):
        torch_build.requirements("cpu", "numpy==2.3.5\n", "")
