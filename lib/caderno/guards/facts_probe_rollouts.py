"""Gathers what the probe guards judge of generation: first token, groups as GRPO would draw, cache, padding, sync.

It draws little and says how little; nothing is scored as 0 that was not drawn to its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caderno import chat, evaluation, generation, rewards
from caderno.errors import StageFailed

if TYPE_CHECKING:
    from caderno.generation import Completion, Engine, Prompt
    from caderno.models import Policy
    from caderno.params import Params

PROMPTS, GROUP = 8, 4
SLOW_TOKENS = 512  # drawn by transformers at most: a real model takes seconds for more
GREEDY_PROMPTS, GREEDY_TOKENS = 4, 16


def first_token(engine: Engine, row: dict, params: Params) -> dict[str, Any]:
    """One greedy token for one prompt; "error" says what the engine found wrong."""
    prompts = evaluation.prompts([row], engine.tokenizer, params.chat.enable_thinking)
    try:
        [drawn] = generation.generate(
            engine, prompts, generation.Sampling(0.0, max_new_tokens=1), run="preflight", progress=False
        )
    except StageFailed as error:  # logits that are not finite: a verdict, with the rest of the table
        return {"error": str(error)}
    return {"text": drawn.text, "tokens": len(drawn.token_ids), "logprobs": list(drawn.logprobs or [])}


def rollouts(engine: Engine, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """Groups of completions as GRPO would draw and score them; {} without GRPO.

    "final": no stage trains before GRPO, so that this is the policy it starts from.
    """
    if "grpo" not in params.stages:
        return {}
    spec = params.grpo
    limit = spec.max_completion_length
    drawn_tokens = limit if params.engine.name == "vllm" else min(limit, SLOW_TOKENS)
    sampling = generation.Sampling(
        spec.temperature, spec.top_p, 0, drawn_tokens, min(GROUP, spec.group_size), params.seed
    )
    asked = rewards.hard_think_budgets(params) if params.chat.hard_think_rollouts else {}
    chosen = list(rows[:PROMPTS])
    prompts = evaluation.prompts(chosen, engine.tokenizer, params.chat.enable_thinking, asked)
    found = generation.generate(engine, prompts, sampling, run=f"{params.name} preflight", progress=False)
    before = params.stages[: params.stages.index("grpo")]
    return groups(chosen, prompts, found) | {
        "ceiling": limit, "drawn_tokens": drawn_tokens, "temperature": spec.temperature,
        "final": not {"sft", "pretrain", "abstract_cot"} & set(before),
    }  # fmt: skip


def groups(rows: Sequence[dict], prompts: Sequence[Prompt], found: Sequence[Completion]) -> dict[str, Any]:
    """{"groups": [{"id", "texts", "tokens", "cut", "seeds", "scores", "chance"}]}, one per row.

    "chance": that further draws repeat the first completion, by its probability at temperature 1; 0 where not known.
    """
    told = []
    for row, prompt in zip(rows, prompts, strict=True):
        mine = [one for one in found if one.row_id == row["id"]]
        scores = rewards.judged_many([row] * len(mine), [one.text for one in mine], [prompt.text] * len(mine))
        told.append({
            "id": row["id"], "texts": [str(one.token_ids) for one in mine],
            "tokens": [len(one.token_ids) for one in mine], "cut": [one.finish_reason == "length" for one in mine],
            "chance": math.exp((len(mine) - 1) * sum(mine[0].logprobs)) if mine[0].logprobs else 0.0,
            "seeds": [one.seed for one in mine], "scores": [None if s is None else s.total for s in scores],
        })  # fmt: skip
    return {"groups": told}


def batching(engine: Engine, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """Greedy completions of prompts of different lengths, each alone and all together."""
    prompts = _of_lengths(evaluation.prompts(rows, engine.tokenizer, params.chat.enable_thinking))
    sampling = generation.Sampling(0.0, max_new_tokens=GREEDY_TOKENS)

    def drawn(some: list[Prompt]) -> list[list[int]]:
        return [one.token_ids for one in generation.generate(engine, some, sampling, run="preflight", progress=False)]

    together, alone = drawn(prompts), [drawn([one])[0] for one in prompts]
    differing = [p.row_id for p, a, b in zip(prompts, alone, together, strict=True) if a != b]
    return {"differing": differing, "of": len(prompts), "half": params.model.dtype != "float32"}


def _of_lengths(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The shortest, the longest and some between, so that a batch of them has to be padded."""
    ordered = sorted(prompts, key=lambda one: len(one.text))
    return ordered[:: max(1, -(-len(ordered) // GREEDY_PROMPTS))]


def cache(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """Greedy completions with the key-value cache and without, by transformers."""
    import torch
    from transformers import GenerationConfig

    tokenizer, differing = policy.tokenizer, []
    prompts = _of_lengths(evaluation.prompts(rows, tokenizer, params.chat.enable_thinking))[:2]
    ends = chat.eos_ids(policy.model, tokenizer)
    with evaluating(policy.model) as model:
        for one in prompts:
            ids = torch.tensor([chat.encode(tokenizer, one.text)], device=model.device)
            drawn = [
                model.generate(
                    input_ids=ids, attention_mask=torch.ones_like(ids),
                    generation_config=GenerationConfig(
                        do_sample=False, max_new_tokens=GREEDY_TOKENS, use_cache=use, eos_token_id=ends,
                        pad_token_id=ends[0], temperature=1.0, top_p=1.0, top_k=50, repetition_penalty=1.0,
                    ),
                ).tolist()
                for use in (True, False)
            ]  # fmt: skip
            differing += [] if drawn[0] == drawn[1] else [one.row_id]
    return {"differing": differing, "of": len(prompts), "half": params.model.dtype != "float32"}


@contextmanager
def evaluating(model: Any) -> Iterator[Any]:
    """The model without dropout and without gradients, and put back."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        model.train(training)


def sync(
    policy: Policy, sampler: Engine, rows: Sequence[dict], params: Params, update: Callable[[], None]
) -> dict[str, Any]:  # fmt: skip
    """What the sampler says of its own tokens after `update`, against the trainer's old and new weights, nats."""
    prompts = evaluation.prompts(rows[:GREEDY_PROMPTS], policy.tokenizer, params.chat.enable_thinking)
    sampling = generation.Sampling(1.0, max_new_tokens=GREEDY_TOKENS, seed=params.seed)
    drawn = generation.generate(sampler, prompts, sampling, run="preflight", progress=False)
    asked = {one.row_id: chat.encode(policy.tokenizer, one.text) for one in prompts}
    old = logprobs(policy, [(asked[one.row_id], one.token_ids) for one in drawn])
    update()
    said = generation.generate(sampler, prompts, replace(sampling, seed=params.seed + 1), run="preflight")
    pairs = [(asked[one.row_id], one.token_ids) for one in said]
    ours = logprobs(policy, pairs)
    theirs = [value for one in said for value in one.logprobs or ()]
    moved = logprobs(policy, [(asked[one.row_id], one.token_ids) for one in drawn])
    return {"gap": _mean_gap(theirs, ours), "moved": _mean_gap(old, moved), "tokens": len(ours)}


def _mean_gap(one: Sequence[float], other: Sequence[float]) -> float:
    if len(one) != len(other) or not one:
        return math.nan
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def logprobs(policy: Policy, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """Log-probabilities, nats, that the policy gives each token of the completions, all in one list."""
    import torch

    found: list[float] = []
    with evaluating(policy.model) as model:
        for prompt, completion in pairs:
            ids = torch.tensor([prompt + completion], device=model.device)
            logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()  # (T, V)
            chosen = logits.log_softmax(-1).gather(1, ids[0, len(prompt) :, None])
            found += chosen.squeeze(1).tolist()
    return found
