"""Preflight: every check passes on a clean control and trips on the fault it is for."""

from __future__ import annotations

import copy
import importlib.metadata
from types import SimpleNamespace

import conftest
import pytest
import torch
from materials import params, rows
from tokenizers.processors import TemplateProcessing

from caderno import chat, models
from caderno.errors import BadInput
from caderno.generation.hf import HfEngine
from caderno.guards import Verdict, preflight
from caderno.tasks import TASKS


def answers(found: list[Verdict]) -> dict[str, str]:
    return {verdict.guard: verdict.verdict for verdict in found}


@pytest.fixture
def policy(small_tokenizer) -> models.Policy:
    """A random model under the tiny base's own tokenizer, whose copy may be spoilt."""
    return models.Policy(conftest.build_model(small_tokenizer), copy.deepcopy(small_tokenizer))


def test_a_verdict_is_a_row_of_guards_json():
    row = Verdict("g", "warn", 0.3, 0.2, "share", "too many").as_dict()
    assert row == {
        "guard": "g", "verdict": "warn", "measured": 0.3, "threshold": 0.2, "unit": "share", "why": "too many",
        "source": "proposed", "step": None,
    }  # fmt: skip


def test_versions_are_those_of_the_pins(monkeypatch):
    found = preflight.versions()
    assert [v.guard for v in found] == [f"version {name}" for name in preflight.PINNED]
    assert {v.verdict for v in found} == {"pass"}, found
    real = importlib.metadata.version
    spoilt = {"trl": "1.99.0", "torch": real("torch").partition("+")[0] + "+cu999"}  # a local build is the same version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: spoilt.get(name) or real(name))
    found = preflight.versions()
    [failed] = [v for v in found if v.verdict != "pass"]
    assert (failed.guard, failed.verdict, failed.measured) == ("version trl", "fail", "1.99.0")
    assert failed.threshold == real("trl")


@pytest.mark.parametrize(
    "asks",
    [
        {"grpo": {"use_vllm": True}},
        {"engine": {"name": "vllm"}},
        {"model": {"name": "m", "backend": "unsloth", "dtype": "bfloat16"}},
        {"model": {"name": "m", "load_in_4bit": True, "lora": {"rank": 8, "alpha": 8.0}}},
        {"model": {"name": "m", "dtype": "bfloat16"}},
    ],
    ids=str,
)
def test_a_gpu_that_is_asked_for_and_absent_is_unknown(monkeypatch, asks):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = preflight.hardware(params(hardware="one L4", **asks))
    assert (found.verdict, found.measured, found.threshold) == ("unknown", "no GPU", "one L4")
    assert "ask for one" in found.why
    clean = preflight.hardware(params())
    assert (clean.verdict, clean.measured) == ("pass", "CPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "NVIDIA L4")
    there = preflight.hardware(params(**asks))
    assert (there.verdict, there.measured) == ("pass", "NVIDIA L4")


TEMPLATE_GUARDS = ("template round trip", "one BOS", "turn end stops")


def test_the_template_of_the_control_is_clean(policy):
    found = preflight.template(policy, list(rows()), params())
    assert answers(found) == dict.fromkeys(TEMPLATE_GUARDS, "pass")
    assert [v.measured for v in found] == [0, 0, policy.tokenizer.eos_token_id]


def only_failure(policy: models.Policy) -> Verdict:
    """The one template guard that fails."""
    [failed] = [v for v in preflight.template(policy, list(rows()), params()) if v.verdict == "fail"]
    return failed


def test_a_second_bos_trips(policy):
    tok = policy.tokenizer
    tok.bos_token = chat_bos = "<|endoftext|>"
    tok.chat_template = "{{ bos_token }}" + tok.chat_template
    assert answers(preflight.template(policy, list(rows()), params())) == dict.fromkeys(TEMPLATE_GUARDS, "pass")
    tok.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{chat_bos} $A", special_tokens=[(chat_bos, tok.bos_token_id)]
    )
    failed = only_failure(policy)
    assert (failed.guard, failed.measured) == ("one BOS", len(rows())) and rows()[0]["id"] in failed.why


def test_a_turn_that_ends_with_no_end_token_trips(policy):
    policy.tokenizer.eos_token = "<|endoftext|>"
    for config in (policy.model.config, policy.model.generation_config):
        config.eos_token_id = policy.tokenizer.eos_token_id
    failed = only_failure(policy)
    turn_end = policy.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert (failed.guard, failed.measured) == ("turn end stops", turn_end)
    policy.model.generation_config.eos_token_id = [policy.tokenizer.eos_token_id, turn_end]
    assert {v.verdict for v in preflight.template(policy, list(rows()), params())} == {"pass"}


def test_a_prompt_that_changes_when_encoded_again_trips(policy):
    policy.tokenizer.backend_tokenizer.decoder = None  # letters of spelled words fall apart
    odd = [rows()[0] | {"id": "odd", "prompt": [{"role": "user", "content": "um xilofone"}]}]
    [failed, *_] = preflight.template(policy, [*rows()[1:], *odd], params())
    assert (failed.guard, failed.verdict) == ("template round trip", "fail") and "odd" in failed.why


@pytest.mark.parametrize(
    ("switchable", "asked", "expected"),
    [(True, None, "pass"), (True, True, "pass"), (False, None, "pass"), (False, False, "fail"), (False, True, "fail")],
)
def test_a_thinking_switch_that_is_set_must_exist(policy, switchable, asked, expected):
    if not switchable:
        policy.tokenizer.chat_template = policy.tokenizer.chat_template.replace("enable_thinking", "another_switch")
    found = preflight.thinking_switch(policy, params(chat={"enable_thinking": asked}))
    assert (found.verdict, found.measured) == (expected, str(switchable))


def test_one_token_comes_with_a_finite_logprob(policy):
    engine = HfEngine(policy.model, policy.tokenizer, 512)
    found = preflight.one_token(engine, rows()[0], params())
    assert (found.verdict, found.measured) == ("pass", 1) and "log-probability -" in found.why
    with torch.no_grad():
        policy.model.model.norm.weight.fill_(torch.nan)
    broken = preflight.one_token(engine, rows()[0], params())
    assert (broken.verdict, broken.measured) == ("fail", 0) and "not finite" in broken.why


@pytest.mark.parametrize("logprobs", [[float("nan")], [float("-inf")], []], ids=["nan", "-inf", "no token"])
def test_an_engine_that_gives_no_finite_token_trips(small_tokenizer, logprobs):
    drawn = SimpleNamespace(text="?", token_ids=[7] * len(logprobs), logprobs=logprobs)
    engine = SimpleNamespace(
        tokenizer=small_tokenizer, context_tokens=512, complete=lambda requests, sampling, progress: [drawn]
    )
    assert preflight.one_token(engine, rows()[0], params()).verdict == "fail"


def test_scorers_like_the_reference_and_not_the_empty_answer():
    found = preflight.rewards(list(rows("heldout")))
    assert answers(found) == {f"{kind} scores {name}": "pass" for name in TASKS for kind in ("gold", "empty")}
    assert {v.measured for v in found} == {0.0, 1.0}


@pytest.mark.parametrize(("total", "failed"), [(1.0, "empty scores push"), (0.0, "gold scores push")])
def test_a_scorer_that_gives_everything_the_same_trips(monkeypatch, total, failed):
    flat = SimpleNamespace(total=total)
    monkeypatch.setattr("caderno.tasks.push.score", lambda row, completion: flat)
    found = preflight.rewards(list(rows("heldout")))
    assert [v.guard for v in found if v.verdict == "fail"] == [failed]


def test_one_bad_reference_among_many_trips():
    spoilt = [row | {"gold": "<think>x"} if i == 2 else row for i, row in enumerate(rows("heldout"))]
    assert [v.guard for v in preflight.rewards(spoilt) if v.verdict == "fail"] == [f"gold scores {spoilt[2]['task']}"]


def test_the_longest_prompt_of_any_split_must_leave_room(policy):
    splits = {"train": list(rows()), "test": list(rows("test"))}
    tokens = {
        row["id"]: len(chat.encode(policy.tokenizer, chat.render(policy.tokenizer, row["prompt"])))
        for found in splits.values()
        for row in found
    }
    longest = max(tokens.values())

    def lengths(room: int, **more) -> Verdict:
        return preflight.lengths(policy, splits, params(model={"name": "t", "max_length": 96 + room}, **more))

    clean = lengths(longest)
    assert (clean.verdict, clean.measured, clean.threshold) == ("pass", longest, longest)
    assert any(tokens[row_id] == longest for row_id in tokens if row_id in clean.why)
    assert lengths(longest - 1).verdict == "fail"
    assert lengths(longest, validation={"max_new_tokens": 97}).verdict == "fail", "the longer ceiling counts"
    splits["test"].append(rows()[0] | {"id": "long", "prompt": [{"role": "user", "content": "caneca " * 200}]})
    planted = lengths(longest)
    assert planted.verdict == "fail" and "long" in planted.why and planted.measured > 200


def test_splits_that_share_an_entity_are_refused():
    splits = {name: list(rows(name)) for name in ("train", "heldout", "test")}
    clean = preflight.disjoint(splits)
    assert clean.verdict == "pass" and int(clean.why.split()[0]) > 10
    splits["test"].append(splits["train"][0] | {"id": "another", "prompt": []})
    with pytest.raises(BadInput, match=splits["train"][0]["entities"][0]):
        preflight.disjoint(splits)
