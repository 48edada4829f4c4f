"""A completion that begins with a trace of abstract codes: what may come where, and log-probabilities renormalised so.

Sampler and trainer share `renormalised`, so that both mean the same distribution. It draws nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from caderno.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Constraint:
    """Codes only until `min_codes`, then codes or END, END by force after `max_codes` codes; after END all is free.

    The completion starts right after BEGIN. Raises BadInput for bounds or ids that contradict each other.
    """

    code_ids: tuple[int, ...]
    end_id: int
    min_codes: int
    max_codes: int

    def __post_init__(self) -> None:
        if not 0 <= self.min_codes <= self.max_codes or self.max_codes < 1:
            raise BadInput(
                f"between {self.min_codes} and {self.max_codes} codes",
                expected="0 <= min_codes <= max_codes, and max_codes at least 1", where="constraint",
            )  # fmt: skip
        if not self.code_ids or len({*self.code_ids, self.end_id}) <= len(self.code_ids) or min(self.allowed_ids) < 0:
            raise BadInput(
                f"codes {self.code_ids[:8]} and END {self.end_id}",
                expected="at least one code, each once, and END none of them", where="constraint",
            )  # fmt: skip

    @property
    def allowed_ids(self) -> tuple[int, ...]:
        """The codes and then END: the columns that a trace's tokens are drawn from."""
        return (*self.code_ids, self.end_id)

    def codes(self, token_ids: list[int]) -> tuple[int, ...]:
        """The codes that a completion begins with, without END."""
        return tuple(token_ids[: token_ids.index(self.end_id)] if self.end_id in token_ids else token_ids)


def answer_seed(seed: int) -> int:
    """Seed of the noise after END: another stream than the trace's, so that neither depends on the other's length."""
    return int.from_bytes(hashlib.sha256(f"answer {seed}".encode()).digest()[:8], "big") >> 1


class Places(NamedTuple):
    """What each place (B, T) of completions is; all three boolean."""

    trace: Tensor  # part of the trace, its END included
    early: Tensor  # END is not allowed yet
    forced: Tensor  # END is all that is allowed, also after it should have come


def places(tokens: Tensor, constraint: Constraint) -> Places:
    """Of completions (B, T) that begin right after BEGIN. Padding after the answer counts as answer."""
    import torch

    ends = (tokens == constraint.end_id).long()
    trace = (ends.cumsum(-1) - ends) == 0  # no END before
    step = torch.arange(tokens.shape[-1], device=tokens.device)
    return Places(trace, (step < constraint.min_codes) & trace, (step >= constraint.max_codes) & trace)


def renormalised(logits: Tensor, allowed: Tensor) -> Tensor:
    """Log-probabilities (..., V) over what is `allowed`, a boolean mask that broadcasts to (..., V); -inf elsewhere."""
    return logits.masked_fill(~allowed, float("-inf")).log_softmax(-1)


def trace_logprobs(columns: Tensor, early: Tensor) -> Tensor:
    """Logits (..., A) of `allowed_ids` -> log-probabilities (..., A); `early` (...) is where END is not allowed yet."""
    allowed = early.new_ones(*early.shape, columns.shape[-1])
    allowed[..., -1] = ~early
    return renormalised(columns, allowed)


def constrained_logprobs(
    logits: Tensor, tokens: Tensor, constraint: Constraint, temperature: float = 1.0, mask: Tensor | None = None
) -> Tensor:
    """Log-probabilities (B, T), nats, of the tokens (B, T) that logits (B, T, V) predicted, as the sampler drew them.

    In the trace they are renormalised over what was allowed there, 0 for an END that was forced, -inf for a token
    that the constraint rules out; after END they are the free ones. All at `temperature`, in float32, differentiable.
    Where `mask` (B, T) is false (padding, or a completion cut before its END) they are 0.
    """
    import torch

    logits = logits.float() if temperature == 1 else logits.float() / temperature
    where = places(tokens, constraint)
    free = logits.gather(-1, tokens[..., None]).squeeze(-1) - logits.logsumexp(-1)
    ids = torch.tensor(constraint.allowed_ids, device=logits.device)
    allowed = trace_logprobs(logits[..., ids], where.early)  # (B, T, A)
    same = tokens[..., None] == ids  # (B, T, A)
    # A sum over one chosen column; -inf times 0 would be NaN, hence the fill.
    inside = allowed.masked_fill(~same, 0.0).sum(-1).masked_fill(~same.any(-1), float("-inf"))
    ended = torch.where(tokens == constraint.end_id, 0.0, float("-inf"))
    chosen = torch.where(where.forced, ended, torch.where(where.trace, inside, free))
    return chosen if mask is None else torch.where(mask.bool(), chosen, 0.0)


class TraceProcessor:
    """The constraint as a logits processor for transformers' `generate`, every row's prompt ending with BEGIN.

    Vectorised: three rows of allowed ids (V,), a flag per row, a step counter; one object for one call of `generate`.
    The engines of `caderno.generation` choose for themselves; this is for trainers that generate on their own.
    """

    def __init__(self, constraint: Constraint) -> None:
        self.constraint, self.step = constraint, 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) -> the same with -inf where the constraint rules a token out."""
        step, self.step = self.step, self.step + 1
        if step > self.constraint.max_codes:
            return scores
        if step == 0:
            self._begin(scores)
        else:
            self.done = self.done | (input_ids[:, -1] == self.constraint.end_id)
        forced, early = step == self.constraint.max_codes, step < self.constraint.min_codes
        banned = self.banned[2 if forced else 0 if early else 1]
        return scores.masked_fill(banned & ~self.done[:, None], float("-inf"))

    def _begin(self, scores: Tensor) -> None:
        import torch

        self.done = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)  # (B,), END has come
        early, later, forced = (torch.ones(scores.shape[-1], dtype=torch.bool, device=scores.device) for _ in range(3))
        early[list(self.constraint.code_ids)] = False
        later[list(self.constraint.allowed_ids)] = False
        forced[self.constraint.end_id] = False
        self.banned = (early, later, forced)  # (V,) each
