"""`caderno replay`: a table or JSON lines, parameters from beside the log, and exit codes."""

from __future__ import annotations

import json
import shutil

from typer.testing import CliRunner

from caderno import runs
from caderno.cli.app import app
from caderno.guards import all_guards

LOG = [{"step": step, "reward": 0.5, "clip_ratio": 0.0, "completion_length": 2048.0} for step in range(1, 31)]


def replayed(*arguments: str):
    return CliRunner().invoke(app, ["replay", *arguments], env={"COLUMNS": "160"})


def written(directory):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "metrics.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in LOG))
    return path


def verdicts(*arguments: str) -> dict[str, dict]:
    done = replayed(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return {row["guard"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_a_log_of_a_run_that_ended_at_its_ceiling_says_so_and_nothing_of_a_collapse(tmp_path):
    found = verdicts(str(written(tmp_path)))
    assert set(found) == set(all_guards("running"))
    assert (found["ceiling-watch"]["verdict"], found["ceiling-watch"]["step"]) == ("fail", 10)
    assert found["clip-ratio"]["verdict"] == found["entropy-watch"]["verdict"] == "unknown"
    assert "by construction" in found["clip-ratio"]["why"]


def test_parameters_settle_what_is_vacuous_and_are_found_beside_the_log(tmp_path):
    log = written(tmp_path / "30-grpo")
    given = verdicts(str(log), "--params", "params/tucano2/v3.yaml")
    assert given["clip-ratio"]["verdict"] == given["kl-drift"]["verdict"] == "not_applicable"
    shutil.copy(runs.resolve("params/demo.yaml"), tmp_path / "params.yaml")
    shutil.copy(runs.resolve("params/base.yaml"), tmp_path / "base.yaml")
    assert verdicts(str(log))["kl-drift"]["verdict"] == "not_applicable"


def test_the_table_names_the_step(tmp_path):
    done = replayed(str(written(tmp_path)))
    assert done.exit_code == 0 and "step 10" in done.stdout and "ceiling-watch" in done.stdout


def test_what_is_no_log_is_refused(tmp_path):
    (tmp_path / "words.txt").write_text("no log at all")
    done = replayed(str(tmp_path / "words.txt"))
    assert done.exit_code != 0 and done.exception is not None and "neither JSON" in str(done.exception)
