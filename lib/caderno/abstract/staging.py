"""The staged arms and their matched controls as steps of a run: each stage is done once, the next starts from it.

A code's witness is a prefix's answer in arm `staged`, the next verbal step of the thought in arm `stepwise`. The E- and
M-steps are `staged`'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno import runs
from caderno.abstract import phases, rows, staged
from caderno.errors import BadInput
from caderno.generation.hf import HfEngine
from caderno.params.abstract_sections import STARTS
from caderno.tasks import arithmetic

if TYPE_CHECKING:
    from caderno.abstract.campaign import Campaign
    from caderno.abstract.rows import Item

Lessons = list[list["Item"]]  # [stage - 1][row]: the prompt and what witnesses the stage's code
CODES = "codes.jsonl"


def train(campaign: Campaign, arm: str, before: dict[str, Any]) -> dict[str, Any]:
    """All stages of staged EM; a first stage in which two values came to share a code is started again.

    Raises:
        BadInput: rows that have no such stages, more of them than codes in a trace, or low-rank adapters.
    """
    lessons = LESSONS[arm](campaign)
    model, inputs, told = campaign.base, campaign.based["inputs"], []
    for stage in range(1, len(lessons) + 1):
        place, done = _stage(campaign, arm, stage, model, inputs, lessons)
        model, inputs = place, done["inputs"]
        told.append({"stage": stage, **done})
    return {"steps": sum(one["steps"] for one in told), "inputs": inputs, "model": str(model), "stages": told}


def _stage(
    campaign: Campaign, arm: str, stage: int, model: Path, inputs: str, lessons: Lessons
) -> tuple[Path, dict[str, Any]]:
    """A stage, and for the first one its restarts; directory and result of the last attempt, with the steps of all."""
    spec, steps = campaign.spec.staged, 0
    for attempt in range(spec.restarts + 1 if stage == 1 else 1):
        place = campaign.directory / arm / (f"stage-{stage}" if not attempt else f"stage-{stage}-restart-{attempt}")

        def work(directory: Path, seed: int = campaign.seed_of(f"{arm} {stage} {attempt}")) -> dict[str, Any]:
            return _attempt(campaign, directory, stage, model, lessons, seed)

        done = campaign.step(place, work, model=inputs, attempt=attempt) | {"attempts": attempt + 1}
        steps += done["steps"]
        if done["nats"] < spec.shared_code_nats:
            break
    return place, done | {"steps": steps}


def _attempt(
    campaign: Campaign, directory: Path, stage: int, model: Path, lessons: Lessons, seed: int
) -> dict[str, Any]:
    policy = phases.open_model(campaign.bare, model, for_training=True)
    curriculum = staged.Curriculum(policy, campaign.vocabulary, campaign.spec.staged, lessons)
    if stage > 1:
        curriculum.codes = _read_codes(model)
    report = campaign.reporter(directory)
    with campaign.stage.graceful():
        done = staged.run_stage(
            curriculum, stage, seed=seed, report=lambda step, values: report(step, values) if step % 10 == 0 else None,
            stop=lambda: campaign.stage.stop_requested,
        )  # fmt: skip
    params = campaign.params
    engine = HfEngine(policy.model.eval(), policy.tokenizer, params.model.max_length, params.engine.batch_tokens)
    staged.keep_codes(curriculum, engine, stage, campaign.spec.traces, f"stage {stage}")
    rows_of = [{"operations": j, "row": row, "codes": list(codes)} for (j, row), codes in curriculum.codes.items()]
    runs.write_jsonl(directory / CODES, rows_of)
    phases.finish(policy, directory)
    return done


def _read_codes(model: Path) -> staged.Codes:
    return {(row["operations"], row["row"]): tuple(row["codes"]) for row in runs.whole_lines(model / CODES)}


def _prefixes(campaign: Campaign) -> Lessons:
    """Row i cut to j operations, with that prefix's answer."""
    sources = [campaign.rows[item.row_id] for item in campaign.train]
    without = [row["id"] for row in sources if row["task"] != arithmetic.NAME]
    if without:
        raise BadInput(
            f"{len(without)} rows of other tasks, {without[:3]} first", where="abstract.arms: staged",
            expected="arithmetic rows, which have prefixes", mend="Leave the staged arms out.",
        )  # fmt: skip
    longest = _one_number(campaign, {len(row["facts"]["operations"]) for row in sources}, "operations")
    return [
        [rows.encode_one(arithmetic.prefix(row, length), campaign.tokenizer) for row in sources]
        for length in range(1, longest + 1)
    ]


def _next_steps(campaign: Campaign) -> Lessons:
    """The whole row, with the beginning of the thought's step after the j-th; after the last, its answer."""
    tokens, items = campaign.spec.staged.witness_tokens, campaign.train
    longest = _one_number(campaign, {len(item.step_ends) for item in items}, "verbal steps")
    ends = range(longest - 1)
    return [
        *([replace(item, y=item.c[item.step_ends[j] :][:tokens]) for item in items] for j in ends),
        list(items),
    ]  # fmt: skip


LESSONS: dict[str, Callable[[Campaign], Lessons]] = {"staged": _prefixes, "stepwise": _next_steps}


def _one_number(campaign: Campaign, found: set[int], what: str) -> int:
    """How many stages there are, the same for every row."""
    room, lora = campaign.spec.traces.max_codes, campaign.params.model.lora
    if len(found) != 1 or max(found) > room or lora:
        raise BadInput(
            f"rows of {', '.join(map(str, sorted(found)))} {what}" + (" and model.lora" if lora else ""),
            expected=f"one number of them, at most {room}, and full fine-tuning", where="abstract.arms",
            mend="A trace has a code per stage: raise abstract.traces.max_codes, or leave these arms out.",
        )  # fmt: skip
    return max(found)


def train_direct(campaign: Campaign, arm: str, before: dict[str, Any]) -> dict[str, Any]:
    """The direct answer for as many steps as the staged arm took, batch by batch on the prompts of its stages.

    The control of `stepwise` answers whole rows: its lessons' prompts are whole, and the answer is the row's.
    """
    spec, of = campaign.spec.staged, STARTS[arm]
    lessons = _prefixes(campaign) if of == "staged" else [campaign.train] * len(before[of]["stages"])
    phase = campaign.spec.control.model_copy(update={
        "batch_size": spec.batch_size, "learning_rate": spec.learning_rate, "schedule": "linear",
        "muon_learning_rate": spec.muon_learning_rate, "gradient_accumulation_steps": 1,
    })  # fmt: skip
    model, inputs, steps = campaign.base, before[of]["inputs"], 0
    for one in before[of]["stages"]:
        dice = random.Random(f"{arm} {campaign.seed} {one['stage']}")
        curriculum = staged.Curriculum(None, campaign.vocabulary, spec, lessons)
        met = [place for _ in range(one["steps"]) for place in curriculum.batch(one["stage"], dice)]
        made = [lessons[stage - 1][row].segments() for stage, row in met]
        place = campaign.directory / arm / f"stage-{one['stage']}"
        done = campaign.phase(place, model, made, phase, inputs=inputs, steps=one["steps"])
        model, inputs, steps = place, done["inputs"], steps + done["steps"]
    return {"steps": steps, "inputs": inputs, "model": str(model)}
