"""The four tasks by name.

A task module has NAME, SYSTEM_PROMPT, THINK_BUDGET_TOKENS, rows(shop, n, seed) and score(row, completion). Nothing here
knows where rows come from; that is `caderno.data`.
"""

from __future__ import annotations

from types import ModuleType

from caderno.errors import BadInput
from caderno.tasks import extraction, insights, push, sql_qa
from caderno.tasks.base import FULLY_CORRECT, GENERIC_SYSTEM_PROMPT, WEIGHTS, Score

TASKS: dict[str, ModuleType] = {module.NAME: module for module in (extraction, sql_qa, push, insights)}

__all__ = ["FULLY_CORRECT", "GENERIC_SYSTEM_PROMPT", "TASKS", "WEIGHTS", "Score", "score", "task"]


def task(name: str) -> ModuleType:
    """The task of that name. Raises BadInput with the names there are."""
    if name not in TASKS:
        raise BadInput(f"unknown task {name!r}", expected=f"one of {', '.join(TASKS)}", where="task")
    return TASKS[name]


def score(row: dict, completion: str) -> Score:
    """The score of a completion by its row's own task."""
    return task(row["task"]).score(row, completion)
