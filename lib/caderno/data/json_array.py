"""Reads the items of one JSON array piece by piece, so that a file of a million records needs no memory for all.

A fault ends the reading: where an array is broken no later item can be found with certainty.
"""

from __future__ import annotations

import io
import json
from typing import IO

from caderno.data.reading import Broken, Records, as_record, opened
from caderno.errors import BadInput

CHUNK_CHARACTERS = 2**20


class _Window:
    """The part of the text that is being read, and how far."""

    def __init__(self, file: IO[str]):
        self.file, self.text, self.place = file, "", 0
        self.decoder = json.JSONDecoder()

    def more(self) -> bool:
        """Drop what is read and add at least as much again as is left, so that one long item costs linear time."""
        piece = self.file.read(max(CHUNK_CHARACTERS, len(self.text) - self.place))
        self.text, self.place = self.text[self.place :] + piece, 0
        return bool(piece)

    def mark(self) -> str:
        """The next character that is no blank, read over; empty at the end."""
        while True:
            while self.text[self.place : self.place + 1].isspace():
                self.place += 1
            if self.place < len(self.text) or not self.more():
                self.place += 1
                return self.text[self.place - 1 : self.place]

    def item(self) -> object:
        """The value that starts here. Raises ValueError where there is none."""
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.place)
                if end < len(self.text) or not self.more():  # at the end of the piece a number may go on
                    self.place = end
                    return value
            except ValueError:
                if not self.more():
                    raise


def records(path: str) -> Records:
    """(item, record) of each item from 1. Raises BadInput where the file holds no array or is not in UTF-8."""
    with opened(path) as file:
        try:
            yield from _items(_Window(io.TextIOWrapper(file, encoding="utf-8-sig")), path)
        except UnicodeDecodeError as error:
            raise BadInput("not UTF-8", expected="a UTF-8 text file", where=path, mend="Save it as UTF-8.") from error


def _items(window: _Window, path: str) -> Records:
    if window.mark() != "[":
        raise BadInput(
            "no JSON array", expected="[{...}, ...]; one object a line is .jsonl", where=path, mend="Rename the file."
        )
    number, mark = 0, window.mark()
    window.place -= 1
    while mark != "]":
        number += 1
        try:
            yield number, as_record(window.item())
        except (ValueError, RecursionError) as error:
            yield number, Broken("not JSON", str(error))
            return
        mark = window.mark()
        if mark not in (",", "]"):
            yield number + 1, Broken("not JSON", f"{mark or 'the end of the file'} where a comma or ] should stand")
            return
        # a blank may follow the comma, which `item` does not read over
        if mark == "," and window.mark():
            window.place -= 1
