"""Benchmark of the leak scan: a million generated rows with planted leaks against ten thousand evaluation rows.

Each scan is a process of its own, from the start of the interpreter to its end, so that its peak memory is its own.
What it finds is compared with what was planted: a fast scan that misses some is no scan.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench_lines import RATIO, Line, in_turn, process, seconds

TRAIN_ROWS, EVAL_ROWS = 1_000_000, 10_000
PLANTED_EACH, COMMON_WORDS, WORDS, ANSWER_WORDS = 25, 12, 40, 8
PLAIN_ROWS, NGRAM = 20_000, 8  # the obvious method's share of the training rows
AT_MOST_S, AT_MOST_GIB = 120, 2
STEMS = "venda compra entrega produto loja cliente cidade preço nota pedido caixa frete valor troca marca corpo".split()
STEMS += "água médico música página código número público técnico lógica fábrica crédito histórico econômico".split()
ENDINGS = "s r ndo do da dor ção ções mente inho inha ão ões ável ível eza ista ismo ório ência".split()
PREFIXES = ["", "re", "des", "pré", "sub", "super", "inter", "auto", "contra", "anti", "multi", "micro"]
SCAN = (
    "import json, resource, sys; from caderno.data import leaks; found = leaks.find(sys.argv[1], [sys.argv[2]],"
    "options=leaks.Options(pairs=10**6));"
    "print(json.dumps([found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))"
)
Rows = Iterator[dict[str, str]]
Pairs = set[tuple[int, int]]


class Salad:
    """Rows of Portuguese-looking words without sense, the frequent ones some thirty times as frequent as the rare."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.words = np.array([p + stem[: len(stem) - 1] + end for p in PREFIXES for stem in STEMS for end in ENDINGS])
        weights = 1 / (np.arange(len(self.words)) + 200)
        self.bounds = np.cumsum(weights / weights.sum())

    def rows(self, n: int, who: str) -> Rows:
        """n rows with a question of 40 words and an answer of 8; `who` is whose groups they are."""
        for place in range(n):
            drawn = self.rng.random(WORDS + ANSWER_WORDS)
            words = self.words[np.minimum(np.searchsorted(self.bounds, drawn), len(self.words) - 1)].tolist()
            question = f"{' '.join(words[:25])}, {' '.join(words[25:WORDS])}?".capitalize()
            yield {"question": question, "answer": " ".join(words[WORDS:]), "group": f"{who}{place}"}


def plain(text: str) -> str:
    """The text without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def with_common_words(row: dict[str, str], other: dict[str, str]) -> str:
    """A question with twelve words of another in its middle."""
    words, theirs = row["question"].split(), other["question"].split()
    return " ".join(words[:10] + theirs[5 : 5 + COMMON_WORDS] + words[10 + COMMON_WORDS :])


CHANGES = {
    "exact": lambda row, other: row | {"question": other["question"]},
    "case": lambda row, other: row | {"question": other["question"].upper()},
    "accents": lambda row, other: row | {"question": plain(other["question"]).replace(",", " -")},
    "words": lambda row, other: row | {"question": with_common_words(row, other)},
    "group": lambda row, other: row | {"group": other["group"]},
}


def write(directory: Path, train_rows: int, eval_rows: int, each: int) -> tuple[Path, Path, dict[str, Pairs]]:
    """Both files, and what was planted: by kind, the lines of an evaluation row and of the training row it went to."""
    salad, paths = Salad(0), (directory / "train.jsonl", directory / "eval.jsonl")
    evals = list(salad.rows(eval_rows, "e"))
    paths[1].write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in evals), encoding="utf-8")
    places, ones = (salad.rng.permutation(rows)[: each * len(CHANGES)].tolist() for rows in (train_rows, eval_rows))
    kinds = [kind for kind in CHANGES for _ in range(each)]
    planted = dict(zip(places, zip(kinds, ones, strict=True), strict=True))
    with paths[0].open("w", encoding="utf-8") as file:
        for place, row in enumerate(salad.rows(train_rows, "t")):
            if place in planted:
                kind, one = planted[place]
                row = CHANGES[kind](row, evals[one])
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    lines: dict[str, Pairs] = {kind: set() for kind in CHANGES}
    for place, (kind, one) in planted.items():
        lines[kind].add((one + 1, place + 1))
    return *paths, lines


def expected(planted: dict[str, Pairs]) -> dict[str, Pairs]:
    """What each kind of the scan is to list, no more and no less: every pair is listed once, under its closest kind."""
    of = {"exact": ["exact"], "normalised": ["case", "accents"], "entity": ["group"], "ngram": ["words"]}
    return {kind: set().union(*(planted[change] for change in changes)) for kind, changes in of.items()}


def listed(found: dict[str, Any], kind: str) -> Pairs:
    return {(pair["eval"]["row"], pair["train"]["row"]) for pair in found[kind]["pairs"]}


def scan(train: Path, evals: Path) -> tuple[dict[str, Any], float]:
    """What the scan of a fresh process found, and its peak resident memory in GiB."""
    found, peak_gib = json.loads(process([sys.executable, "-c", SCAN, train, evals]))
    return found["train"][0], peak_gib


def plain_scan(train: Path, evals: Path, rows: int) -> float:
    """Rows a second of the obvious method: sets of tuples of words, row after row."""
    grams, texts = set(), set()
    for line in evals.read_text(encoding="utf-8").splitlines():
        words = plain_words(json.loads(line)["question"])
        texts.add(tuple(words))
        grams.update(zip(*(words[place:] for place in range(NGRAM)), strict=False))

    def look() -> None:
        with train.open(encoding="utf-8") as file:
            for line in islice(file, rows):
                row = json.loads(line)
                words = plain_words(row["question"]) + plain_words(row["answer"])
                _ = tuple(words) in texts
                _ = [gram for gram in zip(*(words[place:] for place in range(NGRAM)), strict=False) if gram in grams]

    return rows / seconds(look)


def plain_words(text: str) -> list[str]:
    return re.findall(r"\w+", plain(text.casefold()))


def leaking(
    repeats: int, train_rows: int = TRAIN_ROWS, eval_rows: int = EVAL_ROWS, each: int = PLANTED_EACH
) -> list[Line]:
    """Time, peak memory, what was found of what was planted, and what was found besides."""
    with tempfile.TemporaryDirectory() as directory:
        train, evals, planted = write(Path(directory), train_rows, eval_rows, each)
        found: list[tuple[dict[str, Any], float]] = []

        def timed(_: int) -> float:
            return seconds(lambda: found.append(scan(train, evals)))

        few = min(PLAIN_ROWS, train_rows)
        took_s, others = in_turn(repeats, timed, lambda _: plain_scan(train, evals, few))
    wanted = expected(planted)
    missed = [sum(len(wanted[kind] - listed(one, kind)) for kind in wanted) for one, _ in found]
    besides = [sum(len(listed(one, kind) - wanted[kind]) for kind in wanted) for one, _ in found]
    pairs = sum(map(len, wanted.values()))
    size = f"{train_rows:,} × {eval_rows:,} rows"
    return [
        Line(f"{size}, whole process", "s", took_s, at_most=AT_MOST_S),
        Line(f"{size}: peak memory", "GiB", [peak for _, peak in found], at_most=AT_MOST_GIB),
        Line(
            f"{size}: training rows", "rows/s", [train_rows / one for one in took_s],
            f"sets of tuples in Python, {few:,} rows", others, RATIO,
        ),
        Line(f"of {pairs} planted pairs ({len(CHANGES)} kinds), missed", "", missed, at_most=0),
        Line("pairs listed that were not planted", "", besides, at_most=0),
    ]  # fmt: skip


if __name__ == "__main__":
    for line in leaking(1):
        print(line.what, line.values, line.unit, line.baseline_values)
