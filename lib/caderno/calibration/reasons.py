"""Reasons against GRPO from here, each asked of an interval: it holds, it does not, or it cannot be told with so few.

It turns measures into answers by fixed limits; what to do about them is for `ticket` and the guards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

# Limits. "proposed" where nobody has measured one.
SOLVED_MOST = 0.8  # "0 % or > 80 % solved": groups of eight of which one in six or more agrees
SOLVED_ONE_IN = 1 / 8  # nothing solved counts when less than one completion of a group of eight would be
CEILING_MOST = 0.25
UNCLOSED_MOST = 0.10
STD_LEAST = 0.05  # of the reward's range
ZERO_ADVANTAGE_MOST = 0.5
DEPLOYMENT_DROP = 0.05
NO_GO_SHARE = 0.5  # at the ceiling, or with an open thought, over all tasks
NO_GO_ZERO_ADVANTAGE = 0.9

PROPOSED = "proposed"
CEILING_SOURCE = "huggingface/trl#5697"
STD_SOURCE = "a published run's rule: collapse below 0.05"
ZERO_SOURCE = "huggingface/trl#3857"
Answer = Literal["yes", "no", "cannot be told"]


@dataclass(frozen=True)
class Reason:
    """One possible reason for one task ("all": over all). `answer` is about its being true; `severity` if it is."""

    name: str
    task: str
    sampling: str
    answer: Answer
    severity: Literal["no-go", "change"]
    measured: float | None
    low: float | None
    high: float | None
    n: int
    threshold: float
    unit: str
    source: str
    why: str


def above(estimate: Mapping, limit: float) -> Answer:
    """Whether a quantity is above a limit, by its interval."""
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None or low <= limit < high:
        return "cannot be told"
    return "yes" if low > limit else "no"


def below(estimate: Mapping, limit: float) -> Answer:
    """Whether a quantity is below a limit, by its interval."""
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None or low < limit <= high:
        return "cannot be told"
    return "yes" if high < limit else "no"


def reasons(
    measures: Iterable[Mapping], temperatures: Iterable[Mapping], group_size: int, start: str = "training"
) -> list[dict]:
    """Every reason of every task, as dicts. measures: `measures.of_tasks`; temperatures: `measures.temperatures`.

    start: the sampling that stands for what GRPO will meet.
    """
    found: list[Reason] = []
    for one in measures:
        if one["sampling"] == start:
            found += _of_start(one, group_size)
        elif one["sampling"] == "deployment":
            found += _of_deployment(one)
    for pair in temperatures:
        found.append(_worse(pair))
    return [asdict(reason) for reason in found]


def _of_start(one: Mapping, group_size: int) -> Iterator[Reason]:
    zero = next(entry for entry in one["zero_advantage"] if entry["group_size"] == group_size)
    if one["solved"]:
        yield _unsolved(one, zero)
        yield _solved(one)
        yield _equal(one, zero)
        if one["reward_std"]:
            yield _no_spread(one, zero)
    yield _at_ceiling(one, "ceiling")
    if one["thought"]:
        yield _open_thoughts(one, "unclosed")


def _of_deployment(one: Mapping) -> Iterator[Reason]:
    yield _at_ceiling(one, "deployment-ceiling")
    if one["thought"]:
        yield _open_thoughts(one, "deployment-unclosed")


def _made(
    name: str, one: Mapping, estimate: Mapping, answer: Answer, threshold: float, unit: str, why: str, *,
    severe: bool = False, source: str = PROPOSED,
) -> Reason:  # fmt: skip
    """A reason of a measure; only what holds over all tasks can be a no-go."""
    severity = "no-go" if severe and one["task"] == "all" else "change"
    value = estimate["value"] if "value" in estimate else estimate["difference"]
    if answer == "cannot be told":
        why = f"cannot be told with n = {estimate['n']} prompts: {why}"
    ends = estimate["low"], estimate["high"]
    return Reason(
        name, one["task"], one["sampling"], answer, severity, value, *ends, estimate["n"], threshold, unit, source, why
    )


def _unsolved(one: Mapping, zero: Mapping) -> Reason:
    """Nothing solved, and not for want of draws. Where partial credit spreads the groups, there is a way up all the
    same: that is no no-go."""
    solved = one["solved"]
    answer = "no" if solved["value"] > 0 else below(solved, SOLVED_ONE_IN)
    flat = above(zero, ZERO_ADVANTAGE_MOST) == "yes"
    right = round(solved["value"] * one["samples"])
    why = f"{right} of {one['samples']} completions are fully correct"
    if not right:
        why += ", and groups agree: nothing to learn from" if flat else ": only partial credit to learn from"
    return _made("nothing solved", one, solved, answer, SOLVED_ONE_IN, "share solved", why, severe=flat)


def _solved(one: Mapping) -> Reason:
    solved, limit = one["solved"], f"{100 * SOLVED_MOST:.0f} %"
    why = f"{_percent(solved)} solved; above {limit} little is left to learn"
    return _made("mostly solved", one, solved, above(solved, SOLVED_MOST), SOLVED_MOST, "share solved", why)


def _equal(one: Mapping, zero: Mapping) -> Reason:
    size = zero["group_size"]
    if zero["value"] is None:
        why = f"the spread of a group is not measured ({zero['method']})"
        answer: Answer = "cannot be told"
    else:
        why = f"{_percent(zero)} of groups of {size} are expected to have equal rewards, and no advantage"
        answer = above(zero, ZERO_ADVANTAGE_MOST)
    severe = zero["low"] is not None and zero["low"] > NO_GO_ZERO_ADVANTAGE
    unit = f"share of groups of {size}"
    return _made("equal rewards", one, zero, answer, ZERO_ADVANTAGE_MOST, unit, why, severe=severe, source=ZERO_SOURCE)


def _no_spread(one: Mapping, zero: Mapping) -> Reason:
    """Without any spread there is no interval of it: then the agreement of groups decides."""
    std = one["reward_std"]
    answer = above(zero, ZERO_ADVANTAGE_MOST) if std["value"] == 0 else below(std, STD_LEAST)
    why = f"rewards of a prompt spread by {std['value']:.3f} of the range"
    return _made("no spread", one, std, answer, STD_LEAST, "reward_std / range", why, source=STD_SOURCE)


def _at_ceiling(one: Mapping, name: str) -> Reason:
    share = one["ceiling"]
    why = f"{_percent(share)} of completions end at the ceiling, judged on half a sentence"
    severe = share["low"] is not None and share["low"] > NO_GO_SHARE
    answer = above(share, CEILING_MOST)
    return _made(
        name, one, share, answer, CEILING_MOST, "share cut", why, severe=severe, source=CEILING_SOURCE
    )  # fmt: skip


def _open_thoughts(one: Mapping, name: str) -> Reason:
    share = one["thought"]["unclosed"]
    why = f"{_percent(share)} of completions never leave their thought"
    severe = share["low"] is not None and share["low"] > NO_GO_SHARE
    return _made(name, one, share, above(share, UNCLOSED_MOST), UNCLOSED_MOST, "share open", why, severe=severe)


def _worse(pair: Mapping) -> Reason:
    drop = pair["mean_score"]
    why = f"users see a mean score {drop['difference']:+.3f} against what training draws, on the same prompts"
    one = {"task": pair["task"], "sampling": "deployment"}
    answer = below(drop, -DEPLOYMENT_DROP)
    return _made("deployment-worse", one, drop, answer, -DEPLOYMENT_DROP, "difference of mean scores", why)


def _percent(estimate: Mapping) -> str:
    return f"{100 * estimate['value']:.0f} %"
