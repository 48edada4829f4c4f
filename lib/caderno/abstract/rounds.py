"""The warm-up of arXiv 2604.22709, Algorithm 1: T rounds of bottlenecked SFT (phase A) and self-distillation (phase B).

Each phase takes fresh rows, starts from the merged weights of the one before, and is done once. With selection the
on-policy traces are chosen among candidates (`selection`); without it they are the paper's, one draw a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno import runs
from caderno.abstract import phases, rows, selection, traces

if TYPE_CHECKING:
    from caderno.abstract.campaign import Campaign
    from caderno.abstract.rows import Item

Codes = dict[str, tuple[int, ...]]  # row id -> codes
CHANNEL_ROWS = 256  # rows on which the two channels of Y are measured after a phase A


def warm_up(campaign: Campaign, arm: str, *, select: bool) -> dict[str, Any]:
    """All rounds; the arm's weights are those of `round-T/b`. Returns steps, inputs, directory and each phase's result.

    A phase A's result gains `y_nats`: Y's loss on other rows through Z's states, which saw C, and through Z's tokens
    alone, as at inference. The first falling while the second stays is a channel that inference does not have.
    """
    spec = campaign.spec
    parts = rows.disjoint(campaign.train, [spec.phase_a.rows, spec.phase_b.rows] * spec.rounds)
    model, inputs, told = campaign.base, campaign.based["inputs"], []
    for number in range(1, spec.rounds + 1):
        for phase, part in (("a", parts[2 * number - 2]), ("b", parts[2 * number - 1])):
            place = campaign.directory / arm / f"round-{number}" / phase
            found = _traces(campaign, place, model, part, phase, number, select, inputs)
            done = _train(campaign, place, model, part, phase, found)
            model, inputs = place / "train", done["inputs"]
            told.append({"round": number, "phase": phase, **done, "traces": found["report"]})
    return {"steps": sum(one["steps"] for one in told), "inputs": inputs, "model": str(model), "phases": told}


def _traces(
    campaign: Campaign, place: Path, model: Path, part: Sequence[Item], phase: str, number: int, select: bool,
    inputs: str,
) -> dict[str, Any]:  # fmt: skip
    """The traces that a phase trains on, in `traces.jsonl`, and a report on them."""

    def work(directory: Path) -> dict[str, Any]:
        name = str(directory.relative_to(campaign.directory))
        if phase == "a" and number == 1:
            lengths = {item.row_id: item.step_lengths for item in part}
            drawn = traces.random_traces(
                lengths, campaign.vocabulary, campaign.spec.traces, seed=campaign.seed_of(name)
            )
            codes, report = {one.row_id: one.codes for one in drawn}, {"rows": len(drawn), "random": True}
        else:
            codes, report = _on_policy(campaign, model, part, phase, select, name)
        runs.write_jsonl(directory / "traces.jsonl", [{"id": row_id, "trace": list(z)} for row_id, z in codes.items()])
        return {"report": report}

    return campaign.step(place / "traces", work, model=inputs, select=select, rows_of=[item.row_id for item in part])


def _on_policy(
    campaign: Campaign, model: Path, part: Sequence[Item], phase: str, select: bool, name: str
) -> tuple[Codes, dict[str, Any]]:
    """Traces of the newest policy: with the thought in sight in phase A, without it in phase B."""
    spec, engine = campaign.spec, campaign.engine(model)
    try:
        if not select:
            prompts = [(item.row_id, [*item.x, *(item.c if phase == "a" else ())]) for item in part]
            drawn = traces.draw(
                engine, prompts, campaign.vocabulary, spec.traces, run=name, seed=campaign.seed, logprobs=False
            )
            report = {"rows": len(drawn.traces), "left_out": drawn.left_out}
            return {one.row_id: one.codes for one in drawn.traces}, report
        pool = selection.candidates(
            engine, part, campaign.vocabulary, spec.traces, spec.selection, run=name, seed=campaign.seed
        )
    finally:
        engine.close()
    policy = phases.open_model(campaign.bare, model)
    chosen = selection.choose(
        policy, part, pool, campaign.vocabulary, spec.traces, spec.selection, seed=campaign.seed_of(name)
    )
    return chosen.codes, chosen.report


def _train(
    campaign: Campaign, place: Path, start: Path, part: Sequence[Item], phase: str, found: dict[str, Any]
) -> dict[str, Any]:
    """Phase A on [X; C; Z; Y], phase B on [X; Z; Y]."""
    codes = {row["id"]: tuple(row["trace"]) for row in runs.whole_lines(place / "traces" / "traces.jsonl")}
    made = [
        item.segments(rows.traced(campaign.vocabulary, codes[item.row_id]), thought=phase == "a")
        for item in part
        if item.row_id in codes
    ]
    spec = campaign.spec.phase_a if phase == "a" else campaign.spec.phase_b
    done = campaign.phase(
        place / "train", start, made, spec, inputs=found["inputs"], steps=phases.steps_of(spec, len(made))
    )
    if phase == "b":
        return done
    return done | campaign.step(place / "channel", lambda _: _channel(campaign, place), model=done["inputs"]) | {
        "inputs": done["inputs"], "steps": done["steps"]
    }  # fmt: skip


def _channel(campaign: Campaign, place: Path) -> dict[str, Any]:
    """Y's nats a row through Z's states and through Z's tokens alone, on traces the teacher draws for test rows."""
    items = campaign.test[:CHANNEL_ROWS]
    engine = campaign.engine(place / "train")
    prompts = [(item.row_id, [*item.x, *item.c]) for item in items]
    try:
        drawn = traces.draw(
            engine, prompts, campaign.vocabulary, campaign.spec.traces, run="channel", logprobs=False
        ).traces
    finally:
        engine.close()
    by_id, policy = {item.row_id: item for item in items}, phases.open_model(campaign.bare, place / "train")
    nats = {
        name: -selection.answer_logprobs(policy, [
            by_id[one.row_id].segments(rows.traced(campaign.vocabulary, one.codes), thought=thought) for one in drawn
        ]).mean().item()
        for name, thought in (("through_states", True), ("tokens_only", False))
    }  # fmt: skip
    return {"y_nats": nats, "channel_rows": len(drawn)}
