"""Choosing among candidate traces by what they tell the answer: an E-step for Eq. 1 of arXiv 2604.22709. Ours.

The paper's rounds sample traces from the policy that is then trained on them, which selects nothing: the score
identity makes the expected gradient of z zero. It trains nothing itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from caderno.abstract import bottleneck, sequences, traces
from caderno.abstract.rows import traced
from caderno.generation.constraint import constrained_logprobs

if TYPE_CHECKING:
    import torch

    from caderno.abstract.rows import Item
    from caderno.abstract.sequences import Segments
    from caderno.abstract.traces import Trace
    from caderno.abstract.vocabulary import AbstractVocabulary
    from caderno.generation import Engine
    from caderno.models import Policy
    from caderno.params.abstract_sections import SelectionParams, TraceParams

BATCH_ROWS = 256


@dataclass(frozen=True)
class Chosen:
    """One trace per row that has candidates, and what the choice was like.

    `report`: rows, candidates, effective_candidates (1 / sum of squared weights, mean over rows), teacher_share (of
    those chosen), and logp_y of the chosen and of all candidates, mean nats.
    """

    codes: dict[str, tuple[int, ...]]
    report: dict[str, Any]


def candidates(
    engine: Engine, items: Sequence[Item], vocabulary: AbstractVocabulary, spec: TraceParams, choice: SelectionParams,
    *, run: str, seed: int = 0,
) -> list[tuple[Trace, bool]]:  # fmt: skip
    """K traces of every item, each with whether the teacher drew it: the policy with the thought C in sight."""
    taught = round(choice.candidates * choice.teacher_share)
    prompts = {
        True: [(item.row_id, [*item.x, *item.c]) for item in items],
        False: [(item.row_id, list(item.x)) for item in items],
    }
    samples = {True: taught, False: choice.candidates - taught}
    return [
        (trace, teacher)
        for teacher in (True, False)
        if samples[teacher]
        for trace in traces.draw(
            engine, prompts[teacher], vocabulary, spec, run=f"{run} {'teacher' if teacher else 'student'}",
            samples=samples[teacher], seed=seed, logprobs=False,
        ).traces
    ]  # fmt: skip


def choose(
    policy: Policy, items: Sequence[Item], drawn: Sequence[tuple[Trace, bool]], vocabulary: AbstractVocabulary,
    spec: TraceParams, choice: SelectionParams, *, seed: int,
) -> Chosen:  # fmt: skip
    """One candidate a row, drawn with probability proportional to pi(y|x,z)^sharpness pi(z|x) / q(z), without C.

    q is the mixture that the candidates come from, (teacher_share) pi(z|x,c) + (1 - teacher_share) pi(z|x): a trace
    that only the teacher would write counts little, however well it tells the answer.
    """
    by_id = {item.row_id: item for item in items}
    rows = [by_id[trace.row_id].segments(traced(vocabulary, trace.codes)) for trace, _ in drawn]
    told = answer_logprobs(policy, rows)
    student = trace_logprobs(policy, rows, vocabulary, spec)
    taught = round(choice.candidates * choice.teacher_share) / choice.candidates
    teacher = student
    if taught:
        thinking = [replace(row, c=by_id[row.row_id].c) for row in rows]
        teacher = trace_logprobs(policy, thinking, vocabulary, spec)
    scores = choice.sharpness * told + student - _mixture(teacher, student, taught)
    return _drawn(drawn, scores, told, seed)


def _mixture(teacher: torch.Tensor, student: torch.Tensor, taught: float) -> torch.Tensor:
    """log of the density that the candidates come from (N,)."""
    import torch

    shares = torch.tensor([taught, 1 - taught]).log()
    return torch.stack([teacher + shares[0], student + shares[1]]).logsumexp(0)


def _drawn(
    drawn: Sequence[tuple[Trace, bool]], scores: torch.Tensor, told: torch.Tensor, seed: int
) -> Chosen:  # fmt: skip
    places: dict[str, list[int]] = {}
    for place, (trace, _) in enumerate(drawn):
        places.setdefault(trace.row_id, []).append(place)
    dice, chosen, effective = random.Random(f"selection {seed}"), [], []
    for mine in places.values():
        weights = scores[mine].softmax(0)
        effective.append(1 / weights.square().sum().item())
        chosen.append(dice.choices(mine, weights=weights.tolist())[0])
    report = {
        "rows": len(places), "candidates": len(drawn), "effective_candidates": sum(effective) / len(effective),
        "teacher_share": sum(drawn[place][1] for place in chosen) / len(chosen),
        "logp_y": told[chosen].mean().item(), "logp_y_candidates": told.mean().item(),
    }  # fmt: skip
    return Chosen({drawn[place][0].row_id: drawn[place][0].codes for place in chosen}, report)


def answer_logprobs(policy: Policy, rows: Sequence[Segments]) -> torch.Tensor:
    """log pi(y|x,z) of every row (N,), nats, summed over y's tokens with its EOS."""
    import torch

    return torch.cat([_answer_batch(policy, batch) for batch in _batches(rows)])


def trace_logprobs(
    policy: Policy, rows: Sequence[Segments], vocabulary: AbstractVocabulary, spec: TraceParams
) -> torch.Tensor:
    """log pi(z|x), or log pi(z|x,c) for rows with a c, under the constraint (N,), nats, at the traces' temperature."""
    import torch

    asked = traces.constraint(vocabulary, spec)
    return torch.cat([_trace_batch(policy, batch, asked, spec.temperature or 1.0) for batch in _batches(rows)])


def _batches(rows: Sequence[Segments]) -> list[list[Segments]]:
    return [list(rows[start : start + BATCH_ROWS]) for start in range(0, len(rows), BATCH_ROWS)]


def _answer_batch(policy: Policy, rows: list[Segments]) -> torch.Tensor:
    import torch

    batch = _on(policy, sequences.collate(rows, policy.tokenizer.eos_token_id, loss_on=("y",)))
    with torch.inference_mode():
        found = bottleneck.token_nll(policy.model.eval(), batch)
    return torch.zeros(len(rows)).index_add_(0, found.rows.cpu(), -found.nll.float().cpu())


def _trace_batch(policy: Policy, rows: list[Segments], asked: Any, temperature: float) -> torch.Tensor:
    """Z's tokens after BEGIN, padded on the right to the longest; logits for those places alone."""
    import torch

    bare = [replace(row, y=()) for row in rows]
    batch = _on(policy, sequences.collate(bare, policy.tokenizer.eos_token_id, loss_on=("z",)))
    lengths = [len(row.z) - 1 for row in rows]
    width = max(lengths)
    starts = torch.tensor([len(row) - length - 1 for row, length in zip(bare, lengths, strict=True)])
    places = (starts[:, None] + torch.arange(width)).clamp(
        max=batch["input_ids"].shape[1] - 1
    )  # (B, W), of what predicts
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    tokens = torch.full((len(rows), width), asked.end_id)
    for place, row in enumerate(rows):
        tokens[place, : lengths[place]] = torch.tensor(row.z[1:])
    with torch.inference_mode():
        states = bottleneck.hidden_states(policy.model.eval(), batch)
        states = states.gather(1, places[..., None].to(states.device).expand(-1, -1, states.shape[-1]))
        logits = policy.model.get_output_embeddings()(states).float().cpu()
        return constrained_logprobs(logits, tokens, asked, temperature, mask).sum(-1)


def _on(policy: Policy, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.to(policy.model.device) for name, value in batch.items()}
