"""Rows of a run: where they come from, how many of each task, and what is refused."""

from __future__ import annotations

import json
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from caderno import data, params, tasks
from caderno.errors import BadInput

SMALL = [
    "data.orders=400", "data.train_rows=60", "data.sft_rows=60", "data.heldout_rows=40", "data.test_rows=40",
    "calibration.rows=8", "grpo.max_steps=2",
]  # fmt: skip
SIZES = {"train_rows": 20, "heldout_rows": 5, "test_rows": 5}


@pytest.fixture(scope="module")
def small():
    return params.load("params/base.yaml", SMALL)


def run(path=None, names=("push", "extraction"), proportions=None, **more):
    """Parameters of a run over a file, or over a generated shop where there is none."""
    spec = {"source": "files" if path else "shop", "path": str(path) if path else None, "orders": 400, **SIZES, **more}
    spec |= {"proportions": proportions} if proportions is not None else {}
    return params.Params(
        name="t", model={"name": "tiny"}, tasks={name: {} for name in names}, data=spec, calibration={"rows": 4}
    )


@pytest.fixture
def counting(monkeypatch):
    """Two tasks that need no shop: `count` makes rows, `read` only takes records of files, {"n"}."""

    def row(task, split, number):
        prompt = [{"role": "user", "content": f"{task} {number}"}]
        return {"id": f"{task}-{number}", "task": task, "split": split, "prompt": prompt, "gold": str(number)}

    def rows(split, n, seed, profile):
        start = ["train", "heldout", "test"].index(split) * 1000
        return [row("count", split, start + i) | {"profile": profile} for i in range(n)]

    def no_rows(split, n, seed):
        raise BadInput("rows without a file", expected="a file")

    made = SimpleNamespace(NEEDS_SHOP=False, rows=rows)
    read = SimpleNamespace(NEEDS_SHOP=False, rows=no_rows, from_record=lambda one, where: row("read", "test", one["n"]))
    for name, module in (("count", made), ("read", read)):
        monkeypatch.setitem(sys.modules, f"caderno.tasks.{name}", module)
    monkeypatch.setattr(tasks.TASKS, "_names", ("push", "extraction", "count", "read"))


def renamed(chosen: params.Params, names: dict[str, str]) -> params.Params:
    """The parameters with other tasks in play than a parameter file may name."""
    found = {names.get(name, name): spec for name, spec in chosen.tasks.items()}
    weights = {names.get(name, name): weight for name, weight in chosen.data.proportions.items()}
    return chosen.model_copy(update={"tasks": found, "data": chosen.data.model_copy(update={"proportions": weights})})


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def both() -> list[dict]:
    """40 rows of each of two tasks and splits, those of a task together."""
    return [row for task in ("push", "extraction") for split in ("train", "heldout", "test")
            for row in data.rows(task, split, 40, 0)]  # fmt: skip


def tally(rows) -> dict[str, int]:
    return dict(Counter(row["task"] for row in rows))


def test_splits_have_their_sizes_and_proportions_and_nothing_in_common(small):
    splits = data.build(small)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 60, "heldout": 40, "test": 40}
    assert tally(splits["train"]) == {"extraction": 24, "sql_qa": 24, "push": 8, "insights": 4}
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


@pytest.mark.parametrize("source", ["files", "jsonl"])
def test_rows_of_a_file_are_dealt_to_the_tasks_too_the_first_of_each_and_mixed(tmp_path, both, source):
    path = written(tmp_path / "rows.jsonl", both)
    splits = data.build(run(path, proportions={"push": 3, "extraction": 1}, source=source))
    assert [tally(rows) for rows in splits.values()] == [
        {"push": 15, "extraction": 5}, {"push": 4, "extraction": 1}, {"push": 4, "extraction": 1},
    ]  # fmt: skip
    pushes = [row for row in splits["train"] if row["task"] == "push"]
    assert sorted(row["id"] for row in pushes) == [row["id"] for row in both[:15]]
    names = [row["task"] for row in splits["train"]]
    assert names != sorted(names) and names != sorted(names, reverse=True), "the tasks are mixed"


def test_a_task_the_file_has_too_few_rows_of_is_told_with_what_there_is(tmp_path, both):
    path = written(tmp_path / "rows.jsonl", both[:120])
    with pytest.raises(BadInput, match=r"0 rows of extraction in split train.*push 40 train, 40 heldout, 40 test"):
        data.build(run(path, proportions={"push": 1, "extraction": 1}))
    splits = data.build(run(path, proportions={"push": 1, "extraction": 0}))
    assert tally(splits["train"]) == {"push": 20}


def test_rows_without_a_split_are_dealt_by_the_declared_shares(tmp_path, both):
    plain = [{k: v for k, v in row.items() if k not in ("split", "entities")} for row in both]
    path = written(tmp_path / "rows.jsonl", plain)
    first = data.build(run(path, proportions={"push": 1, "extraction": 1}))
    assert {split: len(rows) for split, rows in first.items()} == {"train": 20, "heldout": 5, "test": 5}
    split_of = {row["id"]: split for split, rows in first.items() for row in rows}
    more = written(tmp_path / "more.jsonl", [plain[0] | {"id": "new", "prompt": plain[1]["prompt"]}, *plain[::-1]])
    again = data.build(
        run(more, train_rows=60, heldout_rows=20, test_rows=20, proportions={"push": 1, "extraction": 1})
    )
    assert all(split_of.get(row["id"], split) == split for split, rows in again.items() for row in rows)


def test_a_task_in_play_without_a_proportion_is_refused_and_none_named_means_equal_shares():
    with pytest.raises(ValueError, match=r"no data\.proportions\.push where other tasks have one"):
        run(names=("push", "extraction"), proportions={"extraction": 1})
    splits = data.build(run(names=("push", "extraction"), proportions={"sql_qa": 1}))
    assert tally(splits["train"]) == {"push": 10, "extraction": 10}


def test_a_task_that_needs_no_shop_is_generated_alone_and_beside_shop_tasks(counting):
    alone = renamed(run(names=("push",)), {"push": "count"})
    assert tally(data.build(alone)["train"]) == {"count": 20}
    mixed = renamed(run(proportions={"push": 1, "extraction": 3}, profile="full"), {"extraction": "count"})
    splits = data.build(mixed)
    assert tally(splits["train"]) == {"count": 15, "push": 5}
    assert {row["profile"] for row in splits["train"] if row["task"] == "count"} == {"full"}
    assert [row["id"] for row in data.rows("count", "test", 2, 0)] == ["count-2000", "count-2001"]
    with pytest.raises(BadInput, match="rows without a file"):
        data.build(renamed(run(names=("push",)), {"push": "read"}))


def test_records_of_another_project_and_generated_rows_make_a_run(tmp_path, counting):
    path = written(tmp_path / "records.jsonl", [{"n": i} for i in range(200)])
    chosen = renamed(run(path, proportions={"push": 3, "extraction": 1}), {"push": "read", "extraction": "count"})
    splits = data.build(chosen)
    assert [tally(rows) for rows in splits.values()] == [
        {"read": 15, "count": 5}, {"read": 4, "count": 1}, {"read": 4, "count": 1},
    ]  # fmt: skip
    assert len(data.rows("read", "heldout", 10, 0, data_path=str(path))) == 10
    read, made = data.coverage(chosen)["splits"]
    assert sum(read["file"].values()) == 200 and made["file"] is None, "what is generated is not in the file"
    # rows of `count` in the file go before the generator, and too few of them are an error
    own = {"id": "c", "task": "count", "split": "train", "prompt": [{"role": "user", "content": "?"}], "gold": "1"}
    with pytest.raises(BadInput, match="1 rows of count in split train"):
        data.build(
            renamed(
                run(written(tmp_path / "more.jsonl", [*({"n": i} for i in range(200)), own])),
                {"push": "read", "extraction": "count"},
            )
        )


def test_file_rows_come_back(tmp_path):
    found = data.rows("push", "test", 5, 0)
    file = written(tmp_path / "rows.jsonl", found)
    assert data.rows("push", "test", 5, 0, data_path=str(file)) == found
    with pytest.raises(BadInput, match="at least 6"):
        data.rows("push", "test", 6, 0, data_path=str(file))


def test_an_unknown_split_or_count_is_refused():
    for arguments in (("push", "dev", 5), ("push", "test", 0), ("nada", "test", 5)):
        with pytest.raises(BadInput):
            data.rows(*arguments, 0)


def test_a_parameter_file_runs_on_gsm8k_records_and_on_generated_arithmetic(tmp_path):
    records = [
        {"question": f"Ana has {i} apples and buys 2. How many?", "answer": f"{i}+2\n#### {i + 2}"} for i in range(90)
    ]
    spec = {"source": "jsonl", "path": str(written(tmp_path / "gsm8k.jsonl", records)), **SIZES}
    (tmp_path / "mine.yaml").write_text(
        json.dumps({"model": {"name": "tiny"}, "tasks": {"math": {}}, "data": spec, "calibration": {"rows": 4},
                    "grpo": {"eval_rows": 4}})
    )  # fmt: skip
    splits = data.build(params.load(tmp_path / "mine.yaml"))
    assert {split: tally(rows) for split, rows in splits.items()} == {
        "train": {"math": 20}, "heldout": {"math": 5}, "test": {"math": 5},
    }  # fmt: skip
    assert all(tasks.score(row, tasks.reference(row)).fully_correct for row in splits["test"])
    over = ["data.source=shop", "data.path=null", "tasks.arithmetic={}", "data.proportions={math: 0, arithmetic: 1}"]
    assert tally(data.build(params.load(tmp_path / "mine.yaml", over))["train"]) == {"arithmetic": 20}
    assert data.rows("math", "test", 3, 0, data_path=spec["path"])[0]["split"] == "test"
