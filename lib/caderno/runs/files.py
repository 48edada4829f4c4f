"""Files that are whole or absent: atomic JSON, JSON lines that survive a kill in the middle of a line.

It knows formats, not meanings: which file holds what is for `stage` and `status`.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from caderno.errors import BadInput

_serial = itertools.count()


def plain(value: Any) -> Any:
    """What `json` cannot write by itself: numpy and torch scalars and arrays, paths, pydantic models, sets."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):  # numpy and torch, scalars included
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def write_text(path: Path, text: str) -> None:
    """Replaces `path` in one step: a reader, or a kill at any moment, sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Serial as well as pid: a signal handler may write the same file in the middle of this very call.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{next(_serial)}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically. NaN stays NaN: a loss that broke must not read as missing."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=plain) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Writes one JSON object a line, atomically."""
    write_text(path, "".join(json_line(row) for row in rows))


def json_line(row: Any) -> str:
    """One object as one line, newline included."""
    return json.dumps(row, ensure_ascii=False, default=plain) + "\n"


def read_json(path: Path, default: Any = None) -> Any:
    """Reads JSON; `default` where the file does not exist.

    Raises:
        BadInput: the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except ValueError as error:
        raise BadInput(
            f"not JSON ({error})", expected="a file written by caderno", where=str(path), mend="Move it away."
        ) from error


def whole_lines(path: Path, tail_bytes: int | None = None) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file that may be growing: a last line without its newline is not there yet.

    With `tail_bytes`, only the lines that lie wholly in the end of the file.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        if tail_bytes is not None and path.stat().st_size > tail_bytes:
            file.seek(-tail_bytes, os.SEEK_END)
            file.readline()  # most likely cut
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
