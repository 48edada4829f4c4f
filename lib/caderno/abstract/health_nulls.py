"""Curves of shares by rank that say nothing: equal codes, and neutral drift as strong as gives the entropy observed.

Three models of drift, since nobody knows which a training follows; a random-reward training is the real null.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caderno.abstract.health_entropy import Counts, miller_madow

RANKS = 512  # ranks that are told; a codebook has 64 or so, a file of words thousands
DRAWS = 400  # simulated curves; half of them set the band's centre, half its tail
BAND = (2.5, 97.5)
COPIES = 8  # of each code in the copied population: 8 is fine enough that few are lost in the first generations
CELLS = 200_000  # shares simulated at a time: fewer curves for the books of thousands

Shares = NDArray[np.float64]


def slope(counts: Counts) -> float | None:
    """Least-squares slope of log frequency on log rank over the codes met; a description, not a test of a power law."""
    met = np.sort(counts[counts > 0])[::-1]
    if len(met) < 3:
        return None
    x = np.log(np.arange(1, len(met) + 1))
    x -= x.mean()
    return float((x * np.log(met)).sum() / (x * x).sum())


def uniform(counts: Counts, size: int, rng: np.random.Generator) -> dict[str, Any]:
    """Band, slopes and p of as many independent draws from `size` equal codes."""
    return band(counts, np.full((_draws(size), size), 1 / size), rng)


def drift(counts: Counts, size: int, rng: np.random.Generator) -> dict[str, Any] | None:
    """Neutral drift from equal codes to the observed entropy: codes gain and lose whatever they are good for.

    urn: a code that was drawn becomes likelier (Polya; its limit is a symmetric Dirichlet: Johnson and Kotz, Urn
    Models, 1977). copying: each generation is drawn from the one before (Wright and Fisher), as a model that learns
    from its own samples. walk: log-probabilities take random steps, as under a reward that is noise. The band spans all
    three, `p` is that of the most charitable. None where there is one code, or the entropy is even up to noise.
    """
    bits = miller_madow(counts)
    if bits is None or size < 2 or not 0 < bits < np.log2(size) - 1e-3:
        return None
    models = {}
    for name, model in (("urn", urn), ("copying", copying), ("walk", walk)):
        shares = model(bits, size, rng)
        if shares is not None:
            models[name] = band(counts, shares, rng)
    if not models:
        return None
    slopes = [one["slope"] for one in models.values() if one["slope"]]
    return {
        "low": np.min([one["low"] for one in models.values()], axis=0).tolist(),
        "high": np.max([one["high"] for one in models.values()], axis=0).tolist(),
        "slope": [min(low for low, _ in slopes), max(high for _, high in slopes)] if slopes else None,
        "p": max(one["p"] for one in models.values()),
        "models": {name: {"p": one["p"], "slope": one["slope"]} for name, one in models.items()},
    }  # fmt: skip


def urn(bits: float, size: int, rng: np.random.Generator) -> Shares | None:
    """Shares after a Polya urn that ends at that expected entropy, shape (draws, size)."""
    alpha = concentration(bits, size)
    if alpha is None:
        return None
    gamma = np.maximum(rng.standard_gamma(alpha, size=(_draws(size), size)), 1e-300)  # tiny shapes underflow to 0
    return gamma / gamma.sum(axis=1, keepdims=True)


def concentration(bits: float, size: int) -> float | None:
    """Alpha of the symmetric Dirichlet over `size` codes whose expected entropy is `bits`.

    E[H] = psi(size alpha + 1) - psi(alpha + 1) nats (Wolpert and Wolf, Physical Review E 52, 1995). None where there
    is none between 1e-3 and 1e3.
    """
    from scipy.special import digamma

    def expected(log_alpha: float) -> float:
        alpha = np.exp(log_alpha)
        return float(digamma(size * alpha + 1) - digamma(alpha + 1)) / np.log(2)

    found = _solved(expected, bits, np.log(1e-3), np.log(1e3))
    return None if found is None else float(np.exp(found))


def walk(bits: float, size: int, rng: np.random.Generator) -> Shares | None:
    """Shares whose logs are normal about equal codes, with the spread that gives that mean entropy."""
    steps = rng.standard_normal((_draws(size), size))
    spread = _solved(lambda sd: -_mean_bits(_softmax(sd * steps)), -bits, 0.0, 50.0)
    return None if spread is None else _softmax(spread * steps)


def copying(bits: float, size: int, rng: np.random.Generator) -> Shares | None:
    """Shares after as many Wright-Fisher generations as bring the mean entropy down to that."""
    people = COPIES * size
    shares = np.full((_draws(size), size), 1 / size)
    for _ in range(3 * people if size <= RANKS else 0):
        shares = rng.multinomial(people, shares) / people
        if _mean_bits(shares) <= bits:
            return shares
    return None


def _solved(function: Callable[[float], float], value: float, low: float, high: float) -> float | None:
    from scipy.optimize import brentq

    gaps = function(low) - value, function(high) - value
    return float(brentq(lambda x: function(x) - value, low, high)) if gaps[0] <= 0 <= gaps[1] else None


def _mean_bits(shares: Shares) -> float:
    return float(-(shares * np.log2(np.maximum(shares, 1e-300))).sum(axis=1).mean())


def _softmax(logs: Shares) -> Shares:
    found = np.exp(logs - logs.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def _draws(size: int) -> int:
    return max(40, min(DRAWS, CELLS // size))


def band(counts: Counts, shares: Shares, rng: np.random.Generator) -> dict[str, Any]:
    """Band and slopes of curves drawn from `shares`, shape (draws, size), and the p of the observed curve among them.

    The p is Barnard's: the greatest standardised distance of log counts from their mean over the ranks, its mean and
    spread from one half of the draws, its null distribution from the other.
    """
    n = int(counts.sum())
    drawn = -np.sort(-rng.multinomial(n, shares), axis=1)
    half = len(drawn) // 2
    observed = np.log(np.pad(np.sort(counts)[::-1], (0, drawn.shape[1] - len(counts))) + 0.5)
    logs = np.log(drawn + 0.5)
    centre, spread = logs[:half].mean(axis=0), np.maximum(logs[:half].std(axis=0), 0.02)
    far = (np.abs(logs[half:] - centre) / spread).max(axis=1)
    mine = (np.abs(observed - centre) / spread).max()
    low, high = np.percentile(drawn[:, :RANKS] / n, BAND, axis=0)
    slopes = [one for one in map(slope, drawn) if one is not None]
    return {
        "low": low.tolist(), "high": high.tolist(), "p": float((1 + (far >= mine).sum()) / (1 + len(far))),
        "slope": np.percentile(slopes, BAND).tolist() if slopes else None,
    }  # fmt: skip
