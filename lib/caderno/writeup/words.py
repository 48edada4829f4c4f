"""How numbers and strange text are put into Markdown: one form for each kind, nothing rendered that should be read.

It rounds and escapes; it decides nothing about what is said.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"
MAX_CHARACTERS = 2_000  # of a completion or prompt that is quoted; the rest stays in the artifact


@dataclass(frozen=True)
class Table:
    """A Markdown table and the artifact and keys it was made from. Columns that begin with ">" align right."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    source: str
    note: str = ""

    def __str__(self) -> str:
        names = [column.lstrip(">") for column in self.columns]
        rule = ["---:" if column.startswith(">") else "---" for column in self.columns]
        lines = [f"| {' | '.join(row)} |" for row in (names, rule, *self.rows)]
        note = f"{self.note} " if self.note else ""
        return "\n".join(lines) + f"\n\n<sub>{note}Source: {self.source}.</sub>"


def estimate(value: Mapping[str, Any] | None, *, n: bool = True, digits: int = 3) -> str:
    """0.612 [0.58, 0.64], n = 400; without an interval, why there is none. Levels; differences have `difference`."""
    if value is None:
        return NONE
    head = f"{value['value']:.{digits}f}"
    if value["low"] is None:
        return f"{head} ({value['method']})"
    text = f"{head} [{value['low']:.{digits - 1}f}, {value['high']:.{digits - 1}f}]"
    return f"{text}, n = {value['n']:,}" if n else text


def difference(value: Mapping[str, Any]) -> str:
    """+0.145 [+0.120, +0.170]: signs written out and three digits, since what matters is the side of 0."""
    head = f"{value['difference']:+.3f}"
    if value["low"] is None:
        return f"{head} ({value['method']})"
    return f"{head} [{value['low']:+.3f}, {value['high']:+.3f}]"


def p_value(p: float | None) -> str:
    """0.012, < 0.001, or a dash."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def number(value: Any) -> str:
    """Any scalar of an artifact: integers with separators, other numbers to three figures, None as a dash."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    if isinstance(value, float):
        return f"{value:.3g}"
    return plain(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def measured(value: float, low: float | None, high: float | None) -> str:
    """1.85 [1.74, 1.96]: three figures of the value, the interval to the same decimals."""
    decimals = min(6, max(0, 2 - math.floor(math.log10(abs(value))))) if value else 3
    interval = "" if low is None or high is None else f" [{low:,.{decimals}f}, {high:,.{decimals}f}]"
    return f"{value:,.{decimals}f}{interval}"


def share(value: float | None) -> str:
    """A share of 1, three digits."""
    return NONE if value is None else f"{value:.3f}"


def seconds(value: float | None) -> str:
    """8.2 s, 3 min 12 s, 2 h 05 min."""
    if value is None:
        return NONE
    if value < 60:
        return f"{value:.1f} s"
    minutes = round(value / 60)
    return (
        f"{int(value // 60)} min {int(value % 60):02d} s"
        if value < 3600
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


def plain(text: str) -> str:
    """Any text as one line that Markdown and HTML leave alone, in a table or outside."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", escaped) or NONE


def code(text: str) -> str:
    """Any text as inline code, safe in a table."""
    text = " ".join(str(text).split()).replace("|", "\\|")
    marks = "`" * (_longest_run(text) + 1)
    return f"{marks} {text} {marks}" if "`" in text else f"`{text}`"


def fenced(text: str) -> str:
    """Any text as a block, whatever backticks it holds; beyond MAX_CHARACTERS it is cut and says so."""
    cut = f"\n[... {len(text) - MAX_CHARACTERS:,} more characters]" if len(text) > MAX_CHARACTERS else ""
    marks = "`" * max(3, _longest_run(text) + 1)
    return f"{marks}text\n{text[:MAX_CHARACTERS]}{cut}\n{marks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def counted(n: int, thing: str) -> str:
    """1 file, 3 files."""
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
