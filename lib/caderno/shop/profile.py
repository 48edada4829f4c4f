"""What a shop profile provides: its words by split, and a review's text from a review's facts.

It holds types only; the words are in `small` (closed vocabulary, for the tiny model) and `full` (for real models).
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Literal, Protocol

SPLITS = ("train", "heldout", "test")
SENTIMENTS = ("positivo", "neutro", "negativo")
PROBLEMS = ("nenhum", "atraso", "defeito", "produto_errado", "nao_chegou", "atendimento")
REQUESTS = ("nada", "troca", "reembolso", "resposta")
PRAISES = ("nada", "preco", "qualidade", "entrega", "atendimento")


def split_of(key: str) -> str:
    """The split a key belongs to by its hash, about 60/20/20: adding keys moves no other key."""
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return "train" if share < 0.6 else "heldout" if share < 0.8 else "test"


@dataclass(frozen=True)
class ReviewFacts:
    """What a review says, and only what it says: None or "nada" where the text is silent."""

    score: int  # 1-5 stars
    sentiment: Literal["positivo", "neutro", "negativo"]
    problem: str = "nenhum"
    late_days: int | None = None
    product: str | None = None
    city: str | None = None
    customer: str | None = None
    recommends: bool | None = None
    request: str = "nada"
    praise: str = "nada"


@dataclass(frozen=True)
class Pools:
    """The entities one split may name. No entity stands in two splits."""

    customers: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]  # (city, state)
    products: tuple[tuple[str, str, float], ...]  # (product, category, list price in reais)


class Profile(Protocol):
    """A vocabulary and a voice."""

    name: str

    def pools(self, split: str) -> Pools: ...

    def review(self, rng: random.Random, facts: ReviewFacts) -> tuple[str | None, str]:
        """Title (or None) and comment, in Portuguese, that state the facts and nothing against them."""
        ...
