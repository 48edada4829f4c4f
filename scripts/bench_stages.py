"""Benchmarks of whole stages: notebooks by the runner against the same cells as plain scripts, and the demo's times.

Both arms read one resolved parameter file, start every stage in a fresh process, imports included, and end with the
write-up; neither writes outside a temporary directory.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench_lines import OVERHEAD, RATIO, Line, caderno_command
from bench_watch import Watched, flat, watch
from caderno import params as parameters
from caderno import pipeline, runs
from caderno.errors import BadInput

DEMO = "params/demo.yaml"
BASELINE = "the same cells, no kernel"
DEMO_LIMIT_S, MEMORY_LIMIT_GIB, OVERHEAD_LIMIT, SAME = 480.0, 6.0, 5.0, 1e-6
EVENT = re.compile(r"^(?P<stage>\d\d-[a-z-]+): (?:(?P<starts>starts)|(?P<passed>passed in))")


@dataclass
class Arm:
    """One whole run by one of the two ways."""

    stages_s: dict[str, float] = field(default_factory=dict)
    stages_gib: dict[str, float] = field(default_factory=dict)
    took_s: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)


def by_runner(params_file: Path, root: Path) -> Arm:
    """`caderno run`: a stage lasts from the line that it starts to the line that it has passed, kernel included."""
    seen = watch([caderno_command(), "run", params_file], {"CADERNO_RUNS": str(root)})
    arm = Arm(took_s=seen.took_s, figures=_figures(root))
    for stage, start_s, end_s in spans(seen):
        arm.stages_s[stage], arm.stages_gib[stage] = end_s - start_s, seen.peak_gib(start_s, end_s)
    return arm


def spans(seen: Watched) -> list[tuple[str, float, float]]:
    """(stage, start, end) in seconds, from what the runner printed."""
    started: dict[str, float] = {}
    found = []
    for at_s, line in seen.lines:
        if event := EVENT.match(line):
            if event["starts"]:
                started[event["stage"]] = at_s
            else:
                found.append((event["stage"], started[event["stage"]], at_s))
    return found


def by_hand(params_file: Path, root: Path) -> Arm:
    """Each stage's cells as one Python process, from its start to its exit, and then `caderno writeup`."""
    params, notebooks = parameters.load(params_file), runs.checkout() / "notebooks"
    run_dir, arm = root / params.name, Arm()
    # As under the runner: no progress bars.
    environment = {"CADERNO_RUNS": str(root), "CADERNO_RUNNER": str(os.getpid()), "TQDM_DISABLE": "1"}
    script = Path(__file__).with_name("bench_direct.py")
    for stage in params.stages:
        notebook = (notebooks / runs.notebook_name(stage)).with_suffix(".py")
        seen = watch([sys.executable, script, notebook, params_file, run_dir], environment, cwd=notebooks)
        name = runs.STAGE_DIRECTORIES[stage]
        arm.stages_s[name], arm.stages_gib[name] = seen.took_s, seen.peak_gib()
    told = watch([caderno_command(), "writeup", run_dir], environment)
    arm.took_s, arm.figures = sum(arm.stages_s.values()) + told.took_s, _figures(root)
    return arm


def _figures(root: Path) -> dict[str, float]:
    """Every number that validation found; nothing where the run has none."""
    return flat({str(path.parent.name): runs.read_json(path) for path in root.glob("*/40-validation/result.json")})


def arms(params_file: str, repeats: int) -> tuple[list[Arm], list[Arm]]:
    """Whole runs by the runner and by hand, in turn."""
    ran: list[Arm] = []
    direct: list[Arm] = []
    with tempfile.TemporaryDirectory(prefix="caderno-bench-") as place:
        resolved = Path(place) / "resolved.yaml"
        params = parameters.load(runs.resolve(params_file), ["writeup.directory=null"])
        runs.write_text(resolved, parameters.to_yaml(params))
        for repeat in range(repeats):
            turn = [(by_runner, ran), (by_hand, direct)]
            for way, kept in turn if repeat % 2 == 0 else turn[::-1]:
                kept.append(way(resolved, Path(place) / f"{way.__name__}-{repeat}"))
    return ran, direct


def overheads(ran: list[Arm], direct: list[Arm], limit: float | None) -> list[Line]:
    """A line a stage, and one for all of them."""
    lines = [
        _against(stage, "s", [arm.stages_s[stage] for arm in ran], [arm.stages_s[stage] for arm in direct])
        for stage in ran[0].stages_s
    ]
    ours, theirs = ([sum(arm.stages_s.values()) for arm in found] for found in (ran, direct))
    return [*lines, Line("all stages", "s", ours, BASELINE, theirs, OVERHEAD, at_most=limit)]


def _against(what: str, unit: str, ours: list[float], theirs: list[float]) -> Line:
    return Line(what, unit, ours, BASELINE, theirs, OVERHEAD)


def at_smoke_size(repeats: int) -> list[Line]:
    """Where the stages do next to nothing, so that what is seen is the kernel's start and its end."""
    return overheads(*arms("params/smoke.yaml", repeats), limit=None)


def at_demo_size(repeats: int) -> list[Line]:
    """The demo both ways: overhead, time, memory, and whether all runs found the same figures."""
    ran, direct = arms(DEMO, repeats)
    took, peaks = [arm.took_s for arm in ran], [max(arm.stages_gib.values()) for arm in ran]
    whole = "the same cells, no kernel, and `caderno writeup`"
    return [
        *overheads(ran, direct, OVERHEAD_LIMIT),
        Line("`caderno run`", "s", took, whole, [arm.took_s for arm in direct], RATIO, at_most=DEMO_LIMIT_S),
        *_memory(ran, direct),
        Line("peak memory, whole run", "GiB", peaks, at_most=MEMORY_LIMIT_GIB),
        Line("largest difference of a validation figure, all runs", "", [differ([*ran, *direct])], at_most=SAME),
    ]


def _memory(ran: list[Arm], direct: list[Arm]) -> list[Line]:
    return [
        _against(
            f"{stage}: peak memory",
            "GiB",
            [arm.stages_gib[stage] for arm in ran],
            [arm.stages_gib[stage] for arm in direct],
        )
        for stage in ran[0].stages_gib
    ]


def differ(found: list[Arm]) -> float:
    """The largest difference of any validation figure from the first run's; the same figures must be there."""
    first = found[0].figures
    if not first or any(arm.figures.keys() != first.keys() for arm in found):
        raise ValueError("the runs do not have the same validation figures")
    # NaN differs from itself, and must not pass for "no difference".
    gaps = [abs(arm.figures[name] - first[name]) for arm in found for name in first]
    return max(gaps) if all(gap == gap for gap in gaps) else float("inf")


def newest_demo(repeats: int) -> list[Line]:
    """The stages' times of the newest finished demo run, from its own status files: one run, no baseline.

    Raises:
        BadInput: there is no such run.
    """
    for run_dir in runs.all_runs():
        if runs.read_json(run_dir / "run.json")["params_file"] == DEMO:
            rows = pipeline.stage_rows(run_dir, parameters.load(run_dir / "params.yaml"))
            if all(row.state == "passed" for row in rows):
                total = sum(row.elapsed_s for row in rows)
                lines = [Line(row.stage, "s", [row.elapsed_s]) for row in rows]
                return [*lines, Line("all stages", "s", [total], at_most=DEMO_LIMIT_S)]
    raise BadInput(
        f"no finished run of {DEMO}", expected="one, to read its times", where=str(runs.root()),
        mend="Run `make demo` first, or leave this section out.",
    )  # fmt: skip
