"""Faults of scorers: loopholes, exceptions, references that score low; and the shop's own, which have none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from materials import rows

from caderno import tasks
from caderno.guards import facts_probe_rewards
from falsifiers.registry import control, falsifies


def contracted(score=tasks.score_many, found=None) -> dict:
    return {"contract": facts_probe_rewards.contract(found or rows("heldout"), score=score)}


def giving(total) -> object:
    """A scorer by a function of (row, completion)."""
    return lambda some, texts: [SimpleNamespace(total=float(total(*pair))) for pair in zip(some, texts, strict=True)]


@falsifies("reward-contract", "fail")
def test_a_scorer_that_raises_on_some():
    def score(some, texts):
        if "" in texts:
            raise ValueError("signal only works in main thread")
        return tasks.score_many(some, texts)

    return contracted(score)


LOOPHOLES = {
    "everything is right": lambda row, text: 1.0,
    "nothing is right": lambda row, text: 0.0,
    "the sign is flipped": lambda row, text: text != row["gold"],
    "an empty answer is right": lambda row, text: text in ("", row["gold"]),
    "a substring is right": lambda row, text: row["gold"].rpartition("</think>")[2].strip() in text,
    "length is paid": lambda row, text: min(1.0, len(text) / 50),
    "the prompt is paid": lambda row, text: text == row["gold"] or text == row["prompt"][-1]["content"],
}


@pytest.mark.parametrize("name", LOOPHOLES)
@falsifies("reward-contract", "fail")
def test_a_scorer_with_a_loophole(name):
    return contracted(giving(LOOPHOLES[name]))


@falsifies("reward-contract", "fail")
def test_one_bad_reference_among_many():
    spoilt = [row | {"gold": "<think>x"} if place == 2 else row for place, row in enumerate(rows("heldout"))]
    return contracted(found=spoilt)


@falsifies("reward-contract", "fail")
def test_a_scorer_without_an_answer_for_any_row():
    return contracted(lambda some, texts: [None] * len(some))


@control("reward-contract")
def test_the_shops_own_scorers():
    return contracted()
