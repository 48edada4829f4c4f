"""The registry, scores of many rows at once, and the commands for rows and scores, on the tasks that need no shop."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

from caderno import cli, tasks
from caderno.tasks import arithmetic, math

GSM8K = [{"question": f"How much is {n} and {n}?", "answer": f"{n}+{n} = {2 * n}\n#### {2 * n}"} for n in range(8)]


@pytest.fixture
def call(capsys):
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return left.value.code or 0, printed.out, printed.err

    return call


def write(path, records: list[dict]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_the_registry_has_six_tasks_and_says_which_need_a_shop():
    assert list(tasks.TASKS) == ["extraction", "sql_qa", "push", "insights", "math", "arithmetic"]
    for name, module in tasks.TASKS.items():
        assert name == module.NAME and tasks.task(name) is module
        assert getattr(module, "NEEDS_SHOP", True) == (name in tasks.SHOP_TASKS)
    with pytest.raises(KeyError):
        tasks.TASKS["sentiment"]


def test_names_are_known_without_importing_a_task():
    program = "import sys, caderno.tasks; list(caderno.tasks.TASKS); print(' '.join(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert not {"pandas", "pydantic", "sympy", "caderno.tasks.math", "caderno.shop"} & set(loaded)


def test_reference_is_gold_unless_the_row_tells_them_apart():
    assert tasks.reference({"gold": "g"}) == "g" and tasks.reference({"gold": "g", "reference": "r"}) == "r"


def mixed() -> list[dict]:
    rows = [math.from_record(record, "test") for record in GSM8K]
    return [one for pair in zip(rows, arithmetic.rows("train", 8, 0), strict=True) for one in pair]


def test_many_scores_are_those_of_one_by_one_in_order():
    rows = mixed()
    completions = [row["gold"] if place % 3 else "5000" for place, row in enumerate(rows)]
    one_by_one = [tasks.score(row, text) for row, text in zip(rows, completions, strict=True)]
    assert tasks.score_many(rows, completions) == one_by_one
    assert len({score.total for score in one_by_one}) > 1 and tasks.score_many([], []) == []
    with pytest.raises(ValueError, match="shorter"):
        tasks.score_many(rows, completions[1:])


def test_tasks_that_wait_are_scored_side_by_side_and_keep_their_order(monkeypatch):
    together = threading.Barrier(2)

    def score(row, completion):
        together.wait(10)  # breaks unless two rows are under way at once
        return completion

    monkeypatch.setattr(math, "score", score)
    rows = [math.from_record(record, "test") for record in GSM8K]
    assert tasks.score_many(rows, list("abcdefgh")) == list("abcdefgh")


@pytest.mark.parametrize("module", [math, arithmetic])
def test_what_a_scorer_raises_comes_with_the_row(monkeypatch, module):
    def score(row, completion):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(module, "score", score)
    rows = [row for row in mixed() if row["task"] == module.NAME]
    with pytest.raises(ZeroDivisionError) as raised:
        tasks.score_many(rows, ["the completion"] * len(rows))
    assert raised.value.__notes__ == [f"while scoring row {rows[0]['id']}, completion 'the completion'"]


def test_rows_of_a_foreign_file_and_of_the_generator(call, tmp_path):
    path = write(tmp_path / "gsm8k.jsonl", GSM8K)
    code, out, error = call("rows", "math", "--data", path, "--split", "train", "-n", 2)
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and error == "" and [row["task"] for row in found] == ["math"] * 2
    assert {"id", "task", "split", "prompt", "gold", "reference"} <= found[0].keys()
    code, out, _ = call("rows", "arithmetic", "-n", 3, "--split", "test")
    assert code == 0 and [json.loads(line) for line in out.splitlines()] == arithmetic.rows("test", 3, 0)
    code, out, error = call("rows", "math")
    assert code == 2 and out == "" and "--data" in error


def test_score_takes_records_as_they_are_and_counts_what_it_cannot_judge(call, tmp_path):
    records = [record | {"completion": record["answer"]} for record in GSM8K]
    records[1]["completion"] = "The answer is 5000."
    records.append({"question": "And this?", "answer": r"\frac{1}{", "completion": r"\boxed{1}"})
    path = write(tmp_path / "a.jsonl", records)
    code, out, _ = call("score", "math", path, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["score"] for line in lines] == [1.0, pytest.approx(0.1), *[1.0] * 6, None]
    assert lines[-1]["parts"] is None and lines[-1]["why"] and len({line["id"] for line in lines}) == 9
    code, out, _ = call("score", "math", path)
    table = {line.split("│")[1].strip(): line.split("│")[-2].strip() for line in out.splitlines() if "│" in line}
    assert code == 0 and table["score"] == "8" and table["could not be judged"] == "1"
    path = write(tmp_path / "b.jsonl", records[-1:])
    code, out, _ = call("score", "math", path)
    assert code == 0 and "could not be judged" in out and "score " not in out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"completion": None}, "completion is null"),
        ({"task": "push"}, "a row of task 'push'"),
        ({"question": None}, "no problem"),
        ({"answer": "as I said before, nobody knows it"}, "no final answer"),
    ],
)
def test_a_record_that_cannot_be_scored_is_named(call, tmp_path, change, expected):
    records = [record | {"completion": "5"} for record in GSM8K]
    path = write(tmp_path / "a.jsonl", [*records[:2], records[2] | change, *records[3:]])
    code, out, error = call("score", "math", path)
    assert code == 2 and out == "" and expected in error and "row 3" in error


def test_a_row_without_what_its_scorer_needs_is_named(call, tmp_path):
    row = math.from_record(GSM8K[0], "test") | {"completion": "5"}
    path = write(tmp_path / "a.jsonl", [{key: value for key, value in row.items() if key != "gold"}])
    code, out, error = call("score", "math", path)
    assert code == 2 and out == "" and row["id"] in error and "gold" in error


def test_help_lists_the_tasks(call):
    for command in ("rows", "score"):
        _, out, _ = call(command, "--help")
        assert all(name in out for name in tasks.TASKS)
