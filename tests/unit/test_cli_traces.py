"""`caderno traces` as a person types it: files from anywhere, one JSON object, a table, exit codes, clear refusals."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from caderno import cli
from caderno.abstract.health_reading import read
from caderno.cli.app import app
from caderno.errors import BadInput
from caderno.guards import after_traces


def call(*arguments):
    return CliRunner().invoke(app, ["traces", *map(str, arguments)], env={"COLUMNS": "160"})


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    rng = np.random.default_rng(0)
    rows = []
    for prompt in range(150):
        share = rng.dirichlet(np.full(16, 0.4))
        for sample in range(2):
            trace = [f"<abs_{code}>" for code in rng.choice(16, int(rng.integers(6, 20)), p=share)]
            rows.append({"id": f"{prompt}", "prompt": f"q {prompt}", "trace": trace, "seed": 2 * prompt + sample})
    return written(tmp_path_factory.mktemp("traces") / "good.jsonl", rows)


def test_json_is_one_object_of_measures_and_guards(good):
    done = call(good, "--codes", 16, "--min-codes", 6, "--max-codes", 19, "--temperature", 1, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"measures", "guards"} and found["measures"]["n"] == 300
    assert found["measures"]["prompts"] == 150 and found["measures"]["spec"]["codes"] == 16
    assert {row["guard"]: row["verdict"] for row in found["guards"]} == (
        dict.fromkeys(after_traces.NAMES, "pass") | {"trace-matters": "unknown"}
    )
    keys = {"guard", "verdict", "measured", "threshold", "unit", "why", "source", "step"}
    assert all(set(row) == keys for row in found["guards"])


def test_the_table_says_the_measures_and_the_verdicts(good):
    done = call(good, "--codes", 16)
    assert done.exit_code == 0, done.output
    for said in ("300 of 150 prompts", "entropy", "reads as", "of one prompt", "seeds", "trace-uniqueness", "6 pass"):
        assert said in done.stdout, said


def test_one_trace_one_length_one_seed_leave_with_3_in_seconds(tmp_path, capsys):
    """The public reproduction's file: 25,000 traces of 13 codes, all one, all drawn with seed 42."""
    row = {"trace": list(range(13)), "seed": 42}
    path = written(tmp_path / "all.jsonl", [{"id": str(i)} | row for i in range(25_000)])
    began = time.process_time()
    with pytest.raises(SystemExit) as left:
        cli.main(["traces", str(path), "--json"])
    told = capsys.readouterr()
    assert left.value.code == 3 and time.process_time() - began < 30
    answers = {one["guard"]: one["verdict"] for one in json.loads(told.out)["guards"]}
    for name in ("uniqueness", "length-variance", "prompt-dependence", "seed", "frozen-positions"):
        assert answers[f"trace-{name}"] == "fail" and f"trace-{name}" in told.err


def test_nulls_delimiters_and_the_panel(good, tmp_path):
    wrapped = [{"trace": ["<begin>", *row, "<end>"]} for row in read(good).traces]
    path = written(tmp_path / "wrapped.jsonl", wrapped)
    panel = tmp_path / "panel.png"
    done = call(path, "--codes", 16, "--drop", "<begin>", "--drop", "<end>", "--null", good, "--panel", panel, "--json")
    assert done.exit_code == 0, done.output
    [run] = json.loads(done.stdout)["measures"]["rank_frequency"]["runs"]
    assert run["name"] == str(good) and run["farthest"] == 0, "the same traces"
    assert panel.read_bytes().startswith(b"\x89PNG")
    refused = call(path, "--codes", 16)
    assert refused.exit_code != 0 and "18 different codes" in str(refused.exception)
    assert "cannot be written" in str(call(good, "--panel", tmp_path / "no" / "panel.png").exception)


# Files as they are


def test_bom_blank_lines_and_other_endings_are_read(tmp_path):
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"trace": [1, 2]}\r\n\r\n   \n{"trace": [], "seed": null}\n{"trace": [3]}')
    found = read(path)
    assert found.traces == [[1, 2], [], [3]] and found.seeds == [None] * 3 and found.prompts == [None] * 3


def test_prompts_are_known_by_prompt_or_else_by_id(tmp_path):
    rows = [{"trace": [1], "id": i, "prompt": [{"role": "user", "content": str(i // 2)}]} for i in range(4)]
    found = read(written(tmp_path / "a.jsonl", rows)).prompts
    assert found[0] == found[1] != found[2] == found[3]
    bare = [{key: row[key] for key in ("trace", "id")} for row in rows]
    assert len(set(read(written(tmp_path / "b.jsonl", bare)).prompts)) == 4


def test_huge_ids_are_ids(tmp_path):
    found = read(written(tmp_path / "a.jsonl", [{"trace": [2**70, 1]}]))
    assert found.traces == [[2**70, 1]]


GOOD = '{"trace": [1, 2]}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"codes": [1]}', "no `trace` (fields: codes)"), ('{"trace": "<A> <B>"}', "is one text"),
        ('{"trace": null}', "`trace` is null"), ('{"trace": {"a": 1}}', "`trace` is {"),
        ('{"trace": [1, "a"]}', "item 2 of `trace` is \"a\": ids and strings in one trace"),
        ('{"trace": ["a"]}', "strings here, token ids on line 1"), ('{"trace": [1.0]}', "neither a token id nor"),
        ('{"trace": [true]}', "neither a token id nor"), ('{"trace": [[1]]}', "neither a token id nor"),
        ('{"trace": [NaN]}', "neither a token id nor"), ('{"trace": [null]}', "neither a token id nor"),
        ('{"trace": [-100]}', "-100 marks what has no loss"), ('{"trace": [-1]}', "token ids begin at 0"),
        ('{"trace": [""]}', "an empty string"), ('{"trace": ["\\ud800"]}', "lone surrogate"),
        ('{"trace": [1], "seed": 1.5}', "`seed` is 1.5"), ('{"trace": [1], "seed": true}', "`seed` is true"),
        ('{"trace": [1', "not JSON"), ("[1, 2]", "not an object"), ('{"trace": [' + "9" * 5000 + "]}", "not JSON"),
        (b'{"trace": ["\xff"]}', "not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_refused_with_its_line(tmp_path, line, said):
    path = tmp_path / "traces.jsonl"
    path.write_bytes(GOOD.encode() + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(BadInput) as refused:
        read(path)
    assert said in str(refused.value) and f"{path}, line 2" in str(refused.value) and refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file.jsonl"], "no such file"), (["{good}", "--null", "nothing.jsonl"], "no such file"),
        (["{good}", "--min-codes", 9, "--max-codes", 3], "--min-codes 9"), (["{good}", "--codes", 3], "16 different"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(good, arguments, said):
    done = call(*[str(one).format(good=good) for one in arguments])
    assert isinstance(done.exception, BadInput) and said in str(done.exception)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "traces.jsonl").write_text("\n\n")
    assert "no rows" in str(call(tmp_path / "traces.jsonl").exception)
