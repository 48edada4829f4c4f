"""The tasks by name, and scores of completions by their rows' own tasks.

A task module has NAME, SYSTEM_PROMPT, THINK_BUDGET_TOKENS, NEEDS_SHOP, rows(shop, n, seed) or, where it needs no shop,
rows(split, n, seed), and score(row, completion). Nothing here knows where rows come from; that is `caderno.data`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType

from caderno.errors import BadInput
from caderno.tasks.base import FULLY_CORRECT, GENERIC_SYSTEM_PROMPT, WEIGHTS, Score


class Registry(Mapping[str, ModuleType]):
    """Task modules by name, imported when asked for: names alone cost a command's help, or a worker, nothing."""

    def __init__(self, *names: str):
        self._names = names

    def __getitem__(self, name: str) -> ModuleType:
        if name not in self._names:
            raise KeyError(name)
        return importlib.import_module(f"caderno.tasks.{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


_OF_A_SHOP = ("extraction", "sql_qa", "push", "insights")
# The tasks whose rows are drawn from a shop (NEEDS_SHOP): those of the tiny base's vocabulary.
SHOP_TASKS = Registry(*_OF_A_SHOP)
TASKS = Registry(*_OF_A_SHOP, "math", "arithmetic")
# Threads that wait for workers (two of them by default): more only queue up, and each row's deadline counts from when a
# worker takes it, not from here.
WAITING_THREADS = 4

__all__ = [
    "FULLY_CORRECT",
    "GENERIC_SYSTEM_PROMPT",
    "SHOP_TASKS",
    "TASKS",
    "WEIGHTS",
    "Registry",
    "Score",
    "reference",
    "score",
    "score_many",
    "task",
]


def task(name: str) -> ModuleType:
    """The task of that name. Raises BadInput with the names there are."""
    if name not in TASKS:
        raise BadInput(f"unknown task {name!r}", expected=f"one of {', '.join(TASKS)}", where="task")
    return TASKS[name]


def reference(row: dict) -> str:
    """The whole completion to learn, thought included; `gold` is it unless the row tells them apart."""
    return row.get("reference", row["gold"])


def score(row: dict, completion: str) -> Score | None:
    """The score of a completion by its row's own task; None where the row itself cannot be judged."""
    return task(row["task"]).score(row, completion)


def score_many(rows: Sequence[dict], completions: Sequence[str]) -> list[Score | None]:
    """A score per row, in order. Tasks whose score waits for a worker process (WAITS) go through a few threads.

    Raises what a scorer raises, with the row's id and the completion's opening as a note; the rest is not scored then.
    """
    pairs = list(zip(rows, completions, strict=True))
    waiting = [getattr(task(row["task"]), "WAITS", False) for row, _ in pairs]
    if sum(waiting) < 2:
        return [_noted(*pair) for pair in pairs]
    from concurrent.futures import ThreadPoolExecutor  # here, for it takes half of this module's import time

    with ThreadPoolExecutor(WAITING_THREADS, thread_name_prefix="caderno-score") as threads:
        later = [threads.submit(_noted, *pair) if waits else None for pair, waits in zip(pairs, waiting, strict=True)]
        try:
            return [one.result() if one else _noted(*pair) for pair, one in zip(pairs, later, strict=True)]
        except BaseException:  # an interrupt too: what has not begun is not begun
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _noted(row: dict, completion: str) -> Score | None:
    try:
        return score(row, completion)
    except Exception as error:
        error.add_note(f"while scoring row {row.get('id')}, completion {completion[:200]!r}")
        raise
