"""How often a GRPO group of G completions has equal rewards, and so no advantage, from k samples a prompt.

Up to k this is counted without bias. Beyond k no unbiased estimate exists: it is bounded without assumptions, and a
model picks a value between the bounds. It reads rewards only, and knows neither tasks nor temperatures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from math import comb

import numpy as np

from caderno.calibration.betas import Beta, fitted, fitted_counts
from caderno.calibration.shares import clustered_share

DIGITS = 9  # rewards that differ less are equal, as TRL's own test of a zero spread has it (torch.isclose)
RESAMPLES, SEED = 2_000, 0
ENOUGH_PROMPTS = 20  # below it a bootstrap over prompts is too narrow, and only the weaker bound is used

Rewards = Sequence[Sequence[float]]  # by prompt: the rewards of its samples


def alike(rewards: Sequence[float], size: int) -> float:
    """Share of the groups of `size` among a prompt's k >= size rewards that have equal rewards: sum C(c, G) / C(k, G).

    Its expectation is the chance that `size` new completions of the prompt agree, for any distribution of rewards
    (a U-statistic: Hoeffding, Annals of Mathematical Statistics 19, 1948).
    """
    counts = Counter(round(float(reward), DIGITS) for reward in rewards).values()
    return sum(comb(count, size) for count in counts) / comb(len(rewards), size)


def zero_advantage(prompts: Rewards, size: int, confidence: float = 0.95) -> dict:
    """Expected share of groups of `size` without an advantage: group_size, value, low, high, n, k, method.

    n counts the prompts with two samples or more, k is the fewest samples that one of them has; without any, value is
    None. For size <= k the share of agreeing subsets, unbiased, with an interval over prompts. For size > k, see
    `beyond`: low and high enclose the bounds and their sampling error, so they do not close in as prompts are added.
    """
    usable = [rewards for rewards in prompts if len(rewards) > 1]
    k = min(map(len, usable), default=0)
    if not usable:
        told = {"value": None, "low": None, "high": None, "method": "no prompt has two samples"}
    elif size <= k:
        share = asdict(clustered_share([alike(one, size) for one in usable], range(len(usable)), confidence))
        told = {name: share[name] for name in ("value", "low", "high")} | {"method": "unbiased, from subsets of k"}
    else:
        told = beyond(usable, k, size, confidence)
    return {"group_size": size, "n": len(usable), "k": k, **told}


def beyond(prompts: Rewards, k: int, size: int, confidence: float) -> dict:
    """A group larger than the k samples of a prompt: bounds, and a value between them.

    With q the chance of a completion's own reward given its prompt, Z(G) = E[q^(G-1)] over prompts and completions:
    moments of one variable in [0, 1], whose logarithms are convex in G (Lyapunov). Hence, with no assumption on the
    rewards, Z(k) (Z(k) / Z(k-1))^(G-k) <= Z(G) <= Z(k). Resampling G of the k with replacement, the usual short cut,
    lands near the upper bound: it takes a prompt whose k samples agree for one that always agrees.
    """
    last, before = (np.array([alike(one, one_size) for one in prompts]) for one_size in (k, k - 1))
    told = asdict(clustered_share(last, range(len(last)), confidence))
    floor, high = _floor(last.mean(), before.mean(), size - k), told["high"]
    value, method = _between(prompts, k, size, floor, float(last.mean()))
    if told["low"] is None:
        return {"value": value, "low": None, "high": None, "method": f"{method}; {told['method']}"}
    low = told["low"] ** ((size - 1) / (k - 1))  # the weaker bound, from Z(k) alone
    if len(prompts) >= ENOUGH_PROMPTS:
        low = max(low, _resampled_floor(last, before, size - k, confidence))
    return {"value": value, "low": min(low, value), "high": max(high, value), "method": method}


def _floor(last: float, before: float, further: int) -> float:
    return float(last * (last / before) ** further) if before > 0 else 0.0


def _resampled_floor(last: np.ndarray, before: np.ndarray, further: int, confidence: float) -> float:
    """The lower end of the lower bound, over resampled prompts. Where all agree it is 1, and the other bound holds."""
    if last.min() == 1:
        return 0.0
    n = len(last)
    weights = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n  # (RESAMPLES, n)
    floors = [_floor(a, b, further) for a, b in zip(weights @ last, weights @ before, strict=True)]
    return float(np.quantile(floors, (1 - confidence) / 2))


def _between(prompts: Rewards, k: int, size: int, floor: float, ceiling: float) -> tuple[float, str]:
    """A value between the bounds and the model that chose it."""
    seen = sorted({round(float(reward), DIGITS) for rewards in prompts for reward in rewards})
    if len(seen) == 2 and (beta := _of_two(prompts, seen[1])):
        value, model = beta.power(size) + beta.mirrored.power(size), "beta-binomial fit"
    elif k > 2 and (beta := _of_agreement(prompts)):
        value = ceiling * beta.power(size - 1) / beta.power(k - 1)
        model = "Beta fit of the chance to agree"
    else:
        value, model = (floor + ceiling) / 2, "middle of the bounds"
    return float(np.clip(value, floor, ceiling)), f"estimate beyond k = {k} samples, {model}; interval holds the bounds"


def _of_two(prompts: Rewards, higher: float) -> Beta | None:
    """The fit of the chance of the higher of two rewards over prompts."""
    hits = [sum(round(float(reward), DIGITS) == higher for reward in rewards) for rewards in prompts]
    return fitted_counts(hits, [len(rewards) for rewards in prompts])


def _of_agreement(prompts: Rewards) -> Beta | None:
    """The Beta whose first two moments are E[q] = Z(2) and E[q^2] = Z(3)."""
    two, three = (float(np.mean([alike(one, size) for one in prompts])) for size in (2, 3))
    return fitted(two, three - two**2)
