"""SQL questions: a business question becomes a query and a short answer.

The query runs on the shop's own tables, in a process of its own (`caderno.sql`), and must return what the reference
returns; the answer must give the same figure, which the prompt's panel shows among others. Whether a query is a good
one is not judged.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from caderno.tasks.base import Score, figure, fold, make_row, need, nothing, numbers, rng_for, says, scored, without
from caderno.tasks.panels import MEASURES, panel, panel_text
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop
    from caderno.sql import Judgement

NAME = "sql_qa"
THINK_BUDGET_TOKENS = 400
NEEDS_SHOP = True
WAITS = True  # for a worker process: several threads score faster than one
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
_LABEL = re.compile(r"(?i)(?<!\w)(sql|resposta)\s*:")
# Words that take back or blur the figure beside them, on folded text; a figure of thousands or per cent is another one.
_HEDGE = re.compile(
    r"(?<!\w)(?:nao|nem|nunca|jamais|nenhum\w*|talvez|acho|creio|parece|desculp\w*|infelizmente|lament\w*|impossivel|"
    r"incapaz|recus\w*|consigo|duvid\w*|incert\w*|inacess\w*|errad\w*|engan\w*|mentira|fals\w*|ou|quase|cerca|"
    r"aproximad\w*|(?:mais|menos|acima|abaixo) (?:de|que|do que)|sorry|cannot|can.t|unable|not|never)(?!\w)|\?"
)
_SCALED = re.compile(r"[0-9]\s*(?:%|(?:mil|milh\w+|bilh\w+|por cento)(?!\w))")


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


def score(row: dict, completion: str) -> Score | None:
    """Format: both labels, SQL that is one SELECT over the tables. Partial: what it shares with the reference's tree
    (`caderno.sql.credit`), all of it where the result is the same. Task: half for the same result, the other half for
    the same figure in the answer.

    None where the row cannot be judged: its reference does not run, or does not give the row's own figure.
    """
    from caderno import sql

    parts = _parts(answer_of(completion))
    if parts is None:
        return nothing("faltam 'sql:' e 'resposta:', uma vez cada")
    query, answer = parts
    value, about = float(row["facts"]["value"]), row["facts"]["about"]
    try:
        judged = _judged(query, row)
    except sql.UnusableGold:
        return None
    if judged.refused:
        return nothing(judged.error)
    if not sql.same_rows(judged.gold_rows, ((value,),), decimals=(2,)):  # the panel shows two decimals
        return None
    if judged.error:
        return scored(0.5 * (judged.overlap > 0), 0.5 * judged.overlap, 0.0, [judged.error])
    same = judged.same and any(says(text, about) for text in judged.literals)
    told = _tells(answer, value, about)
    missing = [] if same else [f"a consulta devolve {str(judged.rows)[:80]}"]
    missing += [] if told else [f"a resposta não diz {figure(value)}, ou não só isso"]
    return scored(1.0, 1.0 if same else judged.overlap, (0.5 + 0.5 * told) * same, missing)


def _parts(text: str) -> tuple[str, str] | None:
    """(query, answer) of a text that has each label once, `sql:` at its start."""
    labels = list(_LABEL.finditer(text))
    if [label[1].lower() for label in labels] != ["sql", "resposta"] or text[: labels[0].start()].strip():
        return None
    query = text[labels[0].end() : labels[1].start()].strip()
    if query.startswith("```"):
        query = query[3:].removesuffix("```")
        query = query[3:] if query[:3].lower() == "sql" else query
    return query.strip(), text[labels[1].end() :].strip()


def _judged(query: str, row: dict) -> Judgement:
    """The query against the reference on the row's shop and on a twin with other figures: `SELECT 12` is no answer.

    Where the twin's answer is the shop's own or nothing (a count of 1 or 0), the shop's mirror decides.
    """
    from caderno import shop, sql

    source, gold = shop.rebuild(row["shop"]), row["facts"]["query"]
    judged = sql.judge(query, gold, [source, shop.rebuild(_twin(row["shop"]))])
    if judged.same and not judged.varies:
        judged = sql.judge(query, gold, [source, sql.mirror(source)])
    return judged


def _twin(source: dict) -> dict:
    """A shop with the same names and other figures: another seed, or for Olist another split."""
    if source["source"] == "shop":
        return source | {"seed": source["seed"] + 1}
    return source | {"split": "heldout" if source["split"] != "heldout" else "train"}


def _tells(answer: str, value: float, about: str) -> bool:
    """Whether the answer gives the figure, no other one, and does not take it back."""
    if len(answer) > MAX_ANSWER_CHARACTERS:
        return False
    plain = without(answer, [about])
    figures = numbers(plain)
    if len(figures) != 1 or not math.isclose(figures[0], value, abs_tol=1e-9):
        return False
    return not _HEDGE.search(fold(plain)) and not _SCALED.search(fold(plain))
