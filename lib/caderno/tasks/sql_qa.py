"""SQL questions: a business question becomes a query and a short answer.

The query runs on the shop's own tables (`caderno.sql`) and must return what the reference returns; the answer must give
the same figure, which the prompt's panel shows among others.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from caderno.tasks.base import Score, figure, make_row, need, nothing, numbers, rng_for, says, scored
from caderno.tasks.panels import MEASURES, panel, panel_text
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop

NAME = "sql_qa"
THINK_BUDGET_TOKENS = 400
MAX_ANSWER_CHARACTERS = 200
PANEL_LINES = (2, 3)
SYSTEM_PROMPT = {
    "small": "responda com sql.",
    "full": (
        "Você responde perguntas de negócio com SQL (DuckDB) e uma resposta curta. Tabelas: "
        "customers(customer_id, customer_name, city, state); products(product_id, product_name, category, price); "
        "orders(order_id, customer_id, status, purchased_at); items(order_id, item_number, product_id, price, "
        "freight); payments(order_id, method, installments, amount); deliveries(order_id, promised_at, "
        "delivered_at, days_late); reviews(review_id, order_id, score, title, comment, created_at). Escreva "
        "'sql:' e um único SELECT que devolva um só número, depois 'resposta:' e o número que o painel mostra."
    ),
}
_SHAPE = re.compile(r"(?is)^\s*sql:\s*(?:```(?:sql)?\s*)?(?P<query>.+?);?\s*(?:```)?\s*resposta:\s*(?P<answer>.*)$")


def rows(shop: Shop, n: int, seed: int) -> list[dict]:
    """n rows: a panel, a question about one of its lines, the query and the figure."""
    rng = rng_for(NAME, shop, seed)
    drawn: dict[str, tuple] = {}
    for _ in range(30 * n):
        if len(drawn) == n:
            break
        measure = rng.choice(MEASURES)
        if lines := panel(shop, measure, rng.choice(PANEL_LINES), rng):
            asked = rng.choice(lines)
            drawn[_user(measure, lines, asked[0])] = (measure, lines, asked)
    return [_row(shop, *facts, i, seed) for i, facts in enumerate(need(list(drawn.values()), n, NAME, shop))]


def _user(measure, lines: list[tuple[str, float]], name: str) -> str:
    return f"painel de {panel_text(measure, lines)} {measure.question.format(v=name)}"


def _row(shop: Shop, measure, lines: list[tuple[str, float]], asked: tuple[str, float], index: int, seed: int) -> dict:
    name, value = asked
    query = measure.query(name)
    return make_row(
        NAME, shop, index, seed, SYSTEM_PROMPT[shop.source.get("profile", "full")], _user(measure, lines, name),
        f"{measure.name} de {name}: {figure(value)}.",
        f"sql: {query};\nresposta: {figure(value)}.",
        entities=[f"{measure.entity}:{line}" for line, _ in lines],
        facts={"query": query, "value": value, "about": name},
    )  # fmt: skip


def score(row: dict, completion: str) -> Score:
    """Format: both labels, SQL that is one SELECT over the tables. Partial: overlap with the reference's tree, all of
    it where the result is the same. Task: half for the same result, the other half for the same figure in the answer.

    A result is the same when the query names what was asked about and agrees with the reference on the row's shop and
    on a twin with other figures: `SELECT 12` is no answer.
    """
    from caderno import shop, sql

    text = answer_of(completion)
    shape = _SHAPE.match(text)
    if not shape:
        return nothing("faltam 'sql:' e 'resposta:'")
    query, gold, value = shape["query"].strip(), row["facts"]["query"], float(row["facts"]["value"])
    source, twin = shop.rebuild(row["shop"]), shop.rebuild(_twin(row["shop"]))
    overlap = sql.overlap(query, gold, frozenset(source.tables))
    result = sql.run(query, source)
    if result.error:
        return scored(0.5 * (overlap > 0), 0.5 * overlap, 0.0, [result.error])
    same = says(query, row["facts"]["about"]) and sql.same_rows(result.rows, ((value,),))
    same = same and sql.same_rows(sql.run(query, twin).rows, sql.run(gold, twin).rows)
    figures = numbers(shape["answer"])
    told = len(shape["answer"]) <= MAX_ANSWER_CHARACTERS and len(figures) == 1 and math.isclose(figures[0], value)
    missing = [] if same else [f"a consulta devolve {str(result.rows[:2])[:80]}"]
    missing += [] if told else [f"a resposta não diz {figure(value)}"]
    return scored(1.0, 1.0 if same else overlap, (0.5 + 0.5 * told) * same, missing)


def _twin(source: dict) -> dict:
    """A shop with the same names and other figures: another seed, or for Olist another split."""
    if source["source"] == "shop":
        return source | {"seed": source["seed"] + 1}
    return source | {"split": "heldout" if source["split"] != "heldout" else "train"}
