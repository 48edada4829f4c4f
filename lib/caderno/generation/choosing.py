"""The next token of every row of a batch, drawn from that row's own stream of noise.

It works inside transformers' `generate` as the last logits processor: whatever it chooses gets the highest score. The
Gumbel-max trick, argmax(log p + G) ~ p (arXiv 1411.0030), needs no softmax and keeps a filtered token impossible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from caderno.errors import StageFailed
from caderno.generation.budgets import open_thought_tokens, tag_ids
from caderno.generation.constraint import Constraint, answer_seed, renormalised

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from caderno.generation import Request, Sampling

# Noise is drawn for several steps at once, to call each generator less often. The number of steps must depend on the
# vocabulary alone: were it the batch's, a request's noise would depend on its company.
NOISE_BLOCK = 16384


class Chooser(LogitsProcessor):
    """Chooses, and remembers the log-probability of what it chose. All requests have one constraint, or none."""

    def __init__(
        self,
        requests: list[Request],
        sampling: Sampling,
        tokenizer: PreTrainedTokenizerBase,
        device: torch.device,
    ) -> None:
        self.record = sampling.logprobs
        self.chosen_logprobs: list[torch.Tensor] = []  # T tensors of (B,)
        self.draw = Draw([r.seed if r.constraint is None else answer_seed(r.seed) for r in requests], sampling, device)
        limited = any(request.thinking_token_budget is not None for request in requests)
        self.limiter = ThoughtLimiter(requests, tokenizer, device) if limited else None
        constraint = requests[0].constraint
        self.tracer = None if constraint is None else Tracer(constraint, [r.seed for r in requests], sampling, device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (B, V), raw and in float32 -> the same with the chosen token of each row at +inf."""
        if self.tracer is None or self.tracer.step > self.tracer.constraint.max_codes:
            chosen, logprobs = self._free(scores)
        elif self.tracer.step <= self.tracer.constraint.min_codes:  # no END can have come before
            chosen, logprobs = self.tracer(scores[:, self.tracer.ids])
        else:
            done = self.tracer.done
            pairs = zip(self._free(scores), self.tracer(scores[:, self.tracer.ids]), strict=True)
            chosen, logprobs = (torch.where(done, free, traced) for free, traced in pairs)
        self.chosen_logprobs.append(logprobs)
        return scores.scatter_(1, chosen[:, None], torch.inf)

    def _free(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids (B,) with no constraint, and their log-probabilities (B,)."""
        chosen = self.draw(scores if self.limiter is None else self.limiter.allowed(scores))  # (B,)
        if self.limiter is not None:
            chosen = self.limiter(chosen)
        raw = scores.gather(1, chosen[:, None]).squeeze(1)
        return chosen, raw - scores.logsumexp(-1) if self.record else raw

    def logprobs(self) -> list[list[float]] | None:
        """(B, T) in nats, rows still unequal in meaning after their stop token. Raises StageFailed on NaN logits."""
        values = finite(torch.stack(self.chosen_logprobs, dim=1))  # (B, T)
        return values.tolist() if self.record else None


def finite(logprobs: torch.Tensor) -> torch.Tensor:
    """The same. Raises StageFailed where a log-probability is not a number."""
    if not logprobs.isfinite().all():
        raise StageFailed(
            "the model's logits are not finite",
            expected="numbers",
            where="generation",
            mend="Training has diverged, or the precision overflows: try an earlier checkpoint or float32.",
        )
    return logprobs


class Draw:
    """An id per row from scores: greedy, or by temperature, top-k and top-p from the row's own noise."""

    def __init__(self, seeds: list[int], sampling: Sampling, device: torch.device, steps: int | None = None) -> None:
        self.warpers = _warpers(sampling)
        self.noise = Noise(seeds, device, steps) if sampling.temperature > 0 else None

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (B, V) -> places (B,)."""
        if self.noise is None:
            return scores.argmax(-1)
        for warper in self.warpers:
            scores = warper(None, scores)
        return self.noise.argmax_with(scores)


class Tracer:
    """Draws the trace of every row under one constraint, from the columns of what a trace may hold, and nothing else.

    A static row of what is allowed, a flag per row, a step counter: no loop over rows, and the host waits for nothing.
    """

    def __init__(self, constraint: Constraint, seeds: list[int], sampling: Sampling, device: torch.device) -> None:
        self.constraint, self.step = constraint, 0
        self.ids = torch.tensor(constraint.allowed_ids, device=device)  # (A,), END last
        self.later = torch.ones_like(self.ids, dtype=torch.bool)
        self.early = self.ids != constraint.end_id
        self.done = torch.zeros(len(seeds), dtype=torch.bool, device=device)  # (B,), END has come
        self.draw = Draw(seeds, sampling, device, constraint.max_codes)

    def __call__(self, columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, A) of `ids` -> chosen ids (B,) and their renormalised log-probabilities (B,); forced END has 0."""
        if self.step == self.constraint.max_codes:
            chosen, chosen_logprobs = self.ids[-1].expand(len(columns)), columns.new_zeros(len(columns))
        else:
            logprobs = renormalised(columns, self.early if self.step < self.constraint.min_codes else self.later)
            places = self.draw(logprobs)
            chosen, chosen_logprobs = self.ids[places], logprobs.gather(1, places[:, None]).squeeze(1)
        self.step += 1
        self.done = self.done | (chosen == self.constraint.end_id)
        return chosen, chosen_logprobs


def _warpers(sampling: Sampling) -> list[LogitsProcessor]:
    """Temperature, then top-k, then top-p: the order of transformers and of vLLM."""
    warpers: list[LogitsProcessor] = []
    if sampling.temperature not in (0.0, 1.0):
        warpers.append(TemperatureLogitsWarper(float(sampling.temperature)))
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return warpers


class Noise:
    """A generator per request; exponential noise (B, steps, V) drawn ahead in blocks, of no more than `steps`."""

    def __init__(self, seeds: list[int], device: torch.device, steps: int | None = None) -> None:
        self.steps = steps
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.block: torch.Tensor | None = None
        self.step = 0

    def argmax_with(self, scores: torch.Tensor) -> torch.Tensor:
        """argmax over V of scores + Gumbel noise, (B, V) -> (B,)."""
        rows, vocabulary = scores.shape
        if self.block is None:
            steps = max(1, NOISE_BLOCK // vocabulary)
            self.block = scores.new_empty(rows, min(steps, self.steps or steps), vocabulary)
        place = self.step % self.block.shape[1]
        if place == 0:
            self._refill()
        self.step += 1
        return (scores + self.block[:, place]).argmax(-1)

    def _refill(self) -> None:
        for row, generator in zip(self.block, self.generators, strict=True):
            row.uniform_(generator=generator)
        # -log(-log u). u = 0 would make a token that is the only one left as impossible as those filtered out.
        self.block.clamp_(min=2.0**-25).log_().neg_().log_().neg_()


class ThoughtLimiter:
    """Ends a thought by force: after its row's budget of tokens, those in the prompt included, `</think>` (as in vLLM).

    What was ended by force is not ended again: until another thought opens, `</think>` is impossible in that row.
    """

    def __init__(self, requests: list[Request], tokenizer: PreTrainedTokenizerBase, device: torch.device) -> None:
        self.open_id, self.close_id = tag_ids(tokenizer)
        budgets = [torch.inf if r.thinking_token_budget is None else r.thinking_token_budget for r in requests]
        spent = [open_thought_tokens(r.prompt_ids, self.open_id, self.close_id) for r in requests]
        self.budgets = torch.tensor(budgets, device=device)  # (B,), infinite where a row has none
        self.thinking = torch.tensor([tokens is not None for tokens in spent], device=device)  # (B,)
        self.spent = torch.tensor([tokens or 0 for tokens in spent], device=device)  # (B,)
        self.ended = torch.zeros_like(self.thinking)  # (B,), by force and not reopened

    def allowed(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (B, V) -> the same, or a copy in which no thought is closed twice."""
        if not self.ended.any():
            return scores
        scores = scores.clone()
        scores[self.ended, self.close_id] = -torch.inf
        return scores

    def __call__(self, chosen: torch.Tensor) -> torch.Tensor:
        """Chosen ids (B,) -> the same, `</think>` where the budget is spent."""
        force = self.thinking & (self.spent >= self.budgets)
        chosen = torch.where(force, self.close_id, chosen)
        self.spent += self.thinking
        self.thinking = (self.thinking | (chosen == self.open_id)) & (chosen != self.close_id)
        self.ended = (self.ended | force) & ~self.thinking
        return chosen
