"""What calibration's samples say of each task and of each prompt: solved, scores, ceiling, thoughts, spread of groups.

It measures; what is too little or too much is for `reasons`, and what to change for `proposals`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np

from caderno import evaluation, stats
from caderno.calibration.agreement import zero_advantage
from caderno.calibration.shares import clustered_share
from caderno.rewards import stage_weights, think_budget_tokens, think_efficiency
from caderno.tasks import FULLY_CORRECT

if TYPE_CHECKING:
    from caderno.params import Params

GROUP_SIZES = (2, 4, 8, 16)
Samples = Sequence[dict]


def reward_at_start(sample: Mapping, params: Params) -> float | None:
    """The reward GRPO would give in its first steps: staged weights, and think efficiency where it is paid for.

    None for a row that cannot be judged. The task's own weight is left out: it scales a group and makes none differ.
    """
    if sample["score"] is None:
        return None
    worth = sample["score"]
    if params.rewards.staged:
        weights = stage_weights(params.rewards, 0.0)
        worth = sum(weights[part] * sample["parts"][part] for part in weights)
    if bonus := params.rewards.think_efficiency:
        budget = think_budget_tokens(params, sample["task"])
        closed = sample["think_closed"]
        worth += bonus * think_efficiency(sample["think_tokens"], budget, closed, sample["score"])
    return worth


def of_tasks(drawn: Mapping[str, Samples], params: Params) -> list[dict]:
    """One measure per sampling and task, "all" first, as the lines of `by_task` are."""
    return [
        {"task": task, "sampling": sampling, "temperature": found[0]["temperature"], **measure(mine, task, params)}
        for sampling, found in drawn.items()
        for task, mine in evaluation.by_task(found).items()
    ]


def measure(found: Samples, task: str, params: Params) -> dict:
    """The measures of some samples at one temperature; shares are clustered by prompt. None: nothing to measure on."""
    judged = evaluation.scored(found)
    solved = [float(s["score"] >= FULLY_CORRECT) for s in judged]
    return {
        "prompts": len({s["id"] for s in found}),
        "samples": len(found),
        "solved": _share(solved, judged),
        "mean_score": _mean([s["score"] for s in judged], judged),
        "ceiling": _share([float(s["finish_reason"] == "length") for s in found], found),
        "thought": _thought(found, task, params),
        "lengths": _quantiles([s["tokens"] for s in found if s["finish_reason"] != "length"]),
        **_spread(judged, params),
    }


def _share(flags: list[float], found: Samples) -> dict | None:
    return asdict(clustered_share(flags, [s["id"] for s in found])) if flags else None


def _mean(values: list[float], found: Samples) -> dict | None:
    return asdict(stats.mean_interval(values, groups=[s["id"] for s in found])) if values else None


def _quantiles(tokens: list[int]) -> dict | None:
    """Mean and quantiles in tokens, each quantile a length that occurred; None for no completions."""
    if not tokens:
        return None
    p50, p95, p99 = (int(q) for q in np.quantile(tokens, (0.5, 0.95, 0.99), method="inverted_cdf"))
    return {"n": len(tokens), "mean": fmean(tokens), "p50": p50, "p95": p95, "p99": p99, "max": max(tokens)}


def _thought(found: Samples, task: str, params: Params) -> dict | None:
    """Length of the thoughts in tokens, their budget, and the share of all completions whose thought never closes.

    None where no completion thinks. Completions without a thought count as 0 tokens, so that lengths say what is paid.
    """
    tokens = [s["think_tokens"] for s in found]
    if not any(tokens) and all(s["think_closed"] for s in found):
        return None
    unclosed = _share([float(not s["think_closed"]) for s in found], found)
    budget = None if task == "all" or task not in params.tasks else think_budget_tokens(params, task)
    return {**_quantiles(tokens), "budget": budget, "unclosed": unclosed}


def _spread(judged: Samples, params: Params) -> dict:
    """How rewards differ within a prompt: reward_std, its interval, as a share of the reward's range, and the expected
    share of groups without an advantage by group size."""
    prompts = rewards_by_prompt(judged, params)
    sizes = sorted({*GROUP_SIZES, params.grpo.group_size})
    return {
        "reward_std": _reward_std(prompts, reward_range(params)),
        "zero_advantage": [zero_advantage(prompts, size) for size in sizes],
    }


def reward_range(params: Params) -> float:
    """Largest less smallest reward there can be, in units of a task's weight."""
    return 1 + params.rewards.think_efficiency


def rewards_by_prompt(judged: Iterable[dict], params: Params) -> list[list[float]]:
    """The rewards of every prompt's samples."""
    found: dict[str, list[float]] = {}
    for sample in judged:
        found.setdefault(sample["id"], []).append(reward_at_start(sample, params))
    return list(found.values())


def _reward_std(prompts: list[list[float]], whole: float) -> dict | None:
    """Root of the mean variance within prompts (unbiased per prompt) over the range; the interval is of that mean, by t
    over prompts. None without two samples of a prompt."""
    variances = [(stdev(rewards) / whole) ** 2 for rewards in prompts if len(rewards) > 1]
    if not variances:
        return None
    found = stats.mean_interval(variances)
    low, high = (None if end is None else float(max(end, 0.0) ** 0.5) for end in (found.low, found.high))
    return {"value": found.value**0.5, "low": low, "high": high, "n": found.n, "method": found.method}


def of_prompts(drawn: Mapping[str, Samples], params: Params) -> list[dict]:
    """One entry per sampling and prompt: a prompt's completions are a GRPO group. Rows without a judge are left out."""
    found = []
    for sampling, samples in drawn.items():
        groups: dict[str, list[dict]] = {}
        for sample in evaluation.scored(samples):
            groups.setdefault(sample["id"], []).append(sample)
        found += [_prompt(row, sampling, group, params) for row, group in groups.items()]
    return found


def _prompt(row: str, sampling: str, group: Samples, params: Params) -> dict:
    scores = [s["score"] for s in group]
    rewards = [reward_at_start(s, params) for s in group]
    return {
        "id": row, "task": group[0]["task"], "sampling": sampling, "samples": len(group),
        "solved": sum(score >= FULLY_CORRECT for score in scores), "zeros": sum(score == 0 for score in scores),
        "mean_score": fmean(scores), "reward_variance": stdev(rewards) ** 2 if len(group) > 1 else None,
    }  # fmt: skip


def temperatures(drawn: Mapping[str, Samples]) -> list[dict]:
    """Deployment less training per task, paired by prompt: mean score, share solved, tokens of thought.

    Single tasks' intervals are simultaneous (Bonferroni), since with several tasks one of them always looks worse.
    """
    if set(drawn) != {"training", "deployment"}:
        return []
    training, deployment = (evaluation.by_task(evaluation.scored(drawn[name])) for name in ("training", "deployment"))
    values = {
        "mean_score": lambda s: s["score"], "solved": lambda s: float(s["score"] >= FULLY_CORRECT),
        "think_tokens": lambda s: s["think_tokens"],
    }  # fmt: skip
    found = []
    for task in training:
        confidence = 1 - 0.05 / (1 if task == "all" else len(training) - 1)
        ids = {s["id"] for s in training[task]} & {s["id"] for s in deployment.get(task, [])}
        if ids:
            sides = [[s for s in side[task] if s["id"] in ids] for side in (training, deployment)]
            entry = {name: asdict(stats.paired_difference(*(_by_prompt(s, of) for s in sides), confidence))
                     for name, of in values.items()}  # fmt: skip
            found.append({"task": task, "confidence": confidence, **entry})
    return found


def _by_prompt(found: Samples, of) -> list[float]:
    """A prompt's mean, in the order of ids: both sides alike."""
    groups: dict[str, list[float]] = {}
    for sample in found:
        groups.setdefault(sample["id"], []).append(of(sample))
    return [fmean(groups[row]) for row in sorted(groups)]
