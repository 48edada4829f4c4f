"""Partial credit for a query that is not yet right: what it shares with the gold, part by part.

tables       the tables read
columns      the columns named, join keys apart (`USING` and `a.id = b.id` are one thing)
filters      the conditions, cut at AND: `city = 'x'`, `days_late > 0`; their qualifiers and sides do not matter
aggregation  the aggregate functions with their arguments, what rows are grouped by, DISTINCT

Each is an F1 of sets, so that naming everything pays no better than naming what is needed. It runs nothing and knows no
result.
"""

from __future__ import annotations

from caderno.sql.tree import Facts

PARTS = ("tables", "columns", "filters", "aggregation")
NONE = dict.fromkeys(PARTS, 0.0)


def credit(found: Facts, gold: Facts) -> dict[str, float]:
    """Part -> F1 in [0, 1], for the parts that gold or query has. All 0 for a query whose output is constant."""
    if found.constant:
        return {part: 0.0 for part in PARTS if getattr(gold, part)}
    pairs = {part: (getattr(found, part), getattr(gold, part)) for part in PARTS}
    return {part: f1(a, b) for part, (a, b) in pairs.items() if a or b}


def overlap(credits: dict[str, float]) -> float:
    """One figure for the parts: their mean."""
    return sum(credits.values()) / len(credits) if credits else 0.0


def f1(found: frozenset[str], wanted: frozenset[str]) -> float:
    """Harmonic mean of precision and recall; 0 where only one of the two is empty."""
    return 2 * len(found & wanted) / (len(found) + len(wanted))
