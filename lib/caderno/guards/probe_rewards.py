"""Probe guard on the scorers: what they must like, what they must not, and that they do not break.

It judges scores that were given elsewhere, in the thread that training will use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from caderno.guards.guard import Facts, Finding, failed, guard, passed, unknown, warned

GOLD_AT_LEAST = 0.9
NOTHING_AT_MOST = 0.2  # a format's share: well-formed and empty of content
MARGIN = 0.1  # below the reference
WRONG_SHARE = 0.05  # of rows whose neighbour's answer may happen to be right too
WORTHLESS = {"empty": "an empty answer", "echo": "the prompt said back", "filler": "words without end"}


@guard(
    "reward-contract", stage="probe", needs=("contract",), threshold=0, unit="rules broken",
    source="verl-project/verl#5635, Liuziyu77/Visual-RFT#176; cut-offs proposed", classes=("W1", "W2", "W3"),
)  # fmt: skip
def reward_contract(facts: Facts) -> Finding:
    """References score 0.9 or more, another row's answer less, empty and echoed ones at most 0.2; nothing raises."""
    contract = facts["contract"]
    if not contract:
        return unknown("no rows to try the scorers on")
    broken = [f"{task}: {why}" for task, spec in contract.items() for why in _broken(spec)]
    n = sum(spec["n"] for spec in contract.values())
    if broken:
        return failed(len(broken), "; ".join(broken))
    blind = [task for task, spec in contract.items() if not _pairs(spec["scores"], "wrong")]
    if blind:
        return warned(0, f"{', '.join(blind)}: no other row has another answer, so no wrong one was tried")
    means = ", ".join(f"{task} {_mean(spec['scores']['wrong']):.2f}" for task, spec in contract.items())
    return passed(0, f"{n} rows; means of another row's answer: {means}")


def _broken(spec: Mapping) -> list[str]:
    """The rules that a task's scorer breaks."""
    scores, found = spec["scores"], []
    if spec["exceptions"]:
        found.append(f"{len(spec['exceptions'])} exceptions, first {spec['exceptions'][0]}")
    gold = [one for one in scores["gold"] if one is not None]
    if not gold:
        return [*found, f"no reference of {spec['n']} has a score"]
    if min(gold) < GOLD_AT_LEAST:
        low = sum(one < GOLD_AT_LEAST for one in gold)
        found.append(f"{low} of {len(gold)} references score under {GOLD_AT_LEAST}, lowest {min(gold):.2f}")
    for kind, words in WORTHLESS.items():
        given = [one for one in scores.get(kind, ()) if one is not None]
        if given and max(given) > NOTHING_AT_MOST + 1e-9:
            found.append(f"{words} scores up to {max(given):.2f}")
    return found + _undercut(scores)


def _undercut(scores: Mapping[str, Sequence[float | None]]) -> list[str]:
    """Answers that must score clearly below the reference and do not."""
    found, limit = [], WRONG_SHARE
    for kind, words in (("wrong", "another row's answer"), ("both", "the right answer among wrong ones")):
        pairs = _pairs(scores, kind)
        equal = sum(other > gold - MARGIN for gold, other in pairs)
        if pairs and equal / len(pairs) > limit:
            found.append(f"{words} scores like the reference in {equal} of {len(pairs)}")
    return found


def _pairs(scores: Mapping[str, Sequence[float | None]], kind: str) -> list[tuple[float, float]]:
    """(reference's score, the other's) of the rows that have both."""
    both = zip(scores["gold"], scores.get(kind, [None] * len(scores["gold"])), strict=True)
    return [(gold, other) for gold, other in both if gold is not None and other is not None]


def _mean(values: Sequence[float | None]) -> float:
    return fmean(one for one in values if one is not None)
