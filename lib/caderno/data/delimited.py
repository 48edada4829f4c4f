"""Reads a CSV file record by record with the line each starts on, quoted line breaks included.

Cells stay text, but for the columns of a row that hold JSON. It guesses the delimiter and nothing else.
"""

from __future__ import annotations

import csv
import io
import json

from caderno.data.reading import JSON_COLUMNS, Broken, Records, opened
from caderno.errors import BadInput

DELIMITERS = ",;\t"
LONGEST_CELL = 2**27  # characters; the csv module's own limit, 131,072, is shorter than some documents


def records(path: str) -> Records:
    """(line, {column: text}) of each record. Raises BadInput for a header that is none, and for text not in UTF-8."""
    csv.field_size_limit(LONGEST_CELL)
    with opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            yield from _records(text, path)
        except UnicodeDecodeError as error:
            raise BadInput(
                f"not UTF-8 ({error.reason})", expected="a UTF-8 text file", where=path, mend="Save it as UTF-8."
            ) from error


def _records(text: io.TextIOWrapper, path: str) -> Records:
    head = text.readline()
    delimiter = max(DELIMITERS, key=head.count)
    columns = _columns(head, delimiter, path)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    line = 2
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # a quote never closed: what follows it cannot be told apart
            yield line, Broken("broken CSV", str(error))
            return
        if len(cells) == len(columns):
            yield line, {name: _value(name, cell) for name, cell in zip(columns, cells, strict=True)}
        elif cells:
            yield line, Broken("another number of fields than the header has", f"{len(cells)}, not {len(columns)}")
        line = reader.line_num + 2


def _columns(head: str, delimiter: str, path: str) -> list[str]:
    """The names on the first line."""
    columns = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    if not all(columns) or len(set(columns)) < len(columns) or not columns:
        raise BadInput(
            f"the columns {columns}", expected="a distinct name for each column", where=f"{path}, line 1",
            mend="Put the columns' names on the first line.",
        )  # fmt: skip
    return columns


def _value(name: str, cell: str) -> object:
    """The cell's text, or what it holds where a column of JSON holds any."""
    return parsed(cell) if name in JSON_COLUMNS else cell


def parsed(cell: str) -> object:
    """The JSON in a cell; the cell itself where there is none, for the schema to judge."""
    if cell[:1] not in ("[", "{"):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell
