"""Gathers what the reward contract judges: scores of references, wrong, empty, echoed and padded answers, per task.

An exception is caught here for one reason: to be counted and named by the guard. Nowhere else is it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from caderno import tasks
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.tasks import Score

ROWS_PER_TASK = 24
FILLER = "bom produto " * 60
Scorer = Callable[[Sequence[dict], Sequence[str]], "list[Score | None]"]


def contract(
    rows: Sequence[dict], *, per_task: int = ROWS_PER_TASK, score: Scorer = tasks.score_many
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """{task: {"n", "exceptions", "scores": {kind: [score or None per row]}}} of the first rows of each task."""
    found = {}
    for name in sorted({row["task"] for row in rows}):
        mine = [row for row in rows if row["task"] == name][:per_task]
        exceptions: list[str] = []
        scores = {kind: _scored(mine, texts, kind, score, exceptions) for kind, texts in _answers(mine).items()}
        first, second = scores.pop("after"), scores.pop("before")
        # A scorer may take the first answer or the last; one that takes either order finds the gold anywhere.
        scores["both"] = [_least(*pair) for pair in zip(first, second, strict=True)]
        found[name] = {"n": len(mine), "exceptions": exceptions, "scores": scores}
    return found


def _answers(rows: Sequence[dict]) -> dict[str, list[str | None]]:
    """{kind: one completion per row}; None where the kind does not exist for a row."""
    gold = [tasks.reference(row) for row in rows]
    wrong = [_another(gold, place) for place in range(len(rows))]
    pairs = list(zip(gold, wrong, strict=True))
    return {
        "gold": gold,
        "wrong": wrong,
        "empty": [""] * len(rows),
        "echo": [row["prompt"][-1]["content"] for row in rows],
        "filler": [FILLER] * len(rows),
        "after": [other and f"{own}\n{answer_of(other)}" for own, other in pairs],
        "before": [other and f"{other}\n{answer_of(own)}" for own, other in pairs],
    }


def _another(gold: Sequence[str], place: int) -> str | None:
    """The next row's reference whose answer is another."""
    mine = answer_of(gold[place])
    turned = (*gold[place + 1 :], *gold[:place])
    return next((one for one in turned if answer_of(one) != mine), None)


def _scored(
    rows: Sequence[dict], texts: Sequence[str | None], kind: str, score: Scorer, exceptions: list[str]
) -> list[float | None]:  # fmt: skip
    """A score per row; None where the row cannot be judged, has no such answer, or the scorer raised."""
    pairs = [(row, text) for row, text in zip(rows, texts, strict=True) if text is not None]
    try:
        scores = iter(score([row for row, _ in pairs], [text for _, text in pairs]))
    except Exception:  # which of them, and how many: each by itself
        scores = iter([_alone(row, text, kind, score, exceptions) for row, text in pairs])
    return [None if text is None else _total(next(scores)) for text in texts]


def _alone(row: dict, text: str, kind: str, score: Scorer, exceptions: list[str]) -> Score | None:
    try:
        return score([row], [text])[0]
    except Exception as error:  # counted: the guard fails and names it
        exceptions.append(f"{type(error).__name__} on the {kind} answer of {row['id']}: {error}")
        return None


def _total(score: Score | None) -> float | None:
    return None if score is None else score.total


def _least(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)
