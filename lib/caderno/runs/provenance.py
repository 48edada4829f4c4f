"""What a run is made with: code, library versions, machine, seeds.

It looks; it neither judges what it finds nor imports any of the libraries.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

import caderno
from caderno import params as parameters
from caderno.params.sections import Params
from caderno.runs.inputs import file_hashes
from caderno.runs.paths import checkout
from caderno.runs.status import now

LIBRARIES = (
    "torch transformers trl peft accelerate datasets tokenizers safetensors vllm unsloth bitsandbytes deepspeed triton"
    " flash-attn numpy pandas scipy statsmodels duckdb sqlglot math-verify pydantic papermill nbclient ipykernel"
    " jupyterlab jupytext wandb matplotlib typer rich"
).split()


def opening(params: Params) -> dict[str, Any]:
    """What a run is opened with, for its manifest."""
    text = parameters.to_yaml(params)
    return {
        "at": now(),
        "host": socket.gethostname(),
        "caderno": caderno.__version__,
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "platform": platform.platform(),
        "versions": _versions(),
        "git": _git(),
        "hashes": {"params": hashlib.sha256(text.encode()).hexdigest(), "files": file_hashes(params)},
        "hardware": _hardware(),
        "seeds": {"seed": params.seed},
    }


def _versions() -> dict[str, str]:
    """Versions of the libraries that are installed, without importing any."""
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _hardware() -> dict[str, Any]:
    """CPU, usable cores, memory in GiB, and the GPUs that the driver lists."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": cores,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": _gpus(),
    }


def _gpus() -> list[str]:
    """One line per GPU: name, memory, driver. Empty without `nvidia-smi`."""
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip().splitlines() if done.returncode == 0 else [f"nvidia-smi failed: {done.stdout.strip()}"]


def _git() -> dict[str, Any] | None:
    """Commit of the checkout, the files changed since, and the name under which the difference is kept."""
    sha = git_output("rev-parse", "HEAD").strip()
    if not sha:
        return None
    diff = git_output("diff", "HEAD")
    digest = hashlib.sha256(diff.encode()).hexdigest()[:8]
    changed = git_output("status", "--porcelain").splitlines()
    return {"sha": sha, "diff": f"git-{digest}.diff" if diff else None, "changed": changed}


def git_output(*arguments: str) -> str:
    """Output of git in the checkout; empty where there is no git or no repository (an unpacked archive)."""
    if not shutil.which("git"):
        return ""
    command = ["git", "-C", str(checkout()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout
