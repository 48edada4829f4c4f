"""What this machine is: GPUs, room on the disk, where runs go, whether a cloud will switch it off.

Nothing here may hang: every question has a deadline, and what is not answered is None.
"""

from __future__ import annotations

import csv
import http.client
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from caderno.errors import BadInput

GPU_DEADLINE_S = 3.0
METADATA_DEADLINE_S = 0.3
METADATA_HOST = "169.254.169.254"  # the address of metadata.google.internal: a name could hang in a resolver
GPU_FIELDS = ("name", "memory.total", "memory.used", "compute_cap")


def gpus() -> list[dict[str, Any]] | None:
    """{"name", "memory_gib", "used_gib", "capability"} of each GPU; [] without a driver, None without an answer."""
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=GPU_DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return read_gpus(done.stdout) if done.returncode == 0 else None


def read_gpus(text: str) -> list[dict[str, Any]] | None:
    """The answer of nvidia-smi; None where it is not of the form asked for (an old driver, MIG)."""
    found = []
    for row in csv.reader(text.strip().splitlines(), skipinitialspace=True):
        try:
            name, total, used, capability = row
            sizes = {"memory_gib": float(total) / 1024, "used_gib": float(used) / 1024}
            found.append({"name": name, **sizes, "capability": float(capability)})
        except ValueError:
            return None
    return found


def run_root() -> dict[str, Any] | None:
    """{"where", "free_bytes", "temporary"} of the directory runs go to; `temporary` says why, or is None.

    `where` is a word and no path: verdicts are published in write-ups, and a machine's paths are nobody's business.
    None where CADERNO_RUNS is not set and there is no checkout: nothing says where runs would go.
    """
    from caderno import runs

    try:
        where = runs.root()
    except BadInput:
        return None
    existing = next(path for path in (where, *where.parents) if path.exists())
    return {
        "where": "CADERNO_RUNS" if os.environ.get("CADERNO_RUNS") else "runs/ of the checkout",
        "free_bytes": shutil.disk_usage(existing).free,
        "temporary": temporary(existing, _mounts()),
    }


def temporary(path: Path, mounts: dict[str, str]) -> str | None:
    """Why what is written there may be gone tomorrow; None where nothing says so. `mounts`: {mount point: type}."""
    place = next((str(one) for one in (path, *path.parents) if str(one) in mounts), "")
    if mounts.get(place) in ("tmpfs", "ramfs"):
        return f"that place is kept in memory ({mounts[place]})"
    if path.is_relative_to(Path(tempfile.gettempdir()).resolve()):
        return "that is a temporary directory, emptied when the machine starts"
    return None


def _mounts() -> dict[str, str]:
    table = Path("/proc/mounts")
    lines = [line.split() for line in table.read_text().splitlines()] if table.is_file() else []
    return {fields[1]: fields[2] for fields in lines if len(fields) > 2}


def idle_shutdown() -> dict[str, Any]:
    """{"google": True, False or None, "idle_s": seconds or None}: what a Vertex Workbench instance would do.

    `google` is what the machine's firmware says, None where it says nothing (containers hide it); only a Google machine
    is asked for its metadata. `idle_s` is None where the attribute is not set.
    """
    vendor = Path("/sys/class/dmi/id/sys_vendor")
    try:
        google = "google" in vendor.read_text().lower()
    except OSError:
        return {"google": None, "idle_s": None}
    return {"google": google, "idle_s": _idle_timeout_s() if google else None}


def _idle_timeout_s() -> float | None:
    connection = http.client.HTTPConnection(METADATA_HOST, timeout=METADATA_DEADLINE_S)
    try:
        path = "/computeMetadata/v1/instance/attributes/?recursive=true"
        connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
        attributes = json.loads(connection.getresponse().read())
        return float(attributes["idle-timeout-seconds"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None
    finally:
        connection.close()
