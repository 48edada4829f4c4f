"""Comparisons of runs: their arms, parameters, commits, ceilings, and several of them as seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_results import write_lines
from fake_run import PARAMS, change, make_run

from caderno import compare as comparing
from caderno.errors import BadInput


def row(found: dict, task: str = "all") -> dict:
    return next(one for one in found["results"] if one["task"] == task)


def run_at(path: Path, **options) -> Path:
    """A finished run whose equal scores have equal completions, as a scorer's would."""
    run_dir = make_run(path / "demo", **options)
    file = run_dir / "40-validation" / "samples.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    write_lines(file, [{**one, "completion": f"{one['completion']} {one['score']}"} for one in rows])
    return run_dir


@pytest.fixture
def two_runs(tmp_path):
    """A run, and another with another learning rate."""
    other = PARAMS.replace("learning_rate: 1e-3", "learning_rate: 2e-3")
    return run_at(tmp_path / "one"), run_at(tmp_path / "two", params=other)


def test_runs_are_compared_with_their_parameters(two_runs):
    arms = [comparing.read_arm(str(run)) for run in two_runs]
    found = comparing.compare(*arms)
    assert found["comparable"], found["differs"]
    assert found["before"]["arm"] == "grpo" and found["shared"] == 400
    assert {one["parameter"] for one in found["parameters"]} == {"grpo.learning_rate"}
    assert {one["task"] for one in found["results"]} == {"all", "extraction", "sql_qa", "push", "insights"}
    assert row(found)["correct"] is not None


def test_arms_of_one_run(two_runs):
    sft, grpo = (comparing.read_arm(str(two_runs[0]), arm) for arm in ("sft", "grpo"))
    found = comparing.compare(sft, grpo)
    assert row(found)["score"]["reading"] == "gain"
    with pytest.raises(BadInput, match="no arm 'dpo'"):
        comparing.read_arm(str(two_runs[0]), "dpo")


def test_runs_with_other_ceilings_or_templates_are_not_comparable(two_runs):
    text = (two_runs[1] / "params.yaml").read_text()
    before, after = "max_new_tokens: 96", "max_new_tokens: 64"
    head, validation = text.split("\nvalidation:")
    (two_runs[1] / "params.yaml").write_text(head + "\nvalidation:" + validation.replace(before, after))
    found = comparing.compare(*(comparing.read_arm(str(run)) for run in two_runs))
    assert not found["comparable"] and found["differs"][0]["what"] == "validation.max_new_tokens"


def test_a_run_without_validation_says_so(two_runs):
    (two_runs[0] / "40-validation" / "samples.jsonl").unlink()
    with pytest.raises(BadInput, match="no validation samples"):
        comparing.read_arm(str(two_runs[0]))


def test_runs_given_with_commas_are_seeds(two_runs, tmp_path):
    third, fourth = run_at(tmp_path / "three", seed=3), run_at(tmp_path / "four", seed=4)
    before = comparing.read_arm(f"{two_runs[0]},{third}")
    after = comparing.read_arm(f"{two_runs[1]},{fourth}")
    assert len(before.seeds) == 2
    found = comparing.compare(before, after)
    assert row(found)["score"]["n"] == 2 and "seeds" in row(found)["score"]["method"]


def test_parameters_of_an_older_version_do_not_stop_it(two_runs):
    (two_runs[0] / "params.yaml").write_text("no_such_key: 1\n")
    found = comparing.compare(*(comparing.read_arm(str(run)) for run in two_runs))
    assert any("do not load" in note for note in found["notes"]) and found["results"]


def test_another_commit_is_told(two_runs):
    manifest = json.loads((two_runs[1] / "run.json").read_text())
    manifest["openings"][-1]["git"]["sha"] = "f" * 40
    change(two_runs[1] / "run.json", openings=manifest["openings"])
    found = comparing.compare(*(comparing.read_arm(str(run)) for run in two_runs))
    assert any("code differs" in note for note in found["notes"])
