"""Faults of rows and label masks: what is not supervised, what does not fit, what leaks, what no scorer can judge."""

from __future__ import annotations

import copy

import pytest
from materials import params, rows
from transformers import DataCollatorForLanguageModeling

from caderno import tasks
from caderno.data import leaks
from caderno.guards import facts_data
from falsifiers.registry import control, falsifies

TRAINING = params(stages=["preflight", "sft", "grpo", "validation"], grpo={"max_steps": 60})


def splits() -> dict[str, list[dict]]:
    return {name: list(rows(name)) for name in ("train", "heldout", "test")}


@falsifies("label-mask-gate", "fail")
def test_padding_that_is_the_end_takes_the_end_out_of_the_labels(small_tokenizer):
    tokenizer = copy.deepcopy(small_tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    return {"masks": _collated(tokenizer)}


@falsifies("label-mask-gate", "fail")
def test_a_template_without_markers_supervises_the_prompt_too(small_tokenizer):
    """The same collator with a distinct pad: nothing tells prompt and completion apart."""
    return {"masks": _collated(small_tokenizer)}


def _collated(tokenizer) -> list[dict]:
    """Whole rows as transformers' language-model collator labels them."""
    texts = [tokenizer(str(row["prompt"]) + row["gold"] + tokenizer.eos_token)["input_ids"] for row in rows()[:3]]
    batch = [{"input_ids": ids} for ids in texts]
    labels = DataCollatorForLanguageModeling(tokenizer, mlm=False)(batch)["labels"].tolist()
    return [
        _mask(row["id"], label[: len(ids)], tokenizer.eos_token_id)
        for row, label, ids in zip(rows(), labels, texts, strict=False)
    ]


def _mask(row_id: str, labels: list[int], end: int) -> dict:
    """What `facts_data.masks` says of a row, from the labels (T,) a collator made: -100 where nothing is learnt."""
    learnt = [label for label in labels if label != -100]
    ended = bool(learnt) and learnt[-1] == end
    return {"id": row_id, "tokens": len(labels), "supervised": len(learnt), "ended": ended}


@falsifies("label-mask-gate", "fail")
def test_a_prompt_longer_than_the_limit_leaves_nothing_to_learn(small_tokenizer):
    return {"masks": facts_data.masks(rows(), small_tokenizer, TRAINING, cut_at=16)}


@falsifies("label-mask-gate", "fail")
def test_a_prompt_that_melts_into_its_completion(small_tokenizer):
    tokenizer = copy.deepcopy(small_tokenizer)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %} pedid{{ '' if enable_thinking }}"
    spoilt = [row | {"gold": "o " + row["gold"]} for row in rows()]
    return {"masks": facts_data.masks(spoilt, tokenizer, TRAINING)}


@control("label-mask-gate")
def test_masks_of_the_shop_rows(small_tokenizer):
    return {"masks": facts_data.masks(rows(), small_tokenizer, TRAINING)}


@falsifies("length-budget", "fail")
def test_one_long_row_among_the_test_rows(small_tokenizer):
    found = splits()
    found["test"].append(rows()[0] | {"id": "long", "prompt": [{"role": "user", "content": "caneca " * 500}]})
    facts = facts_data.of_lengths(found, small_tokenizer, TRAINING)
    assert facts["id"] == "long" and facts["longest"] > 500
    return {"lengths": facts}


@falsifies("length-budget", "warn")
def test_training_rows_that_are_left_out(small_tokenizer):
    found = splits()
    found["train"].append(rows()[0] | {"id": "long", "prompt": [{"role": "user", "content": "caneca " * 500}]})
    return {"lengths": facts_data.of_lengths(found, small_tokenizer, TRAINING)}


@falsifies("length-budget", "fail")
def test_a_context_that_holds_no_training_prompt(small_tokenizer):
    tight = params(
        stages=["sft", "grpo"], model={"name": "t", "max_length": 100}, grpo={"max_completion_length": 96},
    )  # fmt: skip
    return {"lengths": facts_data.of_lengths({"train": splits()["train"]}, small_tokenizer, tight)}


@control("length-budget")
def test_everything_fits(small_tokenizer):
    return {"lengths": facts_data.of_lengths(splits(), small_tokenizer, TRAINING)}


@falsifies("reference-ceiling", "fail")
def test_a_ceiling_under_the_references(small_tokenizer):
    low = params(stages=["grpo"], grpo={"max_completion_length": 8, "max_steps": 60})
    return {"lengths": facts_data.of_lengths(splits(), small_tokenizer, low)}


@control("reference-ceiling")
def test_references_under_the_ceiling(small_tokenizer):
    return {"lengths": facts_data.of_lengths(splits(), small_tokenizer, TRAINING)}


@pytest.mark.parametrize(
    "change", [str, str.upper, lambda text: "  " + text.replace(" ", "  ")], ids=["as it is", "case", "spaces"]
)
@falsifies("leak-scan", "fail")
def test_a_hold_out_inside_the_sft_rows(change):
    found = splits()
    stolen = copy.deepcopy(found["heldout"][0])
    stolen["prompt"] = [message | {"content": change(message["content"])} for message in stolen["prompt"]]
    found["train"].append(stolen | {"id": "stolen", "entities": []})
    return {"leaks": facts_data.of_leaks(found)}


@falsifies("leak-scan", "fail")
def test_an_entity_of_the_test_split_in_training():
    found = splits()
    found["train"].append(found["train"][0] | {"id": "new", "entities": found["test"][0]["entities"]})
    return {"leaks": facts_data.of_leaks(found)}


@falsifies("leak-scan", "warn")
def test_most_of_a_long_question_stands_in_training():
    words = [f"palavra{place}" for place in range(60)]
    row = {"task": "math", "gold": "1"}
    train = [row | {"id": "a", "prompt": [{"role": "user", "content": " ".join(words[:50])}]}]
    held = [row | {"id": "b", "prompt": [{"role": "user", "content": " ".join([*words[:40], "e", "mais"])}]}]
    return {"leaks": facts_data.of_leaks({"train": train, "heldout": held})}


@control("leak-scan")
def test_splits_of_the_shop_have_nothing_in_common():
    return {"leaks": facts_data.of_leaks(splits())}


def _ancestors(records: list[dict]) -> dict:
    held = [leaks.Source("heldout", "split", lambda: enumerate(rows("heldout"), 1))]
    return {"ancestors": leaks.scan([leaks.Source("old run", "adapter", lambda: enumerate(records, 1))], held)}


@falsifies("leak-ancestors", "fail")
def test_the_adapter_was_trained_on_the_hold_out():
    return _ancestors([*rows(), rows("heldout")[0]])


@falsifies("leak-ancestors", "unknown")
def test_weights_of_which_nothing_is_recorded():
    return {"ancestors": facts_data.of_ancestors(splits(), params(model={"name": "somebody/model"}))}


@control("leak-ancestors")
def test_the_adapter_was_trained_on_other_rows():
    return _ancestors(list(rows()))


@falsifies("judgeable-rows", "warn")
def test_a_reference_that_no_scorer_can_read(monkeypatch):
    spoilt = rows()[0]["id"]
    real = tasks.score
    monkeypatch.setattr(tasks, "score", lambda row, text: None if row["id"] == spoilt else real(row, text))
    return {"judgeable": facts_data.judgeable(rows())}


@falsifies("judgeable-rows", "fail")
def test_a_whole_task_without_a_judge(monkeypatch):
    monkeypatch.setattr(tasks, "score", lambda row, text: None)
    return {"judgeable": facts_data.judgeable(rows())}


@control("judgeable-rows")
def test_every_row_has_a_score():
    return {"judgeable": facts_data.judgeable(rows())}
