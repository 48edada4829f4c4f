"""The trainer's side: ask a worker to run a query or to judge it against a gold, and wait until the deadline at most.

No query is parsed or run in this process, and nothing here looks at a result but to hand it on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from caderno import workers
from caderno.sql import cells
from caderno.sql.credit import overlap as mean_credit
from caderno.sql.files import database_file
from caderno.sql.guard import Refused, check_text

if TYPE_CHECKING:
    from caderno.shop import Shop

SERVICE = "caderno.sql.service"
WORKERS = 2
DEADLINE_S = 1.0


class UnusableGold(ValueError):
    """The gold itself is refused, fails, is late or returns too much: nothing can be judged by it."""


@dataclass(frozen=True)
class Result:
    """Rows of a query (at most 1,000; `truncated` where there were more), or the error that stood in their place."""

    rows: tuple[tuple, ...] = ()
    error: str | None = None
    truncated: bool = False


@dataclass(frozen=True)
class Judgement:
    """A query against a gold.

    `error`: why it gave no result, `refused`: it was not even run. `same`: the gold's result on every shop.
    `credit`: part -> [0, 1] (`caderno.sql.credit`). `literals`: the texts it filters by. `rows`: its first rows on the
    first shop, `gold_rows` the gold's. `varies`: the gold has two results that differ and are not empty, NULL or 0, so
    that no constant meets all. A query whose output no row can change is never the `same` as one that reads rows.
    """

    error: str | None = None
    refused: bool = False
    same: bool = False
    credit: dict[str, float] | None = None
    literals: tuple[str, ...] = ()
    rows: tuple[tuple, ...] = ()
    gold_rows: tuple[tuple, ...] = ()
    varies: bool = False

    @property
    def overlap(self) -> float:
        """The mean of the parts' credits."""
        return mean_credit(self.credit or {})


def run(query: str, shop: Shop, deadline_s: float = DEADLINE_S) -> Result:
    """The query's rows on the shop. A refusal, an error or a missed deadline is a Result with its reason.

    Raises ServiceError or StartFailed (`caderno.workers`) where the fault is ours.
    """
    try:
        check_text(query)
        reply = _ask({"op": "run", "query": query, "path": str(database_file(shop))}, shop.tables, deadline_s)
    except (Refused, _Ended) as error:
        return Result(error=str(error))
    if reply["error"] is not None:
        return Result(error=reply["error"])
    return Result(cells.decode(reply["rows"]), truncated=reply["truncated"])


def judge(query: str, gold: str, shops: Sequence[Shop], deadline_s: float = DEADLINE_S) -> Judgement:
    """The query against the gold on every shop, in one round trip to a worker.

    Raises UnusableGold where the gold cannot be judged by, and ServiceError or StartFailed where the fault is ours.
    """
    asked = {"op": "judge", "gold": gold, "paths": [str(database_file(shop)) for shop in shops]}
    tables = shops[0].tables
    try:
        check_text(query)
        return _judgement(_ask(asked | {"query": query}, tables, deadline_s))
    except Refused as refusal:
        return Judgement(error=str(refusal), refused=True)
    except _Ended as ended:
        alone = _gold_alone(asked | {"query": gold}, tables, deadline_s)
        return replace(_credited(query, gold, tables, str(ended), deadline_s), gold_rows=alone.gold_rows)


def overlap(query: str, gold: str, tables: Collection[str]) -> float:
    """Share of the gold's tables, columns, filters and aggregation that the query has, less what it adds.

    0 when the query is refused: partial credit is for SQL. Raises UnusableGold.
    """
    try:
        check_text(query)
    except Refused:
        return 0.0
    return _judgement(_ask({"op": "credit", "query": query, "gold": gold}, tables, DEADLINE_S)).overlap


class _Ended(Exception):
    """The query's process is gone, and why."""


def _ask(request: dict[str, Any], tables: Collection[str], deadline_s: float) -> dict[str, Any]:
    """A worker's reply. Raises _Ended where the query cost its process."""
    pool = workers.shared(SERVICE, WORKERS)
    for last in (False, True):
        try:
            return pool.call(request | {"tables": sorted(tables)}, deadline_s)
        except workers.StartFailed:
            raise
        except workers.DeadlineMissed as late:
            raise _Ended(f"passou de {deadline_s:g} s") from late
        except workers.WorkerDied as death:
            if last:  # a machine short of memory ends processes at random; twice the same query, and it was the query
                raise _Ended(f"derrubou o processo: {str(death).splitlines()[0]}") from death
    raise AssertionError("the second attempt either returns or raises")


def _judgement(reply: dict[str, Any]) -> Judgement:
    if "gold_error" in reply:
        raise UnusableGold(reply["gold_error"])
    same = reply.get("same", [])
    return Judgement(
        error=reply["error"],
        refused=reply["refused"],
        same=bool(same) and all(same),
        credit=reply["credit"],
        literals=tuple(reply["literals"]),
        rows=cells.decode(reply.get("rows", [])),
        gold_rows=cells.decode(reply.get("gold_rows", [])),
        varies=reply.get("varies", False),
    )


def _gold_alone(asked: dict[str, Any], tables: Collection[str], deadline_s: float) -> Judgement:
    """The gold against itself. Raises UnusableGold where it does what the query was about to be blamed for."""
    try:
        return _judgement(_ask(asked, tables, deadline_s))
    except _Ended as ended:
        raise UnusableGold(str(ended)) from ended


def _credited(query: str, gold: str, tables: Collection[str], error: str, deadline_s: float) -> Judgement:
    """The credit of a query that ran too long: it can be read without being run."""
    try:
        reply = _ask({"op": "credit", "query": query, "gold": gold}, tables, deadline_s)
    except _Ended:
        return Judgement(error=error)
    return _judgement(reply | {"error": reply["error"] or error})
