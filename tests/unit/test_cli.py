"""The command line: quick to start, exact in its exit codes, one paragraph for an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_notebooks import write_params

import caderno
from caderno import cli, data, params, pipeline, runs, writeup
from caderno.errors import BadInput, GuardRefused, Interrupted, StageFailed

HEAVY = {"torch", "transformers", "pandas", "papermill", "pydantic", "rich"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def call(capsys):
    """Calls the command in this process: (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return left.value.code or 0, printed.out, printed.err

    return call


def paragraph(text: str) -> bool:
    """One paragraph and no traceback."""
    return bool(text.strip()) and "\n" not in text.strip() and "Traceback" not in text


def test_importing_loads_nothing_heavy():
    program = "import sys, caderno, caderno.cli; print(' '.join(sys.modules))"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())
    assert not HEAVY & loaded
    assert cpu_seconds(sys.executable, "-c", "import caderno")[0] <= 0.3


def cpu_seconds(*command: str) -> tuple[float, str]:
    """CPU seconds and output of a command: the wall clock of a busy machine says nothing about the program."""
    before = os.times()
    out = subprocess.check_output(command, text=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, out


def test_help_is_quick_and_names_the_commands():
    spent, out = cpu_seconds(str(Path(sys.executable).with_name("caderno")), "--help")
    assert spent <= 1.0
    for command in ("run", "status", "params", "rows", "score", "writeup", "--version", "--debug"):
        assert command in out


def test_the_installed_command_is_this_one():
    command = Path(sys.executable).with_name("caderno")
    assert subprocess.check_output([command, "--version"], text=True) == f"caderno {caderno.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["flie"], ["run"], ["rows", "push", "-n", "many"], ["run", "a.yaml", "--stage", "sft"]]
)
def test_wrong_usage_is_2_without_a_traceback(call, arguments):
    code, out, error = call(*arguments)
    assert code == 2 and out == "" and "Error" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (BadInput("wrong", where="here"), 2),
        (GuardRefused("refused"), 3),
        (StageFailed("broken"), 4),
        (ValueError("a defect"), 4),
    ],
)
def test_errors_are_a_paragraph_and_an_exit_code(call, monkeypatch, tmp_path, raised, code):
    def broken(*arguments):
        raise raised

    monkeypatch.setattr(pipeline, "run", broken)
    got, out, error = call("run", write_params(tmp_path / "a.yaml"))
    assert got == code and paragraph(error) and out == ""
    with pytest.raises(type(raised)):
        cli.main(["run", str(tmp_path / "a.yaml"), "--debug"])


@pytest.mark.parametrize("number", [2, 15])
def test_interrupted_leaves_with_128_plus_the_signal(call, monkeypatch, tmp_path, number):
    def interrupted(*arguments):
        raise Interrupted(number)

    monkeypatch.setattr(pipeline, "run", interrupted)
    code, _, error = call("run", write_params(tmp_path / "a.yaml"))
    assert code == 128 + number and paragraph(error) and "same command again" in error


def test_run_hands_its_options_on(call, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(pipeline, "run", lambda *arguments: given.append(arguments))
    path = write_params(tmp_path / "a.yaml")
    call("run", path, "--set", "seed=3", "--set", "grpo.max_steps=2", "--name", "n", "--from", "sft")
    call("run", path, "--only", "grpo")
    assert given[0][:5] == (str(path), ["seed=3", "grpo.max_steps=2"], "n", "sft", None)
    assert given[1][:5] == (str(path), [], None, None, "grpo")


def test_params_shows_what_a_file_resolves_to(call, tmp_path):
    path = write_params(tmp_path / "a.yaml")
    code, out, _ = call("params", path, "--set", "seed=41")
    assert code == 0 and "grpo.group_size" in out and "41" in out
    _, out, _ = call("params", path, "--json", "--name", "1e3")
    assert json.loads(out)["name"] == "1e3"
    code, _, error = call("params", tmp_path / "none.yaml")
    assert code == 2 and paragraph(error) and "none.yaml" in error


@pytest.fixture
def run_dir(tmp_path):
    """A run of which one stage has failed."""
    loaded = params.load(write_params(tmp_path / "a.yaml"))
    directory = runs.run_directory(loaded)
    runs.create_or_open(directory, loaded, tmp_path / "a.yaml")
    runs.begin(directory / "00-preflight", "inputs")
    runs.finish(directory / "00-preflight", "failed", "ValueError: no such column")
    return directory


def test_status_tells_states_and_reasons(call, run_dir):
    for arguments in ([], ["fake"], [run_dir], ["all"]):
        code, out, _ = call("status", *arguments)
        assert code == 0 and "00-preflight" in out and "failed" in out and "no such column" in out
    told = json.loads(call("status", "fake", "--json")[1])
    assert [stage["state"] for stage in told["stages"]] == ["failed", "pending"]
    assert json.loads(call("status", "all", "--json")[1]) == [told]
    code, _, error = call("status", "fkae")
    assert code == 2 and paragraph(error) and "'fake'" in error


def test_status_without_any_run(call):
    assert "No runs" in call("status")[1]
    assert json.loads(call("status", "--json")[1]) is None
    assert json.loads(call("status", "all", "--json")[1]) == []


def test_writeup_tells_where_it_wrote(call, run_dir, monkeypatch):
    monkeypatch.setattr(writeup, "write", lambda directory, target: directory / "report.md")
    assert call("writeup", "fake") == (0, f"{run_dir / 'report.md'}\n", "")


@pytest.fixture(scope="module")
def push_rows():
    return data.rows("push", "test", 4, 1)


def test_rows_are_json_lines_of_the_task(call, push_rows):
    code, out, error = call("rows", "push", "--split", "test", "-n", 4, "--seed", 1)
    assert code == 0 and error == "" and [json.loads(line) for line in out.splitlines()] == push_rows
    assert {"id", "task", "split", "prompt", "gold"} <= push_rows[0].keys()


@pytest.mark.parametrize("arguments", [["pusch"], ["push", "--split", "tset"], ["push", "-n", "0"]])
def test_rows_that_cannot_be_are_a_paragraph(call, arguments):
    code, out, error = call("rows", *arguments)
    assert code == 2 and paragraph(error) and out == ""


def written(path: Path, rows: list[dict], completions: list[str]) -> Path:
    lines = [{**row, "completion": text} for row, text in zip(rows, completions, strict=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_score_judges_in_the_order_of_the_file(call, push_rows, tmp_path):
    completions = [push_rows[0]["gold"], "", push_rows[2]["gold"], "nada"]
    path = written(tmp_path / "a.jsonl", push_rows, completions)
    code, out, _ = call("score", "push", path, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["id"] for line in lines] == [row["id"] for row in push_rows]
    assert all(line.keys() == {"id", "score", "parts", "why"} for line in lines)
    assert lines[0]["score"] == pytest.approx(1.0) and lines[1]["score"] < 0.5
    code, out, _ = call("score", "push", path)
    mean = sum(line["score"] for line in lines) / 4
    assert code == 0 and f"{mean:.3f}" in out and "fully correct" in out and "95 %" in out


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda lines: [*lines[:2], "{broken\n", *lines[3:]], "line 3"),
        (lambda lines: [*lines[:2], lines[2].replace('"completion"', '"answer"'), *lines[3:]], "row 3"),
        (lambda lines: [lines[0].replace('"task": "push"', '"task": "sql_qa"'), *lines[1:]], "row 1"),
        (lambda lines: [], "no rows"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_printed(call, push_rows, tmp_path, fault, expected):
    path = written(tmp_path / "a.jsonl", push_rows, [""] * 4)
    path.write_text("".join(fault(path.read_text().splitlines(keepends=True))))
    code, out, error = call("score", "push", path, "--json")
    assert code == 2 and out == "" and paragraph(error) and expected in error


def test_a_file_that_is_not_there(call, tmp_path):
    code, _, error = call("score", "push", tmp_path / "none.jsonl")
    assert code == 2 and paragraph(error) and "none.jsonl" in error
