"""Records from every format: the same rows back, numbers as in the file, and each way a file can be broken."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from caderno.data import columnar, json_array, read_jsonl, reading, stream
from caderno.errors import BadInput

RECORDS = [
    {"id": "a", "text": "linha 1\nlinha 2", "prompt": [{"role": "user", "content": "olá; \"tudo\", bem?"}]},
    {"id": "b", "text": "", "prompt": [{"role": "user", "content": "ção"}]},
    {"id": "c", "text": "007", "prompt": [{"role": "user", "content": "fim"}]},
]  # fmt: skip


def as_csv(records: list[dict], delimiter: str = ",") -> str:
    def cell(value: object) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return '"' + text.replace('"', '""') + '"'

    lines = [delimiter.join(records[0])] + [delimiter.join(map(cell, row.values())) for row in records]
    return "\r\n".join(lines) + "\r\n"


def written(tmp_path: Path, name: str) -> Path:
    """RECORDS in the format of the name."""
    path = tmp_path / name
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in RECORDS)
    if name.endswith(".parquet") or name == "saved":
        from datasets import Dataset, disable_progress_bars

        disable_progress_bars()
        made = Dataset.from_list(RECORDS)
        made.save_to_disk(path) if name == "saved" else made.to_parquet(path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        csv = as_csv(RECORDS, ";" if name.startswith("semi") else "\t" if name.endswith(".tsv") else ",")
        text = {".jsonl": lines, ".json": json.dumps(RECORDS, indent=1)}.get(path.suffix, csv)
        path.write_text(("\ufeff" if name.startswith("bom") else "") + text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    "name",
    ["a.jsonl", "bom.jsonl", "a.jsonl.gz", "a.json", "bom.json", "a.csv", "bom.csv", "semi.csv", "a.tsv", "a.parquet",
     "saved"],
)  # fmt: skip
def test_every_format_gives_the_same_records(tmp_path, name):
    path = written(tmp_path, name)
    assert [record for _, record in stream(path)] == RECORDS
    assert read_jsonl(path) == RECORDS


def test_numbers_are_the_lines_records_start_on_and_items_or_rows_elsewhere(tmp_path):
    assert [n for n, _ in stream(written(tmp_path, "a.csv"))] == [2, 4, 5], "a quoted line break is part of its record"
    (tmp_path / "gaps.jsonl").write_text('\n{"a": 1}\n\n  \n{"a": 2}\n')
    assert [n for n, _ in stream(tmp_path / "gaps.jsonl")] == [2, 5]
    (tmp_path / "gaps.csv").write_text("a,b\n\n1,2\n\n\n3,4\n")
    assert [n for n, _ in stream(tmp_path / "gaps.csv")] == [3, 6]
    for name in ("a.json", "a.parquet", "saved"):
        assert [n for n, _ in stream(written(tmp_path, name))] == [1, 2, 3]


def test_numbers_of_a_csv_stay_text_and_json_is_read_only_in_the_columns_of_a_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('gold,facts,note\n007,"{""n"": 7}","{""n"": 7}"\n1e5,{broken,\n')
    assert [record for _, record in stream(path)] == [
        {"gold": "007", "facts": {"n": 7}, "note": '{"n": 7}'},
        {"gold": "1e5", "facts": "{broken", "note": ""},
    ]


BROKEN = [
    ("a.jsonl", '{"a": 1}\n{"a": \n', r"a\.jsonl, line 2: not JSON"),
    ("a.jsonl", '{"a": 1}\n[1]\n', "line 2: a JSON list, not an object"),
    ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', r"line 2: not UTF-8 \(byte 7"),
    ("a.jsonl", "[" * 100_000 + "\n", r"line 1: not JSON \(nested too deep"),
    ("a.jsonl", "\n\n", "no rows"),
    ("a.jsonl", "", "no rows"),
    ("a.jsonl.gz", "not packed", "cannot be read"),
    ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 100)[:-12], "cannot be read"),
    ("a.json", '{"a": 1}', "no JSON array"),
    ("a.json", '[{"a": 1} {"a": 2}]', r"item 2: not JSON \({ where a comma"),
    ("a.json", '[{"a": 1},]', "item 2: not JSON"),
    ("a.json", '[{"a": 1}', "item 2: not JSON .the end of the file"),
    ("a.json", '[{"a": 1}, 2]', "item 2: a JSON int, not an object"),
    ("a.json", b'[{"a": "\xff"}]', "not UTF-8"),
    ("a.json", "[]", "no rows"),
    ("a.csv", "a,b\n1,2\n3\n", r"line 3: another number of fields than the header has \(1, not 2"),
    ("a.csv", 'a,b\n1,2\n3,"4\n5,6\n', "line 3: broken CSV"),
    ("a.csv", "a,a\n1,2\n", "a distinct name for each column"),
    ("a.csv", b"a,b\n1,caf\xe9\n", "not UTF-8"),
    ("a.csv", "a,b\n", "no rows"),
    ("a.csv", "", "a distinct name"),
    ("a.parquet", "PAR1 nothing", "expected a Parquet file"),
    ("a.txt", "x", r"the ending '\.txt' is not known"),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN, ids=[f"{n}-{s[:24]}" for n, _, s in BROKEN])
def test_each_way_a_file_can_be_broken_is_told(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput, match=said):
        list(stream(path))


@pytest.mark.parametrize("characters", [1, 2, 3, 7, 64])
def test_an_array_may_be_cut_anywhere_between_two_pieces(tmp_path, monkeypatch, characters):
    monkeypatch.setattr(json_array, "CHUNK_CHARACTERS", characters)
    path = tmp_path / "a.json"
    path.write_text(' [ {"a": 12} , {"b": [1, {"c": "]}, {"}]},{"d": -1.5e3}\n] \n')
    assert [record for _, record in stream(path)] == [{"a": 12}, {"b": [1, {"c": "]}, {"}]}, {"d": -1.5e3}]


def test_a_file_is_not_read_whole(tmp_path):
    for name, text in (("a.jsonl", '{"a": 1}\n' * 50_000), ("a.csv", "a\n" + "1\n" * 50_000)):
        (tmp_path / name).write_text(text + "\n{broken" if name == "a.jsonl" else text)
        assert next(stream(tmp_path / name))[1] in ({"a": 1}, {"a": "1"}), "the fault at the end is not met yet"


def test_a_saved_data_set_of_splits_keeps_their_names_and_strange_ones_are_refused(tmp_path):
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    one = Dataset.from_list([{"q": "1"}])
    DatasetDict({"train": one, "validation": one, "test": one}).save_to_disk(tmp_path / "three")
    assert list(stream(tmp_path / "three")) == [
        (1, {"split": "train", "q": "1"}), (2, {"split": "heldout", "q": "1"}), (3, {"split": "test", "q": "1"}),
    ]  # fmt: skip
    DatasetDict({"train_sft": one}).save_to_disk(tmp_path / "strange")
    with pytest.raises(BadInput, match="a split 'train_sft'"):
        list(stream(tmp_path / "strange"))


def test_a_directory_that_holds_no_data_set_and_a_path_that_is_none_are_refused(tmp_path):
    with pytest.raises(BadInput, match="a directory without a saved data set"):
        next(stream(tmp_path))
    for missing in (tmp_path / "none.jsonl", "none.csv", "none"):
        with pytest.raises(BadInput, match=r"cannot be read \(no such file"):
            next(stream(missing))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("openai/gsm8k:main:train", ("openai/gsm8k", "main", "train", None)),
        ("openai/gsm8k@0a1b2c:main", ("openai/gsm8k", "main", None, "0a1b2c")),
        ("who/what::test", ("who/what", None, "test", None)),
        ("who/what", ("who/what", None, None, None)),
    ],
)
def test_a_hub_name_is_repository_revision_config_and_split(monkeypatch, name, asked):
    import datasets

    seen = []

    def load_dataset(path, config, *, split, revision):
        seen.append((path, config, split, revision))
        return datasets.Dataset.from_list([{"question": "1 + 1", "answer": "#### 2"}])

    monkeypatch.setattr(columnar, "_require_reach", lambda *_: None)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert reading.kind(name) == "hub"
    assert list(stream(name)) == [(1, {"question": "1 + 1", "answer": "#### 2"})]
    assert seen == [asked]


@pytest.mark.parametrize("answer", ["no network", "unknown", "offline and not cached"])
def test_a_hub_that_gives_nothing_is_told_at_once(monkeypatch, answer):
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    errors = {
        "no network": httpx.ConnectError("Name or service not known"),
        "unknown": FileNotFoundError("404: no such data set"),
        "offline and not cached": OfflineModeIsEnabled("offline"),
    }

    def dataset_info(self, *args, **kwargs):
        raise errors[answer]

    import datasets

    def not_cached(*args, **kwargs):
        raise ConnectionError("couldn't reach it")

    monkeypatch.setattr(HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "load_dataset", not_cached)
    started = time.monotonic()
    with pytest.raises(BadInput, match="the hub gives no such data set") as refused:
        next(stream("openai/gsm8k:main:train"))
    assert time.monotonic() - started < 20 and "HF_HUB_OFFLINE=1" in refused.value.mend
