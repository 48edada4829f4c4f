"""Which codes traces use and how unevenly: entropy, effective number, and shares by rank beside their nulls.

A curve that falls like Zipf's is no sign of selection by itself: `health_nulls` says what chance and drift give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from caderno.abstract.health_entropy import Counts, miller_madow, plug_in
from caderno.abstract.health_flat import Flat, Token, flat
from caderno.abstract.health_nulls import RANKS, drift, slope, uniform

TOP = 10
RESAMPLES = 200
REJECT, EVEN = 0.05, 0.99


def entropy(data: Flat, size: int, rng: np.random.Generator) -> dict[str, Any]:
    """Bits per code over all traces, with an interval over traces (codes of one trace are not independent)."""
    counts = np.bincount(data.codes, minlength=max(1, len(data.tokens)))
    bits = miller_madow(counts)
    most = float(np.log2(max(size, 1)))
    told = {"bits": bits, "low": None, "high": None, "plug_in_bits": None, "codebook_bits": most, "share": None}
    if bits is None:
        return told | {"method": "no code was drawn"}
    bits = min(bits, max(most, plug_in(counts)))
    sd = _spread(data, rng)
    method = "Miller-Madow; interval by a bootstrap over traces" if sd else "Miller-Madow; no interval: no spread"
    return told | {
        "bits": bits, "plug_in_bits": plug_in(counts), "share": bits / most if most > 0 else None, "method": method,
        "low": max(0.0, bits - 1.96 * sd) if sd else None, "high": bits + 1.96 * sd if sd else None,
    }  # fmt: skip


def _spread(data: Flat, rng: np.random.Generator) -> float:
    """Standard deviation of the entropy over resampled traces; 0 where there is nothing to resample."""
    from scipy.sparse import csr_matrix

    if data.n < 2 or not len(data.codes):
        return 0.0
    owner = np.repeat(np.arange(data.n), data.lengths)
    table = csr_matrix((np.ones(len(owner)), (owner, data.codes)), shape=(data.n, len(data.tokens)))
    weights = (np.bincount(rng.integers(data.n, size=data.n), minlength=data.n) for _ in range(RESAMPLES))
    drawn = [table.T @ one for one in weights]
    sd = float(np.std([plug_in(one) for one in drawn if one.sum()]))
    return sd if sd > 1e-12 else 0.0


def codebook(data: Flat, size: int | None) -> dict[str, Any]:
    """Codes met, how many of equal frequency would have the same entropy (2^H), and the commonest."""
    counts = np.bincount(data.codes, minlength=len(data.tokens))
    order = np.argsort(-counts, kind="stable")[:TOP]
    bits = miller_madow(counts)
    n = max(1, int(counts.sum()))
    return {
        "size": size, "seen": len(data.tokens), "seen_share": len(data.tokens) / size if size else None,
        "effective": None if bits is None else min(2.0**bits, float(size or len(data.tokens))),
        "top": [
            {"token": data.tokens[i], "count": int(counts[i]), "share": float(counts[i] / n)} for i in order.tolist()
        ],
    }  # fmt: skip


def rank_frequency(
    data: Flat, size: int | None, nulls: Mapping[str, Sequence[Sequence[Token]]], rng: np.random.Generator
) -> dict[str, Any] | None:
    """Shares by rank beside three nulls; None where no code was drawn.

    uniform: as many independent draws from equal codes; anything that trains at all leaves it. drift: three neutral
    models, as strong as gives the observed entropy. runs: trainings whose reward was random, the only null that knows
    how strong drift is here. Bands hold 95 % of the simulated shares rank by rank.
    """
    if not len(data.codes):
        return None
    counts = np.sort(np.bincount(data.codes))[::-1]
    wide = max(size or 0, len(counts))
    n = int(counts.sum())
    shares = counts / n
    found = {
        "n": n, "ranks": wide, "size_known": size is not None, "share_of_bits": _share_of_bits(counts, wide),
        "shares": shares[:RANKS].tolist(), "slope": slope(counts),
        "cumulative": {str(k): float(shares[:k].sum()) for k in (1, 2, 4, 8, 16, 32) if k <= len(counts)},
        "uniform": uniform(counts, wide, rng),
        "drift": drift(counts, wide, rng),
        "runs": [one_run(name, traces, data) for name, traces in nulls.items()],
    }  # fmt: skip
    return found | {"reading": reading(found)}


def _share_of_bits(counts: Counts, size: int) -> float:
    return min(1.0, (miller_madow(counts) or 0.0) / np.log2(size)) if size > 1 else 0.0


def reading(found: Mapping[str, Any]) -> str:
    """What the curve allows one to say, in words; selection is never among it without a null training."""
    if found["ranks"] < 2:
        return "one code: there is no curve"
    runs = [one["slope"] for one in found["runs"] if one["slope"] is not None]
    mine = found["slope"]
    if runs and mine is not None:
        inside = min(runs) <= mine <= max(runs)
        where = "within" if inside else "outside"
        met = f"{where} the {min(runs):.2f} to {max(runs):.2f} of {len(runs)} random-reward trainings"
        return f"slope {mine:.2f}, {met}" + ("" if len(runs) > 2 else "; fewer than three show little of their spread")
    even = found["share_of_bits"] >= EVEN
    if found["uniform"]["p"] <= REJECT and even:
        return f"all but even: {found['share_of_bits']:.1%} of the bits that equal codes have"
    if found["uniform"]["p"] > REJECT:
        return "as even as uniform draws"
    if found["drift"] and found["drift"]["p"] > REJECT:
        return "uneven as drift alone makes it: no sign of selection"
    return "neither even nor like neutral drift; whether training selected it, only random-reward trainings can tell"


def one_run(name: str, traces: Sequence[Sequence[Token]], data: Flat) -> dict[str, Any]:
    """A null training's own curve, entropy and slope, and how far two curves of shares lie apart at most."""
    other = flat(traces)
    counts = np.sort(np.bincount(other.codes, minlength=1))[::-1]
    mine = np.sort(np.bincount(data.codes))[::-1]
    n, wide = max(1, int(counts.sum())), max(len(counts), len(mine))
    first, second = (np.pad(one / max(1, one.sum()), (0, wide - len(one))) for one in (mine, counts))
    return {
        "name": name, "traces": other.n, "n": int(counts.sum()), "shares": (counts / n)[:RANKS].tolist(),
        "slope": slope(counts), "bits": miller_madow(counts), "top_share": float(counts[0] / n),
        "farthest": float(np.abs(np.cumsum(first) - np.cumsum(second)).max()),
    }  # fmt: skip
