"""The second wall: DuckDB over a read-only file, with no way out and little to spend.

It runs what it is given; that it is one SELECT over the shop is the guard's business. Runs in a worker only: a query
that crashes or stalls DuckDB takes the process with it.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caderno.sql import cells
from caderno.sql.cells import MAX_ROWS
from caderno.workers.child import files_allowed

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "512MB"
OPEN_SHOPS = 8
KEPT_RESULTS = 4096  # small ones, of at most KEPT_CELLS
KEPT_CELLS = 64
# What can only be said when a database is opened ...
AT_OPENING = {
    "threads": 1,
    "allow_persistent_secrets": False,
    "allow_community_extensions": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # FROM variable would read the process's own data frames
}
# ... and what only afterwards, the lock on all of it last.
LOCKS = (
    "async_threads = 0",
    "temp_directory = ''",
    "max_temp_directory_size = '0KB'",
    f"memory_limit = '{MEMORY_LIMIT}'",
    "allow_extension_repositories = 'forbidden'",
    "enable_external_access = false",
    "lock_configuration = true",
)


@dataclass(frozen=True)
class Outcome:
    """Rows of a query (at most MAX_ROWS; `truncated` where there were more), or the error that stood in their place."""

    rows: tuple[tuple, ...] = ()
    truncated: bool = False
    error: str | None = None


_open: OrderedDict[str, duckdb.DuckDBPyConnection] = OrderedDict()
_kept: OrderedDict[tuple[str, str], Outcome] = OrderedDict()


def run(path: str, sql: str) -> Outcome:
    """The outcome of a query on the database file `path`. The same query on the same file is run once."""
    kept = _kept.get((path, sql))
    if kept is not None:
        _kept.move_to_end((path, sql))
        return kept
    outcome = execute(path, sql, one_select=True)
    if outcome.error is None and sum(map(len, outcome.rows)) <= KEPT_CELLS:
        _kept[path, sql] = outcome
        if len(_kept) > KEPT_RESULTS:
            _kept.popitem(last=False)
    return outcome


@functools.lru_cache(maxsize=4096)
def fault(path: str, text: str) -> str | None:
    """Why DuckDB would not run this text on the file, or None. It is bound and planned, and not run."""
    return execute(path, f"PREPARE asked AS {text}").error


@functools.lru_cache(maxsize=256)
def columns(path: str) -> frozenset[str]:
    """The names of all columns of the file's tables, in lower case."""
    found = opened(path).cursor().execute("SELECT column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
    return frozenset(name.lower() for (name,) in found)


def execute(path: str, sql: str, one_select: bool = False) -> Outcome:
    """Run the text as it is; with `one_select`, only if DuckDB's own parser sees one SELECT and nothing else in it.

    What the query did wrong is an outcome; a file that cannot be read is raised.
    """
    import duckdb

    # A connection of its own: its transaction, its temporary tables and its variables end with it.
    cursor = opened(path).cursor()
    try:
        statement = only_select(sql) if one_select else sql
        if statement is None:
            return Outcome(error="não é um único SELECT")
        rows = cursor.execute(statement).fetchmany(MAX_ROWS + 1)
        cells.encode(rows)
        return Outcome(tuple(rows[:MAX_ROWS]), truncated=len(rows) > MAX_ROWS)
    except (duckdb.IOException, duckdb.ConnectionException):
        raise
    except (duckdb.FatalException, duckdb.InternalException) as error:
        close(path)  # DuckDB takes no query on this instance any more: the next one opens it anew
        return Outcome(error=_first_line(error))
    # Values that Python has no room for (a year 290000) come as its own errors, and so does memory that ran out.
    except (duckdb.Error, cells.ResultTooLarge, ValueError, OverflowError, MemoryError, RuntimeError) as error:
        return Outcome(error=_first_line(error))
    finally:
        cursor.close()


@functools.lru_cache(maxsize=256)
def only_select(sql: str) -> duckdb.Statement | None:
    """The text as DuckDB's own parser reads it, if that is one SELECT and nothing else. Raises duckdb.ParserException.

    A statement is bound to no database: the one that was read for the shop runs on its twin too.
    """
    import duckdb

    statements = _parser().extract_statements(sql)
    return statements[0] if [one.type for one in statements] == [duckdb.StatementType.SELECT] else None


@functools.cache
def _parser() -> duckdb.DuckDBPyConnection:
    return locked(":memory:")


def opened(path: str) -> duckdb.DuckDBPyConnection:
    """The locked connection to a database file, opened when first asked for and kept while it is among the last few."""
    if path in _open:
        _open.move_to_end(path)
        return _open[path]
    while len(_open) >= OPEN_SHOPS:
        close(next(iter(_open)))
    with files_allowed():
        _open[path] = locked(path)
    return _open[path]


def locked(path: str) -> duckdb.DuckDBPyConnection:
    """A new connection to a database file, or to an empty memory (":memory:"), with every lock on."""
    import duckdb

    link = duckdb.connect(path, read_only=path != ":memory:", config=AT_OPENING)
    for lock in LOCKS:
        link.execute(f"SET {lock}")
    return link


def close(path: str) -> None:
    """Close a database file, if it is open."""
    if link := _open.pop(path, None):
        with files_allowed():  # and the number that gets free is locked again
            link.close()


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
