"""Random items and rows with abstract codes for the tests of what is trained on them; it asserts nothing."""

from __future__ import annotations

import random
from functools import cache

import conftest
import torch

from caderno import models, params
from caderno.abstract import vocabulary as abstract_vocabulary
from caderno.abstract.rows import Item, traced
from caderno.abstract.sequences import Segments

PLAIN = range(5, 60)  # ids of the tiny tokenizer that are neither special nor abstract


@cache
def base() -> models.Policy:
    """The tiny base of the package. Shared: leave the weights alone."""
    return models.load(params.Params(name="tiny", model={"name": "tiny"}).model)


def policy(codes: int = 4, **changes) -> tuple[models.Policy, abstract_vocabulary.AbstractVocabulary]:
    """A random policy with its codes, for training; the same one every time."""
    tokenizer = conftest.build_tokenizer()
    model = conftest.build_model(tokenizer, **{"initializer_range": 0.1, **changes})
    found, vocabulary = abstract_vocabulary.extend(models.Policy(model, tokenizer), codes, seed=0)
    found.model.train()
    return found, vocabulary


def adapted() -> tuple[models.Policy, abstract_vocabulary.AbstractVocabulary]:
    """The same with fresh adapters and the new rows to train."""
    found, vocabulary = policy()
    torch.manual_seed(0)
    lora = params.Params(name="t", model={"name": "tiny", "lora": {"rank": 4, "alpha": 8}}).model.lora
    return models.with_lora(found, lora, vocabulary.new_ids), vocabulary


def tokens(dice: random.Random, least: int, most: int) -> tuple[int, ...]:
    return tuple(dice.choices(PLAIN, k=dice.randint(least, most)))


def item(row_id: str, x, y, *, c=(), values=()) -> Item:
    """An item of token ids, its answer ended by EOS as `rows.encode` does it."""
    eos = (conftest.build_tokenizer().eos_token_id,)
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
