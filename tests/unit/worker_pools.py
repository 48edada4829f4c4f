"""What the tests of workers ask of a pool, and how they see that a process is gone."""

from __future__ import annotations

import time
from pathlib import Path

from caderno import workers

SERVICE = "worker_services"
GENEROUS_S = 20.0


def ask(pool: workers.Pool, do: str, deadline_s: float = GENEROUS_S, **request) -> dict:
    return pool.call({"do": do, **request}, deadline_s)


def gone(pid: int, patience_s: float = 10.0) -> bool:
    """Whether the process ends within the time."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
