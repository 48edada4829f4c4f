"""Whether two evaluations ask and judge alike: temperature, ceiling on tokens, template, rows, scorer.

Read from the answers themselves where they show it (prompts of shared ids, scores of equal completions), else from
the runs' parameters. What neither tells is unknown, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caderno.compare.reading import SPEC_FIELDS, Answer, Arm

# Parameters that decide what an evaluation asks; a run's own are compared where both sides are runs.
PARAMETERS = ("validation.max_new_tokens", "chat.enable_thinking", "chat.hard_think_budget")
NAMES_ONLY = ("name", "description", "writeup.", "tracking.")  # they name a run and do not change what it does
SCORE_TOLERANCE = 1e-6
EXAMPLES = 3

Key = tuple[str, str]  # task and id


@dataclass(frozen=True)
class Difference:
    """Something the two sides do not share. `before` and `after` are what each has, None what neither tells."""

    what: str
    before: Any
    after: Any


def differences(
    before: Arm, after: Arm, shared: Mapping[Key, tuple[Sequence[Answer], Sequence[Answer]]]
) -> tuple[list[Difference], list[str]]:
    """(what differs in the evaluation, what is not known of it)."""
    found, unknown = _temperatures(before, after)
    for check in (_fields, _ceilings):
        differing, untold = check(before, after)
        found += differing
        unknown += untold
    for what, attribute in (("prompt (template, system prompt)", "prompt"), ("reference answer", "gold")):
        differing, untold = _texts(shared, what, attribute)
        found += differing
        unknown += untold
    return [*found, *_scorers(shared)], unknown


def parameter_differences(before: Arm, after: Arm) -> list[tuple[str, Any, Any]]:
    """(parameter, before, after) of the first run of each side; those that only name a run are left out."""
    from caderno import params

    if not (before.params and after.params):
        return []
    rows = params.difference(before.params[0], after.params[0])
    return [(key, first, second) for key, first, second in rows if not key.startswith(NAMES_ONLY)]


def _temperatures(before: Arm, after: Arm) -> tuple[list[Difference], list[str]]:
    first, second = before.temperatures, after.temperatures
    untold = [arm.name for arm in (before, after) if None in arm.temperatures]
    if untold:
        return [], [f"temperature of {', '.join(untold)}"]
    if set(first) & set(second):
        return [], []
    return [Difference("temperature", _listed(first), _listed(second))], []


def _fields(before: Arm, after: Arm) -> tuple[list[Difference], list[str]]:
    """Fields of the answers that state the evaluation."""
    found, unknown = [], []
    for name in SPEC_FIELDS:
        first, second = (
            {value for answer in arm.answers for key, value in answer.spec if key == name} for arm in (before, after)
        )
        if first and second and first != second:
            found.append(Difference(name, _listed(sorted(first)), _listed(sorted(second))))
        elif bool(first) != bool(second):
            unknown.append(f"{name} of {(after if first else before).name}")
    return found, unknown


def _ceilings(before: Arm, after: Arm) -> tuple[list[Difference], list[str]]:
    """The runs' own parameters of the evaluation; unknown where one side is a file that does not tell."""
    from caderno import params

    stated = {key for arm in (before, after) for answer in arm.answers for key, _ in answer.spec}
    if not (before.params and after.params):
        told = stated & {"max_new_tokens", "max_tokens"}
        return [], [] if told else ["max tokens of one side, or both"]
    found = []
    everyone = [(arm, one) for arm in (before, after) for one in arm.params]
    values = {key: [(arm, params.flatten(one).get(key)) for arm, one in everyone] for key in PARAMETERS}
    for key, all_values in values.items():
        first, second = ({repr(value) for arm, value in all_values if arm is side} for side in (before, after))
        if first != second or len(first) > 1:
            found.append(Difference(key, _listed(sorted(first)), _listed(sorted(second))))
    return found, []


def _texts(
    shared: Mapping[Key, tuple[Sequence[Answer], Sequence[Answer]]], what: str, attribute: str
) -> tuple[list[Difference], list[str]]:
    """Shared ids whose prompt, or whose reference, is another text on the other side."""
    compared, differing = 0, []
    for (_, identity), (first, second) in shared.items():
        left, right = ({getattr(answer, attribute) for answer in side} - {None} for side in (first, second))
        if left and right:
            compared += 1
            if left != right:
                differing.append(identity)
    if not compared:
        return [], [what] if shared else []
    if not differing:
        return [], []
    told = f"{len(differing)} of {compared} shared ids, such as {', '.join(differing[:EXAMPLES])}"
    return [Difference(what, "one text", f"another for {told}")], []


def _scorers(shared: Mapping[Key, tuple[Sequence[Answer], Sequence[Answer]]]) -> list[Difference]:
    """Equal completions of one id that are worth something else on the other side: another scorer, or another row."""
    compared, differing = 0, []
    for (_, identity), (first, second) in shared.items():
        left = {answer.completion: answer.score for answer in first if answer.completion is not None}
        for answer in second:
            if answer.completion in left:
                compared += 1
                if abs(left[answer.completion] - answer.score) > SCORE_TOLERANCE:
                    differing.append((identity, left[answer.completion], answer.score))
    if differing:
        identity, was, now = differing[0]
        told = f"{len(differing)} of {compared} equal completions are scored otherwise; {identity}: {now:g}"
        return [Difference("scorer", f"{identity}: {was:g}", told)]
    parts = [{answer.parts for side in shared.values() for answer in side[i]} - {()} for i in (0, 1)]
    if parts[0] and parts[1] and parts[0] != parts[1]:
        return [Difference("scorer (its parts)", _listed(sorted(parts[0])), _listed(sorted(parts[1])))]
    return []


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)
