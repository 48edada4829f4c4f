"""Keeps the measured lines in docs/benchmarks.json and prints them as one table in docs/benchmarks.md.

A section that is measured again replaces its own lines; the others stay as they are, with their own dates and machines.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench_lines import OVERHEAD, Line
from caderno import runs
from caderno.errors import BadInput

COLUMNS = ("measured", "median", "range", "n", "baseline, same run", "its median", "against it", "limit", "on")
SAME_MACHINE = ("cpu", "cores", "memory_gib", "gpus", "python", "torch", "threads")
INTRODUCTION = """# Benchmarks

Written by `python scripts/bench.py` (`make bench`) from `docs/benchmarks.json`, which keeps every single value. Each
line is the median of n repeats with the smallest and the largest; its baseline was measured in the same run, in turn
with it, and a ratio or an overhead is taken repeat by repeat. Times are wall-clock. M1, M2 ... are the machines below.
"""


def read(path: Path) -> dict[str, Any]:
    """What was measured before; empty where there is no file.

    Raises:
        BadInput: the file is not this program's.
    """
    try:
        kept = runs.read_json(path, {"sections": {}})
        for section in kept["sections"].values():
            [Line(**line) for line in section["lines"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(
            f"cannot be read ({error})",
            expected="what this program wrote",
            where=str(path),
            mend="Restore or remove it.",
        ) from error
    return kept


def merged(
    kept: Mapping[str, Any], name: str, lines: list[Line], at: str, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """`kept` with one section measured anew."""
    section = {"at": at, "machine": dict(machine), "lines": [asdict(line) for line in lines]}
    return {**kept, "sections": {**kept["sections"], name: section}}


def write(directory: Path, kept: Mapping[str, Any], texts: Mapping[str, tuple[str, str]]) -> Path:
    """Both files, each whole or as it was; `texts` gives every section, in order, its title and how it is measured."""
    runs.write_json(directory / "benchmarks.json", kept)
    page = directory / "benchmarks.md"
    runs.write_text(page, render(kept["sections"], texts))
    return page


def render(sections: Mapping[str, Any], texts: Mapping[str, tuple[str, str]]) -> str:
    """The page."""
    present = [name for name in texts if name in sections]
    machines = _machines([sections[name]["machine"] for name in present])
    rows = [_row(COLUMNS), _row(["---"] * len(COLUMNS))]
    for name in present:
        on = f"M{machines.index(_identity(sections[name]['machine'])) + 1}, {sections[name]['at'][:10]}"
        rows.append(_row([f"**{texts[name][0]}**", *[""] * (len(COLUMNS) - 1)]))
        rows += [_row([*_cells(Line(**line)), on]) for line in sections[name]["lines"]]
    if not any(dict(one)["gpus"] for one in machines):
        rows.append(_row(["**GPU**", "not run on a GPU", *[""] * (len(COLUMNS) - 2)]))
    notes = [f"- **{texts[name][0]}** (`{name}`{_circumstances(sections[name])}): {texts[name][1]}" for name in present]
    named = [f"- **M{number}**: {_machine(dict(one))}" for number, one in enumerate(machines, 1)]
    return "\n".join([INTRODUCTION, *rows, "", *named, "", "## How each is measured", "", *notes, ""])


def _cells(line: Line) -> list[str]:
    """A line as the table shows it."""
    low, high = min(line.values), max(line.values)
    base = statistics.median(line.baseline_values) if line.baseline_values else None
    return [
        line.what,
        f"{_figure(statistics.median(line.values))} {line.unit}".strip(),
        f"{_figure(low)} to {_figure(high)}" if len(line.values) > 1 else "–",
        str(len(line.values)),
        line.baseline or "–",
        "–" if base is None else f"{_figure(base)} {line.unit}".strip(),
        _compared(line),
        _limit(line),
    ]


def _compared(line: Line) -> str:
    found = line.compared()
    if not found:
        return "–"
    form = "{:+.1f} %" if line.against == OVERHEAD else "× {:.3g}"
    low, middle, high = (form.format(value) for value in (min(found), statistics.median(found), max(found)))
    return f"{middle} ({low} to {high})" if len(found) > 1 else middle


def _limit(line: Line) -> str:
    unit = "%" if line.against == OVERHEAD else line.unit
    bounds = [
        f"{sign} {_figure(value)}" for sign, value in (("≤", line.at_most), ("≥", line.at_least)) if value is not None
    ]
    if not bounds:
        return "–"
    return f"{', '.join(bounds)} {unit}".strip() + (": met" if line.met() else ": **not met**")


def _figure(value: float) -> str:
    """Three digits that matter, thousands set apart, small ones as powers of ten."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _identity(machine: Mapping[str, Any]) -> tuple:
    """What makes two sections' machines the same one."""
    return tuple((key, tuple(machine[key]) if key == "gpus" else machine[key]) for key in SAME_MACHINE)


def _machines(found: list[Mapping[str, Any]]) -> list[tuple]:
    return list(dict.fromkeys(_identity(machine) for machine in found))


def _machine(one: Mapping[str, Any]) -> str:
    """A machine in words."""
    cores = f"{one['cores']} core{'s' if one['cores'] != 1 else ''}"
    threads = f", OMP_NUM_THREADS={one['threads']}" if one["threads"] else ""
    gpus = "; ".join(one["gpus"]) or "none, nothing here was run on a GPU"
    return (
        f"{one['cpu']}, {cores} usable{threads}, {one['memory_gib']:g} GiB of memory, Python {one['python']}, "
        f"torch {one['torch']}; GPU: {gpus}"
    )


def _circumstances(section: Mapping[str, Any]) -> str:
    """When, at which commit, and how busy the machine was before."""
    machine = section["machine"]
    commit = f", commit {machine['commit'][:8]}" if machine["commit"] else ""
    return f", {section['at'][:16].replace('T', ' ')} UTC{commit}, load before {machine['load']:g}"
