"""TRL's GRPOTrainer with log-probabilities of the trace under its constraint: policy, reference and old policy alike.

It overrides where TRL takes log-probabilities and adds metrics by segment; loss, advantages and clipping are TRL's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from trl import GRPOTrainer

from caderno.errors import BadInput
from caderno.generation.constraint import Constraint, constrained_logprobs, places, trace_logprobs

if TYPE_CHECKING:
    from torch import Tensor


class AbstractGRPOTrainer(GRPOTrainer):
    """GRPO over z and y; made by `caderno.abstract.rl.trainer`, which sets the constraint before the first step."""

    constraint: Constraint
    _taken: dict[str, Tensor]  # the batch whose loss is being computed

    def _get_per_token_logps_and_entropies(
        self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, compute_entropy=False,
        compute_aux_loss=False, **_,
    ):  # fmt: skip
        """(log-probabilities, entropies or None, None), both (B, T) over the completion, 0 where it is padding.

        At the rollouts' temperature. Entropies are of the distribution that was drawn from, and carry no gradient.
        """
        if compute_aux_loss:
            raise BadInput("a mixture-of-experts policy", expected="a dense model", where="the RL's policy")
        logps, entropies, rows = [], [], batch_size or len(input_ids)
        for ids, mask in zip(input_ids.split(rows), attention_mask.split(rows), strict=True):
            tokens, kept = ids[:, -logits_to_keep:], mask[:, -logits_to_keep:] == 1
            logits = self._completion_logits(model, ids, mask, logits_to_keep)  # (B, T, V)
            logps.append(constrained_logprobs(logits, tokens, self.constraint, self.temperature, kept))
            if compute_entropy:
                spread = constrained_entropies(logits.detach(), tokens, self.constraint, self.temperature)
                entropies.append(spread.masked_fill(~kept, 0.0))
        found = torch.cat(logps)
        if not compute_entropy:
            return found, None, None
        spread = torch.cat(entropies)
        completion = slice(-logits_to_keep, None)
        self._note_segments(found.detach(), spread, input_ids[:, completion], attention_mask[:, completion])
        return found, spread, None

    def _completion_logits(self, model, ids: Tensor, mask: Tensor, tokens: int) -> Tensor:
        """(B, T, V): what predicts each of the completion's tokens. A group's prompt is read once, not once a member.

        Gradient checkpointing keeps no cache, so there every row reads its own prompt.
        """
        positions = (mask.cumsum(-1) - 1).clamp(min=0)  # as in generation: prompts are padded on the left
        after = slice(-tokens - 1, -1)  # BEGIN, and the completion but for its last token
        prompts = torch.cat([ids[:, : after.start], mask[:, : after.start]], dim=1)
        distinct, group = prompts.unique(dim=0, return_inverse=True)
        if len(distinct) == len(ids) or not prompts.shape[1] or self.args.gradient_checkpointing:
            given = {"logits_to_keep": tokens + 1} if "logits_to_keep" in self.model_kwarg_keys else {}
            read = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, **given)
            return read.logits[:, after]
        member = group.new_empty(len(distinct)).scatter_(0, group, torch.arange(len(ids), device=group.device))
        cache = self._read(model, ids, mask, positions, member, after.start)
        cache.batch_select_indices(group)
        return model(
            input_ids=ids[:, after], attention_mask=mask[:, :-1], position_ids=positions[:, after],
            past_key_values=cache, use_cache=True,
        ).logits  # fmt: skip

    def _read(self, model, ids: Tensor, mask: Tensor, positions: Tensor, rows: Tensor, end: int):
        """The cache of these rows' prompts, differentiable."""
        given = {"logits_to_keep": 1} if "logits_to_keep" in self.model_kwarg_keys else {}
        prompt = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        prompt = {name: one[rows, :end] for name, one in prompt.items()}
        return model(**prompt, use_cache=True, **given).past_key_values

    def _compute_loss(self, model, inputs):
        self._taken = inputs
        return super()._compute_loss(model, inputs)

    def _note_segments(self, logps: Tensor, entropies: Tensor, tokens: Tensor, mask: Tensor) -> None:
        """Log z/entropy, y/entropy and, with a reference, z/kl and y/kl: means over the tokens that were a choice."""
        values = {"entropy": entropies}
        if (reference := self._taken.get("ref_per_token_logps")) is not None:
            values["kl"] = (reference - logps).expm1() - (reference - logps)  # as TRL's: k3, never negative
        where = places(tokens, self.constraint)
        segments = {"z": where.trace & ~where.forced & mask.bool(), "y": ~where.trace & mask.bool()}
        metrics = self._metrics["train" if self.model.training else "eval"]
        for segment, here in segments.items():
            for name, value in values.items():
                metrics[f"{segment}/{name}"].append(self._mean(value, here))
        if (sampled := self._taken.get("sampling_per_token_logps")) is not None:
            gap = ((sampled - logps).abs() * mask).max()
            metrics["sampling/logprob_gap"].append(self.accelerator.gather(gap).max().item())

    def _mean(self, values: Tensor, here: Tensor) -> float:
        """Mean over these places in all processes; NaN, which TRL leaves out of its means, where there are none."""
        total, count = self.accelerator.reduce(torch.stack([values[here].sum(), here.sum()]), reduction="sum")
        return (total / count).item()


def constrained_entropies(logits: Tensor, tokens: Tensor, constraint: Constraint, temperature: float) -> Tensor:
    """Nats (B, T) of the distribution each token was drawn from, at a temperature; logits (B, T, V)."""
    where, logits = places(tokens, constraint), logits.float() / temperature
    columns = logits[..., list(constraint.allowed_ids)]
    inside = _entropy(trace_logprobs(columns, where.early)).masked_fill(where.forced, 0.0)
    return torch.where(where.trace, inside, _entropy(logits.log_softmax(-1)))


def _entropy(logprobs: Tensor) -> Tensor:
    """Nats over the last dimension; what is impossible adds nothing."""
    return -(logprobs.exp() * logprobs.masked_fill(logprobs == -torch.inf, 0.0)).sum(-1)
