"""The figures of a comparison: per temperature and task, paired on shared ids, with intervals, Holm and power.

A prompt counts once however often it was sampled. With several training seeds on both sides, seeds count, and the
interval holds what another seed would give; with one, it does not, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from caderno import stats
from caderno.compare.reading import Answer, Arm
from caderno.compare.spec import Key, differences, parameter_differences
from caderno.errors import BadInput

Pairs = Mapping[Key, tuple[Sequence[Answer], Sequence[Answer]]]
ALL = "all"


def compare(
    before: Arm, after: Arm, *, temperature: float | None = None, confidence: float = 0.95, anyway: bool = False
) -> dict[str, Any]:
    """The comparison as plain data: who, whether comparable, what was left out, and the results.

    Where the evaluations differ, "comparable" is False with the reasons in "differs", and "results" is empty unless
    `anyway`. Raises BadInput where no id is shared, or several temperatures cannot be told apart.
    """
    shared = _shared(before.answers, after.answers)
    if not shared:
        raise BadInput(
            f"no id of {before.name} is in {after.name}", expected="two sets of answers to the same prompts",
            where="compare", mend="Ids must be the same on both sides; --id names the field that holds them.",
        )  # fmt: skip
    differing, unknown = differences(before, after, shared)
    pairs = _at_temperatures(before, after, temperature)
    told = _described(before, after, shared)
    results = [
        row
        for at, mine in pairs.items()
        for row in _results(mine, at, confidence)
        if anyway or not differing
    ]  # fmt: skip
    return {
        "before": _side(before), "after": _side(after),
        "comparable": not differing,
        "differs": [{"what": d.what, "before": d.before, "after": d.after} for d in differing],
        "unknown": unknown,
        "notes": [*before.notes, *after.notes, *told],
        "parameters": [
            {"parameter": key, "before": _plain(first), "after": _plain(second)}
            for key, first, second in parameter_differences(before, after)
        ],
        "shared": len(shared),
        "confidence": confidence,
        "results": results,
    }  # fmt: skip


def _side(arm: Arm) -> dict[str, Any]:
    return {
        "name": arm.name, "arm": arm.label, "answers": len(arm.answers), "unscored": arm.unscored,
        "seeds": list(arm.seeds), "temperatures": list(arm.temperatures), "commits": list(arm.commits),
    }  # fmt: skip


def _shared(before: Sequence[Answer], after: Sequence[Answer]) -> dict[Key, tuple[list[Answer], list[Answer]]]:
    """Answers by task and id, for those both sides have; by id alone where one side does not tell tasks."""
    told = all(answer.task is not None for answer in (*before, *after))
    sides: list[dict[Key, list[Answer]]] = [{}, {}]
    for side, answers in zip(sides, (before, after), strict=True):
        for answer in answers:
            side.setdefault((answer.task or "" if told else "", answer.id), []).append(answer)
    first, second = sides
    return {key: (first[key], second[key]) for key in first if key in second}


def _at_temperatures(before: Arm, after: Arm, wanted: float | None) -> dict[float | None, Pairs]:
    """The pairs at every temperature both sides have. A side that does not tell is taken as of the other's one."""
    sides = [arm.temperatures for arm in (before, after)]
    if wanted is not None:
        kept = [[a for a in arm.answers if a.temperature in (wanted, None)] for arm in (before, after)]
        pairs = _shared(*kept)
        if not pairs:
            raise BadInput(f"no answers at temperature {wanted:g}", expected=f"one of {sides[0]} and {sides[1]}")
        return {wanted: pairs}
    if any(None in side for side in sides):
        if any(len(side) > 1 for side in sides):
            raise BadInput(
                "one side has several temperatures and the other tells none", where="compare",
                expected="a temperature in every line, or one temperature", mend="Choose one with --temperature.",
            )  # fmt: skip
        known = next((t for side in sides for t in side if t is not None), None)
        return {known: _shared(before.answers, after.answers)}
    common = [t for t in sides[0] if t in sides[1]] or [None]
    if common == [None]:  # they share none: the figures, if they are wanted at all, are over everything
        return {None: _shared(before.answers, after.answers)}
    return {
        t: _shared(*([a for a in arm.answers if a.temperature == t] for arm in (before, after))) for t in sorted(common)
    }


def _described(before: Arm, after: Arm, shared: Pairs) -> list[str]:
    """What was left out, and what the figures cannot tell."""
    notes = []
    sides = [{a.id for a in arm.answers} for arm in (before, after)]
    ids = {identity for _, identity in shared}
    for arm, side in zip((before, after), sides, strict=True):
        if left := sorted(side - ids):
            notes.append(f"{len(left):,} ids only {arm.name} has are left out, such as {', '.join(left[:3])}")
        if arm.unscored:
            notes.append(f"{arm.unscored:,} answers of {arm.name} could not be judged and are left out")
    one_sided = sorted((set(before.temperatures) ^ set(after.temperatures)) - {None}, key=str)
    if one_sided and set(before.temperatures) & set(after.temperatures):
        notes.append(f"temperatures that only one side has are left out: {', '.join(map(str, one_sided))}")
    seeds = min(len(before.seeds), len(after.seeds))
    if seeds < 2:
        notes.append("one training seed a side: what another seed would give is not in the intervals")
    if before.commits and after.commits and set(before.commits) != set(after.commits):
        notes.append(f"the code differs: {', '.join(before.commits)} and {', '.join(after.commits)}")
    return notes


def _results(pairs: Pairs, temperature: float | None, confidence: float) -> list[dict[str, Any]]:
    """A row for all tasks and one for each, p values adjusted by Holm over the tasks."""
    tasks: dict[str, dict[Key, tuple[Sequence[Answer], Sequence[Answer]]]] = {}
    for key, (first, second) in pairs.items():
        name = next((a.task for a in (*first, *second) if a.task is not None), None)
        if name is not None:
            tasks.setdefault(name, {})[key] = (first, second)
    groups = {ALL: pairs} | (tasks if len(tasks) > 1 or not tasks else {})
    rows = [
        {
            "temperature": temperature, "task": name, "prompts": len(mine),
            "score": _measured(mine, lambda a: a.score, confidence),
            "correct": _measured(mine, lambda a: float(a.correct), confidence) if _told(mine) else None,
        }
        for name, mine in groups.items()
    ]  # fmt: skip
    for measure in ("score", "correct"):
        _adjust([row[measure] for row in rows if row["task"] != ALL and row[measure] is not None], 1 - confidence)
    return rows


def _told(pairs: Pairs) -> bool:
    return all(answer.correct is not None for sides in pairs.values() for side in sides for answer in side)


def _measured(pairs: Pairs, value: Any, confidence: float) -> dict[str, Any]:
    """Both levels, the paired difference, its reading, and the smallest difference this n would have found."""
    first, second = ([fmean(value(a) for a in sides[i]) for sides in pairs.values()] for i in (0, 1))
    found, prompts = _seeded(pairs, value, confidence), len(first)
    if found is None:
        found = stats.paired_difference(first, second, confidence)
    reading = "equal on every prompt" if found.low is None and prompts > 1 and first == second else found.reading
    return {
        "before": fmean(first), "after": fmean(second), "difference": found.difference, "low": found.low,
        "high": found.high, "p": found.p, "p_holm": None, "n": found.n, "prompts": prompts, "method": found.method,
        "reading": reading, "detectable": _detectable(np.array(first), np.array(second), found, confidence),
    }  # fmt: skip


def _seeded(pairs: Pairs, value: Any, confidence: float) -> stats.Paired | None:
    """The difference over seeds, where both sides have several and every seed answered the same prompts."""
    columns = []
    for i in (0, 1):
        answers = [(answer, key) for key, sides in pairs.items() for answer in sides[i]]
        seeds = {answer.seed for answer, _ in answers}
        complete = len({(answer.seed, key) for answer, key in answers}) == len(seeds) * len(pairs)
        if len(seeds) < 2 or None in seeds or not complete or len(pairs) < 2:
            return None
        columns.append(([value(a) for a, _ in answers], [a.seed for a, _ in answers], [key for _, key in answers]))
    return stats.seeds_difference(columns[0], columns[1], confidence)


def _detectable(first: Any, second: Any, found: stats.Paired, confidence: float) -> float | None:
    """At 80 % power, were the true spread what was seen; None over seeds, whose few means no formula here plans."""
    n = len(first)
    if n < 2 or "seeds" in found.method:
        return None
    if "McNemar" in found.method:
        discordant = (int((first != second).sum()) + 2) / (n + 2)
        return stats.detectable_paired_share(n, min(1.0, discordant), alpha=1 - confidence)
    spread = float((second - first).std(ddof=1))
    return stats.detectable_mean(n, spread, alpha=1 - confidence) if spread > 0 else None


def _adjust(measures: list[dict[str, Any]], alpha: float) -> None:
    """Fills in Holm's p, and says of a gain or loss that it does not survive it."""
    known = [measure for measure in measures if measure["p"] is not None]
    for measure, p in zip(known, stats.holm([measure["p"] for measure in known]), strict=True):
        measure["p_holm"] = p
        if measure["reading"] in ("gain", "loss") and p >= alpha:
            measure["reading"] += " (not after Holm)"


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
