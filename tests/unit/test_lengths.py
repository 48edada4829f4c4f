"""Tokens of a corpus: the counts training itself makes, quantiles by brute force, and what limits leave out."""

from __future__ import annotations

import copy
import json
import tracemalloc

import numpy as np
import pytest
from materials import FakeStage, params, rows

from caderno import chat, lengths, models
from caderno.data.items import Item, items, items_of
from caderno.errors import BadInput
from caderno.training import grpo, sft


def file_of(path, records) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def measured(found, tokenizer, *limits):
    return lengths.report(lengths.measure(found, tokenizer), limits)


def group(report, name: str) -> dict:
    return next(line for line in report["groups"] if line["group"] == name)


def with_bos(plain):
    """The tokenizer with a beginning-of-sequence token that both the template and the tokenizer put first."""
    from tokenizers.processors import TemplateProcessing

    found = copy.deepcopy(plain)
    found.bos_token = found.pad_token
    first = (found.bos_token, found.bos_token_id)
    found.backend_tokenizer.post_processor = TemplateProcessing(single=f"{first[0]} $A", special_tokens=[first])
    found.chat_template = "{{ bos_token }}" + found.chat_template
    return found


@pytest.mark.parametrize("bos", [False, True])
def test_totals_are_what_sft_keeps_and_prompts_what_grpo_keeps(small_tokenizer, tmp_path, bos):
    small_tokenizer = with_bos(small_tokenizer) if bos else small_tokenizer
    assert chat.double_bos(small_tokenizer, chat.render(small_tokenizer, rows()[0]["prompt"])) == bos
    policy, corpus = models.Policy(None, small_tokenizer), list(rows())
    found = lengths.measure(items_of({"train": corpus}), small_tokenizer)
    for limit in sorted({*found.total, max(found.total) - 1}):
        stage = FakeStage(tmp_path, params(sft={"max_length": int(limit)}))
        kept = sum(total <= limit for total in found.total)
        if kept:
            assert len(sft.dataset(corpus, policy, stage)) == kept
        [sft_limit] = lengths.limits(int(limit), None)
        assert (
            measured(items_of({"train": corpus}), small_tokenizer, sft_limit)["limits"][0]["groups"][0]["n"]
            == len(corpus) - kept
        )
    room = sorted(found.prompt)[len(corpus) // 2 + 2]
    stage = FakeStage(tmp_path, params(model={"name": "tiny", "max_length": room + 96}, grpo={"prompts_per_step": 2}))
    left_out = measured(items_of({"train": corpus}), small_tokenizer, *lengths.limits_of(stage.params))["limits"]
    [of_grpo] = [limit for limit in left_out if limit["key"] == "grpo"]
    assert len(corpus) - len(grpo.dataset(corpus, policy, stage)) == of_grpo["groups"][0]["n"] > 0


def test_quantiles_are_lengths_that_occur_over_every_row(small_tokenizer):
    corpus = list(rows(n=30))
    report = measured(items_of({"train": corpus}), small_tokenizer)
    prompts = [len(chat.encode(small_tokenizer, chat.render(small_tokenizer, row["prompt"]))) for row in corpus]
    told = group(report, "all")
    assert told["n"] == told["prompt"]["n"] == len(corpus)
    for share, key in ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (1.0, "max")):
        value = told["prompt"][key]
        assert value in prompts and np.mean(np.array(prompts) <= value) >= share
        assert np.mean(np.array(prompts) < value) < share
    by_task = [line for line in report["groups"] if line["group"] in {row["task"] for row in corpus}]
    assert sum(line["n"] for line in by_task) == len(corpus) and group(report, "split train")["n"] == len(corpus)


def test_one_long_row_among_thousands_is_found_by_its_line(small_tokenizer, tmp_path):
    short = {"prompt": [{"role": "user", "content": "produto"}], "gold": "sim"}
    records = [short | {"id": f"r{i}"} for i in range(5000)]
    records[3210] = {
        "id": "giant",
        "task": "push",
        "prompt": [{"role": "user", "content": "produto " * 4000}],
        "gold": "sim",
    }
    report = measured(items(file_of(tmp_path / "a.jsonl", records)), small_tokenizer, *lengths.limits(512, 100))
    assert report["longest"][0] | {"prompt": 0, "total": 0, "completion": 0} == {
        "id": "giant", "number": 3211, "task": "push", "split": "", "prompt": 0, "total": 0, "completion": 0,
    }  # fmt: skip
    assert [row["id"] for row in report["longest"][1:]] == ["r0", "r1", "r2", "r3"]
    assert group(report, "all")["prompt"]["max"] > 4000 > group(report, "all")["prompt"]["p99"]
    by_key = {limit["key"]: limit["groups"][0] for limit in report["limits"]}
    assert by_key["sft"] == {"group": "all", "n": 1, "of": 5000, "share": 1 / 5000} == by_key["grpo"]
    assert by_key["ceiling"]["n"] == 0


def test_records_of_other_projects_are_measured(small_tokenizer, tmp_path):
    user, told = {"role": "user", "content": "qual o produto?"}, {"role": "assistant", "content": "caneca"}
    rendered = chat.render(small_tokenizer, [user])
    records = [
        {"messages": [user, told]},
        {"prompt": [user], "completion": "caneca", "gold": "other words altogether"},
        {"prompt": rendered, "completion": "caneca"},
        {"prompt": [user], "gold": "x", "reference": "caneca"},
        {"prompt": [user]},
        {"id": "g", "task": "push", "prompt": [user], "gold": "caneca", "reference": ""},
    ]
    found = lengths.measure(items(file_of(tmp_path / "a.jsonl", records)), small_tokenizer)
    n = len(chat.encode(small_tokenizer, rendered))
    assert list(found.prompt) == [n] * 6
    assert list(found.completion) == [2, 2, 2, 2, lengths.NO_COMPLETION, 2], "a word and the end of the turn"
    report = lengths.report(found, lengths.limits(n + 2, 1))
    assert group(report, "all")["completion"]["n"] == 5 and group(report, "all")["total"]["n"] == 6
    assert [limit["groups"][0]["of"] for limit in report["limits"]] == [5, 6, 5], "no completion, nothing to be cut"


def test_foreign_records_are_measured_as_rows_of_their_task(small_tokenizer, tmp_path, monkeypatch):
    row = {
        "id": "a",
        "task": "t",
        "prompt": [{"role": "user", "content": "um"}],
        "gold": "1",
        "reference": "uma pessoa",
    }
    monkeypatch.setattr("caderno.data.items.as_row", lambda record, where, foreign: row | {"id": str(foreign)})
    path = file_of(tmp_path / "a.jsonl", [{"question": "um", "answer": "1"}])
    assert [item.id for item in items(path, "t")] == ["['t']"]
    assert next(items(path, "t")).completion == "uma pessoa"


def test_records_with_nothing_to_measure_are_listed_and_nothing_is_measured(small_tokenizer, tmp_path):
    good = {"prompt": [{"role": "user", "content": "um"}]}
    bad = [{"messages": [good["prompt"][0]]}, {"prompt": [{"role": "user"}]}, {"x": 1}, good | {"gold": "\ud800"}]
    with pytest.raises(BadInput) as refused:
        lengths.measure(items(file_of(tmp_path / "a.jsonl", [good, *bad])), small_tokenizer)
    for line, why in (
        (2, "messages do not end"),
        (3, "prompt is not a list of"),
        (4, "no prompt"),
        (5, "a text holds"),
    ):
        assert f"line {line}: {why}" in str(refused.value)


def test_a_template_that_refuses_names_the_record(small_tokenizer):
    plain = copy.deepcopy(small_tokenizer)
    plain.chat_template = "{{ messages[0]['content'] }}"
    found = [Item(7, "r7", "push", "", [{"role": "user", "content": "produto"}], None)]
    assert list(lengths.measure(found, plain).prompt) == [1]
    with pytest.raises(BadInput, match=r"record 7 \(r7\): enable_thinking is True"):
        lengths.measure(found, plain, True)


def test_a_ceiling_that_leaves_no_room_is_refused_and_limits_are_the_stages(tmp_path):
    with pytest.raises(BadInput, match="completions of 90 tokens within 90"):
        lengths.limits(90, 90)
    chosen = params(model={"name": "tiny", "max_length": 300}, sft={"max_length": 200})
    assert [(limit.key, limit.tokens) for limit in lengths.limits_of(chosen)] == [
        ("sft", 200), ("grpo", 204), ("ceiling", 96),
    ]  # fmt: skip
    assert [limit.key for limit in lengths.limits_of(params(stages=["sft"]))] == ["sft"]


def test_a_tokenizer_alone_is_enough(tiny_model_dir, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / name).write_bytes((tiny_model_dir / name).read_bytes())
    assert chat.render(lengths.tokenizer_of(str(tmp_path)), [{"role": "user", "content": "um"}])
    assert len(lengths.tokenizer_of("tiny")) > 500
    with pytest.raises(BadInput, match="there is no directory"):
        lengths.tokenizer_of("./none")


def test_memory_is_a_few_bytes_a_row(small_tokenizer):
    text = "produto " * 100  # 800 characters: 1,000 rows of texts would be 0.8 MB, were they kept

    def many(n):
        return (Item(i, f"r{i}", "push", "", text + str(i), "sim") for i in range(n))

    lengths.measure(many(10), small_tokenizer)
    tracemalloc.start()
    found = lengths.measure(many(1000), small_tokenizer)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.total) == 1000 and kept < 100_000
