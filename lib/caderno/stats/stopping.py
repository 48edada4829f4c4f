"""Early stopping against noise: how often a rule stops a run on which nothing happens, and a rule that seldom does.

Every rule that waits for an *improvement* (transformers' EarlyStoppingCallback, Keras's min_delta) must stop on a flat
run: new records of pure noise come ever more rarely, and a larger delta only stops it sooner. What can be held to a
rate is a rule that waits for a *decline* larger than noise. It simulates; it reads no metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from caderno.errors import BadInput

Rule = Literal["decline", "transformers", "cumulative"]
RUNS = 20_000
SAFE_SHARE = 0.8  # of the promised rate that delta_for aims at: another, shorter simulation finds it kept as well


@dataclass
class DeclineStop:
    """Stops after `patience` evaluations in a row that are each more than `delta` below the best so far.

    Give each evaluation's metric, larger being better, to `update`; it answers whether to stop. `best` moves on any
    improvement, as transformers' best_metric does, so the best checkpoint is the same one.
    """

    patience: int
    delta: float
    best: float = -np.inf
    below: int = 0

    def update(self, metric: float) -> bool:
        """True when the run should stop. A metric that is not finite counts as below."""
        fell = not np.isfinite(metric) or metric < self.best - self.delta
        self.below = self.below + 1 if fell else 0
        if np.isfinite(metric):
            self.best = max(self.best, metric)
        return self.below >= self.patience


def false_stop_rate(
    noise_sd: float, patience: int, delta: float, evaluations: int, correlation: float = 0.0, *,
    rule: Rule = "decline", slope: float = 0.0, runs: int = RUNS, seed: int = 0,
) -> float:  # fmt: skip
    """Share of simulated runs that a rule stops before their last evaluation is behind them.

    Each evaluation is slope x its number + noise (normal, sd `noise_sd`, AR(1) with `correlation`); `slope` 0 is the
    flat run. Rules, larger being better:
      decline       patience evaluations in a row, each more than delta below the best so far (`DeclineStop`)
      transformers  patience evaluations in a row without one more than delta above the best; the best moves on *any*
                    improvement (EarlyStoppingCallback.check_metric_value and Trainer._determine_best_metric, 5.17.0)
      cumulative    the same, but the best moves only by an improvement of more than delta (Keras's min_delta)
    The standard error of the answer is at most 0.0036 with 20,000 runs. At noise 0 every evaluation of a flat run is
    equal: `decline` never stops, the others always do.
    """
    _check(noise_sd, patience, evaluations, correlation)
    metrics = _noise(evaluations, runs, correlation, seed) * noise_sd + slope * np.arange(evaluations)[:, None]
    best, waited = metrics[0].copy(), np.zeros(runs, dtype=int)
    stopped = np.zeros(runs, dtype=bool)
    for metric in metrics[1:]:
        counts = metric >= best - delta if rule == "decline" else metric > best + delta
        moved = counts if rule == "cumulative" else metric > best
        best = np.where(moved, metric, best)
        waited = np.where(counts, 0, waited + 1)
        stopped |= waited >= patience
    return float(stopped.mean())


def delta_for(
    noise_sd: float, patience: int, evaluations: int, rate: float = 0.05, *, correlation: float = 0.0,
    runs: int = RUNS, seed: int = 0,
) -> float:  # fmt: skip
    """The delta at which `DeclineStop` stops at most `rate` of flat runs of so many evaluations.

    In a flat run the rule stops where, somewhere, `patience` evaluations in a row lie more than delta below the best
    before them; the smallest delta that prevents it is one number per simulated run, and the answer is a quantile of
    these, aimed at four fifths of the rate. It grows with the noise in proportion.
    """
    _check(noise_sd, patience, evaluations, correlation)
    if not 0 < rate < 1:
        raise BadInput(f"rate {rate}", expected="between 0 and 1, such as 0.05", where="delta_for")
    if patience >= evaluations:
        return 0.0  # there are not enough evaluations to stop at all
    metrics = _noise(evaluations, runs, correlation, seed)
    fall = np.maximum.accumulate(metrics, axis=0)[:-1] - metrics[1:]  # (E - 1, runs), negative at a new best
    windows = np.lib.stride_tricks.sliding_window_view(fall, patience, axis=0)  # (E - patience, runs, patience)
    needed = windows.min(axis=-1).max(axis=0)
    return max(0.0, float(np.quantile(needed, 1 - SAFE_SHARE * rate))) * noise_sd


def _noise(evaluations: int, runs: int, correlation: float, seed: int) -> NDArray[np.float64]:
    """Unit-variance noise, shape (evaluations, runs), first-order autocorrelated along the run."""
    drawn = np.random.default_rng(seed).normal(size=(evaluations, runs))
    for step in range(1, evaluations if correlation else 0):
        drawn[step] = correlation * drawn[step - 1] + np.sqrt(1 - correlation**2) * drawn[step]
    return drawn


def _check(noise_sd: float, patience: int, evaluations: int, correlation: float) -> None:
    for name, value, fits, expected in (
        ("noise_sd", noise_sd, noise_sd >= 0 and np.isfinite(noise_sd), "a standard error, 0 or more"),
        ("patience", patience, patience >= 1, "at least 1 evaluation"),
        ("evaluations", evaluations, evaluations >= 1, "at least 1"),
        ("correlation", correlation, 0 <= correlation < 1, "in [0, 1)"),
    ):
        if not fits:
            raise BadInput(f"{name} is {value}", expected=expected, where="caderno.stats.stopping")
