"""Rows: where they come from, how they are split and what is refused."""

from __future__ import annotations

import json

import pytest

from caderno import data, params
from caderno.errors import BadInput

SMALL = [
    "data.orders=400", "data.train_rows=60", "data.sft_rows=60", "data.heldout_rows=40", "data.test_rows=40",
    "calibration.rows=8", "grpo.max_steps=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def small():
    return params.load("params/base.yaml", SMALL)


def test_splits_have_their_sizes_and_proportions_and_nothing_in_common(small):
    splits = data.build(small)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 60, "heldout": 40, "test": 40}
    tasks = [row["task"] for row in splits["train"]]
    assert {name: tasks.count(name) for name in set(tasks)} == {
        "extraction": 24,
        "sql_qa": 24,
        "push": 8,
        "insights": 4,
    }
    entities = [{e for row in rows for e in row["entities"]} for rows in splits.values()]
    assert all(entities) and not (entities[0] & entities[1] or entities[0] & entities[2] or entities[1] & entities[2])


def test_the_same_seed_gives_the_same_rows_in_the_same_order(small):
    assert data.build(small) == data.build(small)


def test_a_shared_entity_between_splits_is_refused(small):
    splits = data.build(small)
    splits["test"] = [*splits["test"], splits["train"][0] | {"id": "planted"}]
    with pytest.raises(BadInput, match="planted"):
        data.require_disjoint(splits)


def test_the_generic_system_prompt_replaces_the_tasks_own(small):
    one = params.load("params/base.yaml", [*SMALL, "tasks.push.system_prompt=generic"])
    systems = {row["task"]: row["prompt"][0]["content"] for row in data.build(one)["train"]}
    assert "assistente" in systems["push"] and "assistente" not in systems["sql_qa"]


def test_shares_sum_and_follow_the_weights():
    assert data.shares(10, {"a": 1, "b": 1, "c": 1}) in (
        {"a": 4, "b": 3, "c": 3},
        {"a": 3, "b": 4, "c": 3},
        {"a": 3, "b": 3, "c": 4},
    )
    with pytest.raises(BadInput):
        data.shares(10, {"a": 0})


def test_a_broken_line_is_named(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a": 1}\n{"a": 2}\n{"a": \n{"a": 4}\n')
    with pytest.raises(BadInput, match=r"rows\.jsonl, line 3: not JSON"):
        data.read_jsonl(file)


@pytest.mark.parametrize(("text", "said"), [("", "no rows"), ("\n\n", "no rows"), ("[1]\n", "line 1: a JSON list")])
def test_a_file_without_objects_is_refused(tmp_path, text, said):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(BadInput, match=said):
        data.read_jsonl(tmp_path / "rows.jsonl")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        data.read_jsonl(tmp_path / "none.jsonl")


def test_rows_of_the_wrong_form_are_counted_and_the_first_is_named(tmp_path):
    row = data.rows("push", "train", 2, 0)[0]
    file = tmp_path / "rows.jsonl"
    file.write_text(
        "".join(json.dumps(r) + "\n" for r in (row, row | {"id": "b", "gold": 3}, row | {"id": "c", "prompt": "x"}))
    )
    with pytest.raises(BadInput, match=r"row 2: gold is int.*2 bad rows"):
        data.read_rows(file)


def test_jsonl_rows_come_back(tmp_path):
    found = data.rows("push", "test", 5, 0)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in found))
    assert data.rows("push", "test", 5, 0, data_path=str(file)) == found
    with pytest.raises(BadInput, match="at least 6"):
        data.rows("push", "test", 6, 0, data_path=str(file))


def test_an_unknown_split_or_count_is_refused():
    for arguments in (("push", "dev", 5), ("push", "test", 0), ("nada", "test", 5)):
        with pytest.raises(BadInput):
            data.rows(*arguments, 0)
