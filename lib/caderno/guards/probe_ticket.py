"""Guards of the calibration's ticket: whether GRPO has something to learn from where it would start.

They read the reasons of `caderno.calibration.ticket`, which hold only where their interval says so; they measure
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from caderno.calibration import reasons as limits
from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned

SOLVED = "calibration-ticket-solved"
CEILING = "calibration-ticket-ceiling"
VARIANCE = "calibration-ticket-variance"
THOUGHTS = "calibration-ticket-thoughts"
DEPLOYMENT = "calibration-ticket-deployment"
NAMES = (SOLVED, CEILING, VARIANCE, THOUGHTS, DEPLOYMENT)


def _about(facts: Facts, names: Sequence[str], none: str) -> Finding:
    """The verdict on some reasons: fail where a no-go holds, warn where another does; unknown where it cannot be told
    over all tasks. What cannot be told of a single task is named and decides nothing."""
    if facts["ticket"]["about"]:
        return not_applicable(facts["ticket"]["about"])
    found = [reason for reason in facts["ticket"]["reasons"] if reason["name"] in names]
    if not found:
        return not_applicable(none)
    holds = [reason for reason in found if reason["answer"] == "yes"]
    if severe := [reason for reason in holds if reason["severity"] == "no-go"]:
        return failed(severe[0]["measured"], _said(severe), severe[0]["threshold"])
    if holds:
        return warned(holds[0]["measured"], _said(holds), holds[0]["threshold"])
    open_ = [reason for reason in found if reason["answer"] == "cannot be told"]
    if over_all := [reason for reason in open_ if reason["task"] == "all" and not _slight(reason)]:
        return unknown(_said(over_all))
    first = next((reason for reason in found if reason["task"] == "all"), found[0])
    return passed(first["measured"], _said([first]) + _untold(open_), first["threshold"])


def _slight(reason: dict) -> bool:
    """A comparison whose measure itself shows no drop: that its interval reaches one is no reason to say unknown."""
    return reason["name"] == "deployment-worse" and reason["measured"] > reason["threshold"]


def _said(found: Sequence[dict]) -> str:
    return "; ".join(f"{'all tasks' if one['task'] == 'all' else one['task']}: {one['why']}" for one in found)


def _untold(found: Sequence[dict]) -> str:
    """Which tasks have too few prompts to be told apart from the limit."""
    tasks = dict.fromkeys(f"{one['task']} (n = {one['n']})" for one in found)
    return f". Not to be told of {', '.join(tasks)}" if tasks else ""


@guard(
    SOLVED, stage="probe", needs=("ticket",), threshold=limits.SOLVED_MOST, unit="share solved", source="proposed",
    classes=("L1",),
)  # fmt: skip
def solved(facts: Facts) -> Finding:
    """Some completions are fully correct, and not more than 80 %: who always fails or succeeds learns little."""
    return _about(facts, ("nothing solved", "mostly solved"), "no row of the calibration can be judged")


@guard(
    CEILING, stage="probe", needs=("ticket",), threshold=limits.CEILING_MOST, unit="share cut",
    source=limits.CEILING_SOURCE, classes=("R3",),
)  # fmt: skip
def ceiling(facts: Facts) -> Finding:
    """At most a quarter of the completions end at the ceiling; more than half of them is no start for GRPO."""
    return _about(facts, ("ceiling",), "nothing was drawn at the training sampling")


@guard(
    VARIANCE, stage="probe", needs=("ticket",), threshold=limits.ZERO_ADVANTAGE_MOST, unit="share of equal groups",
    source=limits.ZERO_SOURCE, classes=("L1",),
)  # fmt: skip
def variance(facts: Facts) -> Finding:
    """Completions of a prompt differ in reward: at most half of the groups are expected to have no advantage."""
    return _about(facts, ("equal rewards", "no spread"), "no row of the calibration can be judged")


@guard(
    THOUGHTS, stage="probe", needs=("ticket",), threshold=limits.UNCLOSED_MOST, unit="share open", source="proposed",
    classes=("R3",),
)  # fmt: skip
def thoughts(facts: Facts) -> Finding:
    """At most a tenth of the completions never leave their thought; such a completion has no answer to judge."""
    return _about(facts, ("unclosed",), "no completion thinks")


@guard(
    DEPLOYMENT, stage="probe", needs=("ticket",), threshold=limits.CEILING_MOST, unit="share cut",
    source="proposed", classes=("E4",),
)  # fmt: skip
def deployment(facts: Facts) -> Finding:
    """Sampled as users will, the policy is not stuck: it ends, closes its thoughts and scores as in training."""
    names = ("deployment-ceiling", "deployment-unclosed", "deployment-worse")
    return _about(facts, names, "nothing was drawn at the deployment sampling")
