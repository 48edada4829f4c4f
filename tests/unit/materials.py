"""Rows, parameters, samples and a stage for tests that need some of each; it asserts nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

from caderno import data
from caderno.params import Params
from caderno.tasks import SHOP_TASKS


@cache
def shop(split: str = "train"):
    """A small shop of one split. Do not write to it."""
    return data.open_shop(split, 0, orders=400)


@cache
def rows(split: str = "train", n: int = 3) -> list[dict]:
    """n rows of each task. Do not write to them."""
    return [row for task in SHOP_TASKS.values() for row in task.rows(shop(split), n, 0)]


def row_of(task: str, split: str = "train") -> dict:
    return next(row for row in rows(split) if row["task"] == task)


def params(**sections) -> Params:
    """Defaults but for the given sections."""
    return Params(**({"name": "t", "model": {"name": "tiny"}} | sections))


def sample(row_id: str, score: float, **more) -> dict:
    """A judged completion as `evaluation.samples` gives it; `more` replaces fields."""
    return {
        "id": row_id, "task": "push", "arm": "sft", "temperature": 0.0, "sample": 0, "score": score,
        "completion": f"c {row_id}", "why": "w", "finish_reason": "stop", "tokens": 10, "think_tokens": 2,
        "think_closed": True, "hard_think_budget": None, "think_forced": False,
    } | more  # fmt: skip


class FakeStage:
    """What a stage is told, kept in lists."""

    def __init__(self, directory: Path, params: Params, *, watched: bool = True):
        self.directory, self.params, self.watched = directory, params, watched
        self.name, self.stop_requested = "grpo", False
        self.lines: list[dict] = []
        self.ledgers: list[dict] = []
        self.verdicts: list[dict] = []
        self.resumed_at: int | None = None

    def expect_steps(self, total: int) -> None:
        self.expected_steps = total

    def metrics(self, **values) -> None:
        self.lines.append(values)

    def ledger(self, rows: list[dict]) -> None:
        self.ledgers += rows

    def guards(self, verdicts: list[dict]) -> None:
        self.verdicts += verdicts

    def parent(self, name: str) -> Path:
        return self.directory / name

    def resume_step(self, step: int) -> None:
        self.resumed_at = step

    def graceful(self) -> AbstractContextManager[None]:
        return nullcontext()
