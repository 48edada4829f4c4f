"""The ticket: go, go with changes or no-go for GRPO from the calibrated policy, with its reasons and proposals.

It adds up what `reasons` and `proposals` say; whether a run stops is for the guards and the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from caderno.calibration import proposals
from caderno.calibration.reasons import reasons

if TYPE_CHECKING:
    from caderno.params import Params

DECISIVE = ("ceiling", "equal rewards", "nothing solved")  # without these three over all tasks nobody can say go
BEFORE_SFT = "SFT comes between: this is where SFT starts, and GRPO starts from what it makes of it"


def ticket(
    measures: Sequence[Mapping], groups: Sequence[Mapping], temperatures: Sequence[Mapping], params: Params,
    room_tokens: int | None = None,
) -> dict:  # fmt: skip
    """answer, about, judged_on, group_size, reasons (those that hold first), proposals, drop; see those modules.

    What GRPO would meet is judged on its own prompts ("rollouts") where they were drawn, else on held-out ones
    ("training"): `judged_on` says which. Prompts that SFT has seen are solved more often, and agree more.
    about: "" where the calibrated policy is the one GRPO starts from, else what stands between.
    """
    size = params.grpo.group_size
    judged_on = "rollouts" if any(one["sampling"] == "rollouts" for one in measures) else "training"
    found = sorted(reasons(measures, temperatures, size, judged_on), key=_rank)
    over_all = next((one for one in measures if (one["task"], one["sampling"]) == ("all", judged_on)), None)
    proposed = _proposed(over_all, params, room_tokens) if over_all else []
    return {
        "answer": answer(found, proposed),
        "about": BEFORE_SFT if sft_follows(params.stages) else "",
        "judged_on": judged_on,
        "group_size": size,
        "reasons": found,
        "proposals": proposed,
        "drop": proposals.to_drop([one for one in groups if one["sampling"] == judged_on], size),
    }


def _rank(reason: Mapping) -> tuple:
    """What holds first, no-gos before changes; the rest in the order it was asked."""
    return (
        ("yes", "cannot be told", "no").index(reason["answer"]),
        reason["severity"] != "no-go",
        reason["task"] != "all",
    )


def _proposed(over_all: Mapping, params: Params, room_tokens: int | None) -> list[dict]:
    spec, drawn_with = params.grpo, params.calibration.training.max_new_tokens
    return [
        proposals.max_completion_length(over_all, spec.max_completion_length, drawn_with, room_tokens),
        proposals.group_size(over_all, spec.group_size),
    ]


def answer(found: Sequence[Mapping], proposed: Sequence[Mapping]) -> str:
    """go, go with changes, no-go or cannot be told.

    A no-go decides; then whatever asks for a change; then whether there was enough to say go.
    """
    holds = [reason for reason in found if reason["answer"] == "yes"]
    if any(reason["severity"] == "no-go" for reason in holds):
        return "no-go"
    if holds or any(one["change"] for one in proposed):
        return "go with changes"
    decisive = [one for one in found if one["name"] in DECISIVE and one["task"] == "all"]
    told = {one["name"] for one in decisive if one["answer"] == "no"}
    return "go" if told == {*DECISIVE} else "cannot be told"


def sft_follows(stages: Sequence[str]) -> bool:
    """Whether SFT runs after calibration and before GRPO, so that what was calibrated is not what GRPO starts from."""
    if not {"calibration", "sft", "grpo"} <= {*stages}:
        return False
    return stages.index("calibration") < stages.index("sft") < stages.index("grpo")
