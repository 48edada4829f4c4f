"""The calibration's ticket in words and tables: go or no-go, the reasons, proposals, failures of form.

Everything is as the stage wrote it; scores and thoughts by task are in `stages`. Older results have no ticket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from caderno.writeup import words
from caderno.writeup.artifacts import StageRecord, understood
from caderno.writeup.words import Table

JUDGED_ON = {"rollouts": "GRPO's own prompts", "training": "held-out prompts"}
SAMPLINGS = {"rollouts": "training, GRPO's prompts"}
LOW_IS_BAD = ("nothing solved", "no spread", "deployment-worse")
SHOWN_FAILURES = 10


def ticket(stage: StageRecord) -> str:
    """The answer, what it was judged on, what cannot be told, and the prompts to drop; "" without a ticket."""
    found = (stage.result or {}).get("ticket")
    if not found:
        return ""
    with understood(stage.directory / "result.json"):
        return " ".join(part for part in (sentence(found), untold(found), dropped(found)) if part)


def sentence(found: Mapping[str, Any]) -> str:
    """The answer and its ground."""
    where = f"judged on {JUDGED_ON[found['judged_on']]} in groups of {found['group_size']}"
    about = f" {words.plain(found['about'])}." if found["about"] else ""
    return f"The ticket for GRPO: **{found['answer']}**, {where}.{about}"


def untold(found: Mapping[str, Any]) -> str:
    """Reasons that the interval neither confirms nor rules out, with their tasks and n: those over all tasks, and those
    of a task that are likelier than not; the rest are counted."""
    open_ = [reason for reason in found["reasons"] if reason["answer"] == "cannot be told"]
    named = [reason for reason in open_ if reason["task"] == "all" or _beyond(reason)]
    by_name: dict[str, list[str]] = {}
    for reason in named:
        by_name.setdefault(reason["name"], []).append(f"{_task(reason['task'])} (n = {reason['n']})")
    said = [f"{name} of {words.listed(tasks)}" for name, tasks in by_name.items()]
    if len(open_) > len(named):
        said.append(f"{len(open_) - len(named)} less likely ones of single tasks")
    return f"What too few prompts leave open: {'; '.join(said)}." if said else ""


def _beyond(reason: Mapping[str, Any]) -> bool:
    """Whether the measure itself lies on the bad side of the threshold."""
    if reason["measured"] is None:
        return True
    worse = reason["measured"] - reason["threshold"]
    return worse < 0 if reason["name"] in LOW_IS_BAD else worse > 0


def dropped(found: Mapping[str, Any]) -> str:
    """How many prompts gave the same result every time, and how sure that makes it."""
    if not found["drop"]:
        return ""
    kinds = Counter(one["kind"] for one in found["drop"])
    ks = sorted({one["samples"] for one in found["drop"]})
    k = str(ks[0]) if len(ks) == 1 else f"{ks[0]} to {ks[-1]}"
    said = words.listed([f"{words.counted(n, 'prompt')} {kind}" for kind, n in kinds.items()])
    chances = [one["differs"] for one in found["drop"]]
    held = "" if found["judged_on"] == "rollouts" else "; they are held out, so GRPO does not meet these very ones"
    return (
        f"In {k} samples each, {said}: candidates to drop (`ticket.drop` names them{held}). A group of "
        f"{found['group_size']} of such a prompt would differ after all with a chance of {min(chances):.2f} to "
        f"{max(chances):.2f}."
    )


def reasons(stage: StageRecord) -> Table | None:
    """The reasons that hold; None where none does, or there is no ticket."""
    found = (stage.result or {}).get("ticket")
    if not found:
        return None
    with understood(stage.directory / "result.json"):
        rows = [_reason(one) for one in found["reasons"] if one["answer"] == "yes"]
    columns = ("Reason", "Task", "Drawn", ">Measured", ">n", ">Threshold", "Of", "Threshold from")
    note = "A reason holds where its 95 % interval lies wholly beyond the threshold; n counts prompts."
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `ticket.reasons`", note) if rows else None


def _reason(one: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"**{one['name']}**" if one["severity"] == "no-go" else one["name"]
    sampling = SAMPLINGS.get(one["sampling"], one["sampling"])
    measured = words.measured(one["measured"], one["low"], one["high"])
    source = words.plain(one["source"])
    return name, _task(one["task"]), sampling, measured, f"{one['n']:,}", f"{one['threshold']:g}", one["unit"], source


def proposals(stage: StageRecord) -> Table | None:
    """Parameters as they are and as the calibration would set them; None without a ticket."""
    found = (stage.result or {}).get("ticket")
    if not found or not found["proposals"]:
        return None
    with understood(stage.directory / "result.json"):
        rows = [
            (
                words.code(one["parameter"]), words.number(one["now"]), words.number(one["proposed"]),
                words.plain(one["why"]),
            )
            for one in found["proposals"]
        ]  # fmt: skip
    columns = ("Parameter", ">Now", ">Proposed", "Why")
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `ticket.proposals`")


def failures(stage: StageRecord) -> Table | None:
    """Completions that lack form, by kind, with an example each; None where none does."""
    found: Sequence[Mapping[str, Any]] = (stage.result or {}).get("failures") or []
    with understood(stage.directory / "result.json"):
        rows = [
            (
                _task(one["task"]), SAMPLINGS.get(one["sampling"], one["sampling"]), words.plain(one["kind"]),
                f"{one['n']:,}", words.share(one["share"]), words.code(one["id"]),
            )
            for one in found[:SHOWN_FAILURES]
        ]  # fmt: skip
    if not rows:
        return None
    note = "Completions whose form is not whole, by what broke it; shares are of the task's judged completions."
    if len(found) > SHOWN_FAILURES:
        note += f" {words.counted(len(found) - SHOWN_FAILURES, 'rarer kind')} left out."
    columns = ("Task", "Drawn", "Failure of form", ">Completions", ">Share", "For example")
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `failures`", note)


def _task(name: str) -> str:
    return "all tasks" if name == "all" else words.code(name)
