"""One error for all bad rows of a file, records of other projects, and what Arrow cannot tell apart."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from caderno import data, tasks
from caderno.errors import BadInput

ROW = {"id": "a", "task": "push", "split": "train", "prompt": [{"role": "user", "content": "olá"}], "gold": "oi"}


@pytest.fixture
def file(tmp_path):
    """Writes records as JSON lines; returns the path."""

    def write(*records: object, name: str = "rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


@pytest.fixture
def sums(monkeypatch):
    """A task whose records are {"x", "y"}; it refuses negative ones."""

    def from_record(record, where):
        if record["x"] < 0:
            raise BadInput(f"a negative number ({record['x']})", expected="0 or more", where=where)
        prompt = [{"role": "user", "content": f"{record['x']}+{record['y']}"}]
        total = str(record["x"] + record["y"])
        return {
            "id": f"sum-{record['x']}-{record['y']}",
            "task": "sums",
            "split": "test",
            "prompt": prompt,
            "gold": total,
        }

    monkeypatch.setitem(sys.modules, "caderno.tasks.sums", SimpleNamespace(NEEDS_SHOP=False, from_record=from_record))
    monkeypatch.setattr(tasks.TASKS, "_names", ("push", "sums"))


FAULTS = [
    ({"id": None}, "id is null, not str"),
    ({"id": ""}, "id is empty"),
    ({"gold": 3}, "gold is int, not str"),
    ({"gold": ""}, "gold is empty"),
    ({"task": "pusk"}, r"task is none of .* \('pusk'\)"),
    ({"split": "dev"}, r"split is none of train, heldout, test \('dev'\)"),
    ({"prompt": "olá"}, "prompt is str, not list"),
    ({"prompt": []}, "prompt has no message"),
    ({"prompt": ["olá"]}, "prompt is not a list of {role, content}"),
    ({"prompt": [{"role": "user"}]}, "prompt is not a list of {role, content}"),
    ({"prompt": [{"role": "user", "content": None}]}, "a message's role or content is not text"),
    ({"prompt": [{"role": "user", "content": "\ud800"}]}, "a message holds half a character"),
    ({"gold": "\ud800"}, "gold or reference holds half a character"),
    ({"entities": "customer:1"}, "entities is str, not list"),
    ({"entities": [1]}, "entities are not all text"),
    ({"facts": "x"}, "facts is str, not dict"),
    ({"reference": 1}, "reference is int, not str"),
]


@pytest.mark.parametrize(("change", "said"), FAULTS, ids=[said[:32] for _, said in FAULTS])
def test_each_fault_of_a_row_is_named_with_its_line(file, change, said):
    with pytest.raises(BadInput, match=rf"line 2: {said}"):
        data.read_rows(file(ROW, ROW | {"id": "b"} | change))


def test_a_missing_field_is_named(file):
    for name in ("id", "task", "prompt", "gold"):
        with pytest.raises(BadInput, match=f"line 1: {name} is missing"):
            data.read_rows(file({key: value for key, value in ROW.items() if key != name}))


def test_one_error_lists_the_first_twenty_and_counts_all_by_reason(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(ROW | {"id": f"r{i}", "gold": "oi" if i % 10 else 3}) for i in range(300)]
    lines[4], lines[7] = "{broken", json.dumps(ROW | {"id": "r6"})
    path.write_text("\n".join(lines))
    with pytest.raises(BadInput) as refused:
        data.read_rows(path)
    text = str(refused.value)
    assert "32 of 300 records cannot be used (30 x gold is int, not str; 1 x not JSON; 1 x an id that stands" in text
    assert "line 5: not JSON" in text and "line 8: an id that stands earlier too ('r6', line 7)" in text
    assert "line 11: gold is int, not str" in text
    listed = [line for line in text.splitlines() if line.startswith("  line ")]
    assert len(listed) == 20 and text.endswith("and 12 more")


def test_nothing_is_used_of_a_file_with_one_bad_row_even_a_row_that_is_not_asked_for(file):
    rows = data.rows("push", "train", 3, 0)
    path = file(*rows, ROW | {"task": "extraction", "split": "test", "gold": 1})
    with pytest.raises(BadInput, match="line 4: gold is int"):
        data.rows("push", "train", 3, 0, data_path=str(path))


def test_absent_and_empty_optional_fields_are_the_same(file):
    empty = {"split": None, "group": "", "entities": None, "facts": None, "shop": "", "reference": None}
    assert data.read_rows(file(ROW | empty)) == [{k: v for k, v in ROW.items() if k != "split"}]


def test_the_same_rows_come_from_every_format(tmp_path):
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    rows = data.rows("push", "train", 4, 0)
    flat = [{k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()} for row in rows]
    Dataset.from_list(flat).to_csv(str(tmp_path / "rows.csv"))
    Dataset.from_list(flat).to_parquet(str(tmp_path / "flat.parquet"))
    Dataset.from_list(rows).to_parquet(str(tmp_path / "structs.parquet"))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    for name in ("rows.csv", "flat.parquet", "structs.parquet", "rows.json"):
        assert data.read_rows(tmp_path / name) == rows, name


def test_a_null_in_an_arrow_struct_is_refused_and_as_json_text_it_is_a_null(tmp_path):
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    two = [ROW | {"facts": {"a": 1, "b": None}}, ROW | {"id": "b", "facts": {"b": "x"}}]
    Dataset.from_list(two).to_parquet(str(tmp_path / "structs.parquet"))
    with pytest.raises(BadInput, match="2 x facts is an Arrow struct with a null in it"):
        data.read_rows(tmp_path / "structs.parquet")
    text = [row | {"facts": json.dumps(row["facts"])} for row in two]
    Dataset.from_list(text).to_parquet(str(tmp_path / "text.parquet"))
    assert [row["facts"] for row in data.read_rows(tmp_path / "text.parquet")] == [{"a": 1, "b": None}, {"b": "x"}]


def test_records_of_another_project_become_rows_of_the_task_that_takes_them(file, sums):
    path = file({"x": 1, "y": 2}, {"x": 3, "y": 4, "split": "heldout", "group": "g"}, ROW)
    found = data.read_rows(path, ["sums", "push"])
    assert [row["id"] for row in found] == ["sum-1-2", "sum-3-4", "a"]
    assert "split" not in found[0], "the split is for the declared shares, not for the task"
    assert (found[1]["split"], found[1]["group"]) == ("heldout", "g")
    assert data.read_rows(file({"x": 1, "y": 2, "task": "sums"}))[0]["gold"] == "3", "a record may name its task"


def test_what_no_task_takes_and_what_a_task_refuses_is_listed_with_the_rest(file, sums, monkeypatch):
    path = file({"x": -5, "y": 2}, {"x": -6, "y": 2}, {"x": 1, "y": 1})
    with pytest.raises(BadInput) as refused:
        data.read_rows(path, ["sums"])
    assert "2 x a negative number" in str(refused.value) and "line 2: a negative number (-6 expected" in str(
        refused.value
    )
    with pytest.raises(BadInput, match=r"no prompt, and no task in play takes other records \(fields x, y\)"):
        data.read_rows(path, ["push"])
    monkeypatch.setitem(sys.modules, "caderno.tasks.more", tasks.TASKS["sums"])
    monkeypatch.setattr(tasks.TASKS, "_names", ("sums", "more"))
    with pytest.raises(BadInput, match=r"several tasks take foreign records \(sums, more"):
        data.read_rows(path, ["sums", "more"])
