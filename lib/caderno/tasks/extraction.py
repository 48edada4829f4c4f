"""Extraction: a customer's review becomes JSON with ten fixed fields.

Only fields whose truth is known are judged (Olist's reviews carry a score and no labels). Partial credit counts what
the review says; a schema filled with nulls earns the format and nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caderno.shop.profile import PRAISES, PROBLEMS, REQUESTS, SENTIMENTS, SPLITS, split_of
from caderno.tasks.base import Score, fold, make_row, need, nothing, rng_for, scored
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop

NAME = "extraction"
THINK_BUDGET_TOKENS = 150
# field -> (label column, value that says nothing)
FIELDS: dict[str, tuple[str, Any]] = {
    "produto": ("product", None),
    "nota": ("score", None),
    "sentimento": ("sentiment", None),
    "problema": ("problem", "nenhum"),
    "atraso_dias": ("late_days", None),
    "cidade": ("city", None),
    "recomenda": ("recommends", None),
    "pedido": ("request", "nada"),
    "elogio": ("praise", "nada"),
    "cliente": ("customer", None),
}
ENUMERATIONS = {"sentimento": SENTIMENTS, "problema": PROBLEMS, "pedido": REQUESTS, "elogio": PRAISES}
SYSTEM_PROMPT = {
    "small": "extraia os campos da avaliação.",
    "full": (
        "Você extrai dados de avaliações de clientes de uma loja online. Responda só com um objeto JSON com estes "
        "dez campos, nesta ordem: produto (texto ou null), nota (1 a 5), sentimento (positivo, neutro ou "
        "negativo), problema (nenhum, atraso, defeito, produto_errado, nao_chegou ou atendimento), atraso_dias "
        "(inteiro ou null), cidade (texto ou null), recomenda (true, false ou null), pedido (nada, troca, "
        "reembolso ou resposta), elogio (nada, preco, qualidade, entrega ou atendimento), cliente (texto ou "
        "null). Use null para o que o texto não diz."
    ),
}


def rows(shop: Shop, n: int, seed: int) -> list[dict]:
    """n rows: a review in, its ten fields out; no text twice. Raises BadInput when the shop has fewer such reviews."""
    reviews = shop.tables["reviews"]
    reviews = reviews[reviews["comment"].notna()].merge(shop.labels, on="review_id", suffixes=("", "_label"))
    owners = shop.tables["orders"].set_index("order_id")["customer_id"].to_dict()
    records = reviews.to_dict("records")
    rng_for(NAME, shop, seed).shuffle(records)
    taken = _taken(shop)
    distinct = list({_user(r): r for r in records if _belongs(r, shop) and _user(r) not in taken}.values())
    return [_row(shop, r, owners, i, seed) for i, r in enumerate(need(distinct, n, NAME, shop))]


def _belongs(review: dict, shop: Shop) -> bool:
    """A generated review that names nobody could stand in any split: it belongs where its text hashes to."""
    named = (review.get(kind) for kind in ("product", "city", "customer"))
    return (
        shop.source["source"] != "shop"
        or any(isinstance(name, str) for name in named)
        or split_of(_user(review)) == shop.split
    )


def _taken(shop: Shop) -> set[str]:
    """Texts of Olist's that another split has too: the first of train, heldout, test keeps them."""
    from caderno import shop as shops

    if shop.source["source"] == "shop":
        return set()
    earlier = (shops.rebuild(shop.source | {"split": s}) for s in SPLITS[: SPLITS.index(shop.split)])
    reviews = [one.tables["reviews"] for one in earlier]
    return {_user(r) for table in reviews for r in table[table["comment"].notna()].to_dict("records")}


def _user(review: dict) -> str:
    title = f"{review['title']}. " if isinstance(review["title"], str) else ""
    return f"nota {int(review['score'])}. {title}{review['comment']}"


def _row(shop: Shop, review: dict, owners: dict, index: int, seed: int) -> dict:
    truth = {field: _value(review[column]) for field, (column, _) in FIELDS.items() if column in review}
    answer = {field: truth.get(field, silent) for field, (_, silent) in FIELDS.items()}
    profile = shop.source.get("profile", "full")
    kinds = {"product": "produto", "city": "cidade"} if shop.source["source"] == "shop" else {}
    entities = [f"{kind}:{truth[field]}" for kind, field in kinds.items() if truth.get(field)]
    owner = owners.get(review["order_id"], review["order_id"])
    thought = f"problema {answer['problema']}; pedido {answer['pedido']}; elogio {answer['elogio']}."
    return make_row(
        NAME, shop, index, seed, SYSTEM_PROMPT[profile], _user(review), thought,
        json.dumps(answer, ensure_ascii=False, separators=(",", ":")),
        entities=[*entities, f"order_owner:{shop.split}:{owner}"],
        facts={"truth": truth},
    )  # fmt: skip


def _value(cell: Any) -> Any:
    """A label as JSON has it: NaN and NA are null, whole floats are integers."""
    import pandas as pd

    if cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell):
        return None
    if hasattr(cell, "item"):
        cell = cell.item()
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def read_json(text: str) -> dict | None:
    """The first JSON object in the text, fences and trailing words tolerated; None where there is none."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def valid(field: str, value: Any) -> bool:
    """Whether a value is of its field's type."""
    if field in ENUMERATIONS:
        return value in ENUMERATIONS[field]
    if field == "nota":
        return type(value) is int and 1 <= value <= 5
    if field == "atraso_dias":
        return value is None or (type(value) is int and value >= 0)
    return isinstance(value, bool | None) if field == "recomenda" else isinstance(value, str | None)


def equal(left: Any, right: Any) -> bool:
    """Text is compared accent- and case-folded; everything else with its type."""
    if isinstance(left, str) and isinstance(right, str):
        return fold(left) == fold(right)
    return type(left) is type(right) and left == right


def score(row: dict, completion: str) -> Score:
    """Format: parses (1/2), ten valid fields (1). Partial: what is said and right, over what is said by either.
    Task: every judged field right."""
    found = read_json(answer_of(completion))
    if found is None:
        return nothing("nenhum objeto JSON na resposta")
    wrong_type = [f for f in FIELDS if f not in found or not valid(f, found[f])] + sorted(set(found) - set(FIELDS))
    truth = row["facts"]["truth"]
    right = {f for f, value in truth.items() if f in found and equal(found[f], value)}
    spoken = {f for f, value in truth.items() if value != FIELDS[f][1] or (f in found and found[f] != FIELDS[f][1])}
    wrong = [f"{f}: {found.get(f, 'ausente')!r}, era {truth[f]!r}" for f in truth if f not in right]
    missing = [f"campo {f} inválido" for f in wrong_type] + wrong
    return scored(0.5 if wrong_type else 1.0, len(right & spoken) / len(spoken), not wrong and not wrong_type, missing)
