"""Typed parameters: sections, the files that fill them, and errors that name the line.

It holds no path of a run and no secret; importing it loads pydantic and nothing heavier.
"""

from caderno.params.loading import default_name, load, resolve, to_yaml
from caderno.params.schema import difference, flatten, rich_table, table
from caderno.params.sections import STAGES, Params

__all__ = [
    "STAGES",
    "Params",
    "default_name",
    "difference",
    "flatten",
    "load",
    "resolve",
    "rich_table",
    "table",
    "to_yaml",
]
