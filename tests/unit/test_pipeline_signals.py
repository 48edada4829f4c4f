"""The runner in a process of its own: signals, kills, and that the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest
from fake_notebooks import start_runner, wait_for, write_notebook, write_params

from caderno import runs
from caderno.errors import Interrupted
from caderno.pipeline.kernel import StopSignals

# Counts, one checkpoint a step, going on from the newest.
WORK = """
import time
checkpoints = stage.directory / "checkpoints"
newest = runs.newest_complete_checkpoint(checkpoints)
begin = int(newest.name.split("-")[1]) if newest else 0
stage.resume_step(begin)
with stage.graceful():
    for step in range(begin + 1, 10_000):
        (checkpoints / f"checkpoint-{step}").mkdir(parents=True)
        (checkpoints / f"checkpoint-{step}" / "trainer_state.json").touch()
        stage.metrics(step=step, begin=begin)
        if stage.stop_requested:
            break
        time.sleep(0.05)
"""


@pytest.fixture
def fake(tmp_path):
    """A run of one stage: its parameter file, notebooks, directory, and a way to start the runner on it."""

    class Fake:
        params = write_params(tmp_path / "a.yaml", stages=["preflight"])
        notebooks = tmp_path / "notebooks"
        stage = tmp_path / "runs/fake/00-preflight"
        started: list = []  # noqa: RUF012

        def start(self, **environment):
            process = start_runner(self.params, self.notebooks, CADERNO_RUNS=str(tmp_path / "runs"), **environment)
            self.started.append(process)
            return process

        def rows(self):
            return list(runs.whole_lines(self.stage / "metrics.jsonl"))

    fake = Fake()
    yield fake
    for process in fake.started:
        process.kill()
        process.communicate()


def test_sigterm_leaves_a_run_that_resumes(fake):
    write_notebook(fake.notebooks, "preflight", WORK)
    runner = fake.start()
    wait_for(lambda: len(fake.rows()) >= 3)
    runner.terminate()
    out, error = runner.communicate(timeout=120)
    assert runner.returncode == 143, error
    assert "asked the stage to save and stop" in out and "go on" in error
    assert runs.read_json(fake.stage / "status.json")["state"] == "interrupted"
    reached = fake.rows()[-1]["step"]
    fake.start()
    wait_for(lambda: fake.rows()[-1]["step"] > reached)
    rows = fake.rows()
    assert [row["step"] for row in rows] == list(range(1, rows[-1]["step"] + 1))
    assert rows[-1]["begin"] == reached, "it must go on from the newest checkpoint"
    assert runs.read_status(fake.stage)["attempt"] == 2


def test_ctrl_c_leaves_an_interrupted_run_and_no_second_runner_got_in(fake):
    write_notebook(fake.notebooks, "preflight", WORK)
    first = fake.start()
    wait_for(fake.rows)
    second = fake.start()
    _, error = second.communicate(timeout=120)
    assert second.returncode == 2 and "another runner" in error
    assert runs.read_status(fake.stage)["state"] == "running"
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    assert first.returncode == 130
    assert runs.read_json(fake.stage / "status.json")["state"] == "interrupted"


def test_a_killed_runner_leaves_no_status_that_lies(fake):
    write_notebook(fake.notebooks, "preflight", WORK)
    runner = fake.start()
    wait_for(lambda: len(fake.rows()) >= 3)
    kernel = runs.read_status(fake.stage)["pid"]
    assert runs.read_status(fake.stage)["state"] == "running"
    runner.kill()
    runner.communicate()
    wait_for(lambda: not psutil.pid_exists(kernel))  # the kernel follows its parent
    assert runs.read_json(fake.stage / "status.json")["state"] == "running", "nobody was left to write"
    assert runs.read_status(fake.stage)["state"] == "interrupted"
    again = fake.start()
    wait_for(lambda: runs.read_status(fake.stage)["attempt"] == 2 and fake.rows()[-1].get("begin", 0) >= 3)
    again.kill()


def test_a_kernel_that_is_terminated_by_others_is_an_interruption(fake):
    write_notebook(fake.notebooks, "preflight", "import time\nstage.metrics(step=1)\ntime.sleep(600)")
    runner = fake.start()
    wait_for(fake.rows)
    psutil.Process(runs.read_status(fake.stage)["pid"]).send_signal(signal.SIGTERM)
    _, error = runner.communicate(timeout=120)
    assert runner.returncode == 143, error
    assert runs.read_json(fake.stage / "status.json")["state"] == "interrupted"


@pytest.fixture
def deaf():
    """A process, leader of its own group as a kernel is, that ignores SIGTERM."""
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_stage_that_does_not_stop_is_killed_after_the_grace(deaf):
    notes = []
    with StopSignals(0.3, notes.append) as signals, signals.forwarding():
        signals.kernel_started(deaf)
        os.kill(os.getpid(), signal.SIGTERM)
        assert deaf.wait(timeout=30) == -signal.SIGKILL
    assert signals.requested == signal.SIGTERM and "0.3 s" in notes[0]
    assert signals.kernel_exit() == "killed by SIGKILL, as when memory runs out"


def test_a_third_signal_does_not_wait(deaf):
    with StopSignals(600, print) as signals, signals.forwarding():
        signals.kernel_started(deaf)
        for alive in (True, True, False):
            os.kill(os.getpid(), signal.SIGINT)
            if alive:
                with pytest.raises(subprocess.TimeoutExpired):
                    deaf.wait(timeout=0.3)
        assert deaf.wait(timeout=30) == -signal.SIGKILL


def test_a_signal_between_stages_interrupts_and_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted), StopSignals(1, print):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_while_the_kernel_is_launched_reaches_it():
    plain = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    with StopSignals(600, print) as signals, signals.forwarding():
        os.kill(os.getpid(), signal.SIGTERM)
        signals.kernel_started(plain)
        assert plain.wait(timeout=30) == -signal.SIGTERM
