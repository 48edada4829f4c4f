"""Compile requirements/*.in to exact pins and environment.yml, and say where they have drifted from one another.

It resolves and writes; it installs nothing. The gpu set is resolved first, for Linux on x86-64, and the cpu set within
its versions, so that what the two have in common is the same in both.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

import pip_settings
import torch_build

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.11"
GPU_PLATFORM = "x86_64-manylinux_2_35"
PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)==([0-9][a-z0-9.!]*)")
CUDA_NAME = re.compile(r"(nvidia-|cuda-|triton$|torchvision$|torchaudio$|torchcodec$|xformers$|vllm$|unsloth)")


def direct(root: Path, name: str) -> list[Requirement]:
    """The requirements a person wrote for a set, those of the file it includes among them."""
    found = []
    for line in (root / f"requirements/{name}.in").read_text().splitlines():
        if line.startswith("-r "):
            found += direct(root, line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def pins(root: Path, name: str) -> dict[str, str]:
    """{package: version} of a compiled set. Lines that are no exact pin are for `drift` to name."""
    lines = (root / f"requirements/{name}.txt").read_text().splitlines()
    return {match[1]: match[2] for line in lines if (match := PIN.fullmatch(line))}


def header(name: str) -> str:
    where = "Linux on x86-64" if name == "gpu" else "a machine without CUDA"
    return f"# Compiled from {name}.in by `make pins`, for Python {PYTHON} and {where}. Do not edit.\n"


def resolve(name: str, environment: dict[str, str], *options: str | Path) -> None:
    """Write requirements/<name>.txt. Versions already in it are kept where they can be."""
    target = ROOT / f"requirements/{name}.txt"
    command = [Path(sys.executable).parent / "uv", "pip", "compile", f"requirements/{name}.in", "--output-file", target]
    fixed = ["--python-version", PYTHON, "--no-annotate", "--no-header", "--no-emit-index-url", "--quiet"]
    subprocess.run([str(part) for part in (*command, *fixed, *options)], cwd=ROOT, env=environment, check=True)
    # A build's local label (+cpu) says where it came from, not what is needed.
    target.write_text(header(name) + re.sub(r"\+\w+$", "", target.read_text(), flags=re.MULTILINE))


def environment_yml(root: Path) -> str:
    """conda's file for the gpu set: the same pins, the direct ones first."""
    gpu = pins(root, "gpu")
    asked = [canonicalize_name(requirement.name) for requirement in direct(root, "gpu")]
    lines = [
        "# The gpu set for conda (Vertex AI Workbench, A100): conda env create -f environment.yml",
        "# Written by `make pins` from requirements/gpu.txt. Do not edit.",
        "name: caderno",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
        "      # asked for",
        *(f"      - {name}=={gpu[name]}" for name in asked),
        "      # what these need",
        *(f"      - {name}=={version}" for name, version in gpu.items() if name not in asked),
        "      # the package itself",
        "      - --editable .",
    ]
    return "\n".join(lines) + "\n"


def compile_all(upgrade: bool) -> None:
    """Write gpu.txt, cpu.txt and environment.yml."""
    settings, notes, more = pip_settings.read(sys.executable), [], ["--upgrade"] if upgrade else []
    environment = pip_settings.uv_environment(settings, notes)
    # Without find-links: the CPU torch that may lie there knows nothing of the CUDA packages to be pinned.
    for_gpu = {key: value for key, value in environment.items() if key != "UV_FIND_LINKS"}
    resolve("gpu", for_gpu, "--python-platform", GPU_PLATFORM, *more)
    torch = str(next(requirement.specifier for requirement in direct(ROOT, "cpu") if requirement.name == "torch"))
    local = torch_build.local_cpu_wheel(settings.get("find-links", ""), torch.removeprefix("=="))
    backend = ["--find-links", local.parent] if local else ["--torch-backend", "cpu"]
    backend += ["--upgrade-package", "torch"]  # the version kept in cpu.txt has lost its label and would mean CUDA's
    resolve("cpu", environment, "--constraints", ROOT / "requirements/gpu.txt", *backend, *more)
    (ROOT / "environment.yml").write_text(environment_yml(ROOT))


def _badly_formed(root: Path, name: str) -> list[str]:
    """Lines of a compiled set that are no exact pin: ranges, URLs, paths, options, local labels."""
    lines = (root / f"requirements/{name}.txt").read_text().splitlines()
    wrong = [line for line in lines if not line.startswith("#") and not PIN.fullmatch(line)]
    return [f"{name}.txt: {line!r} is no exact pin" for line in wrong]


def _unmet(root: Path, name: str) -> list[str]:
    """Direct requirements that the compiled set lacks, or pins to a version outside of what was asked."""
    found, wrong = pins(root, name), []
    for requirement in direct(root, name):
        version = found.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{name}.in asks for {requirement}, {name}.txt has {version}")
    return wrong


def _conda(root: Path, gpu: dict[str, str]) -> list[str]:
    """Where environment.yml and gpu.txt differ."""
    dependencies = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    lines = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    found = {match[1]: match[2] for line in lines if (match := PIN.fullmatch(line))}
    wrong = [f"environment.yml: {line!r} is no exact pin" for line in lines[:-1] if not PIN.fullmatch(line)]
    wrong += [f"environment.yml: {dependencies[0]}, not python={PYTHON}"] * (dependencies[0] != f"python={PYTHON}")
    names = sorted(found.keys() | gpu.keys())
    return wrong + [
        f"environment.yml has {name} {found.get(name)}, gpu.txt {gpu.get(name)}"
        for name in names
        if found.get(name) != gpu.get(name)
    ]


def drift(root: Path) -> list[str]:
    """One sentence for each place where the five files disagree; empty when they are in step."""
    cpu, gpu = pins(root, "cpu"), pins(root, "gpu")
    found = [sentence for name in ("cpu", "gpu") for sentence in (*_badly_formed(root, name), *_unmet(root, name))]
    found += [f"{name}: cpu.txt {cpu[name]}, gpu.txt {gpu.get(name)}" for name in cpu if cpu[name] != gpu.get(name)]
    found += [f"cpu.txt: {name} belongs to CUDA" for name in cpu if CUDA_NAME.match(name)]
    return found + _conda(root, gpu)


def main() -> int:
    """0 in step; 2 the requirements cannot be read; 4 drifted or not resolved."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping the pinned")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    chosen = parser.parse_args()
    try:
        if not chosen.check:
            compile_all(chosen.upgrade)
        found = drift(ROOT)
    except InvalidRequirement as error:
        print(f"pins: requirements/*.in: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"pins: uv could not resolve {error.cmd[3]}, for the reason shown above.", file=sys.stderr)
        return 4
    for sentence in found:
        print(f"pins: {sentence}", file=sys.stderr)
    print(f"pins: cpu {len(pins(ROOT, 'cpu'))}, gpu {len(pins(ROOT, 'gpu'))} packages, {len(found)} out of step")
    return 4 if found else 0


if __name__ == "__main__":
    sys.exit(main())
