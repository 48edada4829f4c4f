"""The n-grams of the evaluation rows, found in chunks of training rows by a rolling hash.

It knows words as numbers only. A hit is confirmed word by word, so that a collision of hashes reports nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PROMPT, COMPLETION, ACROSS = range(3)  # where in its row an n-gram stands
BASE = 0x9E3779B97F4A7C15  # odd, so that its powers have inverses modulo 2**64
SEEDS = 8
BLOCK = 2**16  # windows hashed at a time


@dataclass(frozen=True)
class Windows:
    """Every n-gram of some rows: where it starts (N,), which n-gram it is (N,), in which row (N,), on which side."""

    starts: np.ndarray
    grams: np.ndarray
    rows: np.ndarray
    sides: np.ndarray


class Grams:
    """G distinct n-grams of evaluation rows, and `own`: every place where one stands."""

    def __init__(self, n: int, words: int, ids: np.ndarray, segments: np.ndarray):
        """`ids` (W,) int32 below `words`; `segments` (W,) int64: twice the row's place, plus one in the completion."""
        self.n, self.ids = n, ids
        self._powers, self._inverses = _powers(BASE, BLOCK + n), _powers(pow(BASE, -1, 2**64), BLOCK + n)
        for seed in range(SEEDS):
            self._weights = np.random.default_rng(seed).integers(0, 2**64, words + 1, dtype=np.uint64)
            hashes = self._hashes(ids)
            starts = np.arange(len(hashes))
            starts = starts[self._in_one_row(segments, starts)]
            self._known, first, grams = np.unique(hashes[starts], return_index=True, return_inverse=True)
            self.firsts = starts[first]  # (G,) where each n-gram stands first
            if self._same(ids, starts, grams).all():
                break
        else:
            raise AssertionError(f"n-grams collide under {SEEDS} seeds")
        self.own = self._windows(segments, starts, grams)
        bits = int(np.clip(np.ceil(np.log2(32 * len(self._known) + 1)), 16, 27))
        self._shift = np.uint64(64 - bits)
        self._marked = np.zeros(2**bits, dtype=bool)
        self._marked[self._known >> self._shift] = True

    def __len__(self) -> int:
        return len(self._known)

    def words(self, gram: int) -> np.ndarray:
        """The n word ids of an n-gram."""
        return self.ids[self.firsts[gram] : self.firsts[gram] + self.n]

    def find(self, ids: np.ndarray, segments: np.ndarray) -> Windows:
        """Where the n-grams stand in other rows; an id of -1 is a word that none of them has."""
        hashes = self._hashes(ids)
        starts = np.flatnonzero(self._marked[hashes >> self._shift])
        starts = starts[self._in_one_row(segments, starts)]
        grams = np.searchsorted(self._known, hashes[starts])
        grams[grams == len(self._known)] = 0
        met = self._known[grams] == hashes[starts]
        starts, grams = starts[met], grams[met]
        met = self._same(ids, starts, grams)
        return self._windows(segments, starts[met], grams[met])

    def _hashes(self, ids: np.ndarray) -> np.ndarray:
        """(W - n + 1,) uint64: the sum of weight(word) * BASE**place over each window, shifted to place 0."""
        windows = max(0, len(ids) - self.n + 1)
        hashes = np.zeros(windows, dtype=np.uint64)
        for begin in range(0, windows, BLOCK):
            end = min(windows, begin + BLOCK)
            block = ids[begin : end + self.n - 1]
            sums = np.cumsum(self._weights[block] * self._powers[: len(block)], dtype=np.uint64)
            spans = sums[self.n - 1 :]
            spans[1:] -= sums[: end - begin - 1].copy()
            hashes[begin:end] = spans * self._inverses[: end - begin]
        return hashes

    def _in_one_row(self, segments: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return segments[starts] >> 1 == segments[starts + self.n - 1] >> 1

    def _same(self, ids: np.ndarray, starts: np.ndarray, grams: np.ndarray) -> np.ndarray:
        """Whether each window holds the very words of its n-gram; word after word, to need no memory."""
        same = np.ones(len(starts), dtype=bool)
        for place in range(self.n):
            same &= ids[starts + place] == self.ids[self.firsts[grams] + place]
        return same

    def _windows(self, segments: np.ndarray, starts: np.ndarray, grams: np.ndarray) -> Windows:
        begins, ends = segments[starts], segments[starts + self.n - 1]
        return Windows(starts, grams, begins >> 1, np.where(begins == ends, begins & 1, ACROSS))


def _powers(base: int, length: int) -> np.ndarray:
    """(length,) uint64: the powers of a number modulo 2**64, from the power 0."""
    factors = np.full(length, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)
