"""Calibration made deep: what GRPO would find at this start, and a ticket that says go or no-go, with reasons.

It works on scored samples and draws none (`caderno.evaluation`); figures, tables and verdicts are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from caderno import chat, evaluation
from caderno.calibration import failures, measures
from caderno.calibration.agreement import zero_advantage
from caderno.calibration.shares import clustered_share
from caderno.calibration.ticket import ticket

if TYPE_CHECKING:
    from caderno.generation import Engine
    from caderno.params import Params

__all__ = ["analyse", "clustered_share", "rollout_rows", "room_tokens", "ticket", "zero_advantage"]


def analyse(
    drawn: Mapping[str, Sequence[dict]], params: Params, *, rollouts: Sequence[dict] = (),
    room_tokens: int | None = None,
) -> dict:  # fmt: skip
    """The stage's result: `evaluation.calibration`'s keys, and measures, groups, failures, temperatures, ticket.

    drawn: sampling ("training", "deployment") -> scored samples of held-out rows, in the form of samples.jsonl.
    rollouts: samples of GRPO's own prompts at the training sampling; the ticket is judged on them where there are any.
    room_tokens: what the context leaves for a completion beside the longest prompt (see `room_tokens`).
    """
    every = {**drawn, "rollouts": rollouts} if rollouts else drawn
    found, groups = measures.of_tasks(every, params), measures.of_prompts(every, params)
    pairs = measures.temperatures(drawn)
    return {
        **evaluation.calibration(drawn),
        "measures": found,
        "groups": groups,
        "temperatures": pairs,
        "failures": failures.kinds(every),
        "ticket": ticket(found, groups, pairs, params, room_tokens),
    }


def rollout_rows(train: Sequence[dict], params: Params) -> list[dict]:
    """As many of GRPO's own prompts as calibration has rows, spread evenly: SFT may have seen the first ones only."""
    prompts = train[: params.grpo.train_prompts]
    n = min(params.calibration.rows, len(prompts))
    return [prompts[i * len(prompts) // n] for i in range(n)]


def room_tokens(engine: Engine, found: Iterable[dict]) -> int:
    """Tokens the engine's context leaves for a completion beside the longest of the samples' prompts."""
    prompts = {sample["prompt"] for sample in found}
    return engine.context_tokens - max(len(chat.encode(engine.tokenizer, prompt)) for prompt in prompts)
