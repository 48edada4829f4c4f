"""Reads records one by one, with their numbers, from JSON lines, JSON arrays, CSV, Parquet or a `datasets` data set.

It judges no record beyond its being an object (`caderno.data.schema` does that), and holds no file whole in memory.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from caderno import runs
from caderno.errors import BadInput
from caderno.runs.paths import is_hub_name

KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
EXPECTED = "JSONL, JSON, CSV or Parquet (.gz allowed for text), a directory of save_to_disk, or owner/name on the hub"
JSON_COLUMNS = ("prompt", "messages", "entities", "facts", "shop")  # cells of a flat file that hold JSON


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read: `why` is the kind of fault, `detail` what it was this time."""

    why: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.why} ({self.detail})" if self.detail else self.why


Records = Iterator[tuple[int, dict | Broken]]


def stream(path: str | Path) -> Iterator[tuple[int, dict]]:
    """(number, record) from a file, a directory of `datasets`, or a hub name (`owner/name:config:split`).

    The number is the line a record starts on in JSONL and CSV, the item in a JSON array, the row in the others, from
    1. Raises BadInput at the first record that cannot be read, and for what is not there, empty, or out of reach.
    """
    for number, record in records(path):
        if isinstance(record, Broken):
            raise BadInput(
                str(record), expected="one record", where=f"{path}, {unit(path)} {number}",
                mend="Mend or remove it.",
            )  # fmt: skip
        yield number, record


def read_jsonl(path: str | Path) -> list[dict]:
    """All records of a file, JSON lines or any other format of `stream`. Raises BadInput as `stream` does."""
    return [record for _, record in stream(path)]


def records(path: str | Path, *, as_stored: bool = False) -> Records:
    """As `stream`, with a `Broken` in place of each record that cannot be read.

    `as_stored` leaves JSON that Arrow columns hold as text unread, so that it can be told from a struct.
    """
    from caderno.data import columnar, delimited, json_array

    readers = {
        "jsonl": _lines, "json": json_array.records, "csv": delimited.records, "parquet": columnar.parquet,
        "saved": columnar.saved, "hub": columnar.hub,
    }  # fmt: skip
    found = located(path)
    empty = True
    read = columnar.with_json if in_arrow(path) and not as_stored else None
    for number, record in readers[kind(path)](found):
        empty = False
        yield number, read(record) if read else record
    if empty:
        raise BadInput("no rows", expected="at least one record", where=str(path), mend="It is empty.")


def located(path: str | Path) -> str:
    """The path as a file system knows it, or the name as it was given where there is no such file."""
    there = runs.given(path)
    return str(there) if there.exists() else str(path)


def kind(path: str | Path) -> str:
    """jsonl, json, csv, parquet, saved (save_to_disk) or hub. Raises BadInput for anything else."""
    there = Path(located(path))
    if there.is_dir():
        if any((there / name).exists() for name in ("state.json", "dataset_dict.json")):
            return "saved"
        raise BadInput(
            "a directory without a saved data set", expected=EXPECTED, where=str(path),
            mend="A directory of Olist files is read by `data.source: olist` in a parameter file.",
        )  # fmt: skip
    suffixes = [suffix.lower() for suffix in there.suffixes if suffix.lower() != ".gz"]
    known = KINDS.get(suffixes[-1]) if suffixes else None
    if there.exists() and known:
        return known
    if there.exists():
        raise BadInput(
            f"the ending {there.suffix!r} is not known", expected=f"one of {', '.join(KINDS)}", where=str(path),
            mend="Rename the file after its format.",
        )  # fmt: skip
    if known or not is_hub_name(str(path)):
        raise BadInput("cannot be read (no such file)", expected=EXPECTED, where=str(path), mend="Check the path.")
    return "hub"


def unit(path: str | Path) -> str:
    """What the numbers of `stream` count."""
    return {"jsonl": "line", "csv": "line", "json": "item"}.get(kind(path), "row")


def in_arrow(path: str | Path) -> bool:
    """Whether records come from Arrow columns, where an absent field and a null look the same."""
    return kind(path) in ("parquet", "saved", "hub")


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it ends in .gz. Raises BadInput for what cannot be opened or unpacked."""
    try:
        with gzip.open(path, "rb") if path.lower().endswith(".gz") else Path(path).open("rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(
            f"cannot be read ({error})", expected=EXPECTED, where=path, mend="Check the path, the rights and the file."
        ) from error


def _lines(path: str) -> Records:
    """One JSON object a line; lines with nothing on them are passed over and counted."""
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                yield number, _object(text)


def _object(text: bytes) -> dict | Broken:
    try:
        return as_record(json.loads(text.decode("utf-8")))
    except UnicodeDecodeError as error:
        return Broken("not UTF-8", f"byte {error.start} of the line")
    except ValueError as error:
        return Broken("not JSON", str(error))
    except RecursionError:
        return Broken("not JSON", "nested too deep")


def as_record(value: object) -> dict | Broken:
    """The value, which must be an object."""
    return value if isinstance(value, dict) else Broken(f"a JSON {type(value).__name__}, not an object")
