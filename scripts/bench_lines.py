"""A line of the benchmarks: what was measured, how often, against which baseline of the same run, within which limit.

It measures nothing by itself; how lines are kept and printed is `bench_table`'s.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caderno import params as parameters
from caderno import runs
from caderno.errors import StageFailed
from caderno.runs import provenance

OVERHEAD, RATIO = "overhead", "ratio"  # per cent above the baseline; multiple of it


@dataclass(frozen=True)
class Line:
    """One measure, repeated. Values and baseline were taken in turn, so that they pair up where there are as many.

    A limit is for the median of the values, or with `against` OVERHEAD for the median overhead in per cent.
    """

    what: str
    unit: str
    values: list[float]
    baseline: str = ""
    baseline_values: list[float] = field(default_factory=list)
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None

    def compared(self) -> list[float]:
        """Overheads (per cent) or ratios, one a repeat; empty without a baseline."""
        if not self.baseline_values or not self.against:
            return []
        pairs = zip(self.values, self.baseline_values, strict=True)
        return [100 * (a / b - 1) if self.against == OVERHEAD else a / b for a, b in pairs]

    def judged(self) -> float:
        """What the limit is for."""
        return statistics.median(self.compared() if self.against == OVERHEAD else self.values)

    def met(self) -> bool | None:
        """Whether the limit holds; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        value = self.judged()
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


def seconds(action: Callable[[], Any]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def in_turn(repeats: int, *actions: Callable[[int], float]) -> list[list[float]]:
    """What each action returns, `repeats` times, one after the other; the order turns round every time.

    A machine that warms up or gets busy then favours nobody. Each action is given the number of the repeat.
    """
    found: list[list[float]] = [[] for _ in actions]
    for repeat in range(repeats):
        places = range(len(actions)) if repeat % 2 == 0 else reversed(range(len(actions)))
        for place in places:
            found[place].append(actions[place](repeat))
    return found


def process(command: Sequence[str | Path], **more: Any) -> str:
    """Standard output of a process that must succeed.

    Raises:
        StageFailed: it did not; the message ends with the last lines of what it said.
    """
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise failed(command, done.returncode, done.stdout + done.stderr)
    return done.stdout


def failed(command: Sequence[str | Path], code: int, said: str) -> StageFailed:
    """The error of a process that was to be measured and failed."""
    tail = "\n".join(said.strip().splitlines()[-8:])
    return StageFailed(f"exit code {code}", where=" ".join(map(str, command)), mend=f"It said last:\n{tail}")


def machine() -> dict[str, Any]:
    """CPU, usable cores, memory, GPUs, Python, torch, threads asked for, and how busy it was before anything began."""
    opened = provenance.opening(parameters.load(runs.resolve("params/base.yaml")))
    return {
        **opened["hardware"],
        "python": opened["python"],
        "torch": opened["versions"]["torch"],
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "load": round(os.getloadavg()[0], 2),
        "commit": opened["git"]["sha"] if opened["git"] else None,
    }


def caderno_command() -> Path:
    """The command beside this interpreter."""
    return Path(sys.executable).with_name("caderno")
