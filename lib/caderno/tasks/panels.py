"""Panels: one measure of the shop for a few entities, the small tables that sql_qa and insights show.

A measure is its SQL; its figures are what that SQL returns on the shop's own tables, so a panel cannot disagree with
the database.
"""

from __future__ import annotations

import contextlib
import random
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caderno.shop.profile import split_of

if TYPE_CHECKING:
    from caderno.shop import Shop

LIKE = "orders JOIN customers USING (customer_id)"
SOLD = "items JOIN products USING (product_id)"
JUDGED = "reviews JOIN orders USING (order_id) JOIN customers USING (customer_id)"


@dataclass(frozen=True)
class Measure:
    """A figure per entity: `select` over `source`, for one value of `column`, where `condition` holds."""

    name: str  # what the panel is headed with
    noun: str  # what a recommendation speaks of
    question: str  # {v} is the entity
    entity: str  # kind of entity
    select: str
    source: str
    column: str
    condition: str = ""

    def query(self, value: str) -> str:
        """The SQL that answers the question for one entity."""
        text = value.replace("'", "''")
        also = f" AND {self.condition}" if self.condition else ""
        return f"SELECT {self.select} FROM {self.source} WHERE {self.column}='{text}'{also}"

    def by_entity(self) -> str:
        """The SQL of the same figure for every entity at once."""
        where = f" WHERE {self.condition}" if self.condition else ""
        return f"SELECT {self.column}, {self.select} FROM {self.source}{where} GROUP BY 1 ORDER BY 1"


MEASURES = (
    Measure("pedidos", "entregas", "quantos pedidos em {v}?", "city", "count(*)", LIKE, "city"),
    Measure("cancelados", "pedidos", "quantos pedidos cancelados em {v}?", "city", "count(*)", LIKE, "city",
            "status='canceled'"),
    Measure("atrasos", "entregas", "quantas entregas atrasadas em {v}?", "city", "count(*)",
            f"deliveries JOIN {LIKE.replace('orders', 'orders USING (order_id)')}", "city", "days_late>0"),
    Measure("nota média", "ofertas", "qual a nota média em {v}?", "city", "round(avg(score),1)", JUDGED, "city"),
    Measure("vendas", "estoque", "quantas vendas de {v}?", "product", "count(*)", SOLD, "product_name"),
    Measure("receita", "preço", "qual a receita de {v}?", "product", "sum(items.price)", SOLD, "product_name"),
)  # fmt: skip

_figures: weakref.WeakKeyDictionary[Shop, dict[str, dict[str, float]]] = weakref.WeakKeyDictionary()


def figures(shop: Shop, measure: Measure) -> dict[str, float]:
    """The measure's figure for every entity of the shop that has one; all measures are asked once per shop."""
    if shop not in _figures:
        # The generated shop gives each split its own names; Olist's cities stand in all, so a hash deals them out.
        mine = shop.source["source"] == "shop"
        with contextlib.closing(shop.connect()) as link:
            found = {one.name: link.execute(one.by_entity()).fetchall() for one in MEASURES}
        _figures[shop] = {
            name: {
                n: float(v) for n, v in rows if n is not None and v is not None and (mine or split_of(n) == shop.split)
            }
            for name, rows in found.items()
        }
    return _figures[shop][measure.name]


def panel(shop: Shop, measure: Measure, lines: int, rng: random.Random) -> list[tuple[str, float]]:
    """`lines` entities with their figures; empty where the shop knows fewer."""
    known = figures(shop, measure)
    if len(known) < lines:
        return []
    names = rng.sample(sorted(known), lines)
    return [(name, round(known[name], 2)) for name in names]


def panel_text(measure: Measure, lines: list[tuple[str, float]]) -> str:
    """A panel as one line of text: `pedidos: recife 48; natal 12.`"""
    from caderno.tasks.base import figure

    return f"{measure.name}: " + "; ".join(f"{name} {figure(value)}" for name, value in lines) + "."
