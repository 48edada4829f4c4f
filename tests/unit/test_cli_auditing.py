"""`caderno lengths` and `caderno coverage` as a person types them."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from caderno import data, params, runs
from caderno.cli import auditing
from caderno.errors import BadInput

SMALL = ["data.orders=400", "data.train_rows=30", "data.heldout_rows=10", "data.test_rows=10", "calibration.rows=8",
         "grpo.eval_rows=8"]  # fmt: skip


@pytest.fixture(scope="module")
def call():
    """Runs a command; returns its result."""
    app = typer.Typer()
    app.command()(auditing.lengths)
    app.command()(auditing.coverage)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def pushes(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "push.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in data.rows("push", "test", 40, 0)))
    return path


def test_lengths_tells_quantiles_the_longest_and_what_a_limit_leaves_out(call, pushes):
    found = call("lengths", pushes, "--model", "tiny", "--limit", 50, "--max-completion", 20)
    assert found.exit_code == 0, found.output
    for said in ("50 %", "99 %", "max", "prompt", "completion", "total", "line", "push-test-0-"):
        assert said in found.stdout
    report = json.loads(
        call("lengths", pushes, "--model", "tiny", "--limit", 50, "--max-completion", 20, "--json").stdout
    )
    assert report["unit"] == "line" and report["model"] == "tiny" and report["groups"][0]["n"] == 40
    for limit in report["limits"]:
        n = limit["groups"][0]["n"]
        assert f"{limit['words']}: {n} of 40 rows ({n / 40:.1%})" in found.stdout
    assert {limit["key"]: limit["tokens"] for limit in report["limits"]} == {"sft": 50, "grpo": 30, "ceiling": 20}
    assert len(report["longest"]) == 5 and all(1 <= row["number"] <= 40 for row in report["longest"])


def test_the_exit_code_is_0_whatever_the_lengths(call, pushes):
    found = call("lengths", pushes, "--model", "tiny", "--limit", 2)
    assert found.exit_code == 0 and "40 of 40 rows (100.0%)" in found.stdout


def test_lengths_of_a_parameter_file_and_of_a_run_are_those_of_its_splits(call, tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))
    chosen = params.load("params/base.yaml", [*SMALL, "name=mine"])
    run_dir = tmp_path / "runs" / "mine"
    run_dir.mkdir(parents=True)
    (run_dir / "params.yaml").write_text(params.to_yaml(chosen))
    (run_dir / "run.json").write_text("{}")
    by_name, by_path, by_file = (
        json.loads(call("lengths", which, "--json").stdout) for which in ("mine", run_dir, run_dir / "params.yaml")
    )
    assert by_name | {"file": ""} == by_path | {"file": ""} == by_file | {"file": ""}
    n = {group["group"]: group["n"] for group in by_name["groups"]}
    assert (n["all"], n["split train"], n["split heldout"], n["split test"]) == (50, 30, 10, 10)
    assert [limit["key"] for limit in by_name["limits"]] == ["sft", "grpo", "ceiling"]
    assert by_name["model"] == "tiny" and by_name["unit"] == "row"
    assert runs.root() == tmp_path / "runs"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no model"),
        (("--model", "./none"), "there is no directory"),
        (("--model", "tiny", "--task", "pusk"), "unknown task 'pusk'"),
        (("--model", "tiny", "--limit", "9", "--max-completion", "9"), "completions of 9 tokens within 9"),
    ],
)
def test_bad_arguments_of_lengths_are_refused(call, pushes, arguments, said):
    found = call("lengths", pushes, *arguments)
    assert isinstance(found.exception, BadInput) and said in str(found.exception) and found.exception.exit_code == 2
    assert isinstance(call("lengths", "none.jsonl", "--model", "tiny").exception, BadInput)


def test_coverage_says_in_words_what_a_run_meets(call):
    found = call("coverage", "params/tucano2/v3.yaml")
    assert found.exit_code == 0
    assert "500 steps x 1 prompt make 500 draws from 1,404 prompts: 500 are seen (36 %), 904 never." in found.stdout
    assert "extraction" in found.stdout and "561" in found.stdout
    report = json.loads(call("coverage", "params/tucano2/v3.yaml", "--json").stdout)
    assert report == data.coverage(params.load("params/tucano2/v3.yaml"))
    full = call("coverage", "params/tucano2/v3.yaml", "--set", "grpo.max_steps=1404")
    assert "1,404 are seen (100 %), each 1.0 times" in full.stdout


def test_coverage_of_a_file_counts_it_and_of_a_run_without_training_says_so(call, pushes, tmp_path):
    file = tmp_path / "mine.yaml"
    spec = {"source": "files", "path": str(pushes), "train_rows": 8, "heldout_rows": 4, "test_rows": 20}
    file.write_text(
        json.dumps({"model": {"name": "tiny"}, "tasks": {"push": {}}, "data": spec, "calibration": {"rows": 4}})
    )
    found = call("coverage", file)
    assert found.exit_code == 0 and "20 of 40" in found.stdout and "8 of 0" in found.stdout
    assert "too few rows of push train, push heldout: a run is refused" in found.stdout
    assert "Neither sft nor grpo" in call("coverage", file, "--set", "stages=[preflight]").stdout


def test_the_modules_load_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, caderno.cli.auditing, caderno.data, caderno.lengths; print(sorted({'torch', 'transformers', "
    code += "'datasets', 'pyarrow.parquet', 'duckdb'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
