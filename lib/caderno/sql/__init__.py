"""Model-written SQL under guard: one read-only SELECT over the shop's tables, run by DuckDB in a process of its own.

A query is hostile until it has run: it is parsed and run in a worker (`caderno.workers`) that can open no file and no
socket, sees no environment and is killed at the deadline. Nothing here knows what a question was.
"""

from __future__ import annotations

from caderno.sql.cells import MAX_ROWS
from caderno.sql.client import DEADLINE_S, Judgement, Result, UnusableGold, judge, overlap, run
from caderno.sql.guard import Refused, parse
from caderno.sql.mirror import mirror
from caderno.sql.same import same_rows

__all__ = [
    "DEADLINE_S",
    "MAX_ROWS",
    "Judgement",
    "Refused",
    "Result",
    "UnusableGold",
    "judge",
    "mirror",
    "overlap",
    "parse",
    "run",
    "same_rows",
]
