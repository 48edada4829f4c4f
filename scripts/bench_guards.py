"""Benchmarks of the guards: the static preflight, what the running guards add to a step, false stops on flat runs.

What each guard measures is `caderno.guards`' business.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import numpy as np

from bench_lines import Line, caderno_command, seconds
from caderno import guards, runs, stats
from caderno.errors import BadInput
from caderno.guards import facts_logs
from caderno.guards.replay import replay
from caderno.params import load

FILES = {"params/demo.yaml": 0, "params/tucano2/v4.yaml": 0, "params/tucano2/v3.yaml": 3}  # expected exit codes
PREFLIGHT_S, STEP_PERCENT, FALSE_STOPS = 5.0, 1.0, 5.0
PATIENCE, EVALUATIONS = (5, 10), (15, 20, 40)


def guarding(repeats: int) -> list[Line]:
    """All lines but those that need whole runs."""
    lines = [
        Line(f"`caderno preflight {name}`", "s", _preflights(name, repeats), at_most=PREFLIGHT_S) for name in FILES
    ]
    return [*lines, *_false_stops(repeats)]


def _preflights(name: str, repeats: int) -> list[float]:
    """Seconds of the whole command, after one that warms the page cache."""

    def once() -> None:
        done = subprocess.run(
            [caderno_command(), "preflight", name], capture_output=True, cwd=runs.checkout(), check=False
        )
        if done.returncode != FILES[name]:
            raise BadInput(f"exit code {done.returncode}", expected=str(FILES[name]), where=f"caderno preflight {name}")

    once()
    return [seconds(once) for _ in range(repeats)]


def _false_stops(repeats: int) -> list[Line]:
    """Per cent of flat runs that noise-aware stopping ends, each repeat with other noise than delta was made with."""
    found = []
    for patience in PATIENCE:
        for evaluations in EVALUATIONS:
            delta = stats.delta_for(1.0, patience, evaluations)
            shares = [
                100 * stats.false_stop_rate(1.0, patience, delta, evaluations, seed=1 + n) for n in range(repeats)
            ]
            what = f"flat runs stopped, patience {patience} of {evaluations} evaluations (20,000 runs)"
            found.append(Line(what, "%", shares, at_most=FALSE_STOPS))
    return found


def watching(repeats: int) -> list[Line]:
    """On every finished run of the demo that is there: what judging adds to a GRPO step, and alarms that rang.

    Raises:
        BadInput: there is no such run.
    """
    found = list(_logs())
    if not found:
        raise BadInput("no finished GRPO stage of the demo", expected="one", where=str(runs.root()), mend="`make demo`")
    shares, alarms = [], []
    for log, settings in found:
        took_s = min(_judging_s(log, settings) for _ in range(repeats))
        shares.append(100 * took_s / float(np.mean([entry["step_time"] for entry in log if "step_time" in entry])))
        alarms.append(sum(verdict.verdict in ("fail", "warn") for verdict in replay(log, settings)))
    names = f"{len(found)} GRPO logs of the demo"
    return [
        Line(f"running guards a logged step, {names}", "% of a step", shares, at_most=STEP_PERCENT),
        Line(f"alarms of the running guards, {names}", "", alarms, at_most=0),
    ]


def _logs() -> Iterator[tuple[list[dict[str, float]], dict]]:
    for run_dir in runs.all_runs():
        log = run_dir / "30-grpo" / "metrics.jsonl"
        if log.exists() and runs.read_json(run_dir / "run.json")["params_file"] == "params/demo.yaml":
            yield facts_logs.read_log(log), facts_logs.settings_of(load(run_dir / "params.yaml"))


def _judging_s(log: list[dict[str, float]], settings: dict) -> float:
    """Mean processor seconds of judging one logged step, as the watch beside the trainer does it."""
    running = list(guards.all_guards("running").values())
    started = time.process_time()
    for end in range(1, len(log) + 1):
        for guard in running:
            guard({"history": log[:end], "settings": settings})
    return (time.process_time() - started) / len(log)
