"""Probes of vLLM on the random model: it generates, and it generates under a constraint.

No server and no tensor parallelism; compiled graphs are left out, for they take minutes and say nothing more.
"""

from __future__ import annotations

import argparse
import time

from gpu_probes.base import Outcome, expect, need


def start_vllm(options: argparse.Namespace):
    """The engine in this process, without compiled graphs."""
    need("vllm")
    from vllm import LLM

    started = time.monotonic()
    folder = str(options.folder)
    engine = LLM(model=folder, dtype="bfloat16", max_model_len=512, enforce_eager=True, gpu_memory_utilization=0.6)
    return engine, time.monotonic() - started


def generate(engine, prompts: int, **sampling) -> list[list[int]]:
    """Token ids of one completion for each of several prompts of 16 tokens."""
    from vllm import SamplingParams

    requests = [{"prompt_token_ids": [(7 * row + column) % 256 for column in range(16)]} for row in range(prompts)]
    outputs = engine.generate(requests, SamplingParams(detokenize=False, **sampling), use_tqdm=False)
    return [list(output.outputs[0].token_ids) for output in outputs]


def vllm(options: argparse.Namespace) -> Outcome:
    """One token, then 64 completions of 64 tokens at once."""
    engine, load_s = start_vllm(options)
    lengths = [len(ids) for ids in generate(engine, 1, max_tokens=1, temperature=0.0)]
    expect(lengths == [1], f"asked for one token, got {lengths}")
    started = time.monotonic()
    count = sum(map(len, generate(engine, 64, max_tokens=64, ignore_eos=True)))
    expect(count == 64 * 64, f"asked for {64 * 64} tokens, got {count}")
    return {"load_s": load_s, "tokens_per_s": count / (time.monotonic() - started)}, "64 x 64 tokens, no graphs"


def vllm_constrained(options: argparse.Namespace) -> Outcome:
    """`allowed_token_ids` at temperature 1: nothing else comes, and not always the same."""
    engine, load_s = start_vllm(options)
    allowed = [65, 66, 67, 68]
    rows = generate(engine, 8, max_tokens=32, temperature=1.0, allowed_token_ids=allowed, ignore_eos=True)
    found = {token for ids in rows for token in ids}
    expect(found <= set(allowed), f"tokens {sorted(found - set(allowed))[:5]} came, which were not allowed")
    expect(len(found) > 1, f"only token {found} came out of {len(allowed)} allowed ones at temperature 1")
    return {"load_s": load_s}, f"8 x 32 tokens, {len(found)} of {len(allowed)} allowed ones came"
