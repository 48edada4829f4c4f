"""Random items and rows over a random tiny policy with abstract codes, for the tests of its training; asserts nothing."""

from __future__ import annotations

import random
from functools import cache

import rl_runs
import torch

from caderno import models, params
from caderno.abstract.rows import Item, traced
from caderno.abstract.sequences import Segments

PLAIN = range(5, 60)  # ids of the tiny tokenizer that are neither special nor abstract


@cache
def base() -> models.Policy:
    """The tiny base of the package. Shared: leave the weights alone."""
    return models.load(params.Params(name="tiny", model={"name": "tiny"}).model)


def tokens(dice: random.Random, least: int, most: int) -> tuple[int, ...]:
    return tuple(dice.choices(PLAIN, k=dice.randint(least, most)))


def item(row_id: str, x, y, *, c=(), values=()) -> Item:
    """An item of token ids, its answer ended by EOS as `rows.encode` does it."""
    eos = (rl_runs.conftest.build_tokenizer().eos_token_id,)
    x, c, y = tuple(x), tuple(c), (*y, *eos)
    return Item(row_id, x, (*x, 4), c, (len(c),) if c else (), (*c, *y), y, tuple(values))


def items(count: int, seed: int = 0) -> list[Item]:
    """Of lengths that differ."""
    dice = random.Random(seed)
    return [
        item(f"r{n}", tokens(dice, 2, 6), tokens(dice, 1, 4), c=tokens(dice, 3, 9), values=(n % 4,))
        for n in range(count)
    ]


def codes(dice: random.Random, vocabulary, least: int = 1, most: int = 3) -> tuple[int, ...]:
    return tuple(dice.choices(vocabulary.code_ids, k=dice.randint(least, most)))


def rows(vocabulary, count: int, seed: int = 0, *, thought: bool = True) -> list[Segments]:
    """[X; C; Z; Y] with random traces of one to three codes."""
    dice = random.Random(f"traces {seed}")
    return [one.segments(traced(vocabulary, codes(dice, vocabulary)), thought=thought) for one in items(count, seed)]


def apart(one: models.Policy, other: models.Policy) -> float:
    """The largest difference between two policies' weights."""
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return max(float((first - second).detach().abs().max()) for first, second in pairs)


def sgd(monkeypatch, rate: float = 0.1) -> None:
    """Plain gradient descent in place of AdamW, whose step hides by what factor a gradient is wrong."""
    from caderno.abstract import phases

    monkeypatch.setattr(phases, "_optimizer", lambda model, spec: torch.optim.SGD(model.parameters(), lr=rate))
