"""Traces and nothing after them by transformers: equal prompts prefilled once, the head narrowed to what is allowed.

Which code comes next is `choosing.Tracer`'s; completions with an answer go through `generate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from caderno.generation.choosing import Tracer, finite
from caderno.generation.decoding import branch, folded
from caderno.generation.hf import padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from caderno.generation import Request, Sampling

SYNC_STEPS = 4  # steps between asking whether all rows have ended, for which the host has to wait


@torch.inference_mode()
def draw(
    model: PreTrainedModel, requests: list[Request], sampling: Sampling, pad_id: int
) -> list[tuple[list[int], list[float] | None]]:
    """(ids up to END, their renormalised log-probabilities) per request; all requests have the same constraint."""
    tracer = Tracer(requests[0].constraint, [r.seed for r in requests], sampling, model.device)
    with folded(model), narrow_head(model, tracer.ids):
        steps = [*_steps(model, requests, tracer, pad_id)]
    ids, logprobs = (torch.stack(column, dim=1) for column in zip(*steps, strict=True))  # (B, T) each
    lengths = ((ids == tracer.constraint.end_id).int().argmax(1) + 1).tolist()
    kept = zip(ids.tolist(), finite(logprobs).tolist(), lengths, strict=True)
    return [(row[:n], values[:n] if sampling.logprobs else None) for row, values, n in kept]


def _steps(
    model: PreTrainedModel, requests: list[Request], tracer: Tracer, pad_id: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ids and log-probabilities (B,) of step after step, until every row has ended; what follows an END is noise."""
    prompts = {tuple(r.prompt_ids): None for r in requests}
    place = {prompt: row for row, prompt in enumerate(prompts)}
    owners = torch.tensor([place[tuple(r.prompt_ids)] for r in requests], device=model.device)  # (B,)
    ids, mask = padded([list(prompt) for prompt in prompts], pad_id, model.device)  # (U, P) each
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True)
    cache, columns = out.past_key_values, out.logits[:, -1].float()[owners]  # (B, A)
    constraint, width = tracer.constraint, mask.shape[1]
    branch(cache, owners, constraint.max_codes)
    mask = torch.cat([mask[owners], mask.new_ones(len(owners), constraint.max_codes)], dim=1)
    positions = positions[owners, -1:]
    for step in range(constraint.max_codes):
        chosen, logprobs = tracer(columns)
        yield chosen, logprobs
        if step + 1 < constraint.max_codes:
            if (step - constraint.min_codes) % SYNC_STEPS == 0 and tracer.done.all():
                return
            columns = model(
                input_ids=chosen[:, None], attention_mask=mask[:, : width + step + 1],
                position_ids=positions + step + 1, past_key_values=cache, use_cache=True,
            ).logits[:, -1].float()  # fmt: skip
    yield tracer(columns)  # END by force: needs no logits of its own


@contextmanager
def narrow_head(model: PreTrainedModel, ids: torch.Tensor) -> Iterator[None]:
    """The model with a head of these rows only, so that whatever it does to its logits is still done; then put back."""
    head = model.get_output_embeddings()
    narrow = torch.nn.Linear(1, 1, bias=False)
    narrow.weight = torch.nn.Parameter(head.weight[ids].detach(), requires_grad=False)
    bias = getattr(head, "bias", None)
    narrow.bias = None if bias is None else torch.nn.Parameter(bias[ids].detach(), requires_grad=False)
    model.set_output_embeddings(narrow)
    try:
        yield
    finally:
        model.set_output_embeddings(head)
