"""Tracking: one id per run, offline unless told, no key in anything that is written."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from fake_notebooks import write_params

from caderno import runs, tracking
from caderno.runs import stage as stages


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    yield
    for left in stages._open.values():
        left._release()
    stages._open.clear()


def test_disabled_loads_nothing_and_says_so(tmp_path):
    stage = runs.open_stage("sft", write_params(tmp_path / "a.yaml"))
    assert tracking.open(stage) is None
    row = runs.read_json(stage.directory / "ledger.json")[0]
    assert row["what"] == "tracking.mode" and row["same"]


def test_the_environment_wins_and_the_ledger_tells(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    stage = runs.open_stage("sft", write_params(tmp_path / "a.yaml", tracking={"mode": "offline"}))
    assert tracking.open(stage) is None
    row = runs.read_json(stage.directory / "ledger.json")[0]
    assert (row["requested"], row["effective"], row["same"]) == ("offline", "disabled", False)


def test_offline_is_under_the_runs_id_in_the_runs_directory(tmp_path):
    path = write_params(tmp_path / "a.yaml", tracking={"mode": "offline"})
    # In a process of its own: wandb keeps threads and a service until the interpreter ends.
    program = (
        "import sys; from caderno import runs, tracking\n"
        "stage = runs.open_stage('sft', sys.argv[1]); first = tracking.open(stage)\n"
        "assert tracking.open(stage) is first; print(first.id); stage.close()\n"
        "import wandb; assert wandb.run is None, 'the gate ends it'"
    )
    environment = {**os.environ, "WANDB_API_KEY": "k" * 40}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    manifest = runs.read_json(tmp_path / "runs/fake/run.json")
    assert done.stdout.split() == [manifest["tracking_id"]]
    assert list((tmp_path / "runs/fake/wandb").glob(f"offline-run-*-{manifest['tracking_id']}"))
    written = [file for file in (tmp_path / "runs").rglob("*") if file.is_file()]
    assert not [file for file in written if b"k" * 40 in file.read_bytes()]
