"""The tasks' scores as TRL reward functions: one function per task, `None` for the rows of other tasks.

TRL leaves `None` out of its means, so each task has its own curve for nothing. An exception in a score is an error with
the row's id, never a 0. It decides no weight but the parameters' own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from caderno import chat, tasks, thinking

if TYPE_CHECKING:
    from caderno.params import Params

Reward = Callable[..., list[float | None]]
PARTS = ("format", "partial", "task")


def functions(
    params: Params, rows: list[dict], count_tokens: Callable[[str], int], training: Callable[[], bool] = lambda: True
) -> tuple[list[Reward], list[float]]:
    """The reward functions of a run and their weights, in the same order.

    `rows` are the rows prompts may come from, found by the dataset's `row_id` column. `count_tokens` measures thoughts.
    Staged weights hold while `training()`; an evaluation is always judged by the task's total, the same all along.
    """
    by_id = {row["id"]: row for row in rows}

    def staged() -> bool:
        return params.rewards.staged and training()

    if params.rewards.composite:
        found, weights = [_named("composite", _weighted(_scores(by_id, None, staged), by_id, params))], [1.0]
    else:
        found = [_named(name, _scores(by_id, name, staged)) for name in params.tasks]
        weights = [params.tasks[name].weight for name in params.tasks]
    if params.rewards.think_efficiency:
        found.append(_named("think_efficiency", _think_efficiency(by_id, params, count_tokens)))
        weights.append(params.rewards.think_efficiency)
    return found, weights


def stage_weights(progress: float) -> dict[str, float]:
    """Weights of format, partial and task at a share of training: format leads the first third, the task the last."""
    if progress < 1 / 3:
        return {"format": 0.6, "partial": 0.3, "task": 0.1}
    if progress < 2 / 3:
        return {"format": 0.2, "partial": 0.5, "task": 0.3}
    return dict(tasks.WEIGHTS)


def _scores(by_id: dict[str, dict], only: str | None, staged: Callable[[], bool]) -> Reward:
    def reward(prompts: list[str], completions: list[str], row_id: list[str], trainer_state=None, **_) -> list:
        rows = [by_id[one] for one in row_id]
        scores = [
            judged(row, completion, prompt) if only in (None, row["task"]) else None
            for row, completion, prompt in zip(rows, completions, prompts, strict=True)
        ]
        if not staged():
            return [score and score.total for score in scores]
        weights = stage_weights(trainer_state.global_step / max(1, trainer_state.max_steps))
        return [score and sum(weights[part] * score.parts[part] for part in PARTS) for score in scores]

    return reward


def _weighted(reward: Reward, by_id: dict[str, dict], params: Params) -> Reward:
    """A reward times its row's task's weight: one function has one weight in TRL."""

    def weighted(prompts: list[str], completions: list[str], row_id: list[str], **columns) -> list[float]:
        scores = reward(prompts, completions, row_id, **columns)
        return [params.tasks[by_id[one]["task"]].weight * score for one, score in zip(row_id, scores, strict=True)]

    return weighted


def judged(row: dict, completion: str, prompt: str = "") -> tasks.Score:
    """The row's score of a completion; what a scorer raises comes with the row's id and the completion's opening.

    A prompt that ends inside a thought (`<think>` last) makes the completion begin there.
    """
    try:
        return tasks.score(row, "<think>" + completion if chat.opens_thought(prompt) else completion)
    except Exception as error:
        error.add_note(f"while scoring row {row['id']}, completion {completion[:200]!r}")
        raise


def _think_efficiency(by_id: dict[str, dict], params: Params, count_tokens: Callable[[str], int]) -> Reward:
    """1 within the task's budget, falling to 0 at twice the budget; 0 for a thought that never closes."""

    def reward(prompts: list[str], completions: list[str], row_id: list[str], **_) -> list[float]:
        found = []
        for one, completion, prompt in zip(row_id, completions, prompts, strict=True):
            name = by_id[one]["task"]
            budget = params.tasks[name].think_budget_tokens or tasks.task(name).THINK_BUDGET_TOKENS
            thought = thinking.split(completion, opened=chat.opens_thought(prompt))
            spent = count_tokens(thought.thought or "")
            found.append(min(1.0, max(0.0, 2 - spent / budget)) if thought.closed else 0.0)
        return found

    return reward


def _named(name: str, function: Reward) -> Reward:
    """TRL names a reward's curve after its function."""
    function.__name__ = name
    return function
