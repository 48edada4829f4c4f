"""What validation found: the one-sentence result by rule, paired tables per task, lengths.

The rule: the paired interval above 0 is a gain, below 0 a loss, across 0 no detectable change. A loss is told in the
same place and the same words as a gain. Single completions are in `completions`.
"""

from __future__ import annotations

from typing import Any

from caderno import stats
from caderno.abstract import telling
from caderno.writeup import words
from caderno.writeup.artifacts import RunRecord, StageRecord, understood
from caderno.writeup.setting import first_line
from caderno.writeup.stages import temperature
from caderno.writeup.words import Table

MEASURES = {"mean_reward": "Mean reward", "fully_correct": "Fully correct"}
SAID = {
    "gain": "a **gain** of",
    "loss": "a **loss** of",
    "no detectable change": "**no detectable change**,",
    "cannot be told": "it **cannot be told**,",
}


def sentence(record: RunRecord) -> str:
    """The result in one sentence, or why there is none."""
    stage = record.stages["validation"]
    with understood(stage.directory / "result.json"):
        stopped = record.open_stage
        if stage.result:
            said = _compared(stage.result) if stage.result["paired"] else _alone(stage.result)
            return f"{said} Stage {words.code(stopped.folder)} is **{stopped.state}**." if stopped else said
    if stopped is None and (found := _abstract(record.stages["abstract_cot"])):
        return found
    if stopped is None:
        return "Every planned stage passed; validation is not among them, so nothing is said about quality."
    why = f" ({words.plain(first_line(stopped.status['error']))})" if stopped.status.get("error") else ""
    tail = "; validation has not run" if stopped.name != "validation" else ""
    return f"There is no result: stage {words.code(stopped.folder)} is {stopped.state}{why}{tail}."


def _abstract(stage: StageRecord) -> str:
    """The best abstract arm against what it is paired with; "" without a result."""
    result = stage.result
    if not result:
        return ""
    with understood(stage.directory / "result.json"):
        line = telling.best(result)
        if line is None or "paired" not in line:
            return ""
        pair = line["paired"]
        said = SAID[stats.reading(pair["low"], pair["high"])]
        tokens = line["tokens_z"] + line["tokens_y"]
        return (
            f"{words.code(line['arm'])} answers {words.estimate(line['accuracy'])} of the test rows rightly with "
            f"{tokens:.1f} tokens each: {said} {words.difference(pair)} against {words.code(line['paired_with'])}."
        )


def _compared(result: dict[str, Any]) -> str:
    before, after = last_pair(result)
    entries = [e for e in pairs(result, before, after) if e["task"] == "all"]
    said = [_clause(result, entry) for entry in sorted(entries, key=lambda e: -e["temperature"])]
    n = max((entry["mean_reward"]["n"] for entry in entries), default=0)
    if not said:
        return f"{arm(after)} was compared with {arm(before)} task by task only; see the tables."
    return f"Mean reward of {arm(after)} against {arm(before)} on {words.counted(n, 'test prompt')}: {'; '.join(said)}."


def _clause(result: dict[str, Any], entry: dict[str, Any]) -> str:
    """One temperature: what the interval allows one to say, the difference, and both levels."""
    pair = entry["mean_reward"]
    levels = [_arm_entry(result, entry, name)["mean_reward"]["value"] for name in (entry["before"], entry["after"])]
    way = " → ".join(f"{level:.3f}" for level in levels)
    at = "greedy" if entry["temperature"] == 0 else f"at {temperature(entry['temperature'])}"
    return f"{at} {SAID[stats.reading(pair['low'], pair['high'])]} {words.difference(pair)} ({way})"


def by_task(stage: StageRecord) -> str:
    """The tasks' mean rewards sorted by their reading, at each temperature: losses are named like gains."""
    if not stage.result or not stage.result["paired"]:
        return ""
    with understood(stage.directory / "result.json"):
        compared = pairs(stage.result, *last_pair(stage.result))
        temperatures = sorted({e["temperature"] for e in compared}, reverse=True)
        level = 1 - stage.result["confidence"]
        said = [_tasks_at([e for e in compared if e["temperature"] == t], level) for t in temperatures]
    return f"By task, {'; '.join(f'{temperature(t)}: {s}' for t, s in zip(temperatures, said, strict=True) if s)}."


def _tasks_at(entries: list[dict[str, Any]], level: float) -> str:
    """gain in `a` and `b`, loss in `c`."""
    adjusted = _holm(entries, "mean_reward")
    tasks: dict[str, list[str]] = {}
    for entry in entries:
        if entry["task"] != "all":
            word = _reading(entry["mean_reward"], adjusted.get(entry["task"]), level)
            tasks.setdefault(word, []).append(words.code(entry["task"]))
    return ", ".join(f"{word} in {words.listed(names)}" for word, names in sorted(tasks.items(), key=_rank))


def _rank(item: tuple[str, Any]) -> int:
    """Gains, losses, the rest."""
    return next(i for i, word in enumerate(SAID) if item[0].startswith(word))


def _reading(pair: dict[str, Any], holm: float | None, level: float) -> str:
    """The interval's reading; one that does not survive the adjustment for several tasks says so."""
    word = stats.reading(pair["low"], pair["high"])
    return f"{word} (not after Holm)" if word in ("gain", "loss") and holm is not None and holm >= level else word


def _alone(result: dict[str, Any]) -> str:
    rows = [e for e in result["by_arm"] if e["task"] == "all"] or result["by_arm"]
    said = [f"{arm(e['arm'])} {temperature(e['temperature'])} {words.estimate(e['mean_reward'])}" for e in rows]
    return f"Nothing was compared; mean reward: {'; '.join(said)}." if said else "Validation holds no figures."


def last_pair(result: dict[str, Any]) -> tuple[str, str]:
    """The (before, after) that was compared last: the run's own question."""
    return result["paired"][-1]["before"], result["paired"][-1]["after"]


def pairs(result: dict[str, Any], before: str, after: str) -> list[dict[str, Any]]:
    """Comparisons of two arms, tasks in the result's order with "all" last."""
    found = [e for e in result["paired"] if (e["before"], e["after"]) == (before, after)]
    return sorted(found, key=lambda e: e["task"] == "all")


def arm(name: str) -> str:
    return {"sft": "SFT", "grpo": "GRPO"}.get(name, words.plain(name))


def validation(stage: StageRecord) -> list[tuple[str, list[Table]]]:
    """(heading, tables) per comparison and temperature; tables of each arm alone where nothing was compared."""
    with understood(stage.directory / "result.json"):
        result = stage.result
        compared = list(dict.fromkeys((e["before"], e["after"]) for e in result["paired"]))
        if not compared:
            return [("Each arm alone", [_alone_table(stage)])]
        told = []
        for before, after in compared:
            entries = pairs(result, before, after)
            for value in sorted({e["temperature"] for e in entries}, reverse=True):
                rows = [e for e in entries if e["temperature"] == value]
                heading = f"{arm(before)} → {arm(after)}, {temperature(value)}"
                told.append((heading, [_paired_table(stage, rows, measure) for measure in MEASURES]))
        return told


def _paired_table(stage: StageRecord, entries: list[dict[str, Any]], measure: str) -> Table:
    """One measure at one temperature, a row per task; Holm over the tasks, the overall row apart."""
    before, after, t = entries[0]["before"], entries[0]["after"], entries[0]["temperature"]
    adjusted = _holm(entries, measure)
    rows = [_paired_row(stage.result, entry, measure, adjusted.get(entry["task"])) for entry in entries]
    columns = (MEASURES[measure], ">n", f">{arm(before)}", f">{arm(after)}", ">Difference", ">p", ">p, Holm", "Reading")
    methods = sorted({entry[measure]["method"] for entry in entries})
    methods += sorted({_arm_entry(stage.result, e, a)[measure]["method"] for e in entries for a in (before, after)})
    said = "; ".join(words.plain(method) for method in dict.fromkeys(methods))
    note = f"{100 * stage.result['confidence']:g} % intervals. Methods: {said}."
    source = f"`{stage.folder}/result.json`, keys `by_arm` and `paired`, `temperature` {t:g}, `{measure}`"
    return Table(columns, rows, source, note)


def _paired_row(result: dict[str, Any], entry: dict[str, Any], measure: str, holm: float | None) -> tuple[str, ...]:
    pair = entry[measure]
    levels = [_arm_entry(result, entry, name)[measure] for name in (entry["before"], entry["after"])]
    cells = [words.estimate(level, n=level["n"] != pair["n"]) for level in levels]
    reading = _reading(pair, holm, 1 - result["confidence"])
    reading = f"**{reading}**" if reading in ("gain", "loss") else reading
    task = "**all tasks**" if entry["task"] == "all" else words.code(entry["task"])
    ps = words.p_value(pair["p"]), words.p_value(holm)
    return (task, f"{pair['n']:,}", *cells, words.difference(pair), *ps, reading)


def _holm(entries: list[dict[str, Any]], measure: str) -> dict[str, float]:
    """Task -> adjusted p. A single task needs no adjustment and gets none."""
    ps = {e["task"]: e[measure]["p"] for e in entries if e["task"] != "all" and e[measure]["p"] is not None}
    return dict(zip(ps, stats.holm(list(ps.values())), strict=True)) if len(ps) > 1 else {}


def _arm_entry(result: dict[str, Any], entry: dict[str, Any], name: str) -> dict[str, Any]:
    """The figures of one arm that belong to a comparison."""
    for found in result["by_arm"]:
        if (found["arm"], found["task"], found["temperature"]) == (name, entry["task"], entry["temperature"]):
            return found
    raise KeyError(f"by_arm: {name}, {entry['task']}, temperature {entry['temperature']:g}")


def _alone_table(stage: StageRecord) -> Table:
    rows = [
        (
            words.code(e["task"]), arm(e["arm"]), temperature(e["temperature"]),
            words.estimate(e["mean_reward"]), words.estimate(e["fully_correct"]),
        )
        for e in stage.result["by_arm"]
    ]  # fmt: skip
    columns = ("Task", "Arm", "Sampling", ">Mean reward", ">Fully correct")
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `by_arm`")


def lengths(stage: StageRecord) -> Table:
    """Tokens and share cut at the ceiling, per task, arm after arm."""
    with understood(stage.directory / "result.json"):
        entries = stage.result["by_arm"]
        temperatures = sorted({e["temperature"] for e in entries}, reverse=True)
        arms = list(dict.fromkeys(e["arm"] for e in entries))
        tasks = sorted(dict.fromkeys(e["task"] for e in entries), key=lambda task: task == "all")
        found = {(e["task"], e["temperature"], e["arm"]): e for e in entries}
        rows = []
        for task in tasks:
            cells = ["**all tasks**" if task == "all" else words.code(task)]
            for t in temperatures:
                there = [found[task, t, a] for a in arms if (task, t, a) in found]
                cells.append(" → ".join(f"{e['mean_tokens']:.1f}" for e in there) or words.NONE)
                cells.append(" → ".join(words.share(e["clipped_share"]) for e in there) or words.NONE)
            rows.append(tuple(cells))
    heads = [h for t in temperatures for h in (f">Tokens, {temperature(t)}", f">Cut at the ceiling, {temperature(t)}")]
    note = f"{' → '.join(arm(a) for a in arms)}; mean tokens per completion; shares of 1."
    return Table(("Task", *heads), rows, f"`{stage.folder}/result.json`, key `by_arm`", note)
