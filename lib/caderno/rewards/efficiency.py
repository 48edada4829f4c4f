"""Think budgets by task, and what a thought's length is worth: the whole inside the budget, nothing at twice that.

It counts no tokens and knows no tokenizer; callers bring the length of the thought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno import tasks

if TYPE_CHECKING:
    from caderno.params import Params


def think_budget_tokens(params: Params, task: str) -> int:
    """The task's think budget in tokens: the parameters' own, or what the task says of itself."""
    return params.tasks[task].think_budget_tokens or tasks.task(task).THINK_BUDGET_TOKENS


def hard_think_budgets(params: Params) -> dict[str, int]:
    """Tokens after which generation itself ends a thought, by task; empty where `chat.hard_think_budget` is null."""
    asked = params.chat.hard_think_budget
    if asked is None:
        return {}
    return {task: think_budget_tokens(params, task) if asked == "task" else asked for task in params.tasks}


def think_efficiency(spent_tokens: int, budget_tokens: int, closed: bool, total: float) -> float:
    """In [0, 1]: total x min(1, max(0, 2 - spent / budget)), and 0 for a thought that never closes.

    Constant inside the budget, so that thinking less than needed is never paid for; and times the answer's own total,
    so that a wrong answer without a thought earns nothing and a worse answer never earns more by a shorter thought
    that was already inside the budget.
    """
    if not closed:
        return 0.0
    return total * min(1.0, max(0.0, 2 - spent_tokens / budget_tokens))
