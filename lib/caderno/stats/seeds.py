"""Several training seeds: the mean over seeds, and a difference of two such means, with what seeds add to the noise.

A seed is a cluster: its answers share everything that its training drew. n counts seeds; no number of prompts makes up
for one seed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from caderno.errors import BadInput
from caderno.stats.intervals import Estimate, Floats, check_confidence, codes, finite, same_length
from caderno.stats.pairs import Paired


@dataclass(frozen=True)
class OverSeeds:
    """A mean over seeds. `mean.n` is seeds; `between_sd` is the spread of the seeds' own means (ddof 1)."""

    mean: Estimate
    between_sd: float | None
    prompts: int | None
    by_seed: dict[Hashable, float]


@dataclass(frozen=True)
class _Parts:
    """Scores of one arm as seeds x prompts, and the variances of its margins."""

    scores: Floats  # (S, P)
    seeds: list[Hashable]

    @property
    def shape(self) -> tuple[int, int]:
        return self.scores.shape

    @property
    def residual_ms(self) -> float:
        """Mean square of what neither the seed nor the prompt explains; ddof (S - 1)(P - 1)."""
        s, p = self.shape
        rest = self.scores - self.scores.mean(0) - self.scores.mean(1, keepdims=True) + self.scores.mean()
        return float((rest**2).sum() / ((s - 1) * (p - 1)))


def over_seeds(
    values: Sequence[float], seeds: Sequence[Hashable], prompts: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> OverSeeds:  # fmt: skip
    """Mean over seeds of their means, with the interval of what another seed would give.

    Without `prompts`: Student's t over the seeds' means. With `prompts` (the same for every seed), the interval also
    covers other prompts of the same kind: the two-way random-effects variance (MS_seed + MS_prompt - MS_rest) / (S P)
    with Satterthwaite's degrees of freedom (Cornfield and Tukey, Annals of Math. Statistics 27, 1956).
    One seed leaves the interval None. Several samples of one prompt and seed are averaged first.
    """
    check_confidence(confidence)
    array = finite(values, "a mean over seeds")
    same_length(seeds, array, "seeds")
    labels = codes(seeds)
    means = np.bincount(labels, weights=array) / np.bincount(labels)
    by_seed = dict(zip(dict.fromkeys(seeds), means.tolist(), strict=True))
    spread = float(means.std(ddof=1)) if len(means) > 1 else None
    if prompts is None or spread is None:
        return OverSeeds(_from_means(means, confidence), spread, None, by_seed)
    arm = _parts(array, seeds, prompts)
    s, p = arm.shape
    rest = arm.residual_ms
    terms = [
        (p * float(arm.scores.mean(1).var(ddof=1)), s - 1),
        (s * float(arm.scores.mean(0).var(ddof=1)), p - 1),
        (-rest, (s - 1) * (p - 1)),
    ]
    value = float(arm.scores.mean())
    low, high = _satterthwaite(value, [(part / (s * p), df) for part, df in terms], confidence)
    method = f"two-way variance over {s} seeds and {p} prompts, Satterthwaite t"
    return OverSeeds(Estimate(value, low, high, s, method), spread, p, by_seed)


def seeds_difference(
    before: tuple[Sequence[float], Sequence[Hashable], Sequence[Hashable]],
    after: tuple[Sequence[float], Sequence[Hashable], Sequence[Hashable]],
    confidence: float = 0.95,
) -> Paired:
    """After minus before where each arm is (values, seeds, prompts), both on the same prompts, at least two seeds each.

    Seeds of the two arms are independent draws, prompts are paired: variance = seeds' of each arm + prompts' of the
    difference of the seed averages - what both count twice; Satterthwaite's t. `n` is the smaller number of seeds.
    """
    from scipy.stats import t

    check_confidence(confidence)
    first, second = (_parts(finite(v, "scores"), s, p) for v, s, p in (before, after))
    if first.shape[1] != second.shape[1]:
        raise BadInput("the two arms answer different prompts", expected="the same prompts in both")
    terms = []
    for arm in (first, second):
        s, p = arm.shape
        terms.append((float(arm.scores.mean(1).var(ddof=1)) / s, s - 1))
        terms.append((-arm.residual_ms / (s * p), (s - 1) * (p - 1)))
    by_prompt = second.scores.mean(0) - first.scores.mean(0)
    terms.append((float(by_prompt.var(ddof=1)) / len(by_prompt), len(by_prompt) - 1))
    value = float(by_prompt.mean())
    low, high = _satterthwaite(value, terms, confidence)
    variance, df = _variance(terms)
    p_value = float(2 * t.sf(abs(value) / np.sqrt(variance), df)) if variance > 0 else (1.0 if value == 0 else None)
    n = min(first.shape[0], second.shape[0])
    method = f"{first.shape[0]} and {second.shape[0]} seeds, {len(by_prompt)} prompts paired, Satterthwaite t"
    return Paired(value, low, high, p_value, n, method)


def _from_means(means: Floats, confidence: float) -> Estimate:
    from caderno.stats.intervals import t_interval

    low, high, note = t_interval(means, confidence)
    if len(means) == 1:
        note = "no interval: one seed, and what another would give cannot be told"
    return Estimate(float(means.mean()), low, high, len(means), note or f"t interval over {len(means)} seeds")


def _parts(values: Floats, seeds: Sequence[Hashable], prompts: Sequence[Hashable]) -> _Parts:
    """Scores as seeds x prompts, prompts sorted by their label, samples averaged. Every seed answers every prompt."""
    same_length(seeds, values, "seeds")
    same_length(prompts, values, "prompts")
    names, which = list(dict.fromkeys(seeds)), codes(seeds)
    columns = {label: i for i, label in enumerate(sorted(set(prompts), key=str))}
    at = np.array([columns[label] for label in prompts])
    counts = np.zeros((len(names), len(columns)))
    sums = np.zeros_like(counts)
    np.add.at(counts, (which, at), 1)
    np.add.at(sums, (which, at), values)
    if not counts.all():
        missing = int((counts == 0).sum())
        raise BadInput(
            f"{missing} pairs of seed and prompt have no score", expected="every seed on the same prompts",
            mend="Leave out the prompts that not every seed answered, and say how many.",
        )  # fmt: skip
    if min(counts.shape) < 2:
        raise BadInput(f"{len(names)} seeds and {len(columns)} prompts", expected="at least two of each")
    return _Parts(sums / counts, names)


def _variance(terms: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum and its degrees of freedom (Satterthwaite, 1946); never below the largest positive term.

    Subtracting the rest can leave less than a margin by itself shows; then that margin is taken alone.
    """
    total = sum(part for part, _ in terms)
    largest, df = max(terms)
    if total <= largest or total <= 0:
        return max(largest, 0.0), df
    return total, total**2 / sum(part**2 / df for part, df in terms)


def _satterthwaite(
    value: float, terms: Sequence[tuple[float, float]], confidence: float
) -> tuple[float | None, float | None]:
    from scipy.stats import t

    variance, df = _variance(terms)
    if variance <= 0:
        return None, None
    half = float(t.ppf((1 + confidence) / 2, df)) * float(np.sqrt(variance))
    return value - half, value + half
