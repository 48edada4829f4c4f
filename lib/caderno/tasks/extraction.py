"""Extraction: a customer's review becomes JSON with ten fixed fields.

Only fields whose truth is known are judged (Olist's reviews carry a score and no labels). Partial credit counts what
the review says; a schema filled with nulls earns the format and nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput
from caderno.shop.profile import SPLITS, split_of
from caderno.tasks import json_answers, schema
from caderno.tasks.base import Score, make_row, need, nothing, rng_for, scored
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop

NAME = "extraction"
NEEDS_SHOP = True
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


def score(row: dict, completion: str) -> Score | None:
    """Format: one JSON object (1/2) of ten valid fields with nothing said around it (1; see `json_answers`, `schema`).
    Partial: what is said and right, over what is said by either. Task: every judged field right, and the whole format.

    None where the row's truth holds nothing that can be judged. Raises BadInput for a truth of unknown fields.
    """
    truth = row["facts"]["truth"]
    if not _can_judge(truth, row):
        return None
    try:
        answer = json_answers.read(answer_of(completion))
    except json_answers.NoObject as why:
        return nothing(str(why))
    found = answer.fields
    bad = [*answer.repeated, *(name for name in schema.invalid(found) if name not in answer.repeated)]
    correct = {name for name, value in truth.items() if name in found and schema.right(name, found[name], value)}
    spoken = {name for name, value in truth.items() if value != FIELDS[name][1] or _says(found, name)}
    wrong = [_told(name, found, truth) for name in truth if name not in correct]
    missing = [
        f"campo {name} repetido" if name in answer.repeated else f"campo {name} inválido" for name in bad
    ] + wrong
    missing += [] if answer.alone else ["texto fora do objeto"]
    format_ = 0.5 if bad or not answer.alone else 1.0
    # A truth that says nothing, met by silence, is wholly right.
    partial = len(correct & spoken) / len(spoken) if spoken else 1.0
    return scored(format_, partial, not missing, missing)


def _can_judge(truth: dict, row: dict) -> bool:
    if unknown := truth.keys() - FIELDS.keys():
        raise BadInput(
            f"truth of unknown fields {', '.join(sorted(unknown))}", expected=f"fields among {', '.join(FIELDS)}",
            where=f"row {row.get('id')}, facts",
        )  # fmt: skip
    return bool(truth) and all(schema.can_judge(name, value) for name, value in truth.items())


def _says(found: dict, name: str) -> bool:
    """Whether an answer says something in a field. null where silence has a word of its own says nothing either."""
    return found.get(name) is not None and found[name] != FIELDS[name][1]


def _told(name: str, found: dict, truth: dict) -> str:
    said = f"{found[name]!r}"[:80] if name in found else "ausente"
    return f"{name}: {said}, era {truth[name]!r}"
