"""The command `leaks` and its benchmark: exit codes, what is said, what is found of what was planted."""

from __future__ import annotations

import importlib
import json

import pytest
import typer
from leak_rows import common_words, records, written

from caderno import runs
from caderno.cli.leaking import leaks as command

KINDS = ("exact", "normalised", "entity", "ngram")


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    """The command in an application of its own: (exit code, standard output)."""
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(command)

    def call(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            app([str(argument) for argument in arguments])
        return left.value.code or 0, capsys.readouterr().out

    return call


def test_the_command_says_what_it_found_and_leaves_with_3(call, tmp_path):
    evals = records(2, 20)
    leaky = [*records(1, 20), evals[4] | {"question": evals[4]["question"].title()}]
    quoting = records(1, 20)
    quoting[2]["question"] = common_words(quoting[2], evals[7], 14)
    names = {name: written(tmp_path / f"{name}.jsonl", rows) for name, rows in
             {"e": evals, "clean": records(1, 20), "leaky": leaky, "quoting": quoting}.items()}  # fmt: skip
    code, out = call(names["clean"], names["e"])
    assert code == 0 and "No leak." in out
    code, out = call(names["quoting"], names["e"])
    assert code == 0 and "for you to judge" in out and "ngram" in out and "eval" in out
    code, out = call(names["leaky"], names["e"])
    assert code == 3 and "Leak:" in out and "1 (5.00%)" in out and "normalised" in out
    code, out = call(names["leaky"], names["e"], "--json")
    assert code == 3 and json.loads(out)["train"][0]["normalised"]["rows"] == 1
    assert call(names["clean"], names["e"], "--ancestor", names["leaky"])[0] == 3
    assert "the same pairs as" in call(names["leaky"], names["e"], "--ancestor", names["leaky"])[1]


def test_the_benchmark_finds_what_it_planted(monkeypatch):
    monkeypatch.syspath_prepend(str(runs.checkout() / "scripts"))
    bench = importlib.import_module("bench_leaks")
    lines = {line.what: line for line in bench.leaking(1, 400, 80, 5)}
    assert [line.values for what, line in lines.items() if "planted" in what] == [[0], [0]]
    monkeypatch.setattr(bench, "scan", lambda train, evals: ({kind: {"pairs": []} for kind in KINDS}, 0.1))
    lines = {line.what: line for line in bench.leaking(1, 400, 80, 5)}
    assert [line.values for what, line in lines.items() if "missed" in what] == [[25]]
