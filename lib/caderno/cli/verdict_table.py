"""Verdicts as people read them in a terminal: a coloured table, the gravest first, and how many of each.

It judges nothing; the same rows as JSON are `Verdict.as_dict`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from caderno.guards import Verdict

COLOURS = {"fail": "bold red", "warn": "yellow", "unknown": "cyan", "pass": "green", "not_applicable": "dim"}
WORDS = {"not_applicable": "n/a"}
WIDE = 120  # columns of a terminal from which on five columns can be read


def show(title: str, verdicts: Sequence[Verdict]) -> None:
    """Print the table, and under it how many of each verdict."""
    from collections import Counter

    from rich.console import Console

    console = Console()
    console.print(table(title, verdicts, wide=console.width >= WIDE))
    counts = Counter(one.verdict for one in verdicts)
    console.print(", ".join(f"[{COLOURS[v]}]{n} {v.replace('_', ' ')}[/]" for v, n in counts.items()))


def table(title: str, verdicts: Sequence[Verdict], *, wide: bool) -> Table:
    """One row per verdict, in the order given; colour says the same as the word.

    Where there is no room for five columns, what was measured and the threshold stand under the guard's name. The step
    at which a guard fired stands under its verdict.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    view = Table(title=title, box=box.SIMPLE_HEAD, show_lines=False)
    view.add_column("verdict", no_wrap=True)
    view.add_column("guard", no_wrap=wide, max_width=None if wide else 28)
    for column in ("measured", "threshold") if wide else ():
        view.add_column(column, max_width=24)
    view.add_column("why")
    for one in verdicts:
        word = Text(WORDS.get(one.verdict, one.verdict), COLOURS[one.verdict])
        word.append("" if one.step is None else f"\nstep {one.step:g}", "dim")
        measured, limit = shown(one.measured), f"{shown(one.threshold)} ({one.unit})"
        stacked = Text.assemble(one.guard, (f"\n{measured or '-'}; threshold {limit}", "dim"))
        cells = (one.guard, Text(measured), Text(limit)) if wide else (stacked,)
        view.add_row(word, *cells, Text(one.why))
    return view


def shown(value: Any) -> str:
    """A measure as people read it: four digits, and large counts with their commas."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
