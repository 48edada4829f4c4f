"""The reward functions of a run, as TRL calls them: one per task, `None` for the rows of the others.

A batch is scored once for all of them. TRL leaves `None` out of its means, so each task has its own curve for nothing,
and a row that no function can judge has no advantage; here such rows are counted as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from caderno import chat, thinking
from caderno.rewards.efficiency import think_budget_tokens, think_efficiency
from caderno.rewards.judging import judged_many
from caderno.rewards.schedule import PARTS, progress, stage_weights
from caderno.tasks import WEIGHTS

if TYPE_CHECKING:
    from transformers import TrainerState

    from caderno.params import Params
    from caderno.tasks import Score

Reward = Callable[..., list[float | None]]
LogMetric = Callable[[str, float], None]


@dataclass(frozen=True)
class Batch:
    """Rows (one per completion), their scores and what their thoughts' lengths are worth; None: cannot be judged."""

    rows: list[dict]
    scores: list[Score | None]
    efficiencies: list[float | None]

    def parts(self) -> dict[str, float]:
        """parts/<task>/<component> -> mean over the judged completions of that task, components in [0, 1]."""
        found: dict[str, list[float]] = {}
        for row, score, efficiency in zip(self.rows, self.scores, self.efficiencies, strict=True):
            values = score.parts if score else {}
            if efficiency is not None:
                values = values | {"think_efficiency": efficiency}
            for name, value in values.items():
                found.setdefault(f"parts/{row['task']}/{name}", []).append(value)
        return {name: fmean(values) for name, values in found.items()}


class Judge:
    """Scores the batches of one training; `unjudged` holds the ids of the rows that had no score in this process.

    `rows` are the rows prompts may come from, found by the dataset's `row_id` column. `count_tokens` measures thoughts.
    Staged weights hold while `training()`; an evaluation is always judged by the task's total, the same all along.
    """

    def __init__(
        self,
        params: Params,
        rows: Sequence[dict],
        count_tokens: Callable[[str], int],
        training: Callable[[], bool] = lambda: True,
    ) -> None:
        self.params, self.count_tokens, self.training = params, count_tokens, training
        self.by_id = {row["id"]: row for row in rows}
        self.unjudged: set[str] = set()
        self._inputs: tuple[list, ...] = ()
        self._batch = Batch([], [], [])

    def functions(self) -> tuple[list[Reward], list[float]]:
        """The reward functions and their weights, in the same order."""
        tasks = self.params.tasks
        if self.params.rewards.composite:
            found, weights = [self._scored("composite", tuple(tasks), weighted=True)], [1.0]
        else:
            found = [self._scored(name, (name,)) for name in tasks]
            weights = [tasks[name].weight for name in tasks]
        if self.params.rewards.think_efficiency:
            found.append(self._efficient())
            weights.append(self.params.rewards.think_efficiency)
        return found, weights

    def _scored(self, name: str, own: tuple[str, ...], weighted: bool = False) -> Reward:
        """The staged score of its own tasks' rows, times the task's weight where one function serves all of them."""

        def reward(prompts, completions, row_id, trainer_state=None, **given) -> list[float | None]:
            batch = self._judged(prompts, completions, row_id, trainer_state, given)
            weights = self._in_force(trainer_state)
            return [
                (self.params.tasks[row["task"]].weight if weighted else 1.0) * _worth(score, weights)
                if score and row["task"] in own
                else None
                for row, score in zip(batch.rows, batch.scores, strict=True)
            ]

        reward.__name__ = name  # TRL names a reward's curve after its function
        return reward

    def _efficient(self) -> Reward:
        """What the thoughts' lengths are worth, times the task's weight: a task without weight is not paid for it."""

        def think_efficiency(prompts, completions, row_id, trainer_state=None, **given) -> list[float | None]:
            batch = self._judged(prompts, completions, row_id, trainer_state, given)
            return [
                None if efficiency is None else self.params.tasks[row["task"]].weight * efficiency
                for row, efficiency in zip(batch.rows, batch.efficiencies, strict=True)
            ]

        return think_efficiency

    def _in_force(self, state: TrainerState | None) -> dict[str, float] | None:
        """The stage's weights; None for the task's own total: without stages, and in every evaluation."""
        if not self.params.rewards.staged or not self.training():
            return None
        return stage_weights(self.params.rewards, progress(state))

    def _judged(self, prompts: list, completions: list, row_id: list, state: TrainerState | None, given: dict) -> Batch:
        """The batch, judged once: TRL hands the same three lists to every function in turn.

        `given` is what else TRL gives: `log_metric`, and `think_forced` where rollouts are under a hard think budget.
        """
        inputs = (prompts, completions, row_id)
        if len(self._inputs) == 3 and all(a is b for a, b in zip(inputs, self._inputs, strict=True)):
            return self._batch
        rows = [self.by_id[one] for one in row_id]
        scores = judged_many(rows, completions, prompts)
        self.unjudged |= {row["id"] for row, score in zip(rows, scores, strict=True) if score is None}
        self._batch = Batch(rows, scores, self._efficiencies(rows, scores, completions, prompts))
        self._inputs = inputs
        if log := given.get("log_metric"):
            self._log(log, state)
            if forced := given.get("think_forced"):
                log("think_forced_share", fmean(forced))
        return self._batch

    def _efficiencies(self, rows: list, scores: list, completions: list, prompts: list) -> list[float | None]:
        if not self.params.rewards.think_efficiency:
            return [None] * len(rows)
        found = []
        for row, score, completion, prompt in zip(rows, scores, completions, prompts, strict=True):
            thought = thinking.split(completion, opened=chat.opens_thought(prompt))
            spent, budget = self.count_tokens(thought.thought or ""), think_budget_tokens(self.params, row["task"])
            found.append(None if score is None else think_efficiency(spent, budget, thought.closed, score.total))
        return found

    def _log(self, log: LogMetric, state: TrainerState | None) -> None:
        """What a run's metrics hold of its rewards: mean components by task, weights in force, what had no judge."""
        for name, value in self._batch.parts().items():
            log(name, value)
        log("unjudged_share", self._batch.scores.count(None) / max(1, len(self._batch.scores)))
        if self.training():
            for part, weight in (self._in_force(state) or WEIGHTS).items():
                log(f"weights/{part}", weight)


def _worth(score: Score, weights: dict[str, float] | None) -> float:
    return score.total if weights is None else sum(weights[part] * score.parts[part] for part in PARTS)
