"""Frames on a pipe: four bytes of length, then that much JSON in UTF-8.

It knows no deadline and no process; both ends bound what they send and what they take.
"""

from __future__ import annotations

import json
import os
from typing import Any

HEADER_BYTES = 4
MAX_REQUEST_BYTES = 1 << 20
MAX_REPLY_BYTES = 4 << 20


class FrameTooLarge(ValueError):
    """A message longer than its side of the wire allows."""


def encode(message: Any, limit_bytes: int) -> bytes:
    """The frame of a message. Raises FrameTooLarge, and TypeError for what JSON cannot carry."""
    body = json.dumps(message).encode()  # ASCII only, so that a lone surrogate travels as an escape
    if len(body) > limit_bytes:
        raise FrameTooLarge(f"a message of {len(body)} bytes, where at most {limit_bytes} may pass")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def read_frame(fd: int) -> Any:
    """The next message of a blocking pipe, or None where the other end is closed."""
    header = _read_exactly(fd, HEADER_BYTES)
    body = _read_exactly(fd, int.from_bytes(header, "big")) if header else None
    return None if body is None else json.loads(body)


def write_all(fd: int, data: bytes) -> None:
    """All of the data into a blocking pipe."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_exactly(fd: int, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(fd, count - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
