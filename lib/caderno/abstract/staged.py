"""Staged EM: codes found operation by operation, from the answers of prefixes that grow. Ours; not the paper's.

Stage j trains on j-operation prefixes of the rows; the answer read off the last code alone gives p(y|z_j) for every
code, so that the E-step over z_j is exact. Caveat, wherever its figures are shown: the curriculum is hidden process
supervision, since a prefix's answer is the j-th intermediate value, and there is no bottleneck phase.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from caderno.abstract import bottleneck, sequences, traces
from caderno.abstract.rows import Item, traced

if TYPE_CHECKING:
    from caderno.abstract.vocabulary import AbstractVocabulary
    from caderno.generation import Engine
    from caderno.models import Policy
    from caderno.params.abstract_sections import StagedParams, TraceParams

Rows = Sequence[sequences.Segments]
Codes = dict[tuple[int, int], tuple[int, ...]]  # (operations, row) -> the row's prefix's codes
SINKHORN_ITERATIONS, SINKHORN_TEMPERATURE, LIKELIHOOD_TEMPERATURE = 40, 0.1, 0.3
WARMUP_STEPS, LEAST_STEPS, LEAST_RATE, MARGINAL_DECAY = 50, 40, 0.1, 0.9


@dataclass
class Curriculum:
    """What the stages share: prefixes[j - 1][i] is row i cut to j operations; `codes` are found as stages end."""

    policy: Policy
    vocabulary: AbstractVocabulary
    spec: StagedParams
    prefixes: list[list[Item]]
    codes: Codes = field(default_factory=dict)

    def batch(self, stage: int, dice: random.Random) -> list[tuple[int, int]]:
        """(operations, row) of a step: most of the stage's length, some shorter."""
        rows = dice.choices(range(len(self.prefixes[0])), k=self.spec.batch_size)
        short = [stage > 1 and dice.random() < self.spec.earlier_share for _ in rows]
        short[0] = short[0] and not all(short)  # without one of its length a stage cannot be told how far it is
        return [(dice.randint(1, stage - 1) if less else stage, row) for less, row in zip(short, rows, strict=True)]


def run_stage(
    curriculum: Curriculum, stage: int, *, seed: int, report: Callable[[int, dict[str, float]], None],
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """Train stage `stage` until the marginal is good or its steps are spent.

    Returns steps, nats (-log marginal of y, a running mean over steps), codes_used, seconds, and whether it advanced.
    """
    spec, model = curriculum.spec, curriculum.policy.model
    most = spec.first_steps if stage == 1 else spec.stage_steps
    least = round(most * (spec.balanced_share + spec.likelihood_share)) if stage == 1 else LEAST_STEPS
    optimizer = _optimizer(model, spec)
    rates = [group["lr"] for group in optimizer.param_groups]
    dice, started, nats, step, used = random.Random(f"staged {seed} {stage}"), monotonic(), math.inf, 0, 0
    torch.manual_seed(seed * 100 + stage)
    while step < most and not stop():
        _rate(optimizer, rates, step, most)
        found = _step(curriculum, curriculum.batch(stage, dice), stage, _way(spec, stage, step), optimizer)
        nats = MARGINAL_DECAY * nats + (1 - MARGINAL_DECAY) * found["nats"] if step else found["nats"]
        step, used = step + 1, found["codes_used"]
        report(step, {**found, "nats": nats})
        if step > least and nats < spec.advance_nats:
            break
    return {
        "steps": step, "nats": nats, "codes_used": used, "seconds": monotonic() - started,
        "advanced": nats < spec.advance_nats,
    }  # fmt: skip


def keep_codes(curriculum: Curriculum, engine: Engine, stage: int, spec: TraceParams, run: str) -> None:
    """The greedy codes of every row's j-operation prefix: what the next stage teaches as the codes before its last."""
    bounds = spec.model_copy(update={"min_codes": stage, "max_codes": stage, "temperature": 0.0})
    items = curriculum.prefixes[stage - 1]
    prompts = [(str(place), item.x) for place, item in enumerate(items)]
    drawn = traces.draw(engine, prompts, curriculum.vocabulary, bounds, run=run, logprobs=False).traces
    curriculum.codes |= {(stage, int(trace.row_id)): trace.codes for trace in drawn}


def _way(spec: StagedParams, stage: int, step: int) -> str:
    """How the last code is assigned: balanced, by likelihood, or by the posterior.

    Without the balance at the start the codes collapse to one constant.
    """
    share = step / spec.first_steps
    if stage > 1 or share >= spec.balanced_share + spec.likelihood_share:
        return "posterior"
    return "balanced" if share < spec.balanced_share else "likelihood"


def _step(
    curriculum: Curriculum, batch: Sequence[tuple[int, int]], stage: int, way: str, optimizer: torch.optim.Optimizer
) -> dict[str, float]:
    """One E-step on a batch and one M-step: what is logged of it."""
    model, vocabulary = curriculum.policy.model, curriculum.vocabulary
    items = [curriculum.prefixes[operations - 1][row] for operations, row in batch]
    before = [curriculum.codes.get((operations - 1, row), ()) for operations, row in batch]
    with torch.no_grad():
        prior = _prior(curriculum, items, before)  # (B, M)
        told = _alone(curriculum, items)  # (B, M)
        marginal = -(prior + told).logsumexp(-1)  # (B,)
        posterior = _assign(told, prior, way, curriculum.spec)  # (B, M)
        last = torch.multinomial(posterior, 1)[:, 0].tolist()
    rows = [
        item.segments(traced(vocabulary, (*codes, vocabulary.code_ids[code])))
        for item, codes, code in zip(items, before, last, strict=True)
    ]
    loss = _m_step_loss(curriculum, items, rows, posterior)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    new = torch.tensor([operations == stage for operations, _ in batch])
    used = int((posterior.mean(0) > 0.25 / len(vocabulary.code_ids)).sum())
    return {"loss": loss.item(), "nats": marginal[new].mean().item(), "codes_used": used}


def _m_step_loss(curriculum: Curriculum, items: Sequence[Item], rows: Rows, posterior: Tensor) -> Tensor:
    """Cross-entropy of z_j to its posterior, of the codes before it, END and y to theirs, and of y off z_j alone."""
    batch = sequences.collate(rows, curriculum.policy.tokenizer.eos_token_id)
    states = bottleneck.hidden_states(curriculum.policy.model, batch)  # (B, T, H)
    given, last = torch.arange(len(rows)), torch.tensor([len(row.x) + len(row.z) - 2 for row in rows])
    batch["labels"][given, last] = sequences.IGNORED  # z_j, which has a soft target instead
    at, before = (batch["labels"][:, 1:] != sequences.IGNORED).nonzero(as_tuple=True)
    targets = batch["labels"][at, before + 1]
    hard = F.cross_entropy(_logits(curriculum, states[at, before]), targets, reduction="sum") / len(rows)
    soft = -(posterior * _codes_of(curriculum, states[given, last - 1])).sum(-1).mean()
    alone = -(posterior * _alone(curriculum, items)).sum(-1).mean()
    return hard + soft + alone


def _logits(curriculum: Curriculum, states: Tensor) -> Tensor:
    return curriculum.policy.model.get_output_embeddings()(states).float()


def _codes_of(curriculum: Curriculum, states: Tensor) -> Tensor:
    """The codes' columns (B, M) of the log-probabilities over all tokens: as a free policy would write them."""
    return _logits(curriculum, states).log_softmax(-1)[:, list(curriculum.vocabulary.code_ids)]


def _prior(curriculum: Curriculum, items: Sequence[Item], before: Sequence[tuple[int, ...]]) -> Tensor:
    """log pi(z_j|x,z_<j), renormalised over the codes (B, M)."""
    vocabulary, policy = curriculum.vocabulary, curriculum.policy
    rows = [item.segments(traced(vocabulary, codes)) for item, codes in zip(items, before, strict=True)]
    states = bottleneck.hidden_states(policy.model, sequences.collate(rows, policy.tokenizer.eos_token_id))
    places = torch.tensor([len(row.x) + len(row.z) - 2 for row in rows])  # the last one before END
    columns = _logits(curriculum, states[torch.arange(len(rows)), places])
    return columns[:, list(vocabulary.code_ids)].log_softmax(-1)


def _alone(curriculum: Curriculum, items: Sequence[Item]) -> Tensor:
    """log p(y|z_j) of each item's answer under every code (B, M), by the same network run on BEGIN z_j END alone."""
    vocabulary, policy = curriculum.vocabulary, curriculum.policy
    order = {y: place for place, y in enumerate(dict.fromkeys(item.y for item in items))}
    rows = [
        sequences.Segments(f"{code} {place}", traced(vocabulary, (code,)), (), (), y)
        for place, y in enumerate(order)
        for code in vocabulary.code_ids
    ]
    found = bottleneck.token_nll(policy.model, sequences.collate(rows, policy.tokenizer.eos_token_id))
    told = torch.zeros(len(rows)).index_add(0, found.rows, -found.nll).view(len(order), -1)  # (answers, M)
    return told[[order[item.y] for item in items]]


def _assign(told: Tensor, prior: Tensor, way: str, spec: StagedParams) -> Tensor:
    """q(z_j) of every row (B, M)."""
    if way == "likelihood":
        return (told / LIKELIHOOD_TEMPERATURE).softmax(-1)
    if way == "posterior":
        return (spec.sharpness * told + prior.clamp(min=spec.prior_floor_nats)).softmax(-1)
    q = ((told - told.amax(-1, keepdim=True)) / SINKHORN_TEMPERATURE).exp().clamp(min=1e-30)
    for _ in range(SINKHORN_ITERATIONS):  # every code gets an equal share of the batch (Cuturi, 2013)
        q = q / q.sum(0, keepdim=True)
        q = q / q.sum(1, keepdim=True)
    return q


def _optimizer(model: torch.nn.Module, spec: StagedParams) -> torch.optim.Optimizer:
    from caderno.training.muon import MuonWithAdamW

    if spec.muon_learning_rate is not None:
        return MuonWithAdamW(model, spec.muon_learning_rate, spec.learning_rate)
    return torch.optim.AdamW(model.parameters(), lr=spec.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)


def _rate(optimizer: torch.optim.Optimizer, rates: Sequence[float], step: int, most: int) -> None:
    """Warm-up, then down to a tenth at the stage's last step: at a constant rate the marginal stays above its limit."""
    share = min(1.0, (step + 1) / WARMUP_STEPS) * max(LEAST_RATE, 1 - step / most)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * share
