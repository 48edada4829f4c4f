"""The evaluation rows as something to look training rows up in: by text, by key, by entity and by n-gram.

It holds the small side whole and knows nothing of training rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np

from caderno.data.leaks.folding import SEPARATOR, fold
from caderno.data.leaks.grams import Grams
from caderno.data.leaks.texts import Texts

CHUNK_ROWS, CHUNK_CHARACTERS = 2048, 400_000  # what a processor's cache holds, not what memory does


class Row(NamedTuple):
    """A record's texts with its number in its file, and its id where it has one."""

    number: int
    id: str | None
    texts: Texts


@dataclass(frozen=True)
class Chunk:
    """Some rows, folded. keys: two a row, of prompt and completion. ids (W,) int32: their words one after the other,
    -1 for a word that no evaluation row has. segments (W,) int64: twice the row's place, plus one in the completion.
    """

    rows: Sequence[Row]
    keys: list[str]
    ids: np.ndarray
    segments: np.ndarray


class Index:
    """Evaluation rows of one or more sets. `exact`, `prompts` (keys) and `entities` lead to places in `rows`."""

    def __init__(self, sets: Iterable[Iterable[Row]], ngram: int):
        self.rows: list[Row] = []
        self.set_of: list[int] = []  # per row, which of the sets it is from
        self.keys: list[str] = []
        self.exact, self.prompts, self.entities = (defaultdict(list) for _ in range(3))
        self._vocabulary = {SEPARATOR: 0}
        ids, segments = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for number, rows in enumerate(sets):
            for part in chunks(rows):
                chunk = self.read(part, learn=True)
                ids.append(chunk.ids)
                segments.append(chunk.segments + 2 * len(self.rows))
                self._add(chunk, number)
        self.grams = Grams(ngram, len(self._vocabulary), np.concatenate(ids), np.concatenate(segments))
        self.words = list(self._vocabulary)

    def read(self, rows: Sequence[Row], *, learn: bool = False) -> Chunk:
        """Rows folded, their words as ids; with `learn`, new words get one."""
        folded, keys = fold([text for row in rows for text in (row.texts.prompt, row.texts.completion)])
        words = folded.split()
        if learn:
            for word in words:
                self._vocabulary.setdefault(word, len(self._vocabulary))
        ids = np.fromiter(map(self._vocabulary.get, words, repeat(-1)), np.int32, len(words))
        ends = ids == 0
        return Chunk(rows, keys, ids[~ends], np.cumsum(ends)[~ends])

    def _add(self, chunk: Chunk, number: int) -> None:
        for row, key in zip(chunk.rows, chunk.keys[::2], strict=True):
            place = len(self.rows)
            if key:  # a text without a letter, digit or symbol says nothing and equals nothing
                self.exact[row.texts.prompt].append(place)
                self.prompts[key].append(place)
            for entity in dict.fromkeys(row.texts.entities):
                self.entities[entity].append(place)
            self.rows.append(row)
            self.set_of.append(number)
        self.keys += chunk.keys


def chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in lists short enough to be worked on in cache."""
    part, characters = [], 0
    for row in rows:
        part.append(row)
        characters += len(row.texts.prompt) + len(row.texts.completion)
        if len(part) >= CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part
