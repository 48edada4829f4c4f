"""What runs in the worker: read a query, run it, compare it with the gold's result, credit its parts.

It answers requests and keeps what it may ask again; who asks, and the deadline, are the pool's business. A query's own
fault is part of the reply; an exception is a defect.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any

from caderno.sql import cells, engine
from caderno.sql.credit import credit
from caderno.sql.guard import Refused, parse, rendered
from caderno.sql.same import same_rows
from caderno.sql.tree import Facts, facts

SHOWN_ROWS = 2
WARM_UP = "SELECT 1, 1.5::DECIMAL(4, 2), DATE '2024-01-01', TIMESTAMP '2024-01-01 10:00:00', INTERVAL 1 DAY, 'a', NULL"


@dataclass(frozen=True)
class Read:
    """A query as the guard lets it through."""

    sql: str
    facts: Facts


def prepare() -> None:
    """Import the parser and DuckDB and use both once: afterwards nothing can be imported."""
    sys.setrecursionlimit(10_000)  # the guard's bounds on nesting decide, and not how deep the caller stands
    read("SELECT sum(price) FROM items WHERE city = 'x' GROUP BY ALL", ("items",))
    link = engine.locked(":memory:")
    cells.encode(link.execute(engine.only_select(WARM_UP)).fetchall())
    link.close()


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to {"op": "run" | "judge" | "credit", "query", ...}."""
    tables = tuple(request["tables"])
    if request["op"] == "run":
        return _run(request["query"], tables, request["path"])
    if request["op"] == "judge":
        return _judge(request["query"], request["gold"], tables, request["paths"])
    return _credit(request["query"], request["gold"], tables)


@functools.lru_cache(maxsize=4096)
def read(query: str, tables: tuple[str, ...]) -> Read | str:
    """The query as it will run with its facts, or why it is refused."""
    try:
        tree = parse(query, tables)
        _require_duckdb_reads(query)
        read_off = facts(tree)
        return Read(rendered(tree), read_off)
    except Refused as refusal:
        return str(refusal)


def _require_duckdb_reads(query: str) -> None:
    """sqlglot mends what it reads (a missing parenthesis, a lone comma); DuckDB, which judges SQL here, does not."""
    import duckdb

    try:
        statement = engine.only_select(query)
    except duckdb.ParserException as error:
        raise Refused(f"não é SQL: {str(error).splitlines()[0][:120]}") from error
    if statement is None:
        raise Refused("não é um único SELECT")


def _run(query: str, tables: tuple[str, ...], path: str) -> dict[str, Any]:
    asked = read(query, tables)
    if isinstance(asked, str):
        return {"error": asked}
    outcome = _outcome(asked, path)
    return {"error": outcome.error, "rows": cells.encode(outcome.rows), "truncated": outcome.truncated}


def _credit(query: str, gold: str, tables: tuple[str, ...]) -> dict[str, Any]:
    asked, wanted = read(query, tables), read(gold, tables)
    if isinstance(wanted, str):
        return {"gold_error": wanted}
    if isinstance(asked, str):
        return {"error": asked, "refused": True, "credit": {}, "literals": []}
    return {
        "error": None,
        "refused": False,
        "credit": credit(asked.facts, wanted.facts),
        "literals": list(asked.facts.literals),
    }


def _judge(query: str, gold: str, tables: tuple[str, ...], paths: list[str]) -> dict[str, Any]:
    reply = _credit(query, gold, tables)
    asked, wanted = read(query, tables), read(gold, tables)
    if isinstance(wanted, str):
        return reply
    golds = [_outcome(wanted, path) for path in paths]
    reasons = [_unusable(outcome) for outcome in golds] + [engine.fault(paths[0], gold)]
    if reason := next(filter(None, reasons), None):
        return {"gold_error": reason}
    reply |= {"same": [], "rows": [], "varies": len({repr(gold.rows) for gold in golds if _says_something(gold)}) > 1}
    reply["gold_rows"] = cells.encode(golds[0].rows[:SHOWN_ROWS])
    if isinstance(asked, str):
        return reply
    constant = asked.facts.constant and not wanted.facts.constant
    for path, expected in zip(paths, golds, strict=True):
        outcome = _outcome(asked, path)
        if outcome.error is not None:
            return reply | {"error": outcome.error, "same": []}
        reply["same"].append(not constant and _same(outcome, expected, wanted.facts))
        reply["rows"] = reply["rows"] or cells.encode(outcome.rows[:SHOWN_ROWS])
        if not reply["same"][-1]:
            return reply
    # What ran is the guard's reading of the text. Before it is called right, DuckDB must accept the text as it came.
    if error := engine.fault(paths[0], query):
        reply |= {"error": error, "same": []}
    return reply


def _outcome(asked: Read, path: str) -> engine.Outcome:
    """What the query gives. A column that no table has is not left to DuckDB, which may read it as a function."""
    if unknown := asked.facts.foreign - engine.columns(path):
        return engine.Outcome(error=f"coluna desconhecida: {min(unknown)[:60]}")
    return engine.run(path, asked.sql)


def _same(found: engine.Outcome, gold: engine.Outcome, rules: Facts) -> bool:
    if found.truncated:
        return False
    return same_rows(found.rows, gold.rows, rules.ordered, order_keys=rules.order_keys, decimals=rules.decimals)


def _says_something(gold: engine.Outcome) -> bool:
    """Not where there is nothing to count: `max(12)` over no rows is NULL too, and `coalesce(max(12), 0)` is 0."""
    return any(cell not in (None, 0) for row in gold.rows for cell in row)


def _unusable(gold: engine.Outcome) -> str | None:
    return gold.error or (f"mais de {cells.MAX_ROWS} linhas" if gold.truncated else None)
