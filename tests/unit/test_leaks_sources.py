"""Whose rows are looked through: runs, their ancestors by every way a run can have one, and those that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caderno import params, runs
from caderno.data import leaks
from caderno.errors import BadInput

SPLITS = {"train": 6, "heldout": 2, "test": 3}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))


def row(split: str, name: str, text: str | None = None) -> dict[str, Any]:
    prompt = [
        {"role": "system", "content": "extraia."},
        {"role": "user", "content": text or f"avaliação {name} {split}"},
    ]
    truth = {"produto": name}
    return {"id": f"{split}-{name}", "task": "extraction", "split": split, "prompt": prompt, "gold": json.dumps(truth),
            "entities": [f"customer:{split}-{name}"], "facts": {"truth": truth}}  # fmt: skip


def data_file(path: Path, name: str, *more: dict) -> Path:
    rows = [row(split, f"{name}{i}") for split, n in SPLITS.items() for i in range(n)]
    path.write_text("".join(json.dumps(one) + "\n" for one in [*more, *rows]))
    return path


@pytest.fixture
def make_run(tmp_path):
    """A run directory as the runner leaves it, over its own file of rows: `more` stands first in that file."""

    def make(run: str, *more: dict, stages: tuple[str, ...] = ("sft",), parent: str | None = None, **model) -> Path:
        path = data_file(tmp_path / f"{run}.jsonl", run, *more)
        content = {
            "name": run, "stages": stages, "model": {"name": "tiny", **model}, "tasks": {"extraction": {}},
            "data": {"source": "jsonl", "path": str(path), **{f"{split}_rows": n for split, n in SPLITS.items()}},
            "writeup": {"directory": None, "parent": parent},
        }  # fmt: skip
        file = tmp_path / f"{run}.yaml"
        file.write_text(json.dumps(content))
        loaded = params.load(file)
        directory = runs.run_directory(loaded)
        runs.create_or_open(directory, loaded, file)
        (directory / "20-sft" / "model").mkdir(parents=True)
        return directory

    return make


def told(found: dict) -> list[tuple[str, str, str]]:
    return [(entry["name"], entry["relation"], entry["state"]) for entry in found["train"]]


def test_a_run_against_its_own_held_out_and_test_rows(make_run):
    make_run("one")
    found = leaks.find("one")
    assert [(of["name"], of["rows"]) for of in found["eval"]] == [("one:heldout", 2), ("one:test", 3)]
    assert told(found) == [("one:train", "TRAIN", "scanned"), ("tiny", "model.name", "unknown")]
    assert found["train"][0]["rows"] == 6 and found["verdict"] == "unknown"
    assert "generated documents" in found["train"][1]["why"]


def test_splits_runs_files_and_parameter_files_by_name(make_run, tmp_path):
    run_dir = make_run("one")
    for name in ("one", run_dir, "runs/one", tmp_path / "one.yaml"):
        found = leaks.find(f"{name}:test", [f"{name}:test"])
        assert found["train"][0]["exact"]["rows"] == found["train"][0]["rows"] == 3, name
    found = leaks.find(f"{tmp_path / 'one.jsonl'}:train", [f"{tmp_path / 'one.jsonl'}:heldout", "one"])
    assert [of["rows"] for of in found["eval"]] == [2, 2, 3]
    assert [of["rows"] for of in leaks.find("one", ["one", "one:test"])["eval"]] == [2, 3]
    assert found["train"][0]["rows"] == 6 and found["verdict"] == "clean"
    with pytest.raises(BadInput, match="at least one EVAL"):
        leaks.find(str(tmp_path / "one.jsonl"))
    with pytest.raises(BadInput, match="Did you mean 'one'"):
        leaks.find("onne")
    for missing in ("two", str(tmp_path / "two.yaml"), str(tmp_path / "two.jsonl")):
        with pytest.raises(BadInput, match="two"):
            leaks.find(missing, ["one"])
        with pytest.raises(BadInput, match="two"):
            leaks.find("one", [missing])
    plain = tmp_path / "plain.jsonl"
    plain.write_text('{"question": "q"}\n')
    with pytest.raises(BadInput, match="no row has split 'test'"):
        leaks.find(f"{plain}:test", ["one"])


@pytest.mark.parametrize("way", ["name", "adapter", "init"])
def test_a_leak_through_the_run_that_the_weights_came_from(make_run, way):
    """The child is clean; the parent of its parent trained on one of the child's test rows."""
    leaked = row("train", "x", "AVALIAÇÃO  child1 test!")
    make_run("grandparent", leaked)
    make_run("parent", name="runs/grandparent/20-sft/model")
    child = make_run("child", **{way: "runs/parent/20-sft/model"})
    found = leaks.find(str(child))
    scanned = {entry["name"]: entry for entry in found["train"] if entry["state"] == "scanned"}
    assert list(scanned) == [f"{child}:train", "parent:train", "grandparent:train"]
    assert scanned["parent:train"]["relation"] == f"model.{way}"
    assert [entry["normalised"]["rows"] for entry in scanned.values()] == [0, 0, 1]
    assert scanned["grandparent:train"]["normalised"]["pairs"][0]["eval"]["id"] == "test-child1"
    assert found["verdict"] == "leak"


def test_an_entity_shared_with_the_parent_run_is_a_leak(make_run):
    leaked = row("train", "x") | {"entities": ["customer:heldout-child0"]}
    make_run("older", leaked)
    make_run("child", parent=str(runs.root() / "older"))
    found = leaks.find("child")
    assert told(found)[2] == ("older:train", "parent run", "scanned")
    assert found["train"][2]["entity"]["by_set"] == {"child:heldout": 1, "child:test": 0}


def test_ancestors_in_a_circle_are_each_looked_through_once(make_run):
    make_run("a", parent=str(runs.root() / "b"))
    make_run("b", name="runs/a/20-sft/model", parent=str(runs.root() / "a"))
    names = [name for name, _, state in told(leaks.find("a")) if state == "scanned"]
    assert names == ["a:train", "b:train"]


def test_weights_that_no_run_here_made_are_unknown(make_run, tmp_path):
    (tmp_path / "weights").mkdir()
    make_run("one", name=str(tmp_path / "weights"), adapter="somebody/adapter")
    found = leaks.find("one")
    assert told(found)[1:] == [
        (str(tmp_path / "weights"), "model.name", "unknown"), ("somebody/adapter", "model.adapter", "unknown"),
    ]  # fmt: skip
    assert "not recorded" in found["train"][1]["why"] and found["verdict"] == "unknown"


def test_a_run_that_pretrains_does_not_start_from_the_base(make_run):
    make_run("one", stages=("pretrain", "sft"))
    assert told(leaks.find("one"))[1:] == [("one", "its pretraining", "unknown")]


@pytest.mark.parametrize("fault", ["data gone", "data changed", "parameters gone", "parameters broken"])
def test_an_ancestor_whose_rows_cannot_be_built_is_unknown(make_run, tmp_path, fault):
    parent = make_run("parent")
    make_run("child", name="runs/parent/20-sft/model")
    if fault == "data gone":
        (tmp_path / "parent.jsonl").unlink()
    elif fault == "data changed":
        data_file(tmp_path / "parent.jsonl", "another")
    elif fault == "parameters gone":
        (parent / "params.yaml").unlink()
    else:
        (parent / "params.yaml").write_text("name: parent\nmodel: 3\n")
    found = leaks.find("child")
    assert told(found)[:2] == [("child:train", "TRAIN", "scanned"), ("parent", "model.name", "unknown")]
    assert found["train"][1]["why"] and found["verdict"] == "unknown"
    with pytest.raises(BadInput):
        leaks.find("parent", ["child"])


def test_an_unknown_ancestor_hides_no_leak(make_run, tmp_path):
    make_run("one")
    copied = tmp_path / "copied.jsonl"
    copied.write_text(json.dumps(row("train", "y", "avaliação one0 test")) + "\n")
    found = leaks.find("one", ancestors=[str(copied)])
    assert told(found)[-1] == (str(copied), "--ancestor", "scanned") and found["verdict"] == "leak"


def test_a_run_given_as_ancestor_brings_its_own(make_run):
    make_run("grandparent")
    make_run("parent", name="runs/grandparent/20-sft/model")
    make_run("one")
    found = leaks.find("one", ancestors=["parent"])
    assert [name for name, _, _ in told(found)] == ["one:train", "tiny", "parent:train", "grandparent:train"]
