"""Benchmarks without a model: import, set-up, the shop's generator.

Each returns its lines; what needs torch is in `bench_generation` and `bench_stages`.
"""

from __future__ import annotations

import io
import subprocess
import sys

import pandas as pd

from bench_lines import RATIO, Line, caderno_command, in_turn, process, seconds
from caderno import runs, shop
from caderno.errors import BadInput

ORDERS = {"small": 2000, "full": 2000}
HEAVY = ("torch", "transformers", "trl")
TIMED_IMPORT = (
    "import sys, time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t);"
    f"print(sum(name in sys.modules for name in {HEAVY}))"
)


def importing(repeats: int) -> list[Line]:
    """Import and start-up, each in a process of its own, after one that warms the page cache."""

    def imported(module: str) -> float:
        return float(process([sys.executable, "-c", TIMED_IMPORT.format(module=module)]).split()[0])

    def started(*command: str) -> float:
        return seconds(lambda: process(command))

    loaded = int(process([sys.executable, "-c", TIMED_IMPORT.format(module="caderno")]).split()[1])
    shown = [str(caderno_command()), "--help"]
    process(shown)
    ours, theirs = in_turn(repeats, lambda _: imported("caderno"), lambda _: imported("torch"))
    helped, bare = in_turn(repeats, lambda _: started(*shown), lambda _: started(sys.executable, "-c", "pass"))
    return [
        Line("`import caderno`, inside the process", "s", ours, "`import torch`", theirs, RATIO, at_most=0.3),
        Line(f"of {', '.join(HEAVY)}, loaded by it", "", [float(loaded)], at_most=0),
        Line("`caderno --help`, whole process", "s", helped, "`python -c pass`", bare, RATIO, at_most=1.0),
    ]


def setting_up(repeats: int) -> list[Line]:
    """`make setup` where there is nothing to do.

    Raises:
        BadInput: there is something to do: then it would install, and that is not what is measured.
    """
    check = [sys.executable, str(runs.checkout() / "scripts/setup_env.py"), "--check"]
    if subprocess.run(check, capture_output=True, check=False).returncode:
        raise BadInput(
            ".venv is not up to date", where="setup", mend="Run `make setup` first, or leave this section out."
        )
    again, bare = in_turn(
        repeats,
        lambda _: seconds(lambda: process(["make", "setup"], cwd=runs.checkout())),
        lambda _: seconds(lambda: process([sys.executable, "-c", "pass"])),
    )
    return [Line("`make setup`, nothing to do", "s", again, "`python -c pass`", bare, RATIO)]


def shops(repeats: int) -> list[Line]:
    """Rows of the seven tables a second, and distinct review texts a second; a new seed each time."""
    lines = []
    for profile, orders in ORDERS.items():
        shop.generate(0, "train", orders, profile)  # imports the profile
        made, read, texts = [], [], []
        for repeat in range(repeats):
            one, took_s = _made(repeat + 1, orders, profile)
            made.append(sum(map(len, one.tables.values())) / took_s)
            texts.append(one.tables["reviews"]["comment"].nunique() / took_s)
            read.append(_read_rows_a_second(one))
        baseline = "`pandas.read_csv` of the same tables"
        lines += [
            Line(f"{profile} profile, {orders:,} orders: rows", "rows/s", made, baseline, read, RATIO, at_least=2000),
            Line(f"{profile} profile: distinct review texts", "texts/s", texts, at_least=2000),
        ]
    return lines


def _made(seed: int, orders: int, profile: str) -> tuple[shop.Shop, float]:
    """A shop and the seconds it took."""
    kept: list[shop.Shop] = []
    took_s = seconds(lambda: kept.append(shop.generate(seed, "train", orders, profile)))
    return kept[0], took_s


def _read_rows_a_second(one: shop.Shop) -> float:
    """How fast pandas reads what was generated, from CSV in memory."""
    files = [io.StringIO(table.to_csv(index=False)) for table in one.tables.values()]
    return sum(map(len, one.tables.values())) / seconds(lambda: [pd.read_csv(file) for file in files])
