"""What customers say of their orders: which orders are reviewed, and the facts, stars and moment of each review.

It decides facts only; a profile turns them into Portuguese.
"""

from __future__ import annotations

import random
from dataclasses import fields

import pandas as pd

from caderno.shop.profile import Profile, ReviewFacts
from caderno.shop.tables import frame, sentiment_of

# Share of orders reviewed, and share of reviews that leave stars without a word.
REVIEWED = {"delivered": 0.87}
REVIEWED_UNDELIVERED = 0.50
SILENT = 0.12
# Problem -> weights of 1 to 5 stars. With the rates of problems below, the whole is J-shaped as in real shops.
STARS = {
    "nenhum": (1, 1, 6, 22, 70),
    "atraso": (34, 16, 24, 18, 8),
    "defeito": (56, 19, 19, 5, 1),
    "produto_errado": (58, 19, 17, 5, 1),
    "nao_chegou": (82, 12, 6, 0, 0),
    "atendimento": (55, 20, 18, 6, 1),
}
# Problem -> requests that go with it, and praise that it rules out.
REQUESTS_FOR = {
    "nenhum": ("resposta",),
    "atraso": ("resposta", "reembolso"),
    "defeito": ("troca", "troca", "reembolso", "resposta"),
    "produto_errado": ("troca", "troca", "reembolso", "resposta"),
    "nao_chegou": ("reembolso", "reembolso", "resposta"),
    "atendimento": ("resposta", "reembolso"),
}
NO_PRAISE = {
    "nenhum": (),
    "atraso": ("entrega",),
    "defeito": ("qualidade",),
    "produto_errado": ("qualidade",),
    "nao_chegou": ("entrega", "qualidade"),
    "atendimento": ("atendimento",),
}
LABEL_COLUMNS = ("review_id", *(entry.name for entry in fields(ReviewFacts)))


def review_tables(seed: str, voice: Profile, tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The reviews of the other six tables' orders, and the labels of those with a comment."""
    rng = random.Random(seed)
    rows: list[dict] = []
    labels: list[dict] = []
    for order in _orders_in_full(tables):
        if rng.random() >= REVIEWED.get(order["status"], REVIEWED_UNDELIVERED):
            continue
        facts = draw_facts(rng, order)
        silent = rng.random() < SILENT
        title, comment = (None, None) if silent else voice.review(rng, facts)
        review_id = f"r{len(rows) + 1}"
        row = {"review_id": review_id, "order_id": order["order_id"], "score": facts.score}
        rows.append({**row, "title": title, "comment": comment, "created_at": _written_on(rng, order)})
        if not silent:
            labels.append({"review_id": review_id, **vars(facts)})
    return frame("reviews", pd.DataFrame(rows)), label_frame(labels)


def label_frame(labels: list[dict]) -> pd.DataFrame:
    """Labels as a frame with every column; what is not known is None."""
    made = pd.DataFrame(labels, columns=list(LABEL_COLUMNS), dtype=object)
    return made.where(made.notna(), None)


def _orders_in_full(tables: dict[str, pd.DataFrame]) -> list[dict]:
    """Each order with its buyer, its delivery and the product of its first line."""
    lines = tables["items"].merge(tables["products"][["product_id", "product_name"]], on="product_id")
    lines = lines.sort_values(["order_id", "item_number"])
    first = lines.drop_duplicates("order_id")[["order_id", "product_name"]]
    whole = tables["orders"].merge(tables["customers"], on="customer_id", how="left")
    whole = whole.merge(tables["deliveries"], on="order_id").merge(first, on="order_id")
    return whole.to_dict("records")


def _written_on(rng: random.Random, order: dict) -> pd.Timestamp:
    """Within days of the delivery or, when nothing came, of the day it was promised for."""
    since = order["promised_at"] if pd.isna(order["delivered_at"]) else order["delivered_at"]
    return since.normalize() + pd.Timedelta(days=1 + min(int(rng.expovariate(0.6)), 20))


def draw_facts(rng: random.Random, order: dict) -> ReviewFacts:
    """What the review of `order` will say. Whatever it mentions is what the tables hold."""
    problem = _problem(rng, order)
    score = rng.choices((1, 2, 3, 4, 5), _stars(problem, order))[0]
    late = order["days_late"] if problem == "atraso" and rng.random() < 0.65 else None
    return ReviewFacts(
        score=score,
        sentiment=sentiment_of(score),
        problem=problem,
        late_days=None if late is None else int(late),
        product=order["product_name"] if rng.random() < 0.60 else None,
        city=order["city"] if rng.random() < 0.30 else None,
        customer=order["customer_name"] if rng.random() < 0.25 else None,
        recommends=_recommends(rng, score),
        request=_request(rng, problem, score),
        praise=_praise(rng, problem, score),
    )


def _problem(rng: random.Random, order: dict) -> str:
    """Undelivered orders always have one; late parcels mostly, the longer the likelier; others now and then."""
    if order["status"] != "delivered":
        return "nao_chegou" if rng.random() < 0.80 else "atendimento"
    late = int(order["days_late"])
    if late and rng.random() < min(0.95, 0.55 + 0.06 * late):
        return "atraso"
    weights = (84, 8, 5, 3)
    return rng.choices(("nenhum", "defeito", "produto_errado", "atendimento"), weights)[0]


def _stars(problem: str, order: dict) -> tuple[float, ...]:
    """Weights of 1 to 5 stars; a parcel more than a week late loses most of what goodwill was left."""
    weights = STARS[problem]
    if problem == "atraso" and order["days_late"] > 7:
        return (weights[0] * 2.5, weights[1] * 1.5, weights[2], weights[3] * 0.4, weights[4] * 0.2)
    return weights


def _recommends(rng: random.Random, score: int) -> bool | None:
    """Said in two reviews of five, by the contented and the angry; the lukewarm seldom say either."""
    if rng.random() >= (0.15 if score == 3 else 0.42):
        return None
    return score >= 4 if score != 3 else rng.random() < 0.5


def _request(rng: random.Random, problem: str, score: int) -> str:
    """Something is asked for in half of the reviews with a problem; the contented never want their money back."""
    if problem == "nenhum" and score > 2:
        return "nada"
    wants = 0.10 if problem == "nenhum" else 0.50 if score <= 3 else 0.15
    fitting = [request for request in REQUESTS_FOR[problem] if score <= 3 or request != "reembolso"]
    return rng.choice(fitting) if rng.random() < wants else "nada"


def _praise(rng: random.Random, problem: str, score: int) -> str:
    """The contented name what they liked; others do at times. Never what the problem contradicts."""
    if rng.random() >= (0.75 if score >= 4 else 0.35 if score == 3 else 0.08):
        return "nada"
    allowed = [kind for kind in ("preco", "qualidade", "entrega", "atendimento") if kind not in NO_PRAISE[problem]]
    return rng.choice(allowed)
