"""Reads a CSV file row by row with the line each row starts on, and sets aside, by name, the rows that are broken.

It knows nothing of Olist. A broken row costs its first line only: reading goes on with the next, so that a quote never
closed does not swallow the rest of the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from caderno.errors import BadInput

DATE_FORMATS = ("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


@dataclass
class Sheet:
    """A table's rows that still stand, as strings with their `line`, and those set aside so far."""

    table: str
    rows: pd.DataFrame
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def set_aside(self, bad: pd.Series, why: str, shown: Sequence[str]) -> None:
        """Move the `bad` rows to `rejected` with the reason and what stood in the columns `shown`."""
        if not bad.any():
            return
        for row in self.rows.loc[bad, ["line", *shown]].itertuples(index=False):
            value = " ".join(map(str, row[1:]))
            self.rejected.append({"table": self.table, "line": int(row[0]), "why": why, "value": value})
        self.rows = self.rows.loc[~bad]

    def need(self, *columns: str) -> None:
        """Rows with nothing in one of the columns cannot be used."""
        for name in columns:
            self.rows[name] = self.rows[name].str.strip()
            self.set_aside(self.rows[name] == "", f"{name} is empty", (name,))

    def key(self, *columns: str) -> None:
        """Of rows with the same key the first stays."""
        self.set_aside(self.rows.duplicated(list(columns)), f"{' + '.join(columns)} stands on an earlier line", columns)

    def dates(self, name: str, *, optional: bool = False) -> None:
        """The column as timestamps; empty is NULL where `optional`."""
        raw = self.rows[name].str.strip()
        parsed = pd.Series(pd.NaT, index=raw.index, dtype="datetime64[us]")
        for form in DATE_FORMATS:
            left = raw[parsed.isna() & (raw != "")]
            if left.empty:
                break
            parsed = parsed.fillna(pd.to_datetime(left, format=form, errors="coerce").astype("datetime64[us]"))
        unread = parsed.isna() & ((raw != "") | (not optional))
        self.set_aside(unread, f"{name} is no date", (name,))
        self.rows[name] = parsed.loc[~unread]

    def numbers(self, name: str, low: float, high: float = float("inf"), *, whole: bool = False) -> None:
        """The column as numbers within [low, high]."""
        parsed = pd.to_numeric(self.rows[name].str.strip(), errors="coerce").astype("float64")
        good = parsed.between(low, high) & (parsed < float("inf"))
        if whole:
            good &= parsed == parsed.round()
        kind = "a whole number" if whole else "a number"
        bounds = f"of {low:g} or more" if high == float("inf") else f"from {low:g} to {high:g}"
        self.set_aside(~good, f"{name} is not {kind} {bounds}", (name,))
        self.rows[name] = parsed.loc[good]


def read_sheet(path: Path, table: str, columns: Sequence[str]) -> Sheet:
    """The rows of a CSV file with at least `columns` in its first line.

    Raises BadInput for a file that cannot be read, is not UTF-8, has no header or lacks a column.
    """
    lines = io.StringIO(_text(path), newline="").readlines()
    header = [name.strip() for name in next(csv.reader(lines), [])]
    missing = [name for name in columns if name not in header]
    if missing:
        raise BadInput(
            f"no column {', '.join(missing)} among {', '.join(header) or 'no columns at all'}",
            expected=", ".join(columns),
            where=f"{path}, line 1",
            mend="Use the file as Olist published it, or rename the columns.",
        )
    read, broken = [], []
    for line, row, why in _records(lines, len(header)):
        (broken if why else read).append({"table": table, "line": line, "why": why} if why else [line, *row])
    rows = pd.DataFrame(read, columns=["line", *header], dtype=object)
    return Sheet(table, rows.loc[:, ["line", *columns]], broken)


def _text(path: Path) -> str:
    """The file's text without its byte-order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", where=str(path), mend="Check the path and rights."
        ) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise BadInput(
            f"byte {error.start} is not UTF-8",
            expected="a UTF-8 text file",
            where=f"{path}, line {line}",
            mend="Save the file as UTF-8.",
        ) from error


def _records(lines: list[str], width: int) -> Iterator[tuple[int, list[str], str]]:
    """(line, fields, "") of each whole record after the header, and (line, [], why) of each broken one."""
    start = 1
    while start < len(lines):
        for line, row, why in _records_from(lines, start, width):
            yield line, row, why
            start = line  # after a broken record: the next line, counted from 0
            if why:
                break
        else:
            return


def _records_from(lines: list[str], start: int, width: int) -> Iterator[tuple[int, list[str], str]]:
    """Records from lines[start] up to the first broken one, which is the last to be given."""
    reader = csv.reader((lines[at] for at in range(start, len(lines))), strict=True)
    line = start + 1
    try:
        for row in reader:
            if row and len(row) != width:
                yield line, [], f"{len(row)} fields where the header has {width}"
                return
            if row:
                yield line, row, ""
            line = start + reader.line_num + 1
    except csv.Error as error:
        yield line, [], f"broken CSV: {error}"
