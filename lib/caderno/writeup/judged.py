"""What the rewards saw: contributions of components, rows without a judge, thoughts that ended by force.

Everything is as the stages wrote it; how scores came out is in `findings` and `stages`.
"""

from __future__ import annotations

from typing import Any

from caderno.writeup import words
from caderno.writeup.artifacts import StageRecord, understood
from caderno.writeup.findings import arm
from caderno.writeup.stages import temperature
from caderno.writeup.words import Table

COMPONENTS = {
    "format": "format",
    "partial": "partial credit",
    "task": "the task itself",
    "think_efficiency": "think efficiency",
}
UNJUDGED = "rows no reward can judge"  # the ledger's entry, as GRPO's stage writes it


def contributions(stage: StageRecord) -> Table | None:
    """Weight, mean and their product per task and component, first → last; None where the result holds none."""
    entries = (stage.result or {}).get("contributions")
    if not entries:
        return None
    with understood(stage.directory / "result.json"):
        rows = []
        for task in dict.fromkeys(entry["task"] for entry in entries):
            own = [entry for entry in entries if entry["task"] == task]
            rows += [*(_contribution_row(entry) for entry in own), _sum_row(task, own)]
        steps = sorted({entry["steps"] for entry in entries})
    said = words.counted(steps[0], "logged step") if len(steps) == 1 else f"{steps[0]} to {steps[-1]} logged steps"
    note = (
        f"Means over the first and the last {said} that met the task, first → last. A weight is the "
        "task's times the stage's; a contribution is weight × mean, and a task's contributions add up to its reward."
    )
    if any(entry["weight_first"] != entry["weight_last"] for entry in entries):
        note += " The weights moved between the two: a lower reward may be a better policy, and the means tell which."
    columns = ("Task", "Component", ">Weight", ">Mean", ">Contribution")
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `contributions`", note)


def _contribution_row(entry: dict[str, Any]) -> tuple[str, ...]:
    names = ("weight", "mean", "contribution")
    cells = (f"{entry[f'{name}_first']:.3f} → {entry[f'{name}_last']:.3f}" for name in names)
    return (words.code(entry["task"]), COMPONENTS[entry["component"]], *cells)


def _sum_row(task: str, entries: list[dict[str, Any]]) -> tuple[str, ...]:
    sums = (sum(entry[f"contribution_{end}"] for entry in entries) for end in ("first", "last"))
    return (words.code(task), "**together**", "", "", " → ".join(f"**{value:.3f}**" for value in sums))


def unjudged(stage: StageRecord, key: str) -> str:
    """How many completions belong to rows that cannot be judged, by task; "" where there are none.

    `key` names the list of entries in the stage's result that count them.
    """
    with understood(stage.directory / "result.json"):
        counts: dict[str, list[int]] = {}
        for entry in stage.result[key]:
            if entry["task"] != "all" and entry.get("unjudged"):
                counts.setdefault(entry["task"], []).append(entry["unjudged"])
        said = [f"{words.counted(sum(found), 'completion')} of {words.code(task)}" for task, found in counts.items()]
    return f"Not judged, and in no mean of scores: {words.listed(said)}; their rows cannot be judged." if said else ""


def unrewarded(stage: StageRecord) -> str:
    """How many rows of the training no reward could judge, by the ledger; "" where there were none."""
    with understood(stage.directory / "ledger.json"):
        rows = next((entry["effective"] for entry in stage.ledger if entry["what"] == UNJUDGED), 0)
    if not rows:
        return ""
    return f"No reward could judge {words.counted(rows, 'row')} of those drawn: their completions had no advantage."


def forced(stage: StageRecord, key: str) -> Table | None:
    """Share of the completions whose thought generation itself ended, by task; None without hard budgets."""
    budgets = (stage.result or {}).get("hard_think_budgets")
    if not budgets:
        return None
    with understood(stage.directory / "result.json"):
        entries = [e for e in stage.result[key] if e["forced_share"] is not None and e["task"] in budgets]
        heads = list(dict.fromkeys(_drawn(entry) for entry in entries))
        shares = {(entry["task"], _drawn(entry)): words.share(entry["forced_share"]) for entry in entries}
        rows = [
            (words.code(task), f"{budgets[task]:,}", *(shares.get((task, head), words.NONE) for head in heads))
            for task in budgets
        ]
    columns = ("Task", ">Tokens of thought at most", *(f">Ended by force, {head}" for head in heads))
    note = "A thought that spends its budget is ended by generation itself; shares are of 1."
    return Table(columns, rows, f"`{stage.folder}/result.json`, keys `{key}` and `hard_think_budgets`", note)


def _drawn(entry: dict[str, Any]) -> str:
    """How an entry's completions were drawn: "deployment, greedy" or "GRPO, T = 1"."""
    who = words.plain(entry["sampling"]) if "sampling" in entry else arm(entry["arm"])
    return f"{who}, {temperature(entry['temperature'])}"
