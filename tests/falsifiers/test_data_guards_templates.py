"""Faults of tokenizer and chat template: two BOS, an end that ends nothing, paths that differ, a silent temperature."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import conftest
import pytest
from materials import params, rows
from tokenizers.processors import TemplateProcessing
from transformers import GenerationConfig

from caderno import chat
from caderno.guards import facts_data_templates
from falsifiers.registry import control, falsifies

ASKED = params(chat={"enable_thinking": True})


@pytest.fixture
def policy(small_tokenizer) -> SimpleNamespace:
    """A random model under the tiny base's own tokenizer, whose copy may be spoilt."""
    return SimpleNamespace(model=conftest.build_model(small_tokenizer), tokenizer=copy.deepcopy(small_tokenizer))


def facts(policy, given=ASKED, paths=None, found=None) -> dict:
    return facts_data_templates.gather(policy.model, policy.tokenizer, found or rows(), given, paths)


def trained(policy, thinking: bool | None) -> dict[str, dict[str, str]]:
    """A path that renders with its own switch."""
    return {"sft": {r["id"]: chat.render(policy.tokenizer, r["prompt"], enable_thinking=thinking) for r in rows()}}


@falsifies("render-parity", "fail")
def test_thinking_is_flipped_on_one_path(policy):
    return facts(policy, paths=trained(policy, False))


@falsifies("render-parity", "fail")
def test_one_path_forgets_the_system_prompt(policy):
    texts = {r["id"]: chat.render(policy.tokenizer, r["prompt"][-1:], enable_thinking=True) for r in rows()}
    return facts(policy, paths={"sft": texts})


@control("render-parity")
def test_every_path_renders_alike(policy):
    return facts(policy, paths=trained(policy, True))


def _with_bos(policy) -> None:
    """A template that writes a BOS."""
    policy.tokenizer.bos_token = "<|endoftext|>"
    policy.tokenizer.chat_template = "{{ bos_token }}" + policy.tokenizer.chat_template


@falsifies("one-bos", "fail")
def test_the_tokenizer_adds_a_second_bos(policy):
    _with_bos(policy)
    pair = ("<|endoftext|>", policy.tokenizer.bos_token_id)
    policy.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{pair[0]} $A", special_tokens=[pair]
    )
    return facts(policy, paths=trained(policy, True))


@control("one-bos")
def test_the_template_alone_writes_it(policy):
    _with_bos(policy)
    return facts(policy, paths=trained(policy, True))


def _ending(policy, config: int | list[int], generation: int | list[int]) -> dict:
    policy.tokenizer.eos_token = "<|endoftext|>"
    policy.model.config.eos_token_id, policy.model.generation_config.eos_token_id = config, generation
    return facts(policy)


@falsifies("turn-end", "fail")
def test_a_turn_ends_with_no_end_token(policy):
    other = policy.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    return _ending(policy, other, other)


@falsifies("turn-end", "warn")
def test_one_of_two_ends_is_known_to_one_file_only(policy):
    other, end = (policy.tokenizer.convert_tokens_to_ids(name) for name in ("<|endoftext|>", "<|im_end|>"))
    return _ending(policy, other, [other, end])


@control("turn-end")
def test_everybody_names_the_turns_end(policy):
    return facts(policy)


@falsifies("template-round-trip", "fail")
def test_letters_that_fall_apart(policy):
    policy.tokenizer.backend_tokenizer.decoder = None
    odd = rows()[0] | {"id": "odd", "prompt": [{"role": "user", "content": "um xilofone"}]}
    return facts(policy, found=[*rows()[1:], odd])


@control("template-round-trip")
def test_prompts_come_back(policy):
    return facts(policy)


@pytest.mark.parametrize("asked", [True, False])
@falsifies("thinking-switch", "fail")
def test_a_switch_that_the_template_does_not_know(policy, asked):
    policy.tokenizer.chat_template = policy.tokenizer.chat_template.replace("enable_thinking", "another")
    return facts_data_templates.switch(policy.tokenizer, params(chat={"enable_thinking": asked}))


@pytest.mark.parametrize(("known", "asked"), [(True, None), (True, True), (False, None)])
@control("thinking-switch")
def test_a_switch_that_is_there_or_not_asked_for(policy, known, asked):
    if not known:
        policy.tokenizer.chat_template = policy.tokenizer.chat_template.replace("enable_thinking", "another")
    return facts_data_templates.switch(policy.tokenizer, params(chat={"enable_thinking": asked}))


@falsifies("generation-config", "warn")
def test_a_file_that_serves_at_another_temperature(policy):
    policy.model.generation_config = GenerationConfig(temperature=0.1, do_sample=True, max_new_tokens=1024)
    return facts(policy)


@falsifies("generation-config", "fail")
def test_a_file_that_acts_in_the_rollouts_unseen(policy):
    policy.model.generation_config = GenerationConfig(no_repeat_ngram_size=3)
    return facts(policy)


@control("generation-config")
def test_a_file_that_only_names_tokens(policy):
    return facts(policy)
