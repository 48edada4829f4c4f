"""Abstract traces: a seed each, K off one prefill, as one by one, long prompts named; random ones by the rule."""

from __future__ import annotations

import importlib.util
from collections import Counter

import pytest
import torch
from conftest import build_model, build_tokenizer

from caderno import models
from caderno.abstract import traces, vocabulary
from caderno.errors import BadInput, StageFailed
from caderno.generation import Request, Sampling, generate, open_engine, request_seed
from caderno.generation.constraint import constrained_logprobs
from caderno.generation.hf import HfEngine
from caderno.params.abstract_sections import TraceParams
from caderno.params.sections import EngineParams, LoraParams, ModelParams

SPEC = TraceParams(min_codes=2, max_codes=9)
PROMPTS = [("a", [7, 9, 30, 12]), ("b", [11]), ("c", [40, 8, 8, 21, 17, 33]), ("d", [9, 30])]


@pytest.fixture(scope="module")
def extended() -> tuple[models.Policy, vocabulary.AbstractVocabulary]:
    tokenizer = build_tokenizer()
    policy, found = vocabulary.extend(models.Policy(build_model(tokenizer), tokenizer), 8, seed=0)
    return policy, found


@pytest.fixture
def trace_engine(extended) -> HfEngine:
    return HfEngine(extended[0].model, extended[0].tokenizer, context_tokens=256)


def codes_of(drawn: traces.Drawn) -> list[tuple[int, ...]]:
    return [trace.codes for trace in drawn.traces]


def test_traces_are_those_drawn_one_by_one(extended, trace_engine):
    _, found = extended
    drawn = traces.draw(trace_engine, PROMPTS, found, SPEC, run="r", samples=6, seed=3)
    assert [(t.row_id, t.sample) for t in drawn.traces] == [(r, k) for r, _ in PROMPTS for k in range(6)]
    asked, prompts = traces.constraint(found, SPEC), dict(PROMPTS)
    # A completion with an answer goes another way, through transformers' generate; its trace is the same.
    for trace in drawn.traces:
        seed = request_seed("r", trace.row_id, trace.sample, 3)
        request = Request(trace.row_id, 0, [*prompts[trace.row_id], found.begin_id], seed, constraint=asked)
        whole = trace_engine.complete([request], Sampling(max_new_tokens=14), progress=False)[0]
        kept = len(trace.codes) + 1
        assert (*trace.codes, found.end_id) == tuple(whole.token_ids[:kept]) and trace.seed == seed
        assert trace.logprobs == pytest.approx(whole.logprobs[:kept], abs=1e-4)
    small = HfEngine(trace_engine.model, trace_engine.tokenizer, 256, batch_tokens=1)
    assert codes_of(traces.draw(small, PROMPTS, found, SPEC, run="r", samples=6, seed=3)) == codes_of(drawn)


def test_bounds_are_kept_and_end_is_forced(extended, trace_engine):
    _, found = extended
    drawn = traces.draw(trace_engine, PROMPTS, found, SPEC, run="r", samples=40).traces
    lengths = Counter(len(t.codes) for t in drawn)
    assert min(lengths) == 2 and max(lengths) == 9 and len(lengths) > 4
    assert all(t.forced_end == (len(t.codes) == 9) and set(t.codes) <= set(found.code_ids) for t in drawn)
    assert all(len(t.logprobs) == len(t.codes) + 1 and (t.logprobs[-1] == 0) == t.forced_end for t in drawn)
    long = [t.codes for t in drawn if len(t.codes) > 4]  # few codes have few sequences
    assert len(set(long)) > 0.95 * len(long), "a seed each"
    none = TraceParams(min_codes=0, max_codes=1)
    short = traces.draw(trace_engine, PROMPTS, found, none, run="r", samples=60).traces
    assert {len(t.codes) for t in short} == {0, 1}, "without a minimum END may come first"


def test_one_seed_for_all_gives_one_trace_for_all(extended, trace_engine, monkeypatch):
    """The fault of the public reproduction, planted: the same prompt under every seed is then the same trace."""
    _, found = extended
    same = [(str(row), PROMPTS[0][1]) for row in range(8)]
    assert len(set(codes_of(traces.draw(trace_engine, same, found, SPEC, run="r")))) == 8
    monkeypatch.setattr(traces, "request_seed", lambda *parts: 42)
    assert len(set(codes_of(traces.draw(trace_engine, same, found, SPEC, run="r")))) == 1


def test_run_and_seed_give_other_traces(extended, trace_engine):
    _, found = extended
    first, again, other, more = (
        codes_of(traces.draw(trace_engine, PROMPTS, found, SPEC, run=run, samples=3, seed=seed))
        for run, seed in (("r", 0), ("r", 0), ("s", 0), ("r", 1))
    )
    assert first == again and first != other and first != more


def test_equal_prompts_are_prefilled_once(extended, trace_engine):
    _, found = extended
    shapes: list[tuple[int, ...]] = []
    hook = trace_engine.model.model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    traces.draw(trace_engine, PROMPTS, found, SPEC, run="r", samples=16)
    hook.remove()
    assert shapes[0] == (4, 7), "four prompts, the longest of six tokens, and BEGIN"
    assert set(shapes[1:]) == {(64, 1)} and len(shapes) <= SPEC.max_codes, "END by force costs no forward pass"


def test_long_prompts_are_left_out_and_named(extended, trace_engine):
    _, found = extended
    room = 256 - SPEC.max_codes - 1  # of prompt, BEGIN included
    rows = [("fits", [9] * (room - 1)), ("long", [9] * room), ("b", [11])]
    drawn = traces.draw(trace_engine, rows, found, SPEC, run="r", samples=2)
    assert drawn.left_out == {"long": room + 1} and [t.row_id for t in drawn.traces] == ["fits", "fits", "b", "b"]
    nothing = traces.draw(trace_engine, rows[1:2], found, SPEC, run="r")
    assert nothing == traces.Drawn([], {"long": room + 1})


def test_what_would_share_noise_or_begin_twice_is_refused(extended, trace_engine):
    _, found = extended
    with pytest.raises(BadInput, match="1 row ids occur twice"):
        traces.draw(trace_engine, [("a", [9]), ("a", [11])], found, SPEC, run="r")
    with pytest.raises(BadInput, match="1 prompts end with BEGIN: 'b' first"):
        traces.draw(trace_engine, [("a", [9]), ("b", [11, found.begin_id])], found, SPEC, run="r")


def test_greedy_is_the_likeliest_code_each_time(extended, trace_engine):
    policy, found = extended
    greedy = TraceParams(min_codes=2, max_codes=9, temperature=0.0)
    asked = traces.constraint(found, greedy)
    for trace, (_, ids) in zip(traces.draw(trace_engine, PROMPTS, found, greedy, run="r").traces, PROMPTS, strict=True):
        said = [*trace.codes, found.end_id]
        with torch.no_grad():
            logits = policy.model(torch.tensor([[*ids, found.begin_id, *said]])).logits[:, len(ids) : -1]
        expected = constrained_logprobs(logits, torch.tensor([said]), asked)[0]
        assert trace.logprobs == pytest.approx(expected.tolist(), abs=1e-4)
        early = logits[0, 0, list(found.code_ids)].argmax()
        assert trace.codes[0] == found.code_ids[early]


def test_the_model_is_left_as_it_was_also_with_adapters(extended, trace_engine):
    _, found = extended
    plain = codes_of(traces.draw(trace_engine, PROMPTS, found, SPEC, run="r", samples=2))
    tokenizer = build_tokenizer()
    fresh, _ = vocabulary.extend(models.Policy(build_model(tokenizer), tokenizer), 8, seed=0)
    adapted = models.with_lora(fresh, LoraParams(rank=2, alpha=4), found.new_ids)
    adapted.model.train()
    base = adapted.model.get_base_model()
    head, config = base.get_output_embeddings(), base.generation_config
    drawn = traces.draw(HfEngine(adapted.model, adapted.tokenizer, 256), PROMPTS, found, SPEC, run="r", samples=2)
    assert codes_of(drawn) == plain, "fresh adapters are the identity"
    assert base.get_output_embeddings() is head and base.generation_config is config and adapted.model.training
    with torch.no_grad():
        next(p for name, p in adapted.model.named_parameters() if "trainable_tokens_delta" in name).mul_(-1)
    changed = traces.draw(HfEngine(adapted.model, adapted.tokenizer, 256), PROMPTS, found, SPEC, run="r", samples=2)
    assert codes_of(changed) != plain, "the rows that train are the rows that draw"


def test_a_head_is_put_back_after_an_error_and_nan_is_one(extended):
    _, found = extended
    tokenizer = build_tokenizer()
    broken, _ = vocabulary.extend(models.Policy(build_model(tokenizer), tokenizer), 8, seed=0)
    with torch.no_grad():
        broken.model.model.norm.weight[0] = torch.nan
    head = broken.model.get_output_embeddings()
    with pytest.raises(StageFailed, match="not finite"):
        traces.draw(HfEngine(broken.model, broken.tokenizer, 256), PROMPTS, found, SPEC, run="r", logprobs=False)
    assert broken.model.get_output_embeddings() is head


def test_logprobs_only_where_asked(extended, trace_engine):
    _, found = extended
    drawn = traces.draw(trace_engine, PROMPTS, found, SPEC, run="r", logprobs=False)
    assert all(t.logprobs is None for t in drawn.traces)
    assert codes_of(drawn) == codes_of(traces.draw(trace_engine, PROMPTS, found, SPEC, run="r"))


def test_random_traces_follow_the_rule(extended):
    _, found = extended
    spec = TraceParams(min_codes=1, max_codes=128)
    steps = {f"row {n}": [10, 1, 7] for n in range(3000)}
    drawn = traces.random_traces(steps, found, spec, seed=0)
    # rand(1, 5) + 1 + rand(1, 3): 3 to 9 codes, 6 on average
    lengths = Counter(len(t.codes) for t in drawn)
    assert set(lengths) == set(range(3, 10))
    assert abs(sum(n * count for n, count in lengths.items()) / 3000 - 6) < 0.1
    used = Counter(code for t in drawn for code in t.codes)
    total = sum(used.values())
    assert set(used) == set(found.code_ids) and all(abs(n / total - 1 / 8) < 0.01 for n in used.values())
    assert drawn == traces.random_traces(steps, found, spec, seed=0)
    assert drawn != traces.random_traces(steps, found, spec, seed=1)
    assert len({t.codes for t in drawn}) > 2500 and all(t.logprobs is None and not t.forced_end for t in drawn)


def test_random_traces_keep_to_the_bounds(extended):
    _, found = extended
    spec = TraceParams(min_codes=4, max_codes=6)
    short, long, none = traces.random_traces({"s": [2], "l": [100, 100], "n": []}, found, spec, seed=0)
    assert len(short.codes) == 4 and not short.forced_end
    assert len(none.codes) == 4
    with pytest.raises(BadInput, match="row x has a step of 0 tokens"):
        traces.random_traces({"x": [3, 0]}, found, spec, seed=0)
    many = traces.random_traces({str(n): [100, 100] for n in range(50)}, found, spec, seed=0)
    assert max(len(t.codes) for t in [*many, long]) == 6 and all(t.forced_end == (len(t.codes) == 6) for t in many)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed in this environment")
def test_vllm_keeps_to_the_constraint_and_means_the_same_logprobs(extended, tmp_path):
    from caderno.generation import Prompt

    policy, found = extended
    models.save(policy, tmp_path / "model")
    params = ModelParams(name=str(tmp_path / "model"), max_length=256)
    vllm, hf = (open_engine(params.name, EngineParams(name=name), params) for name in ("vllm", "hf"))
    drawn = traces.draw(vllm, PROMPTS, found, SPEC, run="r", samples=12).traces
    lengths = {len(t.codes) for t in drawn}
    assert {2, 9} <= lengths <= set(range(2, 10)) and len({t.codes for t in drawn}) > 40
    asked = traces.constraint(found, SPEC)
    for trace in drawn:
        ids, said = dict(PROMPTS)[trace.row_id], [*trace.codes, found.end_id]
        with torch.no_grad():
            logits = hf.model(torch.tensor([[*ids, found.begin_id, *said]])).logits[:, len(ids) : -1]
        expected = constrained_logprobs(logits, torch.tensor([said]), asked)[0]
        assert trace.logprobs == pytest.approx(expected.tolist(), abs=1e-3)
    prompts = [Prompt(row, f"total {row}{vocabulary.BEGIN}", constraint=asked) for row in "abc"]
    greedy = [generate(e, prompts, Sampling(0.0, max_new_tokens=20), run="r") for e in (vllm, hf)]
    vllm.close()
    assert [c.token_ids for c in greedy[0]] == [c.token_ids for c in greedy[1]]
