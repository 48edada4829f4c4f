"""Rollouts of the RL on abstract traces: a trace under its constraint, a free answer, and the reward for the answer.

Completions come from `caderno.generation`, scores from `caderno.tasks`; gradients are `rl_trainer`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from caderno import tasks
from caderno.generation import Request, Sampling, request_seed

if TYPE_CHECKING:
    from trl import GRPOTrainer

    from caderno.generation import Completion
    from caderno.generation.constraint import Constraint
    from caderno.generation.hf import HfEngine
    from caderno.tasks import Score

Worth = Callable[["Score"], float]


class Rollouts:
    """TRL's rollout function: row ids in, completions z y out.

    A request's noise is its run's, step's, row's and place's in the group: a resumed run draws what an unbroken one
    would. An answer is cut at `answer_tokens`, however short its trace: no policy buys a longer answer with it.
    """

    def __init__(
        self, engine: HfEngine, prompt_ids: dict[str, list[int]], constraint: Constraint, answer_tokens: int, run: str,
        seed: int,
    ) -> None:  # fmt: skip
        self.engine, self.prompt_ids, self.constraint = engine, prompt_ids, constraint
        self.answer_tokens, self.run, self.seed = answer_tokens, run, seed

    def __call__(self, row_ids: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        """What TRL asks of a rollout; `answer`, `codes` and `forced_end` besides, which go to the reward function.

        A forced END is no choice of the policy: beside its log-probability of 0 it is masked, as TRL masks what an
        environment says, so that no mean over tokens counts it.
        """
        requests = list(self._requests(row_ids, trainer))
        recorded = trainer.temperature == 1.0  # the engine records log-probabilities at temperature 1 alone
        most = self.constraint.max_codes
        sampling = Sampling(trainer.temperature, max_new_tokens=most + 1 + self.answer_tokens, logprobs=recorded)
        drawn = [self._cut(one) for one in self.engine.complete(requests, sampling, progress=False)]
        ends = [ids.index(self.constraint.end_id) for ids, _ in drawn]
        return {
            "prompt_ids": [request.prompt_ids for request in requests],
            "completion_ids": [ids for ids, _ in drawn],
            "logprobs": [logprobs for _, logprobs in drawn] if recorded else None,
            "env_mask": [[int(place != most) for place in range(end + 1)] + [1] * (len(ids) - end - 1)
                         for (ids, _), end in zip(drawn, ends, strict=True)],
            "answer": [self._text(ids[end + 1 :]) for (ids, _), end in zip(drawn, ends, strict=True)],
            "codes": [ids[:end] for (ids, _), end in zip(drawn, ends, strict=True)],
            "forced_end": [end == most for end in ends],
        }  # fmt: skip

    def _requests(self, row_ids: list[str], trainer: GRPOTrainer) -> Iterator[Request]:
        run = f"{self.run} step {trainer.state.global_step} process {trainer.accelerator.process_index}"
        met: Counter[str] = Counter()
        for row_id in row_ids:
            ids, sample = self.prompt_ids[row_id], met[row_id]
            met[row_id] += 1
            seed = request_seed(run, row_id, sample, self.seed)
            yield Request(row_id, sample, ids, seed, constraint=self.constraint)

    def _cut(self, one: Completion) -> tuple[list[int], list[float] | None]:
        """Tokens and log-probabilities up to the answer's ceiling."""
        kept = one.token_ids.index(self.constraint.end_id) + 1 + self.answer_tokens
        return one.token_ids[:kept], one.logprobs[:kept] if one.logprobs is not None else None

    def _text(self, ids: list[int]) -> str:
        kept = [token for token in ids if token not in self.engine.special_ids]
        return self.engine.tokenizer.decode(kept, skip_special_tokens=False)


def correct(score: Score) -> float:
    """1 for a fully correct answer, 0 for any other (a verifiable reward; the paper's judge grades 0 to 10)."""
    return float(score.fully_correct)


class Reward:
    """TRL's reward function: the answer's worth by the row's own task. `unjudged` holds the ids without a score.

    The trace is never judged. A row that cannot be judged has no reward (None), and so no advantage.
    """

    __name__ = "answer"  # TRL names a reward's curve after it

    def __init__(self, rows: Sequence[dict], worth: Worth = correct) -> None:
        self.by_id, self.worth = {row["id"]: row for row in rows}, worth
        self.unjudged: set[str] = set()

    def __call__(self, *, row_id, answer, codes, forced_end, completion_ids, log_metric, **_) -> list[float | None]:
        """Rewards in order; logs the lengths of both segments and how alike the traces are."""
        scores = tasks.score_many([self.by_id[one] for one in row_id], answer)
        self.unjudged |= {one for one, score in zip(row_id, scores, strict=True) if score is None}
        for name, value in lengths(codes, forced_end, completion_ids).items():
            log_metric(name, value)
        log_metric("unjudged_share", scores.count(None) / len(scores))
        return [None if score is None else self.worth(score) for score in scores]


def lengths(codes: Sequence[list[int]], forced: Sequence[bool], completions: Sequence[list[int]]) -> dict[str, float]:
    """Means over a batch. Codes count without their delimiters, answers with the token that ends them."""
    answers = [len(ids) - len(trace) - 1 for ids, trace in zip(completions, codes, strict=True)]
    return {
        "z/mean_length": fmean(map(len, codes)),
        "z/forced_share": fmean(forced),
        "z/unique_share": len({tuple(trace) for trace in codes}) / len(codes),
        "y/mean_length": fmean(answers),
    }
