"""Benchmark of generation: `caderno.generation` against transformers' own `generate` with the same weights and prompts.

vLLM is not in it: at the shipped model's size transformers is the engine, and a GPU has its own check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_lines import RATIO, Line, in_turn, seconds

if TYPE_CHECKING:
    from caderno.models import Policy

BATCHES = (64, 256)
NEW_TOKENS = 96


def generating(repeats: int) -> list[Line]:
    """Tokens a second at each batch size, sampled at temperature 1, from text to text."""
    from caderno import data, evaluation, models, params, runs, tasks

    base = params.load(runs.resolve("params/base.yaml"))
    policy = models.load(base.model)
    each = max(BATCHES) // len(tasks.SHOP_TASKS)
    rows = [row for name in tasks.SHOP_TASKS for row in data.rows(name, "heldout", each, 0)]
    prompts = evaluation.prompts(rows, policy.tokenizer, None)
    lines = []
    for batch in BATCHES:
        chosen = prompts[:: len(prompts) // batch][:batch]  # every task in every batch
        actions = (_ours(policy, chosen), _plain(policy, [prompt.text for prompt in chosen]))
        for action in actions:
            action(-1)  # the first call of each shape allocates
        ours, plain = in_turn(repeats, *actions)
        baseline = "`model.generate(do_sample=True)`"
        lines.append(Line(f"batch {batch}, {NEW_TOKENS} new tokens at most", "tokens/s", ours, baseline, plain, RATIO))
    return lines


def _ours(policy: Policy, prompts: list):
    """Seeds per request and raw log-probabilities included; all prompts in one batch."""
    from caderno.generation import Sampling, generate
    from caderno.generation.hf import HfEngine

    context = policy.model.config.max_position_embeddings
    engine = HfEngine(policy.model, policy.tokenizer, context, batch_tokens=10**9)

    def measure(repeat: int) -> float:
        kept: list = []
        sampling = Sampling(1.0, max_new_tokens=NEW_TOKENS)
        took_s = seconds(lambda: kept.extend(generate(engine, prompts, sampling, run=f"bench {repeat}")))
        return sum(len(completion.token_ids) for completion in kept) / took_s

    return measure


def _plain(policy: Policy, texts: list[str]):
    """One seed for the batch, no log-probabilities: what transformers does when left alone."""
    import torch

    tokenizer, model = policy.tokenizer, policy.model
    stop, pad = tokenizer.eos_token_id, tokenizer.pad_token_id

    def drawn() -> torch.Tensor:
        """Ids (B, T) after the prompt, decoded as well."""
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        out = model.generate(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=NEW_TOKENS,
            do_sample=True, temperature=1.0, top_k=0, top_p=1.0, eos_token_id=stop, pad_token_id=pad,
        )  # fmt: skip
        ids = out[:, inputs["input_ids"].shape[1] :]
        tokenizer.batch_decode(ids)
        return ids

    def measure(repeat: int) -> float:
        torch.manual_seed(repeat + 1)
        kept: list = []
        took_s = seconds(lambda: kept.append(drawn()))
        return sum(length(ids, stop) for ids in kept[0].tolist()) / took_s

    return measure


def length(ids: list[int], stop: int) -> int:
    """Tokens up to and with the one that stops; all of them where none does."""
    return ids.index(stop) + 1 if stop in ids else len(ids)
