"""Model-written SQL under guard: one read-only SELECT over the shop's tables, run by DuckDB with no way out.

It does not sandbox by process; it parses with sqlglot before anything runs, locks DuckDB's configuration and
interrupts at the deadline.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    from sqlglot import Expression

    from caderno.shop import Shop

DEADLINE_S = 1.0
MAX_ROWS = 1000
_connections: dict[int, tuple[Shop, duckdb.DuckDBPyConnection]] = {}


class Refused(ValueError):
    """The query is not one read-only SELECT over known tables. The message is the reason."""


@dataclass(frozen=True)
class Result:
    """Rows of a query, or the error that stood in their place."""

    rows: tuple[tuple, ...] = ()
    error: str | None = None


def parse(query: str, tables: frozenset[str]) -> Expression:
    """The query's tree (sqlglot, DuckDB dialect). Raises Refused with the reason."""
    import sqlglot
    from sqlglot import exp

    try:
        trees = sqlglot.parse(query, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise Refused(f"não é SQL: {str(error).splitlines()[0][:120]}") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise Refused("não é um único SELECT")
    tree = trees[0]
    for node in tree.walk():
        if isinstance(node, exp.DML | exp.DDL | exp.Command | exp.Into | exp.Placeholder) and not isinstance(
            node, exp.Query
        ):
            raise Refused(f"{type(node).__name__} não é leitura")
    _known_tables(tree, tables)
    return tree


def _known_tables(tree: Expression, tables: frozenset[str]) -> None:
    from sqlglot import exp

    local = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.db or table.catalog:
            raise Refused(f"tabela desconhecida: {table.sql()[:60]}")
        if table.name.lower() not in tables | local:
            raise Refused(f"tabela desconhecida: {table.name[:60]}")


def connection(shop: Shop) -> duckdb.DuckDBPyConnection:
    """The shop's locked connection, opened once per shop and process."""
    held = _connections.get(id(shop))
    if held is None:
        link = shop.connect()
        link.execute("SET threads = 1")
        link.execute("SET enable_external_access = false")
        link.execute("SET memory_limit = '1GB'")
        link.execute("SET lock_configuration = true")
        held = _connections[id(shop)] = (shop, link)  # keeps the shop alive, so that its id stays its own
    return held[1]


def run(query: str, shop: Shop, deadline_s: float = DEADLINE_S) -> Result:
    """The query's rows (at most 1,000). A refusal, an error or a missed deadline is a Result with its reason."""
    import duckdb

    try:
        parse(query, frozenset(shop.tables))
    except Refused as refusal:
        return Result(error=str(refusal))
    cursor = connection(shop).cursor()
    timer = threading.Timer(deadline_s, cursor.interrupt)
    timer.start()
    try:
        return Result(rows=tuple(cursor.execute(query).fetchmany(MAX_ROWS)))
    except duckdb.InterruptException:
        return Result(error=f"passou de {deadline_s:g} s")
    except duckdb.Error as error:
        return Result(error=str(error).splitlines()[0][:160])
    finally:
        timer.cancel()
        cursor.close()


def same_rows(left: tuple[tuple, ...], right: tuple[tuple, ...], ordered: bool = False) -> bool:
    """Equal results: numbers to 1e-6 relative whatever their type, text exactly, row order only when ordered."""
    a, b = [_plain(row) for row in left], [_plain(row) for row in right]
    return a == b if ordered else sorted(a, key=repr) == sorted(b, key=repr)


def _plain(row: tuple) -> tuple:
    """Numbers of any type become floats of 9 significant digits; the rest stays."""
    from decimal import Decimal

    return tuple(
        float(f"{float(cell):.9g}") if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool) else cell
        for cell in row
    )


def overlap(query: str, gold: str, tables: frozenset[str]) -> float:
    """Share of the gold's tables, columns, literals and functions that the query names, less what it adds (F1).

    0 when the query does not parse: partial credit is for SQL.
    """
    try:
        found, wanted = _pieces(parse(query, tables)), _pieces(parse(gold, tables))
    except Refused:
        return 0.0
    return 2 * len(found & wanted) / (len(found) + len(wanted))


def _pieces(tree: Expression) -> set[str]:
    from sqlglot import exp

    kinds = (exp.Table, exp.Column, exp.Literal, exp.AggFunc)
    return {f"{node.key}:{node.name.lower()}" for node in tree.walk() if isinstance(node, kinds)}
