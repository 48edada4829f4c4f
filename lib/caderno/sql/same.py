"""When two results are the same. The rules, each with a test of its name:

names       Column names do not count.
columns     Column order counts: where names do not, only the place says which figure is which.
rows        Row order counts only where the gold's top level has an ORDER BY, and then between rows that its keys tell
            apart: rows with equal keys may swap. Keys that are no output column make the whole sequence count.
null        NULL equals NULL, and neither 0 nor the empty text.
numbers     Integers, decimals and floats are equal by value: two integers exactly, otherwise within 1e-9 relative
            (1e-9 about zero), so that summing in another order or as DECIMAL does not matter. NaN equals NaN.
rounding    Where the gold ROUNDs a column to d decimals, numbers within half a unit of that place are equal: leaving
            out the ROUND is no error. A query that rounds where the gold does not is another result.
booleans    true is not 1.
text        Text is equal letter by letter: case, accents and spaces count. A number in text is text.
dates       A date equals the same day's timestamp at midnight; timestamps are equal to the microsecond; with and
            without a time zone differ.
duplicates  A row that stands twice must stand twice.
cut         A result cut at the row limit equals nothing, itself included (`Result.truncated`).

It compares rows of plain Python values and runs nothing.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

RELATIVE, ABSOLUTE = 1e-9, 1e-9
Rows = Sequence[Sequence[Any]]


def same_rows(
    found: Rows,
    gold: Rows,
    ordered: bool = False,
    *,
    order_keys: Sequence[int] | None = None,
    decimals: Sequence[int | None] = (),
) -> bool:
    """Whether two results are the same by the rules above.

    `ordered`, `order_keys` and `decimals` are the gold's: whether it has an ORDER BY, which output columns its keys are
    (None: unknown, the whole row counts) and the decimals of a ROUND per column.
    """
    if len(found) != len(gold) or any(len(a) != len(b) for a, b in zip(found, gold, strict=True)):
        return False
    if ordered:
        keys = range(len(gold[0]) if gold else 0) if order_keys is None else order_keys
        for a, b in zip(found, gold, strict=True):
            if not all(same_cell(a[key], b[key], _at(decimals, key)) for key in keys):
                return False
        if order_keys is None:
            return True
    return _same_bag(found, gold, decimals)


def same_cell(found: Any, gold: Any, decimals: int | None = None) -> bool:
    """Whether two values are the same; `decimals` are those of the gold's ROUND."""
    if _is_number(found) and _is_number(gold):
        return _same_number(found, gold, decimals)
    if isinstance(found, list | tuple) and isinstance(gold, list | tuple):
        return len(found) == len(gold) and all(map(same_cell, found, gold))
    return type(_exact(found)) is type(_exact(gold)) and _exact(found) == _exact(gold)


def _same_bag(found: Rows, gold: Rows, decimals: Sequence[int | None]) -> bool:
    """Equal as bags: rows meet where everything but their numbers is equal, and there find a partner one by one."""
    groups: dict[tuple, list[Sequence[Any]]] = defaultdict(list)
    for row in gold:
        groups[_shape(row)].append(row)
    for partners in groups.values():
        partners.sort(key=_magnitudes)
    for row in sorted(found, key=_magnitudes):
        partners = groups[_shape(row)]
        place = next((i for i, other in enumerate(partners) if _same_numbers(row, other, decimals)), None)
        if place is None:
            return False
        del partners[place]
    return True


def _shape(row: Sequence[Any]) -> tuple:
    """The row with a mark in place of each number; hashable."""
    return tuple("#" if _is_number(cell) else (type(_exact(cell)).__name__, repr(_exact(cell))) for cell in row)


def _magnitudes(row: Sequence[Any]) -> tuple[float, ...]:
    numbers = (_float(cell) for cell in row if _is_number(cell))
    return tuple(math.inf if math.isnan(number) else number for number in numbers)


def _same_numbers(found: Sequence[Any], gold: Sequence[Any], decimals: Sequence[int | None]) -> bool:
    cells = enumerate(zip(found, gold, strict=True))
    return all(_same_number(a, b, _at(decimals, i)) for i, (a, b) in cells if _is_number(a) and _is_number(b))


def _same_number(found: Any, gold: Any, decimals: int | None) -> bool:
    if isinstance(found, int) and isinstance(gold, int):
        return found == gold
    a, b = _float(found), _float(gold)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
        return True
    return decimals is not None and abs(a - b) <= 0.5 * 10.0**-decimals * (1 + RELATIVE)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer beyond 1e308
        return math.inf if number > 0 else -math.inf


def _exact(cell: Any) -> Any:
    """A date as its midnight; everything else as it is."""
    if isinstance(cell, dt.date) and not isinstance(cell, dt.datetime):
        return dt.datetime(cell.year, cell.month, cell.day)
    return cell


def _at(decimals: Sequence[int | None], place: int) -> int | None:
    return decimals[place] if place < len(decimals) else None
