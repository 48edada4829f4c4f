"""What of the evaluation rows stands in one training set: first places and counts, gathered chunk by chunk.

It tells boilerplate from copies and judges nothing else; `caderno.data.leaks.report` words what is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from caderno.data.leaks.grams import COMPLETION, PROMPT
from caderno.data.leaks.index import Chunk, Index, Row

KINDS = ("exact", "normalised", "entity")


@dataclass
class Match:
    """Where an evaluation row was met first, in how many training rows, and what they share."""

    number: int
    id: str | None
    what: str
    same_completion: bool = False
    rows: int = 0


@dataclass
class Tally:
    """One training set against the index. `first` (G,): number of the first row with an n-gram, -1 for none."""

    index: Index
    rows: int = 0
    empty: int = 0
    matches: dict[str, dict[int, Match]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def __post_init__(self) -> None:
        n = len(self.index.grams)
        self.first = np.full(n, -1, dtype=np.int64)
        self.first_text = np.zeros(n, dtype=np.int64)  # hash of the first row's text: its copies are no other rows
        self.others = np.zeros(n, dtype=np.int64)  # rows with other texts that have the n-gram as well
        self.sides = np.zeros((2, n), dtype=bool)  # met within a prompt, within a completion

    def add(self, chunk: Chunk) -> None:
        """Look a chunk of training rows up."""
        self.rows += len(chunk.rows)
        self._texts(chunk)
        self._entities(chunk.rows)
        self._grams(chunk)

    def _texts(self, chunk: Chunk) -> None:
        index, keys = self.index, chunk.keys
        self.empty += sum(not key for key in keys[::2])
        for place in [i for i, key in enumerate(keys[::2]) if key and key in index.prompts]:
            row, key = chunk.rows[place], keys[2 * place]
            alike, same = index.prompts[key], index.exact.get(row.texts.prompt, [])
            for kind, found in (("normalised", alike), ("exact", same)):
                for one in found:
                    answered = bool(keys[2 * place + 1]) and index.keys[2 * one + 1] == keys[2 * place + 1]
                    self._match(kind, one, row, row.texts.prompt, answered)

    def _entities(self, rows: Sequence[Row]) -> None:
        known = self.index.entities
        for row in rows:
            for entity in row.texts.entities:
                for one in known.get(entity, ()):
                    self._match("entity", one, row, entity, False)

    def _match(self, kind: str, place: int, row: Row, what: str, answered: bool) -> None:
        found = self.matches[kind].setdefault(place, Match(row.number, row.id, what))
        found.rows += 1
        found.same_completion |= answered

    def _grams(self, chunk: Chunk) -> None:
        met = self.index.grams.find(chunk.ids, chunk.segments)
        for side in (PROMPT, COMPLETION):
            self.sides[side, met.grams[met.sides == side]] = True
        rows, grams = np.divmod(np.unique(met.rows * len(self.first) + met.grams), len(self.first) or 1)
        new, at = np.unique(grams, return_index=True)
        at, new = at[self.first[new] < 0], new[self.first[new] < 0]
        texts = np.zeros(len(chunk.rows), dtype=np.int64)
        for row in np.unique(rows):
            texts[row] = hash((chunk.keys[2 * row], chunk.keys[2 * row + 1]))
        self.first[new] = [chunk.rows[row].number for row in rows[at]]
        self.first_text[new] = texts[rows[at]]
        np.add.at(self.others, grams[self.first_text[grams] != texts[rows]], 1)
