"""The staged arm and its matched control as steps of a run: each stage is done once, and the next starts from it.

The E- and M-steps are `staged`'s.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno import runs, tasks
from caderno.abstract import phases, rows, staged
from caderno.errors import BadInput
from caderno.generation.hf import HfEngine

if TYPE_CHECKING:
    from caderno.abstract.campaign import Campaign
    from caderno.abstract.rows import Item

CODES = "codes.jsonl"


def train(campaign: Campaign, arm: str, before: dict[str, Any]) -> dict[str, Any]:
    """All stages of staged EM; a first stage in which two digits came to share a code is started again.

    Raises:
        BadInput: rows without prefixes, more operations than codes in a trace, or low-rank adapters.
    """
    prefixes = _prefixes(campaign)
    model, inputs, told = campaign.base, f"base {campaign.seed}", []
    for stage in range(1, len(prefixes) + 1):
        place, done = _stage(campaign, arm, stage, model, inputs, prefixes)
        model, inputs = place, done["inputs"]
        told.append({"stage": stage, **done})
    return {"steps": sum(one["steps"] for one in told), "inputs": inputs, "model": str(model), "stages": told}


def _stage(
    campaign: Campaign, arm: str, stage: int, model: Path, inputs: str, prefixes: list[list[Item]]
) -> tuple[Path, dict[str, Any]]:
    """A stage, and for the first one its restarts; directory and result of the last attempt."""
    spec = campaign.spec.staged
    for attempt in range(spec.restarts + 1 if stage == 1 else 1):
        place = campaign.directory / arm / (f"stage-{stage}" if not attempt else f"stage-{stage}-restart-{attempt}")

        def work(directory: Path, seed: int = campaign.seed_of(f"staged {stage} {attempt}")) -> dict[str, Any]:
            return _attempt(campaign, directory, stage, model, prefixes, seed)

        done = campaign.step(place, work, model=inputs, attempt=attempt) | {"attempts": attempt + 1}
        if done["nats"] < spec.shared_code_nats:
            break
    return place, done


def _attempt(
    campaign: Campaign, directory: Path, stage: int, model: Path, prefixes: list[list[Item]], seed: int
) -> dict[str, Any]:
    policy = phases.open_model(campaign.bare, model, for_training=True)
    curriculum = staged.Curriculum(policy, campaign.vocabulary, campaign.spec.staged, prefixes)
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


def _prefixes(campaign: Campaign) -> list[list[Item]]:
    """prefixes[j - 1][i]: row i cut to j operations, all rows of a warm-up's phases."""
    spec, items = campaign.spec, campaign.train
    sources = [campaign.rows[item.row_id] for item in items]
    without = [row["id"] for row in sources if row["task"] != tasks.arithmetic.NAME]
    if without or campaign.params.model.lora:
        raise BadInput(
            f"{len(without)} rows of other tasks, {without[:3]} first" if without else "model.lora",
            expected="arithmetic rows, which have prefixes, and full fine-tuning", where="abstract.arms: staged",
            mend="Leave the staged arms out.",
        )  # fmt: skip
    operations = {len(row["facts"]["operations"]) for row in sources}
    if len(operations) != 1 or max(operations) > spec.traces.max_codes:
        raise BadInput(
            f"expressions of {sorted(operations)} operations", where="abstract.traces.max_codes",
            expected=f"one number, at most {spec.traces.max_codes}", mend="A trace has a code per operation.",
        )  # fmt: skip
    tokenizer = phases.open_model(campaign.bare, campaign.base).tokenizer
    return [
        [rows.encode_one(tasks.arithmetic.prefix(row, length), tokenizer) for row in sources]
        for length in range(1, max(operations) + 1)
    ]


def train_direct(campaign: Campaign, arm: str, before: dict[str, Any]) -> dict[str, Any]:
    """The direct answer under the staged arm's curriculum: the same prefixes, batch by batch, for as many steps."""
    spec, prefixes = campaign.spec.staged, _prefixes(campaign)
    phase = campaign.spec.control.model_copy(update={
        "batch_size": spec.batch_size, "learning_rate": spec.learning_rate, "schedule": "constant",
        "muon_learning_rate": spec.muon_learning_rate, "gradient_accumulation_steps": 1,
    })  # fmt: skip
    model, inputs, steps = campaign.base, before["staged"]["inputs"], 0
    for one in before["staged"]["stages"]:
        dice = random.Random(f"direct {campaign.seed} {one['stage']}")
        curriculum = staged.Curriculum(None, campaign.vocabulary, spec, prefixes)
        met = [place for _ in range(one["steps"]) for place in curriculum.batch(one["stage"], dice)]
        made = [prefixes[length - 1][row].segments() for length, row in met]
        place = campaign.directory / arm / f"stage-{one['stage']}"
        done = campaign.phase(place, model, made, phase, inputs=inputs, steps=one["steps"])
        model, inputs, steps = place, done["inputs"], steps + done["steps"]
    return {"steps": steps, "inputs": inputs, "model": str(model)}
