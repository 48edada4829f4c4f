"""How many of a run's rows its steps will meet: steps x prompts against rows, per stage and per task.

It reads parameters, and a file of rows where there is one; no model, so rows that will be left out for their length are
not known here (`caderno.lengths` counts them).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from caderno.data.building import FILES, dealt, rows_of
from caderno.data.reading import located
from caderno.data.selection import generates, select
from caderno.shop import SPLITS

if TYPE_CHECKING:
    from caderno.params import Params


def coverage(params: Params) -> dict[str, Any]:
    """Rows by task and split, and what each training stage meets of them; plain JSON.

    "splits": one entry per task, rows drawn per split, and under "file" how many the file has of them (None for rows
    from elsewhere). "stages": see `met`. Raises BadInput where a file cannot be read.
    """
    wanted = dealt(params)
    counts = _file_counts(params) if params.data.source in FILES else None
    splits = [
        {"task": name, **{split: wanted.get((name, split), 0) for split in SPLITS}, "file": _in_file(name, counts)}
        for name in params.tasks
        if any((name, split) in wanted for split in SPLITS)
    ]
    rows = rows_of(params)["train"]
    shares = {line["task"]: line["train"] / rows for line in splits}
    stages = [met(*numbers, shares) for numbers in _stages(params)]
    return {"rows": rows_of(params), "splits": splits, "stages": stages}


def _file_counts(params: Params) -> Counter[tuple[str, str]]:
    return select(located(params.data.path), {}, params.tasks, params.data.split_shares.model_dump())[1]


def _in_file(name: str, counts: Counter[tuple[str, str]] | None) -> dict[str, int] | None:
    """A task's rows in the file by split; None where its rows come from elsewhere."""
    if counts is None or (generates(name) and not any(task == name for task, _ in counts)):
        return None
    return {split: counts[name, split] for split in SPLITS}


def _stages(params: Params):
    """(stage, rows, rows per step, steps, steps per draw, whether a last, smaller batch is used) of those that run."""
    spec = params.data
    if "sft" in params.stages:
        rows = spec.sft_rows or spec.train_rows
        steps = params.sft.max_steps or math.ceil(params.sft.epochs * math.ceil(rows / params.sft.batch_size))
        yield "sft", rows, params.sft.batch_size, steps, 1, True
    if "grpo" in params.stages:
        rows, grpo = params.grpo.train_prompts or spec.train_rows, params.grpo
        yield "grpo", rows, grpo.prompts_per_step, grpo.max_steps, grpo.updates_per_rollout, False


def met(
    stage: str, rows: int, per_step: int, steps: int, steps_per_draw: int, keeps_rest: bool, shares: dict[str, float]
) -> dict[str, Any]:
    """What `steps` optimizer steps meet of `rows` rows: draws, distinct rows, repeats, steps for one full pass.

    Every pass goes over the rows in a new order. SFT's last, smaller batch of a pass is used (`keeps_rest`); TRL's
    GRPO sampler drops it, so that after more than one pass the distinct rows are an expectation. A draw serves
    `steps_per_draw` steps. "by_task" is expected too: the order is drawn without regard to tasks.
    """
    batches = math.ceil(steps / steps_per_draw)
    per_pass = math.ceil(rows / per_step) if keeps_rest else rows // per_step
    passes, rest = divmod(batches, per_pass)
    in_pass = rows if keeps_rest else per_pass * per_step
    missed = 1 - in_pass / rows
    draws = passes * in_pass + min(rest * per_step, in_pass)
    distinct = rows * (1 - missed**passes * (1 - min(rest * per_step, in_pass) / rows))
    found = {
        "stage": stage, "steps": steps, "rows_per_step": per_step, "rows": rows, "draws": draws,
        "distinct": round(distinct), "share": distinct / rows, "never": rows - round(distinct),
        "times_each": draws / rows, "steps_for_one_pass": math.ceil(rows / per_step) * steps_per_draw,
        "by_task": [
            {"task": name, "rows": rows * share, "draws": draws * share, "distinct": distinct * share}
            for name, share in shares.items()
        ],
    }  # fmt: skip
    return found | {"words": _words(found)}


def _words(found: dict[str, Any]) -> str:
    """The finding in a sentence or two, for people."""
    unit = "prompt" if found["stage"] == "grpo" else "row"
    per_step = f"{found['rows_per_step']} {unit}{'s' * (found['rows_per_step'] != 1)}"
    text = (
        f"{found['stage']}: {found['steps']:,} steps x {per_step} make {found['draws']:,} draws from "
        f"{found['rows']:,} {unit}s: {found['distinct']:,} are seen ({100 * found['share']:.0f} %)"
    )
    if found["never"]:
        return f"{text}, {found['never']:,} never. One full pass takes {found['steps_for_one_pass']:,} steps."
    return f"{text}, each {found['times_each']:.1f} times on average."
