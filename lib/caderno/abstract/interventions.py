"""Does the answer read the trace? Traces dropped, randomised, shuffled, swapped or cut, and what that costs.

The variants are pure functions with a seed; whether an answer is right is decided by the caller's model, not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from caderno.errors import BadInput
from caderno.stats import holm, mean_interval, paired_difference, proportion_interval

Trace = tuple[int | str, ...]
Answer = Callable[[list[tuple[str, Trace]]], Sequence[bool | None]]
WHERE = "caderno.abstract.interventions"


def drop(traces: Sequence[Trace]) -> list[Trace]:
    """No trace at all."""
    return [() for _ in traces]


def randomise(traces: Sequence[Trace], codes: Sequence[int | str], *, seed: int) -> list[Trace]:
    """Uniform draws from `codes`, as many as the trace had."""
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(codes), size=len(trace)) for trace in traces)
    return [tuple(codes[i] for i in places.tolist()) for places in drawn]


def shuffle(traces: Sequence[Trace], *, seed: int) -> list[Trace]:
    """The same codes in another order within each trace; one that has no other order stays as it is."""
    rng = np.random.default_rng(seed)
    return [_reordered(trace, rng) for trace in traces]


def _reordered(trace: Trace, rng: np.random.Generator) -> Trace:
    if len(set(trace)) < 2:
        return tuple(trace)
    while True:  # two codes stay in order half of the time: that would be no intervention
        found = tuple(trace[i] for i in rng.permutation(len(trace)).tolist())
        if found != tuple(trace):
            return found


def swap(rows: Sequence[str], traces: Sequence[Trace], *, seed: int) -> list[Trace]:
    """Each row gets the trace of another row; every trace is used once.

    Rows are put in random order and traces handed on by as many places as the row with most samples has, so that no
    trace comes back to its own prompt. Raises BadInput where one row has more than half of the traces.
    """
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(rows))
    rank = dict(zip(names, rng.permutation(len(names)).tolist(), strict=True))
    order = sorted(range(len(rows)), key=lambda i: rank[rows[i]])
    most = max((len([*group]) for group in _runs([rows[i] for i in order])), default=0)
    if 2 * most > len(rows):
        got = f"{most} of {len(rows)} traces are of one row"
        raise BadInput(got, expected="at most half", where=WHERE, mend="Swapping needs traces of other prompts.")
    found: list[Trace] = [()] * len(rows)
    for place, i in enumerate(order):
        found[i] = tuple(traces[order[(place + most) % len(order)]])
    return found


def _runs(values: Sequence[str]) -> list[list[str]]:
    """Equal neighbours together."""
    cuts = [0, *(i for i, (a, b) in enumerate(pairwise(values), 1) if a != b), len(values)]
    return [list(values[a:b]) for a, b in pairwise(cuts) if b > a]


def truncate(traces: Sequence[Trace], k: int) -> list[Trace]:
    """The first k codes."""
    if k < 0:
        raise BadInput(f"k is {k}", expected="0 or more codes", where=WHERE)
    return [tuple(trace[:k]) for trace in traces]


def variants(
    rows: Sequence[str], traces: Sequence[Trace], codes: Sequence[int | str], *, seed: int = 0,
    truncate_to: Sequence[int] = (),
) -> dict[str, list[Trace]]:  # fmt: skip
    """kept, dropped, randomised, shuffled, swapped, and truncated_k for each k, in the order of `traces`.

    Raises BadInput where rows and traces are not one each, no code is given, or one row has more than half of them.
    """
    if len(rows) != len(traces) or not rows or not codes:
        got = f"{len(rows)} rows, {len(traces)} traces, {len(codes)} codes"
        raise BadInput(got, expected="one trace per row, at least one, and the codes", where=WHERE)
    first, second, third = np.random.SeedSequence(seed).generate_state(3).tolist()
    made = {
        "kept": [tuple(trace) for trace in traces], "dropped": drop(traces),
        "randomised": randomise(traces, codes, seed=first), "shuffled": shuffle(traces, seed=second),
        "swapped": swap(rows, traces, seed=third),
    }  # fmt: skip
    return made | {f"truncated_{k}": truncate(traces, k) for k in truncate_to}


def judge(
    answer: Answer, rows: Sequence[str], traces: Sequence[Trace], codes: Sequence[int | str], *, seed: int = 0,
    truncate_to: Sequence[int] = (), confidence: float = 0.95,
) -> list[dict[str, Any]]:  # fmt: skip
    """Accuracy with the trace kept and under each intervention, and what it costs, paired on the same rows.

    answer: from [(row_id, trace), ...] to whether each is answered rightly, in that order; None where it cannot be
    judged. It must decode as it does without an intervention, and greedily, or the difference holds sampling noise.
    codes: the alphabet of randomised traces. Each dict: name, n, rows, accuracy, low, high, tokens (mean codes),
    changed (share of traces that differ from the kept one), left_out (pairs with a None), and against kept, None for
    kept itself: difference, difference_low, difference_high, p, p_holm. Intervals: Wilson's, and Bonett-Price with the
    exact McNemar p; with several samples a row, Student's over rows' means. Raises BadInput as `variants` does.
    """
    made = variants(rows, traces, codes, seed=seed, truncate_to=truncate_to)
    outcomes = {name: _asked(answer, rows, variant) for name, variant in made.items()}
    kept = outcomes["kept"]
    found = [_told(name, made, outcomes[name], kept, rows, confidence) for name in made]
    for one, p in zip(found[1:], holm([one["p"] if one["p"] is not None else 1.0 for one in found[1:]]), strict=True):
        one["p_holm"] = p
    return found


def _asked(answer: Answer, rows: Sequence[str], traces: Sequence[Trace]) -> list[bool | None]:
    outcomes = list(answer(list(zip(rows, traces, strict=True))))
    if len(outcomes) != len(rows):
        raise ValueError(f"answer gave {len(outcomes)} outcomes for {len(rows)} traces")
    return [None if one is None else bool(one) for one in outcomes]


def _told(
    name: str, made: dict[str, list[Trace]], mine: list[bool | None], kept: list[bool | None], rows: Sequence[str],
    confidence: float,
) -> dict[str, Any]:  # fmt: skip
    """One intervention's line."""
    both = [i for i, (a, b) in enumerate(zip(kept, mine, strict=True)) if a is not None and b is not None]
    if not both:
        got = f"no row that can be judged both kept and {name}"
        raise BadInput(got, expected="at least one", where=WHERE, mend="See why the answers cannot be judged.")
    labels, right = [rows[i] for i in both], [float(mine[i]) for i in both]
    several = len(set(labels)) < len(labels)
    at = mean_interval(right, confidence, groups=labels) if several else None
    at = at or proportion_interval(int(sum(right)), len(right), confidence)
    traces = made[name]
    told = {
        "name": name, "n": len(both), "rows": len(set(labels)), "left_out": len(rows) - len(both),
        "accuracy": at.value, "low": at.low, "high": at.high, "method": at.method,
        "tokens": float(np.mean([len(trace) for trace in traces])),
        "changed": float(np.mean([a != b for a, b in zip(made["kept"], traces, strict=True)])),
        "difference": None, "difference_low": None, "difference_high": None, "p": None, "p_holm": None,
    }  # fmt: skip
    if name == "kept":
        return told
    groups = labels if several else None
    pair = paired_difference([float(kept[i]) for i in both], right, confidence, groups=groups)
    return told | {
        "difference": pair.difference, "difference_low": pair.low, "difference_high": pair.high, "p": pair.p,
        "method": f"{at.method}; {pair.method}",
    }  # fmt: skip
