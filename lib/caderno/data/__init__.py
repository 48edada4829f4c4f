"""Rows for a run: three splits of the tasks in play, from a shop, from files of any common format, or generated.

It renders nothing: prompts stay chat messages until `caderno.chat`. Splits that share an entity are an error, not a
warning: a test split is only worth its name when nothing in it was trained on.
"""

from caderno.data.building import build, shares
from caderno.data.covering import coverage
from caderno.data.reading import read_jsonl, stream
from caderno.data.schema import checked, read_rows
from caderno.data.selection import open_shop, rows
from caderno.data.splitting import group_of, require_disjoint, split_of

__all__ = [
    "build",
    "checked",
    "coverage",
    "group_of",
    "open_shop",
    "read_jsonl",
    "read_rows",
    "require_disjoint",
    "rows",
    "shares",
    "split_of",
    "stream",
]
