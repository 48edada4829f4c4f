"""Which build of the pinned torch a set installs, and whether it is the one that got installed.

It reads wheels and installed files and imports no torch; it installs nothing. Standard library only.
"""

from __future__ import annotations

import platform
import re
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pip_settings

PIN = re.compile(r"^torch==(\S+)$", re.MULTILINE)


class WrongTorch(Exception):
    """One paragraph: which build of torch was found, which was expected, how to mend it."""


def cuda_of(version_py: str) -> str | None:
    """`torch.version.cuda` from the text of torch/version.py: None for a CPU build."""
    match = re.search(r"^cuda\b[^=\n]*=\s*(.+?)\s*$", version_py, re.MULTILINE)
    if not match:
        raise WrongTorch("torch/version.py has no line `cuda = ...`; expected one, to tell a CPU build by.")
    return None if match[1] == "None" else match[1].strip("'\"")


def pinned_version(pins: str) -> str:
    """The version in the line `torch==...` of a requirements file's text."""
    match = PIN.search(pins)
    if not match:
        raise WrongTorch("the requirements have no line `torch==VERSION`; expected one. Run `make pins`.")
    return match[1]


def fits_here(wheel: Path, version: str) -> bool:
    """Whether a wheel's name says this version, this Python and this machine."""
    _, found, python, _, system = wheel.stem.split("-")[:5] if wheel.stem.count("-") == 4 else ("",) * 5
    here = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    kind = "linux" if sys.platform == "linux" else "macosx"
    return found.split("+")[0] == version and python == here and kind in system and system.endswith(platform.machine())


def local_cpu_wheel(find_links: str, version: str) -> Path | None:
    """The wheel of torch `version` built without CUDA that pip's find-links (directories or files) hold, if any."""
    for place in find_links.split():
        path = pip_settings.local_path(place)
        if path is None:
            continue
        wheels = path.glob("torch-*.whl") if path.is_dir() else [path] if path.name.startswith("torch-") else []
        for wheel in sorted(wheels, reverse=True):
            if fits_here(wheel, version):
                with zipfile.ZipFile(wheel) as archive:
                    if cuda_of(archive.read("torch/version.py").decode()) is None:
                        return wheel
    return None


class Choice(NamedTuple):
    """What to hand to uv, and what to tell a person."""

    text: str  # the requirements file to install
    flags: list[str]
    source: str  # where torch comes from, in words
    mend: str  # what to do when that place does not answer


def requirements(name: str, pins: str, find_links: str) -> Choice:
    """The pins to install, with torch's line turned so that only the set's kind of build can be taken.

    cpu: the local CPU wheel where pip was told of one, by its path, because two builds of one version are equal in
    rank; otherwise PyTorch's CPU builds. gpu: never a build with a local label, so that a CPU wheel lying in
    find-links, which ranks above the plain version, is not taken.
    """
    version = pinned_version(pins)
    if name == "gpu":
        return Choice(PIN.sub(f"torch=={version},!={version}+cpu", pins), [], "the package index", "")
    wheel = local_cpu_wheel(find_links, version)
    if wheel is not None:
        return Choice(PIN.sub(f"torch @ {wheel.resolve().as_uri()}", pins), [], f"{wheel.name} in find-links", "")
    mend = f"Where PyTorch's index cannot be reached, give pip find-links with a CPU wheel of torch {version}. "
    return Choice(pins, ["--torch-backend", "cpu"], "PyTorch's index of CPU builds", mend)


def verify(name: str, pins: str, site_packages: Path) -> str:
    """The installed build in words; raises WrongTorch unless it is the pinned version and the set's kind of build."""
    file = site_packages / "torch" / "version.py"
    if not file.exists():
        raise WrongTorch(f"{file} is missing after the installation; expected torch. Remove .venv and run it again.")
    text = file.read_text()
    cuda = cuda_of(text)
    found = re.search(r"__version__ = '([^']+)'", text)
    version = found[1] if found else "of unknown version"
    build = f"torch {version}, {f'built for CUDA {cuda}' if cuda else 'a CPU build'}"
    if version.split("+")[0] != pinned_version(pins) or (cuda is None) != (name == "cpu"):
        kind = "a CPU build" if name == "cpu" else "a build for CUDA"
        raise WrongTorch(
            f"the {name} set got {build}; expected {kind} of torch {pinned_version(pins)}. Remove .venv and run it "
            "again; if it comes back, look at what `pip config list` says of find-links and of the index."
        )
    return build
