"""Rows of random words for tests of the leak scan, and one row quoting another; it asserts nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path

STEMS = (
    "o a de que produto pedido chegou atrasado nota bom ruim entrega cliente loja caixa frete valor total média por"
    " cidade mês recomenda gostei nunca mais compro você um uma pessoa ajuda responde água ação café país três"
).split()
WORDS = [first + last for first in STEMS for last in STEMS]


def salad(rng: random.Random, n: int = 40) -> str:
    return " ".join(rng.choices(WORDS, k=n))


def records(seed: int, n: int) -> list[dict]:
    """n questions of random words with an answer and a group, none like another."""
    rng = random.Random(seed)
    return [
        {"question": salad(rng) + "?", "answer": salad(rng, 12), "group": f"g{seed}-{i}"} for i in range(n)
    ]  # fmt: skip


def written(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def common_words(row: dict, other: dict, n: int) -> str:
    """A question with n words of another in its middle."""
    mine, theirs = row["question"].split(), other["question"].split()
    return " ".join([*mine[:10], *theirs[5 : 5 + n], *mine[10:]])
