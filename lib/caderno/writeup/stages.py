"""Tables of the stages: calibration, the probe of GRPO, losses, verdicts and the ledger's differences.

Validation is in `findings`. Means over steps are taken here from metrics.jsonl, by `stats`; all else is as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from caderno import stats
from caderno.writeup import words
from caderno.writeup.artifacts import RunRecord, StageRecord, understood
from caderno.writeup.words import Table

PROBED = {
    "step_time": "time per step, s",
    "reward": "mean reward",
    "entropy": "entropy, nats per token",
    "completions/mean_length": "completion length, tokens",
    "completions/clipped_ratio": "share cut at the ceiling",
    "frac_reward_zero_std": "share of groups with equal rewards",
    "kl": "KL to the start, nats per token",
    "grad_norm": "gradient norm",
    "think_forced_share": "share of thoughts ended by force",
    "unjudged_share": "share of completions no reward can judge",
}
TASK_REWARD = re.compile(r"rewards/(.+)/mean")
ENDS = 10  # logged steps at each end, as in 30-grpo/result.json
ORDER = ("fail", "unknown", "warn", "pass", "not_applicable")


def told(record: RunRecord, name: str) -> bool:
    """Whether a stage has a section: it is planned, or left something, or the run is of the ordinary kind.

    An ordinary run tells what it lacks; one of abstract traces alone never meant to have the others.
    """
    stage = record.stages[name]
    return stage.planned or stage.result is not None or not record.stages["abstract_cot"].planned


def calibration(stage: StageRecord) -> Table:
    """Score, ceiling and thinking by task, at the training and the deployment temperature."""
    columns = ("Task", "Sampling", ">Mean reward", ">Fully correct", ">Cut at the ceiling", ">Tokens")
    columns += (">Thought, mean / p95", ">Thought never closed")
    with understood(stage.directory / "result.json"):
        rows = [_calibration_row(row) for row in sorted(stage.result["by_task"], key=lambda row: row["task"] == "all")]
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `by_task`", "Shares are of 1; lengths in tokens.")


def _calibration_row(row: dict[str, Any]) -> tuple[str, ...]:
    thinks = row["think_tokens_mean"] is not None
    return (
        "**all tasks**" if row["task"] == "all" else words.code(row["task"]),
        f"{row['sampling']}, {temperature(row['temperature'])}",
        words.estimate(row["mean_reward"]),
        words.estimate(row["fully_correct"]),
        words.share(row["ceiling_share"]),
        words.number(row["mean_tokens"]),
        f"{row['think_tokens_mean']:.0f} / {row['think_tokens_p95']:.0f}" if thinks else words.NONE,
        words.share(row["unclosed_share"]),
    )


def temperature(value: float) -> str:
    """ "greedy" or "T = 1"."""
    return "greedy" if value == 0 else f"T = {value:g}"


def probe(stage: StageRecord) -> Table:
    """Start and end of GRPO: means over the first and the last logged steps with 95 % intervals."""
    with understood(stage.directory / "metrics.jsonl"):
        n = len(logged(stage, "reward") or logged(stage, "step_time"))
        k = max(1, min(ENDS, n // 2))
        rows = [row for key, name in _quantities(stage) if (row := _probe_row(stage, key, name, k))]
    note = (
        f"Means over the first and the last {k} of {n} logged steps with 95 % t intervals, which take steps for "
        "independent: a hint at the noise, not a test."
    )
    columns = ("Quantity", f">First {k} steps", f">Last {k} steps")
    return Table(columns, rows, f"`{stage.folder}/metrics.jsonl`", note)


def _quantities(stage: StageRecord) -> Iterable[tuple[str, str]]:
    """Metric keys and their names: the fixed ones, then the reward of each task's own function."""
    yield from PROBED.items()
    keys = sorted({key for line in stage.metrics for key in line if TASK_REWARD.fullmatch(key)})
    yield from ((key, f"reward by {words.code(TASK_REWARD.fullmatch(key)[1])}") for key in keys)


def _probe_row(stage: StageRecord, key: str, name: str, k: int) -> tuple[str, ...] | None:
    values = logged(stage, key)
    if not values or (key == "unjudged_share" and not any(values)):
        return (name, "not logged", "not logged") if key in ("step_time", "reward", "entropy") else None
    ends = (stats.mean_interval(part) for part in (values[:k], values[-k:]))
    return (name, *(words.measured(end.value, end.low, end.high) for end in ends))


def logged(stage: StageRecord, key: str) -> list[float]:
    """Finite values of a metric in the order of steps; a step logged again after a resume counts as logged last."""
    by_step = {line["step"]: line[key] for line in stage.metrics if line.get(key) is not None}
    values = (by_step[step] for step in sorted(by_step))
    return [value for value in values if value == value and abs(value) != float("inf")]


def grpo_facts(stage: StageRecord) -> str:
    """Steps, prompts, coverage and time, as far as the result has them."""
    result = stage.result or {}
    names = {"steps": "{:,} steps", "prompts": "{:,} prompts", "coverage": "coverage of the training prompts {:.2f}"}
    parts = [text.format(result[key]) for key, text in names.items() if result.get(key) is not None]
    if result.get("seconds") is not None:
        parts.append(f"{words.seconds(result['seconds'])} in all")
    return f"{words.listed(parts)} (`{stage.folder}/result.json`)." if parts else ""


def losses(stages: Iterable[StageRecord]) -> Table | None:
    """First and last losses of SFT and pretraining; None where neither has a result."""
    there = [stage for stage in stages if stage.result]
    rows = []
    for stage in there:
        with understood(stage.directory / "result.json"):
            rows.append(_loss_row(stage))
    source = ", ".join(f"`{stage.folder}/result.json`" for stage in there)
    columns = ("Stage", ">Steps", ">Data", ">Training loss", ">Held-out loss", ">Took")
    return Table(columns, rows, source, "Losses in nats per token, first → last.") if rows else None


def _loss_row(stage: StageRecord) -> tuple[str, ...]:
    result = stage.result
    way = (
        f"{words.number(result[key]['first'])} → {words.number(result[key]['last'])}" if result.get(key) else words.NONE
        for key in ("loss", "heldout_loss")
    )
    data = [f"{result[key]:,} {unit}" for key, unit in (("train_rows", "rows"), ("tokens", "tokens")) if key in result]
    return (
        words.code(stage.folder),
        words.number(result.get("steps")),
        words.listed(data) or words.NONE,
        *way,
        words.seconds(result.get("seconds")),
    )


def verdicts(record: RunRecord) -> Table | None:
    """Every guard's verdict, those that did not pass first; None where no guard spoke."""
    found = []
    for stage in record.told:
        with understood(stage.directory / "guards.json"):
            found += [(ORDER.index(_known(v["verdict"])), _verdict_row(stage, v)) for v in stage.guards]
    rows = [row for _, row in sorted(found, key=lambda pair: pair[0])]
    columns = ("Verdict", "Guard", "Stage", ">Measured", ">Threshold", "Why", "From")
    return Table(columns, rows, "`*/guards.json`") if rows else None


def _known(verdict: str) -> str:
    if verdict not in ORDER:
        raise KeyError(f"a known verdict instead of {verdict!r}")
    return verdict


def _verdict_row(stage: StageRecord, verdict: dict[str, Any]) -> tuple[str, ...]:
    unit = f" {words.plain(verdict['unit'])}" if verdict.get("unit") else ""
    measured, threshold = (
        words.number(verdict.get(key)) + (unit if verdict.get(key) is not None else "")
        for key in ("measured", "threshold")
    )
    name = verdict["verdict"].replace("_", " ")
    name = name if verdict["verdict"] in ("pass", "not_applicable") else f"**{name}**"
    why, source = words.plain(verdict.get("why") or ""), words.plain(verdict.get("source") or "")
    source += f", step {verdict['step']:,}" if verdict.get("step") is not None else ""
    return (name, words.code(verdict["guard"]), words.code(stage.folder), measured, threshold, why, source)


def count_of_verdicts(record: RunRecord) -> str:
    """12 pass, 1 warn."""
    said = [verdict["verdict"] for stage in record.told for verdict in stage.guards]
    return ", ".join(f"{said.count(name)} {name.replace('_', ' ')}" for name in ORDER if name in said)


def ledger(record: RunRecord) -> Table | None:
    """What was asked for and came out otherwise; None where everything is as requested or nothing was recorded."""
    rows = []
    for stage in record.told:
        with understood(stage.directory / "ledger.json"):
            rows += [
                (words.code(stage.folder), words.code(e["what"]), _asked(e["requested"]), _asked(e["effective"]))
                for e in stage.ledger
                if not e.get("same", e["requested"] == e["effective"])
            ]
    return Table(("Stage", "What", "Requested", "Effective"), rows, "`*/ledger.json`") if rows else None


def _asked(value: Any) -> str:
    return words.code("null" if value is None else value)
