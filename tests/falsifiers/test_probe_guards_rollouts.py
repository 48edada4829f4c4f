"""Faults of generation: one seed for all, 13-token traces, ceilings, caches, padding, stale weights."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import conftest
import pytest
import torch
from materials import params, rows

from caderno import generation, models
from caderno.generation.hf import HfEngine
from caderno.guards import facts_probe_rollouts, facts_probe_steps
from falsifiers.registry import control, falsifies

GRPO = params(stages=["preflight", "grpo"], grpo={"max_steps": 60, "max_completion_length": 24})
AFTER_SFT = params(stages=["preflight", "sft", "grpo"], grpo={"max_completion_length": 24})


@pytest.fixture
def policy(small_tokenizer) -> models.Policy:
    return models.Policy(conftest.build_model(small_tokenizer), small_tokenizer)


@pytest.fixture
def engine(policy) -> HfEngine:
    return HfEngine(policy.model, policy.tokenizer, 512)


def drawn(engine, given=GRPO) -> dict:
    return {"rollouts": facts_probe_rollouts.rollouts(engine, rows(), given)}


# Groups as a run would log them


def groups(n: int = 8, size: int = 4, **fields) -> dict:
    """Clean groups, `fields` replaced by functions of (group, sample)."""
    told = {
        "texts": lambda g, s: f"answer {g} {s}", "tokens": lambda g, s: 9 + g + s, "cut": lambda g, s: False,
        "seeds": lambda g, s: size * g + s, "scores": lambda g, s: s / size,
    } | fields  # fmt: skip
    made = [
        {"id": str(g), "chance": 0.0} | {key: [of(g, s) for s in range(size)] for key, of in told.items()}
        for g in range(n)
    ]
    spec = {"groups": made, "ceiling": 4096, "drawn_tokens": 4096, "temperature": 1.0, "final": True}
    return {"rollouts": spec}


@falsifies("ceiling-probe", "fail")
def test_eight_of_eight_at_the_ceiling():
    return groups(n=1, size=8, cut=lambda g, s: True, tokens=lambda g, s: 4096)


@falsifies("ceiling-probe", "warn")
def test_every_third_at_the_ceiling():
    return groups(size=3, cut=lambda g, s: s == 0)


@falsifies("ceiling-probe", "unknown")
def test_a_probe_that_ends_before_the_ceiling_does_not_know():
    facts = groups(cut=lambda g, s: True)
    facts["rollouts"]["drawn_tokens"] = 512
    return facts


@falsifies("ceiling-probe", "fail")
def test_a_random_model_never_ends(policy, engine, monkeypatch):
    monkeypatch.setattr(engine, "eos_ids", [policy.tokenizer.pad_token_id])
    return drawn(engine)


@falsifies("ceiling-probe", "not_applicable")
def test_the_base_before_sft_is_not_the_policy_of_grpo(engine):
    return drawn(engine, AFTER_SFT)


@control("ceiling-probe")
def test_completions_that_end():
    return groups()


@falsifies("group-variance-probe", "fail")
def test_a_constant_reward():
    return groups(scores=lambda g, s: 0.2)


@falsifies("group-variance-probe", "warn")
def test_most_groups_are_flat():
    return groups(scores=lambda g, s: 0.2 if g < 6 else s / 4)


@control("group-variance-probe")
def test_a_graded_reward():
    return groups()


@falsifies("distinct-samples", "fail")
def test_one_seed_for_all_requests(engine, monkeypatch):
    monkeypatch.setattr(generation, "request_seed", lambda *of: 7)
    return drawn(engine)


@falsifies("distinct-samples", "fail")
def test_one_seed_under_different_prompts():
    return groups(seeds=lambda g, s: s)


@falsifies("distinct-samples", "fail")
def test_thirteen_token_traces():
    return groups(tokens=lambda g, s: 13)


@falsifies("distinct-samples", "not_applicable")
def test_greedy_samples_are_equal_by_construction():
    facts = groups(texts=lambda g, s: "same")
    facts["rollouts"]["temperature"] = 0.0
    return facts


@control("distinct-samples")
def test_a_policy_that_is_sure_may_repeat_itself():
    facts = groups(texts=lambda g, s: "same" if g < 4 else str(s))
    for group in facts["rollouts"]["groups"]:
        group["chance"] = 0.9
    return facts


@control("distinct-samples")
def test_a_seed_a_request(engine):
    return drawn(engine)


# The engine


@falsifies("one-token", "fail")
def test_weights_that_are_no_numbers(policy, engine):
    with torch.no_grad():
        policy.model.model.norm.weight.fill_(torch.nan)
    return {"first_token": facts_probe_rollouts.first_token(engine, rows()[0], GRPO)}


@pytest.mark.parametrize("logprobs", [[float("nan")], [-math.inf], []], ids=["nan", "-inf", "no token"])
@falsifies("one-token", "fail")
def test_an_engine_that_gives_no_finite_token(small_tokenizer, logprobs):
    one = SimpleNamespace(text="?", token_ids=[7] * len(logprobs), logprobs=logprobs)
    engine = SimpleNamespace(
        tokenizer=small_tokenizer, context_tokens=512, complete=lambda requests, sampling, progress: [one]
    )
    return {"first_token": facts_probe_rollouts.first_token(engine, rows()[0], GRPO)}


@control("one-token")
def test_a_token_comes(engine):
    return {"first_token": facts_probe_rollouts.first_token(engine, rows()[0], GRPO)}


@falsifies("batch-padding", "fail")
def test_padding_on_the_right(engine, monkeypatch):
    from caderno.generation import hf

    real = hf.padded

    def right(*given):
        ids, mask = real(*given)
        turned = [torch.cat((row[m == 1], row[m == 0])) for row, m in zip(ids, mask, strict=True)]
        return torch.stack(turned), mask.flip(1)

    monkeypatch.setattr(hf, "padded", right)
    return {"batching": facts_probe_rollouts.batching(engine, rows(), GRPO)}


@control("batch-padding")
def test_padding_on_the_left(engine):
    return {"batching": facts_probe_rollouts.batching(engine, rows(), GRPO)}


@falsifies("kv-cache", "fail")
def test_a_cache_that_forgets(policy, monkeypatch):
    from transformers.cache_utils import DynamicLayer

    real = DynamicLayer.update

    def forgetful(self, keys, values, *given, **more):  # fmt: skip
        keys, values = real(self, keys, values, *given, **more)
        self.keys, self.values = keys * 0.5, values * 0.5
        return keys, values

    monkeypatch.setattr(DynamicLayer, "update", forgetful)
    return {"cache": facts_probe_rollouts.cache(policy, rows(), GRPO)}


@control("kv-cache")
def test_a_cache_that_remembers(policy):
    return {"cache": facts_probe_rollouts.cache(policy, rows(), GRPO)}


def synced(policy, model, update=None) -> dict:
    sampler = HfEngine(model, policy.tokenizer, 512)
    with facts_probe_steps.rehearsed(policy.model):
        update = update or facts_probe_steps.Update(policy, rows(), GRPO)
        return {"sync": facts_probe_rollouts.sync(policy, sampler, rows(), GRPO, update)}


@falsifies("sampler-sync-probe", "fail")
def test_a_sampler_that_keeps_the_old_weights(policy):
    return synced(policy, copy.deepcopy(policy.model))


@falsifies("sampler-sync-probe", "unknown")
def test_without_an_update_nothing_is_shown(policy):
    return synced(policy, policy.model, lambda: None)


@control("sampler-sync-probe")
def test_a_sampler_with_the_trainers_weights(policy):
    return synced(policy, policy.model)
