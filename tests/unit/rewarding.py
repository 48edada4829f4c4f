"""Reward functions called as TRL calls them, for tests of rewards; it asserts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace

from materials import params, rows

from caderno import rewards

TASKS = {"push": {"weight": 2.0}, "extraction": {"weight": 0.5}, "sql_qa": {}, "insights": {}}


def words(text: str) -> int:
    """Stands for a tokenizer: one token a word."""
    return len(text.split())


def call(
    function: Callable | Iterable[Callable], found: list[dict], completions: list[str], prompt="p", **more
) -> list:
    """What one function gives for a batch, or, for several functions, a list of what each gives for the same one."""
    ids, prompts, completions = [row["id"] for row in found], [prompt] * len(found), list(completions)
    several = [function] if callable(function) else list(function)
    given = [one(prompts=prompts, completions=completions, row_id=ids, completion_ids=None, **more) for one in several]
    return given[0] if callable(function) else given


def functions(training=lambda: True, **settings) -> tuple[dict[str, Callable], list[float]]:
    found, weights = rewards.Judge(params(tasks=TASKS, rewards=settings), rows(), words, training).functions()
    return {function.__name__: function for function in found}, weights


def at(step: int, of: int = 90) -> SimpleNamespace:
    """A trainer's state after so many of its steps."""
    return SimpleNamespace(global_step=step, max_steps=of)
