"""Traces by vLLM: what it is asked, an END by force put down, log-probabilities renormalised.

vLLM itself is played by a stand-in here; the real one is asked in the tests of traces and of the vocabulary.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from prompts import ids_of

from caderno.errors import BadInput
from caderno.generation import Request, Sampling
from caderno.generation.constraint import Constraint, answer_seed

CODES, END = (60, 61, 62, 63), 64
CONSTRAINT = Constraint(CODES, END, min_codes=2, max_codes=6)


class FakeLlm:
    """vLLM's call, saying three codes where traces are asked for and two words where an answer is."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[list[int], dict]]] = []

    def generate(self, prompts, params, use_tqdm):
        self.calls.append([(prompt["prompt_token_ids"], one) for prompt, one in zip(prompts, params, strict=True)])
        return [SimpleNamespace(outputs=[self._said(one)]) for one in params]

    def _said(self, asked: dict) -> SimpleNamespace:
        trace = asked.get("allowed_token_ids")
        ids = ([60, 61, END] if asked["max_tokens"] > 3 else [60, 61, 62]) if trace else [8, 9]
        named = asked.get("logprob_token_ids") or range(100)
        steps = [{i: SimpleNamespace(logprob=-1.0 - (i == 60)) for i in named} for _ in ids]
        return SimpleNamespace(token_ids=ids, logprobs=steps, finish_reason="length")


def test_vllm_is_asked_twice_and_a_forced_end_is_put_down(monkeypatch, tiny_pair):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=lambda **given: given))
    from caderno.generation.vllm import VllmEngine

    engine = VllmEngine(llm := FakeLlm(), tiny_pair[1], [0], 256)
    short = Constraint(CODES, END, 2, 3)
    asked = [Request("a", 0, [1], 7, constraint=CONSTRAINT), Request("b", 0, [2], 8, constraint=short)]
    whole, forced, plain = engine.complete(
        [*asked, Request("c", 0, [3], 9)], Sampling(max_new_tokens=20), progress=False
    )
    assert whole.token_ids == [60, 61, END, 8, 9] and forced.token_ids == [60, 61, 62, END, 8, 9]
    codes, ended = torch.tensor([-2.0, -1, -1, -1]).logsumexp(0), torch.tensor([-2.0, -1, -1, -1, -1]).logsumexp(0)
    expected = [-2 - codes, -1 - codes, -1 - ended, -1, -1]
    assert whole.logprobs == pytest.approx([float(x) for x in expected])
    assert forced.logprobs[3] == 0.0 and plain.token_ids == [8, 9]
    traces, answers, free = llm.calls
    assert [one["min_tokens"] for _, one in traces] == [2, 2] and [one["max_tokens"] for _, one in traces] == [6, 3]
    assert traces[0][1]["allowed_token_ids"] == [*CODES, END] and traces[0][1]["stop_token_ids"] == [END]
    assert [(ids, one["max_tokens"]) for ids, one in answers] == [([1, 60, 61, END], 17), ([2, 60, 61, 62, END], 16)]
    assert [one["seed"] for _, one in answers] == [answer_seed(7), answer_seed(8)] and free[0][1]["seed"] == 9
    only = Sampling(max_new_tokens=7, stop_ids=(END,))
    assert ids_of(engine.complete(asked, only, progress=False)) == [[60, 61, END], [60, 61, 62, END]]
    assert len(llm.calls) == 4, "no second call for traces alone"
    many = Request("a", 0, [1], 7, constraint=Constraint(tuple(range(200)), 200, 1, 2))
    with pytest.raises(BadInput, match="log-probabilities of 200 codes"):
        engine.complete([many], Sampling(), progress=False)
