"""A stage's state: atomic on disk, true after any death, never overwritten."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from caderno import runs
from caderno.errors import BadInput
from caderno.runs import files
from caderno.runs import status as statuses


@pytest.fixture
def living():
    """A process other than this one."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def claimed_by(directory: Path, pid: int, **values: object) -> Path:
    """A status that process `pid` wrote as running."""
    status = runs.begin(directory, "inputs")
    who = {"pid": pid, "process": statuses.process_identity(pid)}
    runs.write_json(directory / "status.json", {**status, **who, **values})
    return directory


def test_a_write_that_breaks_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    runs.write_json(path, {"old": 1})
    monkeypatch.setattr(files.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        runs.write_json(path, {"new": 2})
    assert runs.read_json(path) == {"old": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_kill_in_the_middle_of_writing_leaves_whole_json(tmp_path):
    path = tmp_path / "a.json"
    program = (
        "import sys; from pathlib import Path; from caderno import runs\n"
        "while True: runs.write_json(Path(sys.argv[1]), list(range(20000)))"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
    while not path.exists():
        time.sleep(0.02)
    for _ in range(20):
        assert len(json.loads(path.read_text())) == 20000
    writer.kill()
    writer.wait()
    assert len(json.loads(path.read_text())) == 20000


def test_a_line_without_its_newline_is_not_there_yet(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [row["step"] for row in runs.whole_lines(path)] == [1, 2]
    path.write_text("".join(f'{{"step": {step}}}\n' for step in range(1000)))
    tail = [row["step"] for row in runs.whole_lines(path, tail_bytes=100)]
    assert tail[-1] == 999 and 3 < len(tail) < 10


def test_a_broken_state_file_is_named(tmp_path):
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(BadInput, match=r"status\.json"):
        runs.read_status(tmp_path)


def test_running_is_said_only_while_the_process_lives(tmp_path, living):
    stage = claimed_by(tmp_path / "20-sft", living.pid)
    assert runs.read_status(stage)["state"] == "running"
    living.send_signal(signal.SIGKILL)
    living.wait()
    status = runs.read_status(stage)
    assert status["state"] == "interrupted" and str(living.pid) in status["error"]


def test_a_zombie_does_not_run(tmp_path, living):
    stage = claimed_by(tmp_path / "20-sft", living.pid)
    living.kill()
    while psutil.Process(living.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert runs.read_status(stage)["state"] == "interrupted"


def test_a_pid_that_came_again_is_another_process(tmp_path, living):
    earlier = statuses.process_identity(living.pid) + "0"
    assert runs.read_status(claimed_by(tmp_path / "s", living.pid, process=earlier))["state"] == "interrupted"
    assert statuses.process_identity(living.pid) != statuses.process_identity(os.getpid())


def test_another_host_is_believed_while_its_heart_beats(tmp_path):
    stage = claimed_by(tmp_path / "20-sft", 1, host="elsewhere")
    assert runs.read_status(stage)["state"] == "running"
    old = time.time() - statuses.HEARTBEAT_LOST_S - 1
    os.utime(stage / "status.json", (old, old))
    assert runs.read_status(stage)["state"] == "interrupted"


def test_two_processes_do_not_share_a_stage(tmp_path, living):
    stage = claimed_by(tmp_path / "20-sft", living.pid)
    before = (stage / "status.json").read_bytes()
    with pytest.raises(BadInput, match=f"process {living.pid}"):
        runs.begin(stage, "inputs")
    assert (stage / "status.json").read_bytes() == before


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_the_next_attempt_keeps_the_work_and_shelves_the_conclusions(tmp_path, state):
    stage = tmp_path / "20-sft"
    runs.begin(stage, "inputs")
    (stage / "checkpoints").mkdir()
    runs.write_json(stage / "guards.json", [{"verdict": "fail"}])
    runs.finish(stage, state, "because")
    assert runs.begin(stage, "inputs")["attempt"] == 2
    assert (stage / "checkpoints").exists()
    assert not (stage / "guards.json").exists(), "an old verdict would gate the new attempt"
    assert runs.read_json(stage / "attempts/1/status.json")["error"] == "because"
    assert runs.read_json(stage / "attempts/1/guards.json") == [{"verdict": "fail"}]


@pytest.mark.parametrize(("state", "inputs"), [("passed", "inputs"), ("gated", "inputs"), ("failed", "others")])
def test_what_is_finished_or_has_other_inputs_is_moved_aside(tmp_path, state, inputs):
    stage = tmp_path / "20-sft"
    for number in (1, 2):
        runs.begin(stage, "inputs")
        (stage / "result.json").write_text(str(number))
        runs.finish(stage, state)
        assert runs.begin(stage, inputs)["attempt"] == 1
        assert (tmp_path / f"20-sft~{number}/result.json").read_text() == str(number)
        assert not (stage / "result.json").exists()
        runs.finish(stage, "failed")
        runs.move_aside(stage).rename(tmp_path / f"spare{number}")


def test_the_same_process_opens_its_stage_again(tmp_path):
    stage = tmp_path / "20-sft"
    first = runs.begin(stage, "inputs", reopen=True)
    again = runs.begin(stage, "inputs", reopen=True)
    assert (again["attempt"], again["started"]) == (1, first["started"])
    assert runs.begin(stage, "others", reopen=True)["attempt"] == 1 and (tmp_path / "20-sft~1").exists()


def test_the_kernel_takes_over_what_its_runner_claimed(tmp_path):
    stage = claimed_by(tmp_path / "20-sft", os.getppid(), attempt=3)
    status = runs.begin(stage, "computed differently", reopen=True)
    assert (status["attempt"], status["inputs"], status["pid"]) == (3, "inputs", os.getpid())
