"""An open stage: what it writes, how its gate decides, what a signal does."""

from __future__ import annotations

import os
import signal

import pytest
from fake_notebooks import write_params

from caderno import params as parameters
from caderno import runs
from caderno.errors import BadInput, GuardRefused, Interrupted
from caderno.runs import stage as stages


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A stage of a run, with guards that stop on fail."""
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield runs.open_stage("sft", write_params(tmp_path / "a.yaml"))
    for left in stages._open.values():
        left._release()
    stages._open.clear()
    assert {number: signal.getsignal(number) for number in handlers} == handlers, "a handler was left behind"


def state(stage) -> str:
    return runs.read_status(stage.directory)["state"]


def steps(stage) -> list[int]:
    return [row["step"] for row in runs.whole_lines(stage.directory / "metrics.jsonl")]


def verdict(name: str, value: str) -> dict:
    return {"guard": name, "verdict": value, "measured": 3, "threshold": 2, "unit": "s", "why": "slow", "step": None}


def test_opening_creates_the_run(stage, tmp_path):
    assert stage.directory == tmp_path / "runs/fake/20-sft" and state(stage) == "running"
    assert (tmp_path / "runs/fake/run.json").exists() and stage.params.name == "fake"


def test_relative_paths_are_the_checkouts_wherever_the_kernel_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs.resolve("params/demo.yaml") == runs.checkout() / "params/demo.yaml"
    assert (runs.checkout() / "pyproject.toml").exists()
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "bucket"))
    stage = runs.open_stage("sft", write_params(tmp_path / "a.yaml"), "runs/fake")
    assert stage.run_dir == tmp_path / "bucket/fake"
    stage.close()


def test_an_unknown_stage_gets_the_nearest(tmp_path):
    with pytest.raises(BadInput, match="'grpo'"):
        runs.open_stage("grop", tmp_path / "a.yaml")


def test_the_cell_run_again_goes_on(stage, tmp_path):
    stage.metrics(step=1, loss=0.5)
    again = runs.open_stage("sft", tmp_path / "a.yaml")
    assert again.status["attempt"] == 1 and again.status["started"] == stage.status["started"]
    again.metrics(step=1, loss=0.5)
    assert steps(again) == [1], "the work started afresh, and so does its record"
    again.close()
    assert state(again) == "passed"


def test_metrics_go_on_from_the_checkpoint(stage, tmp_path):
    for step in (1, 2, 3, 4):
        stage.metrics(step=step, loss=1.0)
    with (stage.directory / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # killed here
    before = list(runs.whole_lines(stage.directory / "metrics.jsonl"))
    again = runs.open_stage("sft", tmp_path / "a.yaml")
    again.resume_step(2)
    again.metrics(step=3, loss=0.1)
    after = list(runs.whole_lines(stage.directory / "metrics.jsonl"))
    assert steps(stage) == [1, 2, 3] and after[:2] == before[:2]
    assert after[2]["wall_s"] >= after[1]["wall_s"]


def test_values_of_numpy_and_nan_are_written(stage):
    import numpy as np

    stage.result({"mean": np.float64(0.5), "all": np.arange(2), "path": stage.directory, "loss": float("nan")})
    result = runs.read_json(stage.directory / "result.json")
    assert result["mean"] == 0.5 and result["all"] == [0, 1] and result["loss"] != result["loss"]


def test_the_ledger_compares(stage):
    stage.ledger([{"what": "dtype", "requested": "bfloat16", "effective": "float32"}])
    stage.ledger([{"what": "steps", "requested": 2, "effective": 2}])
    rows = runs.read_json(stage.directory / "ledger.json")
    assert [(row["what"], row["same"]) for row in rows] == [("dtype", False), ("steps", True)]


@pytest.mark.parametrize("value", ["pass", "warn", "unknown", "not_applicable"])
def test_the_gate_lets_through_what_it_was_not_told_to_stop(stage, value):
    stage.guards([verdict("speed", value)])
    stage.close()
    assert state(stage) == "passed"


def test_the_gate_stops_on_fail_and_says_why(stage):
    stage.guards([verdict("speed", "fail"), verdict("room", "pass")])
    with pytest.raises(GuardRefused, match=r"speed fail \(measured 3, threshold 2 s\): slow"):
        stage.close()
    assert state(stage) == "gated" and "speed" in runs.read_status(stage.directory)["error"]


def test_a_later_verdict_of_the_same_guard_replaces_the_earlier(stage):
    stage.guards([verdict("speed", "fail")])
    stage.guards([verdict("speed", "pass")])
    stage.close()
    assert state(stage) == "passed"


def test_closing_calls_what_was_registered_once(stage):
    called = []
    action = lambda: called.append(1)  # noqa: E731
    stage.at_close(action)
    stage.at_close(action)
    stage.close()
    assert called == [1]


def test_a_parent_must_have_passed(stage):
    with pytest.raises(BadInput, match="preflight, which is pending"):
        stage.parent("preflight")
    directory = runs.stage_directory(stage.run_dir, "preflight")
    runs.begin(directory, "inputs")
    runs.finish(directory, "passed")
    assert stage.parent("preflight") == directory


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_interrupts_the_cell(stage, number):
    with pytest.raises(Interrupted) as raised:
        os.kill(os.getpid(), number)
    assert raised.value.exit_code == 128 + number and state(stage) == "interrupted"


def test_inside_graceful_a_signal_only_asks(stage):
    seen = []
    with pytest.raises(Interrupted), stage.graceful():
        os.kill(os.getpid(), signal.SIGTERM)
        seen.append((stage.stop_requested, state(stage)))
    assert seen == [(True, "running")] and state(stage) == "interrupted"


def test_inside_graceful_a_second_signal_raises(stage):
    reached = []
    with pytest.raises(Interrupted), stage.graceful():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("not stopped")
    assert reached == [] and state(stage) == "interrupted"


def test_graceful_without_a_signal_changes_nothing(stage):
    with stage.graceful():
        pass
    assert not stage.stop_requested and state(stage) == "running"


def test_the_newest_checkpoint_that_is_whole(tmp_path):
    assert runs.newest_complete_checkpoint(tmp_path) is None
    for step in (9, 10, 20, 30):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (9, 10, 30):
        (tmp_path / f"checkpoint-{step}/trainer_state.json").touch()
    (tmp_path / "checkpoint-30/checkpoint-is-incomplete.txt").touch()
    (tmp_path / "checkpoint-best").mkdir()
    assert runs.newest_complete_checkpoint(tmp_path).name == "checkpoint-10"


def test_the_stage_reads_the_runs_parameters(stage):
    assert parameters.load(stage.run_dir / "params.yaml") == stage.params
