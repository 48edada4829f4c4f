"""Probe guards on generation: one token, ceilings, groups that differ, cache and padding, a sampler with new weights.

They judge completions that were drawn elsewhere, and only as far as they were drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, pstdev
from typing import Any

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned
from caderno.guards.listing import listed

CUT_SHARE, ALL_CUT = 0.25, 0.9
FLAT_SHARE, ALL_FLAT = 0.5, 0.9
DISTINCT_SHARE, BY_CHANCE = 0.8, 0.05
SYNC_NATS = 0.1
MOVED_AT_LEAST = 1e-3  # nats; less than this cannot be told from rounding
NOT_GRPO = "no GRPO stage"
NOT_YET = "another stage trains first: calibration measures the policy that GRPO starts from"


@guard(
    "one-token", stage="probe", needs=("first_token",), threshold=1, unit="tokens", source="vllm-project/vllm#12754",
    classes=("V3",),
)  # fmt: skip
def one_token(facts: Facts) -> Finding:
    """One greedy token comes back, with a finite log-probability: the engine starts and the numbers are numbers."""
    spec = facts["first_token"]
    if spec.get("error"):
        return failed(0, spec["error"])
    told = ", ".join(f"{value:.2f}" for value in spec["logprobs"]) or "none"
    why = f"greedy first token {spec['text']!r} with log-probability {told}"
    ok = len(spec["logprobs"]) == spec["tokens"] == 1 and all(map(math.isfinite, spec["logprobs"]))
    return passed(1, why) if ok else failed(spec["tokens"], why)


def _not_here(spec: Mapping[str, Any]) -> Finding | None:
    """Why rollouts of this policy say nothing of GRPO's, if so."""
    if not spec:
        return not_applicable(NOT_GRPO)
    return not_applicable(NOT_YET) if not spec["final"] else None


@guard(
    "ceiling-probe", stage="probe", needs=("rollouts",), threshold=CUT_SHARE, unit="share of completions cut",
    source="huggingface/trl#5697", classes=("R3", "R4"),
)  # fmt: skip
def ceiling_probe(facts: Facts) -> Finding:
    """At most a quarter of the completions that GRPO would draw meet the ceiling: those are cut before their answer."""
    spec = facts["rollouts"]
    if found := _not_here(spec):
        return found
    cut = [one for group in spec["groups"] for one in group["cut"]]
    share = sum(cut) / len(cut)
    told = f"{sum(cut)} of {len(cut)} completions meet {spec['drawn_tokens']} tokens"
    if share <= CUT_SHARE:
        return passed(share, told)
    if spec["drawn_tokens"] < spec["ceiling"]:
        return unknown(f"{told}, where this probe ends; the ceiling is {spec['ceiling']}")
    if share >= ALL_CUT:
        return failed(share, f"{told}: hardly an answer would ever be judged")
    return warned(share, told)


@guard(
    "group-variance-probe", stage="probe", needs=("rollouts",), threshold=FLAT_SHARE,
    unit="share of groups with equal rewards", source="huggingface/trl#3857", classes=("L1",),
)  # fmt: skip
def group_variance_probe(facts: Facts) -> Finding:
    """Most groups have rewards that differ: equal ones have advantage 0 and teach nothing."""
    spec = facts["rollouts"]
    if found := _not_here(spec):
        return found
    scores = [[one for one in group["scores"] if one is not None] for group in spec["groups"]]
    scores = [group for group in scores if len(group) > 1]
    if not scores:
        return unknown("no group has two judged completions")
    flat = [group for group in scores if pstdev(group) < 1e-9]
    share = len(flat) / len(scores)
    told = f"{len(flat)} of {len(scores)} groups of {len(scores[0])} have equal rewards"
    told += f", mean reward {fmean(one for group in scores for one in group):.2f}"
    if share >= ALL_FLAT:
        return failed(share, f"{told}: there is no gradient")
    return warned(share, told) if share > FLAT_SHARE else passed(share, told)


@guard(
    "distinct-samples", stage="probe", needs=("rollouts",), threshold=DISTINCT_SHARE,
    unit="share of groups that do not repeat one completion", source="vllm-project/vllm#11953", classes=("R5",),
)  # fmt: skip
def distinct_samples(facts: Facts) -> Finding:
    """Samples of a prompt differ, requests have seeds of their own, and lengths vary."""
    spec = facts["rollouts"]
    if not spec:
        return not_applicable(NOT_GRPO)
    if spec["temperature"] == 0:
        return not_applicable("greedy: samples of a prompt are equal by construction")
    groups = [group for group in spec["groups"] if len(group["texts"]) > 1]
    if not groups:
        return unknown("no prompt was answered twice")
    share = sum(not _repeats(group) for group in groups) / len(groups)
    seeds = [one for group in groups for one in group["seeds"] if one is not None]
    lengths = [one for group in groups for one in group["tokens"]]
    if share < DISTINCT_SHARE:
        why = "repeat one completion that is not likely enough for that: a fixed seed, or greedy"
        return failed(share, f"of {len(groups)} groups the rest {why}")
    if len(set(seeds)) < len(seeds):
        return failed(share, f"{len(seeds)} requests share {len(set(seeds))} seeds: they draw the same noise")
    if len(lengths) >= 8 and len(set(lengths)) == 1 and not all(one for group in groups for one in group["cut"]):
        return failed(share, f"all {len(lengths)} completions have {lengths[0]} tokens: no model writes like that")
    return passed(share, f"{len(groups)} groups; {min(lengths)} to {max(lengths)} tokens")


def _agreeing(spec: Mapping[str, Any], what: str) -> Finding:
    """Pass where all greedy completions agree; in half precision a near-tie may fall either way."""
    share, told = 1 - len(spec["differing"]) / spec["of"], f"{spec['of']} greedy completions {what}"
    if not spec["differing"]:
        return passed(1.0, f"{told} agree")
    told = f"{told} differ in {listed(spec['differing'], spec['of'])}"
    if spec["half"] and share >= 0.5:
        return warned(share, f"{told}: in half precision near-ties fall either way")
    return failed(share, told)


def _repeats(group: Mapping[str, Any]) -> bool:
    """Whether all completions are one, and chance would hardly draw it so often."""
    return len(set(group["texts"])) == 1 and group.get("chance", 0.0) < BY_CHANCE


@guard(
    "kv-cache", stage="probe", needs=("cache",), threshold=1.0, unit="share of completions that agree",
    source="proposed", classes=("R1",),
)  # fmt: skip
def kv_cache(facts: Facts) -> Finding:
    """Greedy completions are the same with the key-value cache and without."""
    return _agreeing(facts["cache"], "with the cache and without")


@guard(
    "batch-padding", stage="probe", needs=("batching",), threshold=1.0, unit="share of completions that agree",
    source="huggingface/transformers#26569", classes=("T8",),
)  # fmt: skip
def batch_padding(facts: Facts) -> Finding:
    """A prompt's greedy completion is the same alone and beside a longer prompt."""
    return _agreeing(facts["batching"], "alone and in a batch")


@guard(
    "sampler-sync-probe", stage="probe", needs=("sync",), threshold=SYNC_NATS,
    unit="nats between sampler and trainer, mean", source="huggingface/trl#5312, huggingface/trl#4772",
    classes=("R1", "K4"),
)  # fmt: skip
def sampler_sync_probe(facts: Facts) -> Finding:
    """After a real update the sampler's log-probabilities are those of the trainer's new weights."""
    spec = facts["sync"]
    if not spec:
        return not_applicable(NOT_GRPO)
    if spec.get("unknown"):
        return unknown(spec["unknown"])
    gap, moved = spec["gap"], spec["moved"]
    told = f"over {spec['tokens']} tokens; the update moved the trainer's own by {moved:.3g}"
    if not math.isfinite(gap):
        return failed(gap, f"{told}: not numbers")
    if moved < MOVED_AT_LEAST:
        return unknown(f"the update moved the trainer by {moved:.2g} nats: too little to tell old weights from new")
    if gap > 0.5 * moved:
        return failed(gap, f"{told}: the sampler still holds the old weights", 0.5 * moved)
    return warned(gap, told) if gap > SYNC_NATS else passed(gap, told)
