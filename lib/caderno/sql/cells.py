"""A result's values as JSON and back: what JSON has no word for travels as {"type": text}.

It bounds how much of a result is carried and compares nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

MAX_ROWS = 1000
MAX_RESULT_BYTES = 1 << 20


class ResultTooLarge(ValueError):
    """A result of more than MAX_RESULT_BYTES."""


WRITERS: dict[type, tuple[str, Callable[[Any], str]]] = {
    Decimal: ("decimal", str),
    dt.datetime: ("timestamp", dt.datetime.isoformat),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", dt.time.isoformat),
    dt.timedelta: ("interval", lambda span: str(span // dt.timedelta(microseconds=1))),
    bytes: ("blob", bytes.hex),
}
READERS: dict[str, Callable[[str], Any]] = {
    "decimal": Decimal,
    "timestamp": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "interval": lambda text: dt.timedelta(microseconds=int(text)),
    "blob": bytes.fromhex,
    "text": str,
}


def encode(rows: Iterable[tuple]) -> list[list[Any]]:
    """Rows as JSON. Raises ResultTooLarge."""
    made, left = [], MAX_RESULT_BYTES
    for row in rows:
        cells = [_encode(cell) for cell in row]
        left -= sum(_size(cell) for cell in cells)
        if left < 0:
            raise ResultTooLarge(f"mais de {MAX_RESULT_BYTES} bytes")
        made.append(cells)
    return made


def decode(rows: Iterable[list]) -> tuple[tuple, ...]:
    """The rows that `encode` was given."""
    return tuple(tuple(_decode(cell) for cell in row) for row in rows)


def _encode(cell: Any) -> Any:
    if cell is None or isinstance(cell, bool | int | float | str):
        return cell
    if isinstance(cell, list | tuple):
        return [_encode(part) for part in cell]
    name, write = WRITERS.get(type(cell), ("text", str))
    return {name: write(cell)}


def _decode(cell: Any) -> Any:
    if isinstance(cell, list):
        return [_decode(part) for part in cell]
    if isinstance(cell, dict):
        ((name, text),) = cell.items()
        return READERS[name](text)
    return cell


def _size(cell: Any) -> int:
    if isinstance(cell, str):
        return 6 * len(cell)  # as JSON writes it at worst: \u00e7
    if isinstance(cell, list):
        return 8 + sum(_size(part) for part in cell)
    if isinstance(cell, dict):
        return 16 + sum(_size(part) for part in cell.values())
    return len(str(cell)) if isinstance(cell, int) else 24
