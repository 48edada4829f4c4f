"""What a scan found, as plain data: counts with their n, the first pairs, n-gram hits sorted for a person to judge.

It scans nothing and prints nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caderno.data.leaks.grams import ACROSS, COMPLETION, PROMPT
from caderno.data.leaks.index import Index
from caderno.data.leaks.tally import KINDS, Tally

SHOWN_CHARACTERS = 300
EXAMPLES = 5
EVAL_ROWS_AT_LEAST, TRAIN_ROWS_AT_LEAST = 4, 10  # in as many rows or fewer nothing is boilerplate
SIDES = {"prompt": PROMPT, "completion": COMPLETION, "both": ACROSS}


class Report:
    """The evaluation side of a report, worked out once, and `of` for each training set."""

    def __init__(self, index: Index, names: Sequence[str], min_share: float, common: float, pairs: int):
        self.index, self.names = index, list(names)
        self.min_share, self.common, self.pairs = min_share, common, pairs
        self.own = index.grams.own
        self.lengths = np.bincount(self.own.rows, minlength=len(index.rows))  # n-grams of each row
        self.rows_with = self._rows_with()

    def _rows_with(self) -> np.ndarray:
        """(G,) in how many different evaluation rows each n-gram stands; a row's copies are that row."""
        firsts: dict[tuple[str, str], int] = {}
        keys = zip(self.index.keys[::2], self.index.keys[1::2], strict=True)
        same = np.array([firsts.setdefault(pair, place) for place, pair in enumerate(keys)], dtype=np.int64)
        n = len(self.index.grams)
        pairs = np.unique(same[self.own.rows] * n + self.own.grams)
        return np.bincount(pairs % n, minlength=n) if n else np.zeros(0, dtype=np.int64)

    def evaluation(self) -> list[dict[str, Any]]:
        """One entry per evaluation set: rows, rows without text, rows too short for an n-gram."""
        sets = np.array(self.index.set_of)
        empty = np.array([not key for key in self.index.keys[::2]])
        return [
            {
                "name": name, "rows": int((sets == number).sum()), "empty": int(empty[sets == number].sum()),
                "too_short": int((self.lengths[sets == number] == 0).sum()),
            }
            for number, name in enumerate(self.names)
        ]  # fmt: skip

    def of(self, tally: Tally) -> dict[str, Any]:
        """What of the evaluation rows stands in one training set."""
        n = len(self.index.rows)
        found: dict[str, Any] = {"rows": tally.rows, "empty": tally.empty}
        for kind in KINDS:
            known = tally.matches["exact"] if kind == "normalised" else {}
            places = sorted(tally.matches[kind])
            new = [place for place in places if place not in known]
            pairs = [self._pair(place, tally.matches[kind][place]) for place in new[: self.pairs]]
            found[kind] = self._counted(places) | {"share": len(places) / n, "n": n, "pairs": pairs}
            if kind != "entity":
                found[kind]["same_completion"] = sum(match.same_completion for match in tally.matches[kind].values())
        return found | self._grams(tally)

    def _counted(self, places: Sequence[int]) -> dict[str, Any]:
        sets = np.bincount([self.index.set_of[place] for place in places], minlength=len(self.names))
        return {"rows": len(places), "by_set": dict(zip(self.names, map(int, sets), strict=True))}

    def _pair(self, place: int, match: Any) -> dict[str, Any]:
        train = {"row": int(match.number), "id": match.id, "rows": match.rows}
        return {"eval": self._place(place), "train": train, "text": match.what[:SHOWN_CHARACTERS]}

    def _place(self, place: int) -> dict[str, Any]:
        row = self.index.rows[place]
        return {"set": self.names[self.index.set_of[place]], "row": row.number, "id": row.id}

    def _grams(self, tally: Tally) -> dict[str, Any]:
        """The n-gram part: how many rows share any, which share many, and what was put aside as boilerplate."""
        idle = self._boilerplate(tally)
        shares = {name: self._shares(tally, idle, side) for name, side in SIDES.items()}
        best = np.max(list(shares.values()), axis=0)
        listed = np.flatnonzero((best >= self.min_share) & (best > 0))
        listed = listed[np.argsort(-best[listed], kind="stable")]
        idle_per_row = np.bincount(self.own.rows, weights=idle[self.own.grams], minlength=len(best))
        counted = self._counted(listed) | {
            "share": len(listed) / len(best), "n": len(best), "any": int((best > 0).sum()),
            "only_boilerplate": int(((idle_per_row == self.lengths) & (self.lengths > 0)).sum()),
        }  # fmt: skip
        new = [place for place in listed if place not in tally.matches["normalised"]]
        pairs = [self._overlap(place, tally, idle, shares) for place in new[: self.pairs]]
        return {"ngram": counted | {"pairs": pairs}, "boilerplate": self._examples(tally, idle)}

    def _boilerplate(self, tally: Tally) -> np.ndarray:
        """(G,) n-grams of templates and set phrases: in more than the share `common` of the rows of either side."""
        many = max(EVAL_ROWS_AT_LEAST, self.common * len(self.index.rows))
        many_in_train = max(TRAIN_ROWS_AT_LEAST, self.common * tally.rows)
        return (self.rows_with > many) | (tally.others + 1 > many_in_train)

    def _shares(self, tally: Tally, idle: np.ndarray, side: int) -> np.ndarray:
        """(rows,) the share of a row's n-grams that was met in one training row, the one with most of them.

        What is put together from many training rows is a language or a template, not a copy. An n-gram counts for
        the first training row that has it. On one side only, or with `side` ACROSS on both and across.
        """
        own, n = self.own, len(self.index.rows)
        there = np.ones(len(own.rows), dtype=bool) if side == ACROSS else own.sides == side
        rows, grams = own.rows[there], own.grams[there]
        of = np.bincount(rows, minlength=n)
        met = (tally.first if side == ACROSS else np.where(tally.sides[side], tally.first, -1))[grams]
        rows, met = rows[(met >= 0) & ~idle[grams]], met[(met >= 0) & ~idle[grams]]
        pairs, times = np.unique(np.stack((rows, met)), axis=1, return_counts=True)
        most = np.zeros(n)
        np.maximum.at(most, pairs[0], times)
        return most / np.maximum(of, 1)

    def _overlap(self, place: int, tally: Tally, idle: np.ndarray, shares: dict[str, np.ndarray]) -> dict[str, Any]:
        """One hit: the training row with most of the row's n-grams, and the longest run of words in common with it."""
        low, high = np.searchsorted(self.own.rows, [place, place + 1])
        starts, grams = self.own.starts[low:high], self.own.grams[low:high]
        met = (tally.first[grams] >= 0) & ~idle[grams]
        numbers, times = np.unique(tally.first[grams[met]], return_counts=True)
        number = numbers[np.argmax(times)]
        runs = _runs(met & (tally.first[grams] == number))
        first, last = max(runs, key=lambda run: run[1] - run[0])
        words = self.index.grams.ids[starts[first] : starts[last] + self.index.grams.n]
        train = {"row": int(number), "id": None, "rows": int(tally.others[grams[first : last + 1]].max()) + 1}
        return {
            "eval": self._place(place), "train": train, "words": len(words),
            "shares": {name: round(float(values[place]), 4) for name, values in shares.items()},
            "text": " ".join(self.index.words[word] for word in words)[:SHOWN_CHARACTERS],
        }  # fmt: skip

    def _examples(self, tally: Tally, idle: np.ndarray) -> dict[str, Any]:
        """How many n-grams were put aside, and those in most rows."""
        grams, met = np.flatnonzero(idle), tally.first >= 0
        often = grams[np.lexsort((self.index.grams.firsts[grams], -self.rows_with[grams]))][:EXAMPLES]
        shown = [
            {
                "text": " ".join(self.index.words[word] for word in self.index.grams.words(gram)),
                "eval_rows": int(self.rows_with[gram]), "train_rows": int(tally.others[gram] + met[gram]),
            }
            for gram in often
        ]  # fmt: skip
        return {"ngrams": len(grams), "of": len(idle), "examples": shown}


def _runs(met: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of every unbroken run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], met, [False])).astype(np.int8)))
    return [(int(first), int(last) - 1) for first, last in zip(edges[::2], edges[1::2], strict=True)]
