"""What calibration would set: the longest completion, the group size, and which prompts teach nothing.

Each proposal says from what it follows and what it cannot know; nothing is changed in the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from caderno.calibration.betas import JEFFREYS, Beta, fitted_counts

SIZES = (4, 8, 16)
ZERO_ADVANTAGE_BOUND = 0.25  # half of what the running guard calls a fault (proposed)
MARGIN = 1.25  # completions tend to grow under GRPO (proposed)
ROUND_TO = 8  # tokens
TAIL = 0.01  # above this share cut, the 99th percentile lies beyond the ceiling and is not known
FIT_PROMPTS = 20  # fewer prompts than this say too little of the others: Jeffreys' prior instead


def max_completion_length(one: Mapping, now: int, drawn_with: int, room_tokens: int | None) -> dict:
    """grpo.max_completion_length from the finished completions of the measure `one` (all tasks).

    now: the parameters' own; drawn_with: the ceiling of the calibration; room_tokens: what the context leaves beside
    the longest prompt, None where that is not known. `proposed` is None where no completion finished.
    """
    lengths, cut = one["lengths"], one["ceiling"]["value"]
    if lengths is None:
        why = f"no completion finished within {drawn_with} tokens: a longer ceiling would be a guess"
        return _proposal("grpo.max_completion_length", now, None, False, why)
    wanted = ROUND_TO * math.ceil(MARGIN * lengths["p99"] / ROUND_TO)
    said = f"99 % of {lengths['n']} finished completions have at most {lengths['p99']} tokens (95 %: {lengths['p95']})"
    why = f"{said}; {100 * (MARGIN - 1):.0f} % margin"
    if cut > TAIL:
        wanted = max(wanted, drawn_with)
        why = (
            f"{said}, but {100 * cut:.0f} % of all are cut at {drawn_with}: no less than that, and measure longer ones"
        )
    if room_tokens is not None and wanted > room_tokens:
        wanted, why = room_tokens, f"{why}; no more fits beside the longest prompt"
    return _proposal("grpo.max_completion_length", now, wanted, now < wanted, why)


def group_size(one: Mapping, now: int) -> dict:
    """grpo.group_size: the smallest of 4, 8, 16 whose expected zero-advantage share is within the bound.

    `proposed` is None where none is: then prompts are too easy or too hard, and more completions of them cost more
    than they teach.
    """
    name = "grpo.group_size"
    shares = {entry["group_size"]: entry for entry in one["zero_advantage"] if entry["group_size"] in SIZES}
    if any(entry["value"] is None for entry in shares.values()):
        return _proposal(name, now, None, False, "one sample a prompt says nothing of a group: calibration.samples")
    told = ", ".join(f"{100 * shares[size]['value']:.0f} % at {size}" for size in SIZES)
    why = f"groups without an advantage: {told}; at most {100 * ZERO_ADVANTAGE_BOUND:.0f} % is asked for"
    size = next((size for size in SIZES if shares[size]["value"] <= ZERO_ADVANTAGE_BOUND), None)
    if size is None:
        return _proposal(name, now, None, False, f"{why}: none of them; other prompts help more than larger groups")
    low, high = shares[size]["low"], shares[size]["high"]
    why += f" (at {size}: {low:.2f} to {high:.2f})" if low is not None else ""
    return _proposal(name, now, size, now < size, why)


def _proposal(parameter: str, now: int, proposed: int | None, change: bool, why: str) -> dict:
    """change: whether the parameters' own value falls short; a larger one than proposed only costs."""
    return {"parameter": parameter, "now": now, "proposed": proposed, "change": change, "why": why}


def to_drop(groups: Iterable[Mapping], size: int) -> list[dict]:
    """Of one sampling: the prompts whose k samples were all solved, or all scored 0, likeliest to teach nothing first.

    differs: the chance that a new group of `size` would differ after all. It is the posterior over the prompt's chance
    p, 1 - E[p^G] - E[(1-p)^G], with the beta-binomial fit of the task's other prompts as prior (Jeffreys' where they
    are few or all alike). A small k makes it large: dropping is then a guess.
    """
    several = [one for one in groups if one["samples"] > 1]
    found = []
    for kind, key in (("always solved", "solved"), ("always 0", "zeros")):
        priors = {task: _prior(several, task, key) for task in {one["task"] for one in several}}
        for one in several:
            if one[key] == one["samples"]:
                after = priors[one["task"]].after(one["samples"], 0)
                differs = 1 - after.power(size) - after.mirrored.power(size)
                entry = {"id": one["id"], "task": one["task"], "kind": kind, "samples": one["samples"]}
                found.append({**entry, "differs": round(differs, 3)})
    return sorted(found, key=lambda entry: (entry["differs"], entry["id"]))


def _prior(several: Sequence[Mapping], task: str, key: str) -> Beta:
    mine = [one for one in several if one["task"] == task]
    if len(mine) < FIT_PROMPTS:
        return JEFFREYS
    return fitted_counts([one[key] for one in mine], [one["samples"] for one in mine]) or JEFFREYS
