"""Measures of abstract traces from anywhere: how many differ, how long, which codes, where, and for which prompt.

Pure functions on lists of tokens; they judge nothing (`guards.after_traces` does), read no file and ask no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from caderno.abstract import health_alike, health_codes
from caderno.abstract.health_entropy import miller_madow
from caderno.abstract.health_flat import Flat, Token, flat
from caderno.errors import BadInput

SHOWN = 40  # codes of a trace that are told
POSITIONS = 256  # positions whose entropy is told
MANY_BITS = 50  # a space of 2^50 sequences: no finite file meets one twice by chance
SPEC = ("codes", "min_codes", "max_codes", "temperature")


def measures(
    traces: Sequence[Sequence[Token]], *, prompts: Sequence[Hashable] | None = None,
    seeds: Sequence[Hashable] | None = None, spec: Mapping[str, Any] | None = None,
    nulls: Mapping[str, Sequence[Sequence[Token]]] | None = None, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Everything that traces alone can tell, as JSON-able numbers; shares run from 0 to 1, entropies are in bits.

    traces: lists of token ids or of strings, without delimiters; an empty one counts. prompts, seeds: one per trace,
    None where not known; traces of equal prompts are samples of one prompt. spec: what is known of how they were
    drawn: `codes` (M), `min_codes`, `max_codes`, `temperature`. nulls: traces of trainings whose reward was random, by
    name. seed: of the simulations, resamples and sampled pairs. Raises BadInput for no traces, or lists whose lengths
    differ.
    """
    if not len(traces):
        raise BadInput("no traces", expected="at least one", where="caderno.abstract.health")
    known = dict.fromkeys(SPEC) | dict(spec or {})
    data = flat(traces, prompts, seeds)
    rng = np.random.default_rng(seed)
    positions = _positions(data)
    size = known["codes"] or len(data.tokens)
    if len(data.tokens) > size:
        raise BadInput(
            f"{len(data.tokens)} different codes", expected=f"at most the {size} of the codebook",
            where="caderno.abstract.health", mend="Leave delimiters out of the traces, or name the real size.",
        )  # fmt: skip
    return {
        "n": data.n,
        "empty": int((data.lengths == 0).sum()),
        "tokens": len(data.codes),
        "spec": known,
        "prompts": data.prompts_known,
        "unique": _unique(traces, data, size, known),
        "length": _length(data) | _outside(data, known),
        "entropy": health_codes.entropy(data, size, rng),
        "codebook": health_codes.codebook(data, known["codes"]),
        "rank_frequency": health_codes.rank_frequency(data, known["codes"], nulls or {}, rng),
        "positions": positions,
        "prefix": _prefix(data, positions),
        "likeness": health_alike.likeness(data, rng),
        "mutual_information": health_alike.mutual_information(data, rng),
        "seeds": _seeds(data),
    }


def _unique(traces: Sequence[Sequence[Token]], data: Flat, size: int, spec: Mapping[str, Any]) -> dict[str, Any]:
    """How many traces differ and which is commonest; and the same of one trace a prompt, which is what is judged."""
    counts = Counter(map(tuple, traces))
    [(trace, most)] = counts.most_common(1)
    return {
        "count": len(counts), "share": len(counts) / data.n,
        "most_frequent": {
            "trace": list(trace[:SHOWN]), "length": len(trace), "count": most, "share": most / data.n,
        },
        "first": _first_unique(traces, data, size, spec),
    }  # fmt: skip


def _first_unique(
    traces: Sequence[Sequence[Token]], data: Flat, size: int, spec: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """Unique share of the first trace of each prompt (of all lines where there are not two prompts).

    Several samples of one prompt may agree, and should where decoding is greedy: they tell nothing of a collapse.
    `uniform_share`: expected of uniform draws of these lengths; `possible_share`: of all that the bounds allow.
    """
    several = data.prompts_known > 1
    chosen = np.flatnonzero(data.prompts >= 0) if several else np.arange(data.n)
    if several:
        chosen = chosen[np.sort(np.unique(data.prompts[chosen], return_index=True)[1])]
    counts, n = Counter(tuple(traces[i]) for i in chosen.tolist()), len(chosen)
    bits = _space_bits(size, *_bounds(data, spec))
    return {
        "of": "prompts" if several else "lines", "n": n, "count": len(counts), "share": len(counts) / n,
        "commonest_share": max(counts.values()) / n, "next_is_new": next_is_new(counts.values(), n),
        "uniform_share": uniform_distinct(Counter(data.lengths[chosen].tolist()), size) / n,
        "possible_share": _expected_distinct(bits, n) / n, "possible_log10": round(bits * np.log10(2), 3),
    }  # fmt: skip


def _bounds(data: Flat, spec: Mapping[str, Any]) -> tuple[int, int]:
    """Shortest and longest trace that could be drawn: as the spec says, else as they were met."""
    low, high = spec["min_codes"], spec["max_codes"]
    return int(data.lengths.min() if low is None else low), int(data.lengths.max() if high is None else high)


def next_is_new(counts: Collection[int], n: int) -> dict[str, Any]:
    """Probability that one more trace is one not met yet, unlike the unique share an estimate that no n drives.

    Good and Turing's f1 / n with Esty's interval (Annals of Statistics 11, 1983); at 0 and at 1 his variance is 0 and
    tells nothing: the interval is None.
    """
    once, twice = sum(c == 1 for c in counts), sum(c == 2 for c in counts)
    value, method = once / n, "Good-Turing; Esty interval"
    if once in (0, n):
        return {"value": value, "low": None, "high": None, "n": n, "method": "Good-Turing; no interval at 0 or 1"}
    half = 1.96 * np.sqrt(once * (1 - once / n) + 2 * twice) / n
    return {
        "value": value, "low": max(0.0, float(value - half)), "high": min(1.0, float(value + half)), "n": n,
        "method": method,
    }  # fmt: skip


def uniform_distinct(lengths: Mapping[int, int], size: int) -> float:
    """How many different traces to expect from uniform draws of `size` codes: {length: how many traces}."""
    return float(sum(_expected_distinct(length * np.log2(max(size, 1)), n) for length, n in lengths.items()))


def _expected_distinct(bits: float, n: int) -> float:
    """Different ones among n uniform draws from 2^bits sequences: K (1 - (1 - 1/K)^n)."""
    if bits > MANY_BITS:
        return float(n)
    possible = 2.0**bits
    return 1.0 if possible <= 1 else float(-possible * np.expm1(n * np.log1p(-1 / possible)))


def _space_bits(size: int, low: int, high: int) -> float:
    """log2 of how many sequences of `low` to `high` codes there are."""
    each = np.arange(low, high + 1) * np.log2(max(size, 1))
    return float(each.max() + np.log2(np.exp2(each - each.max()).sum()))


def _length(data: Flat) -> dict[str, Any]:
    """Codes per trace: moments, quartiles, the commonest length, and how many are as long as any."""
    lengths = data.lengths
    values, counts = np.unique(lengths, return_counts=True)
    quartiles = np.quantile(lengths, [0.25, 0.5, 0.75])
    mode = int(values[counts.argmax()])
    return {
        "mean": float(lengths.mean()), "sd": float(lengths.std()), "variance": float(lengths.var()),
        "min": int(values[0]), "p25": float(quartiles[0]), "median": float(quartiles[1]), "p75": float(quartiles[2]),
        "max": int(values[-1]), "share_at_max": float(counts[-1] / data.n), "mode": mode,
        "share_at_mode": float(counts.max() / data.n),
        "histogram": {str(v): int(c) for v, c in zip(values, counts, strict=True)},
    }  # fmt: skip


def _outside(data: Flat, spec: Mapping[str, Any]) -> dict[str, int | None]:
    """How many traces are shorter or longer than the bounds allow; None where a bound is not known."""
    low, high = spec["min_codes"], spec["max_codes"]
    return {
        "below_min": None if low is None else int((data.lengths < low).sum()),
        "above_max": None if high is None else int((data.lengths > high).sum()),
    }


def _positions(data: Flat) -> list[dict[str, Any]]:
    """Entropy of the codes at each position over the traces that reach it, first position 1; at most 256 of them."""
    places = data.places()
    reach = min(POSITIONS, int(data.lengths.max()))
    kept = places < reach
    width = max(1, len(data.tokens))
    pairs, counts = np.unique(places[kept] * width + data.codes[kept], return_counts=True)
    starts = np.searchsorted(pairs // width, np.arange(reach + 1))
    found = []
    for place, (begin, end) in enumerate(pairwise(starts.tolist())):
        mine = counts[begin:end]
        bits = miller_madow(mine)
        top = int(mine.argmax())
        found.append({
            "position": place + 1, "n": int(mine.sum()), "types": len(mine), "bits": bits,
            "commonest": data.tokens[int(pairs[begin + top] % width)], "share": float(mine[top] / mine.sum()),
        })  # fmt: skip
    return found


def _prefix(data: Flat, positions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The longest beginning that all traces have in common."""
    shared = []
    for one in positions:
        if one["n"] < data.n or one["types"] > 1:
            break
        shared.append(one["commonest"])
    return {"length": len(shared), "trace": shared[:SHOWN]}


def _seeds(data: Flat) -> dict[str, Any] | None:
    """How many sampler seeds there are for how many requests; None where none is recorded.

    A request is a prompt where prompts are known: an engine may draw several samples of one prompt from one seed.
    """
    if data.seeds is None:
        return None
    alone = ((data.prompts[i] if data.prompts[i] >= 0 else -1 - i) for i in range(data.n))
    met = {(request, one) for request, one in zip(alone, data.seeds, strict=True) if one is not None}
    if not met:
        return None
    counts = Counter(one for _, one in met)
    requests = len({request for request, _ in met})
    [(commonest, most)] = counts.most_common(1)
    given = sum(one is not None for one in data.seeds)
    return {
        "given": given, "requests": requests, "distinct": len(counts), "commonest": commonest,
        "commonest_share": most / requests,
    }  # fmt: skip
