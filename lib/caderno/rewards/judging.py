"""Scores of completions as the model gave them, before any weight: `None` where the row itself cannot be judged.

A prompt that ends inside a thought makes the completion begin there. An exception in a score is an error, never a 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from caderno import chat, tasks
from caderno.tasks import Score
from caderno.thinking import THINK_OPEN


def judged(row: dict, completion: str, prompt: str = "") -> Score | None:
    """The row's score of one completion; see `judged_many`."""
    return judged_many([row], [completion], [prompt])[0]


def judged_many(rows: Sequence[dict], completions: Sequence[str], prompts: Sequence[str]) -> list[Score | None]:
    """A score per completion, in order. What a scorer raises comes with the row's id and the completion's opening."""
    texts = [
        THINK_OPEN + completion if chat.opens_thought(prompt) else completion
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    return tasks.score_many(rows, texts)
