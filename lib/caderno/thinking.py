"""A completion in two parts: the thought between `<think>` and `</think>`, and the answer, which alone is judged.

It works on text; tokens, templates and budgets are the business of `chat` and `generation`.
"""

from __future__ import annotations

from dataclasses import dataclass

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Thought:
    """A completion in two parts. `thought` is None where there was none; `closed` is False where one never ended."""

    thought: str | None
    answer: str
    closed: bool


def split(text: str, *, opened: bool = False) -> Thought:
    """Thought and answer of a completion; `opened` says that the prompt ended with `<think>` (`chat.opens_thought`).

    A `</think>` before any `<think>` means the same as `opened`. The answer is what follows the last `</think>`: what
    stands before a thought is a draft, and a thought that stands open at the end leaves no answer.
    """
    before, closing, after = text.rpartition(THINK_CLOSE)
    if not closing and THINK_OPEN not in text and not opened:
        return Thought(None, text.strip(), closed=True)
    if not closing or THINK_OPEN in after:
        return Thought(_inner(text, opened), "", closed=False)
    return Thought(_inner(before, opened), after.strip(), closed=True)


def answer_of(completion: str) -> str:
    """What is judged of a completion; empty while a thought stands open."""
    return split(completion).answer


def _inner(text: str, opened: bool) -> str:
    """The thought in a text that ends with it: from its `<think>`, or from the start where that lies in the prompt."""
    head, opening, rest = text.partition(THINK_OPEN)
    whole = opened or not opening or THINK_CLOSE in head
    inner = head + opening + rest if whole and head.strip() else rest if opening else head
    while inner.rstrip().endswith(THINK_CLOSE):  # a sampler that forces the end can write it twice
        inner = inner.rstrip().removesuffix(THINK_CLOSE)
    return inner.strip()
