"""Samples and an engine for tests of evaluation; it asserts nothing."""

from __future__ import annotations

from materials import sample

from caderno.generation import Completion


def arm(scores: list[float | None], **more) -> list[dict]:
    return [sample(f"{more.get('task', '')}r{i}", score, **more) for i, score in enumerate(scores)]


class Says:
    """An engine that gives every request the same text."""

    context_tokens, special_ids = 10**6, frozenset()

    def __init__(self, tokenizer, text: str):
        self.tokenizer, self.text = tokenizer, text

    def complete(self, requests, sampling, *, progress):
        ids = self.tokenizer(self.text)["input_ids"]
        return [
            Completion(r.row_id, r.sample, self.text, ids, [-0.5] * len(ids), "stop", r.seed) for r in requests
        ]  # fmt: skip
