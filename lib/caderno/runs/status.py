"""The state of a stage, in `status.json`: claimed, finished, and read so that it never lies.

A process that was killed cannot write that it was: `read_status` looks whether the writer still lives. What a stage
produces is not here.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from caderno.errors import BadInput
from caderno.runs.files import read_json, write_json

HEARTBEAT_S = 20.0
HEARTBEAT_LOST_S = 120.0
# What an attempt concludes with. Checkpoints, weights and metrics stay in place: the next attempt goes on from them.
CONCLUSIONS = ("notebook.ipynb", "kernel.log", "guards.json", "ledger.json", "result.json", "samples.jsonl")


def now() -> str:
    """The time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def seconds_between(started: str, ended: str | None = None) -> float:
    """Seconds from one `now()` to another, or until this moment."""
    end = datetime.fromisoformat(ended) if ended else datetime.now(UTC)
    return (end - datetime.fromisoformat(started)).total_seconds()


def read_status(directory: Path) -> dict[str, Any]:
    """The state of a stage: pending, running, passed, gated, failed or interrupted.

    "running" is said only while the process that wrote it lives (same pid and same start time on this host; on
    another host, a heartbeat younger than `HEARTBEAT_LOST_S`); otherwise it reads as "interrupted".
    """
    path = directory / "status.json"
    status = read_json(path)
    if status is None:
        return {"state": "pending", "attempt": 0, "started": None, "ended": None, "error": None}
    if status["state"] == "running" and not _lives(status, path):
        gone = f"process {status['pid']} on {status['host']} is gone without having closed the stage"
        return {**status, "state": "interrupted", "error": gone}
    return status


def _lives(status: dict[str, Any], path: Path) -> bool:
    """Whether the process that wrote the status is still there."""
    if status["host"] != socket.gethostname():
        return time.time() - path.stat().st_mtime < HEARTBEAT_LOST_S
    found = process_identity(status["pid"])
    return found is not None and found == status.get("process")


def process_identity(pid: int) -> str | None:
    """What tells a process from a later one of the same pid; None where there is none, or only its zombie.

    On Linux the boot and the tick of its start: the start as a time of day moves when the clock is set.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists():
            return f"{process.create_time():.0f}"
        ticks = stat.read_text().rpartition(")")[2].split()[19]  # proc_pid_stat(5), field 22
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{ticks}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def begin(directory: Path, inputs: str, *, reopen: bool = False) -> dict[str, Any]:
    """Claims a stage's directory for this process and returns its new status.

    An interrupted or failed stage with the same inputs is tried again in place, its earlier conclusions put under
    `attempts/<n>`. Anything else that is there (other inputs, or finished) is moved aside to `<stage>~<n>` first:
    nothing is overwritten. With `reopen`, a stage that this very process opened, or that its parent (the runner)
    claimed for it, goes on with the same attempt.

    Raises:
        BadInput: another live process has the stage.
    """
    status = read_status(directory)
    if reopen and _claimed_by_parent(status):
        return _write(directory, **{key: status[key] for key in ("state", "attempt", "started", "inputs")})
    if reopen and _opened_here(status) and status["inputs"] == inputs:
        started = status["started"] if status["state"] == "running" else now()
        return _write(directory, state="running", attempt=status["attempt"], started=started, inputs=inputs)
    attempt = 1
    if status["state"] == "running" and not _opened_here(status):
        raise BadInput(
            f"the stage is being run by process {status['pid']} on {status['host']}", where=str(directory),
            expected="one process at a time", mend="Wait for it, or stop it.",
        )  # fmt: skip
    if status["state"] in ("interrupted", "failed") and status["inputs"] == inputs:
        attempt = status["attempt"] + 1
        _shelve(directory, status)
    elif status["state"] != "pending":
        move_aside(directory)
    return _write(directory, state="running", attempt=attempt, started=now(), inputs=inputs)


def _opened_here(status: dict[str, Any]) -> bool:
    """Whether this very process wrote the status."""
    here = (status.get("host"), status.get("pid")) == (socket.gethostname(), os.getpid())
    return here and status["process"] == process_identity(os.getpid())


def _claimed_by_parent(status: dict[str, Any]) -> bool:
    """Whether the runner that started this process has claimed the stage for it."""
    here = (status.get("host"), status.get("pid")) == (socket.gethostname(), os.getppid())
    return here and status["state"] == "running"


def finish(directory: Path, state: str, error: str | None = None) -> None:
    """Writes how a begun stage ended, and when; who ran it stays as it is."""
    status = read_json(directory / "status.json")
    write_json(directory / "status.json", {**status, "state": state, "ended": now(), "error": error})


def _write(directory: Path, **values: Any) -> dict[str, Any]:
    """Writes a status as of this process."""
    who = {"pid": os.getpid(), "process": process_identity(os.getpid()), "host": socket.gethostname()}
    status = {"state": None, "attempt": 1, "started": None, "ended": None, "error": None, **values, **who}
    write_json(directory / "status.json", status)
    return status


def move_aside(directory: Path) -> Path:
    """Renames a directory to the first free `<name>~<n>` and returns the new path."""
    number = 1
    while (aside := directory.with_name(f"{directory.name}~{number}")).exists():
        number += 1
    return directory.rename(aside)


def _shelve(directory: Path, status: dict[str, Any]) -> None:
    """Keeps the conclusions of an attempt that did not end well where the next one cannot mistake them for its own."""
    write_json(directory / "status.json", status)  # as read: the truth about an attempt that was killed
    shelf = directory / "attempts" / str(status["attempt"])
    shelf.mkdir(parents=True, exist_ok=True)
    for name in CONCLUSIONS:
        if (directory / name).exists():
            (directory / name).replace(shelf / name)
    write_json(shelf / "status.json", status)
