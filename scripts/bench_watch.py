"""Runs a process and its children under a watch: when each line came, and how much memory they held meanwhile.

Memory is the sum of resident sizes over the process tree, sampled; pages that two processes share count twice.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench_lines import failed

SAMPLE_S = 0.2


@dataclass
class Watched:
    """What was seen: (seconds since the start, line) of the output, and (seconds, GiB)."""

    took_s: float = 0.0
    lines: list[tuple[float, str]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def peak_gib(self, start_s: float = 0.0, end_s: float = float("inf")) -> float:
        """The largest sample between two moments; where none fell between them, the nearest one."""
        inside = [gib for at, gib in self.memory if start_s <= at <= end_s]
        return max(inside) if inside else min(self.memory, key=lambda sample: abs(sample[0] - start_s))[1]


def watch(command: Sequence[str | Path], environment: dict[str, str], cwd: Path | None = None) -> Watched:
    """Runs a command to its end. Its output is read line by line; a terminal's settings are kept from it.

    Raises:
        StageFailed: it did not end well.
    """
    inherited = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    seen, started = Watched(), time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
        env={**inherited, **environment},
    )  # fmt: skip
    over = threading.Event()
    sampler = threading.Thread(target=_sample, args=(process.pid, seen, started, over), daemon=True)
    sampler.start()
    try:
        for line in process.stdout:
            seen.lines.append((time.perf_counter() - started, line.rstrip("\n")))
        code = process.wait()
        seen.took_s = time.perf_counter() - started
    finally:
        over.set()
        if process.poll() is None:
            process.terminate()
        sampler.join()
    if code:
        raise failed(command, code, "\n".join(line for _, line in seen.lines))
    return seen


def _sample(pid: int, seen: Watched, started: float, over: threading.Event) -> None:
    """Notes the tree's memory until it is over; the first sample at once, so that there always is one."""
    while True:
        seen.memory.append((time.perf_counter() - started, tree_bytes(pid) / 2**30))
        if over.wait(SAMPLE_S):
            return


def tree_bytes(pid: int) -> int:
    """Resident bytes of a process and all its descendants; a process that has just ended holds none."""
    try:
        root = psutil.Process(pid)
        return sum(map(_resident, [root, *root.children(recursive=True)]))
    except psutil.NoSuchProcess:
        return 0


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def flat(value: Any, name: str = "") -> dict[str, float]:
    """Every number in a JSON value, by its path."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return {}
    if isinstance(value, int | float):
        return {name: float(value)}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {path: number for key, one in items for path, number in flat(one, f"{name}/{key}").items()}
