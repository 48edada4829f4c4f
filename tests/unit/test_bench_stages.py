"""The benchmark of stages: its two arms, what they are compared by, and the demo's own record; faults planted.

The arms themselves, a whole run each, are too long for a test; `python scripts/bench.py notebooks` runs them.
"""

from __future__ import annotations

import importlib
import sys

import pytest

from caderno import runs
from caderno.errors import BadInput

ROOT = runs.checkout()


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch):
    """The program's modules by name."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return {name: importlib.import_module(name) for name in ("bench_stages", "bench_watch", "bench_direct")}


def test_stages_are_timed_from_what_the_runner_prints(parts):
    lines = [
        (0.5, "00-preflight: starts"), (2.0, "00-preflight: passed in 0:01"), (2.1, "20-sft: starts, attempt 2"),
        (3.0, "20-sft: step 3/60  loss 1.0  0:01, 0:30 to go"), (9.0, "20-sft: passed in 0:07"), (9.5, "write-up: x"),
    ]  # fmt: skip
    seen = parts["bench_watch"].Watched(9.9, lines, [(1.0, 0.5), (3.0, 2.0), (5.0, 1.0)])
    assert parts["bench_stages"].spans(seen) == [("00-preflight", 0.5, 2.0), ("20-sft", 2.1, 9.0)]
    assert (seen.peak_gib(0.5, 2.0), seen.peak_gib(2.1, 9.0), seen.peak_gib(9.4, 9.5)) == (0.5, 2.0, 1.0)


def test_the_lines_are_those_the_runner_really_prints(parts):
    runner = (ROOT / "lib/caderno/pipeline/runner.py").read_text()
    assert "{directory.name}: starts" in runner and "{directory.name}: passed in" in runner


def test_a_kernel_that_costs_ten_per_cent_misses_the_limit(parts):
    stages = parts["bench_stages"]
    ran = [stages.Arm({"20-sft": 8.0, "30-grpo": 14.0}), stages.Arm({"20-sft": 8.0, "30-grpo": 14.0})]
    direct = [stages.Arm({"20-sft": 8.0, "30-grpo": 12.0}), stages.Arm({"20-sft": 8.0, "30-grpo": 12.0})]
    sft, grpo, everything = stages.overheads(ran, direct, 5.0)
    assert sft.compared() == [0.0, 0.0] and grpo.compared()[0] == pytest.approx(100 / 6)
    assert (everything.values, everything.compared(), everything.met()) == (
        [22.0, 22.0],
        pytest.approx([10.0, 10.0]),
        False,
    )


def test_a_figure_that_moves_between_runs_is_found(parts):
    stages, flat = parts["bench_stages"], parts["bench_watch"].flat
    result = {"arms": ["sft", "grpo"], "n": 4, "by": [{"value": 0.5, "low": None}]}
    assert flat(result) == {"/n": 4.0, "/by/0/value": 0.5}
    same, moved, broken = ({"a": value} for value in (0.5, 0.5001, float("nan")))
    assert stages.differ([stages.Arm(figures=same), stages.Arm(figures=same)]) == 0
    assert stages.differ([stages.Arm(figures=same), stages.Arm(figures=moved)]) == pytest.approx(1e-4)
    assert stages.differ([stages.Arm(figures=same), stages.Arm(figures=broken)]) == float("inf")
    for other in ({}, {"b": 0.5}):
        with pytest.raises(ValueError, match="do not have the same"):
            stages.differ([stages.Arm(figures=same), stages.Arm(figures=other)])


def test_the_script_of_a_notebook_is_its_cells_with_the_given_parameters(parts, tmp_path):
    script = parts["bench_direct"].script
    for notebook in sorted((ROOT / "notebooks").glob("*.py")):
        text = script(notebook.read_text(), "/a/b.yaml", r"/runs\1")
        assert "params_file = '/a/b.yaml'\n" in text and r"run_dir = '/runs\\1'" in text
        assert len(text.splitlines()) == len(notebook.read_text().splitlines())
    with pytest.raises(ValueError, match="0 lines set run_dir"):
        script("params_file = 1\n", "a", "b")


def test_memory_is_that_of_the_children_too(parts):
    hungry = "x = bytearray(200 * 2**20); import time; time.sleep(1)"
    program = f"import subprocess, sys; print('line', flush=True); subprocess.run([sys.executable, '-c', {hungry!r}])"
    seen = parts["bench_watch"].watch([sys.executable, "-c", program], {})
    assert seen.lines[0][1] == "line" and seen.lines[0][0] < seen.took_s
    assert 0.2 < seen.peak_gib() < 0.5


def test_the_newest_finished_demo_is_read(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path))
    newest = parts["bench_stages"].newest_demo
    with pytest.raises(BadInput, match="no finished run"):
        newest(1)
    run_dir = tmp_path / "demo"
    runs.write_json(run_dir / "run.json", {"params_file": "params/demo.yaml"})
    (run_dir / "params.yaml").write_text((ROOT / "params/base.yaml").read_text() + "\nname: demo\n")
    passed = {"state": "passed", "attempt": 1, "error": None, "started": "2026-01-01T00:00:00+00:00"}
    stages = [runs.STAGE_DIRECTORIES[name] for name in ("preflight", "calibration", "sft", "grpo", "validation")]
    for place, name in enumerate(stages):
        ended = f"2026-01-01T00:00:{10 * (place + 1)}+00:00"
        runs.write_json(run_dir / name / "status.json", {**passed, "ended": ended})
    lines = newest(1)
    assert [one.what for one in lines] == [*stages, "all stages"]
    assert [one.values for one in lines] == [[10.0], [20.0], [30.0], [40.0], [50.0], [150.0]]
    runs.write_json(
        run_dir / stages[2] / "status.json", {**passed, "state": "failed", "ended": "2026-01-01T00:01:00+00:00"}
    )
    with pytest.raises(BadInput, match="no finished run"):
        newest(1)
