"""How alike traces are, of different prompts and of one prompt, and what a trace says of the prompt it was drawn for.

Tokens alone cannot tell noise from content where each prompt has one trace: then only likeness between prompts is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caderno.abstract.health_entropy import plug_in
from caderno.abstract.health_flat import Flat
from caderno.stats import mean_interval

PAIRS = 1_000  # pairs of different prompts
REPEATED = 100  # prompts with several samples, of which two are compared with those of all others
EDITED = 128  # codes of a trace that are compared; the paper's m_max
PERMUTATIONS = 2_000
LINES, SHUFFLES = 20_000, 200  # traces and permutations of the mutual information
CELLS = 2_000_000

Ints = NDArray[np.int64]


def edit_similarity(first: list[Ints], second: list[Ints]) -> NDArray[np.float64]:
    """1 - Levenshtein distance over the longer length, pair by pair, shape (pairs,); two empty traces are alike (1).

    Only the first 128 codes count. Source: Levenshtein (1966), by one dynamic programme over all pairs at once.
    """
    step = max(1, CELLS // (EDITED + 1))
    parts = [_edit_batch(first[i : i + step], second[i : i + step]) for i in range(0, len(first), step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _edit_batch(first: list[Ints], second: list[Ints]) -> NDArray[np.float64]:
    one, ones = _padded(first, -1)
    two, twos = _padded(second, -2)
    rows, places = np.arange(len(one)), np.arange(two.shape[1] + 1, dtype=np.int16)
    before = np.broadcast_to(places, (len(one), len(places))).copy()
    distance = before[rows, twos].copy()
    for i in range(1, one.shape[1] + 1):
        now = np.empty_like(before)
        now[:, 0] = i
        np.minimum(before[:, :-1] + (one[:, i - 1 : i] != two), before[:, 1:] + 1, out=now[:, 1:], casting="unsafe")
        now = np.minimum.accumulate(now - places, axis=1) + places  # an insertion costs 1 for each place passed
        distance = np.where(ones == i, now[rows, twos], distance)
        before = now
    longer = np.maximum(ones, twos)
    return np.where(longer == 0, 1.0, 1 - distance / np.maximum(longer, 1))


def _padded(traces: list[Ints], fill: int) -> tuple[Ints, Ints]:
    cut = [one[:EDITED] for one in traces]
    lengths = np.array([len(one) for one in cut], dtype=np.int64)
    table = np.full((len(cut), int(lengths.max())), fill, dtype=np.int32)
    for row, one in zip(table, cut, strict=True):
        row[: len(one)] = one
    return table, lengths


def jaccard(first: Ints, second: Ints) -> float:
    """Neighbouring pairs of codes that two traces share, over those that either has; 1 where neither has any."""
    one, two = (set(zip(x[:-1].tolist(), x[1:].tolist(), strict=True)) for x in (first, second))
    return len(one & two) / len(one | two) if one | two else 1.0


def likeness(data: Flat, rng: np.random.Generator) -> dict[str, Any]:
    """Edit similarity of traces of different prompts (or lines), and of one prompt where it has several samples.

    Pairs between prompts use each trace once, so that Student's interval holds. Within: two samples of up to 100
    prompts, with a permutation p: how often samples dealt to the wrong prompts are as alike.
    """
    pairs = _different(data, rng)
    of = "prompts" if data.prompts_known else "lines"
    found: dict[str, Any] = {"of": of, "between": None, "between_jaccard": None}
    if pairs:
        first, second = ([data.one(i) for i in side] for side in zip(*pairs, strict=True))
        between = mean_interval(edit_similarity(first, second))
        found["between"] = {"value": between.value, "low": between.low, "high": between.high, "n": len(pairs)}
        found["between_jaccard"] = float(np.mean([jaccard(*pair) for pair in zip(first, second, strict=True)]))
    found["cut"] = int((data.lengths > EDITED).sum())
    return found | {"within": _within(data, rng)}


def _different(data: Flat, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Up to 1,000 pairs of traces of different prompts, each trace once; of any two where prompts are not known."""
    order = rng.permutation(data.n).tolist()
    pairs = zip(order[0::2], order[1::2], strict=False)
    labels = data.prompts
    apart = [(i, j) for i, j in pairs if labels[i] != labels[j] or not data.prompts_known]
    return apart[:PAIRS]


def _repeated(data: Flat, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Two samples of each prompt that has them, up to 100 prompts."""
    samples: dict[int, list[int]] = {}
    for i in rng.permutation(data.n).tolist():
        if data.prompts[i] >= 0:
            samples.setdefault(int(data.prompts[i]), []).append(i)
    return [(mine[0], mine[1]) for mine in samples.values() if len(mine) > 1][:REPEATED]


def _within(data: Flat, rng: np.random.Generator) -> dict[str, Any] | None:
    pairs = _repeated(data, rng)
    n = len(pairs)
    if n < 2:
        return None
    first, second = ([data.one(i) for i in side] for side in zip(*pairs, strict=True))
    table = edit_similarity([one for one in first for _ in range(n)], second * n).reshape(n, n)
    own = np.diag(table)
    apart = (table.sum() - own.sum()) / (n * n - n)
    dealt = np.array([table[np.arange(n), rng.permutation(n)].mean() for _ in range(PERMUTATIONS)])
    estimate = mean_interval(own)
    return {
        "value": estimate.value, "low": estimate.low, "high": estimate.high, "n": n, "between": float(apart),
        "difference": float(estimate.value - apart), "identical": float((own == 1).mean()),
        "p": float((1 + (dealt >= own.mean() - 1e-12).sum()) / (1 + PERMUTATIONS)),
    }  # fmt: skip


def mutual_information(data: Flat, rng: np.random.Generator) -> dict[str, Any] | None:
    """Bits that a trace, and its first code, share with the prompt; None without several samples of a prompt.

    Plug-in estimates, and what shuffled prompts give, which is their bias: only the excess is information. Where every
    trace differs, whole traces are `saturated`: any labels would be told apart perfectly.
    """
    shared = np.isin(data.prompts, _with_several(data.prompts)) & (data.prompts >= 0) & (data.lengths > 0)
    rows = np.flatnonzero(shared)
    if len(rows) < 4 or len(np.unique(data.prompts[rows])) < 2:
        return None
    rows = np.sort(rng.permutation(rows)[:LINES])
    prompts = np.unique(data.prompts[rows], return_inverse=True)[1]
    known: dict[bytes, int] = {}
    whole = np.array([known.setdefault(data.one(i).tobytes(), len(known)) for i in rows.tolist()])
    firsts = data.codes[data.starts[rows]]
    return {
        "n": len(rows), "prompts": int(prompts.max()) + 1,
        "trace": _excess(prompts, whole, rng) | {"saturated": len(known) == len(rows)},
        "first_code": _excess(prompts, firsts, rng),
    }  # fmt: skip


def _with_several(prompts: Ints) -> Ints:
    values, counts = np.unique(prompts, return_counts=True)
    return values[counts > 1]


def _excess(prompts: Ints, values: Ints, rng: np.random.Generator) -> dict[str, Any]:
    """Mutual information in bits, its mean under shuffled prompts, the difference, and a permutation p."""
    wide = int(values.max()) + 1
    apart = plug_in(np.bincount(prompts)) + plug_in(np.bincount(values))

    def bits(labels: Ints) -> float:
        return apart - plug_in(np.unique(labels * wide + values, return_counts=True)[1])

    found = bits(prompts)
    null = np.array([bits(rng.permutation(prompts)) for _ in range(SHUFFLES)])
    return {
        "bits": found, "null_bits": float(null.mean()), "excess_bits": float(found - null.mean()),
        "p": float((1 + (null >= found - 1e-12).sum()) / (1 + SHUFFLES)),
    }  # fmt: skip
