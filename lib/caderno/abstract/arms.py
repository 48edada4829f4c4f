"""Every arm of an abstract chain-of-thought run by name: how it is trained, and from which weights.

Controls are matched: direct, pause and oracle take the steps and the rows of a whole warm-up; the verbal arm is the
base, where that was taught to reason in words.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno.abstract import judging, phases, rl, rounds, rows, staging
from caderno.abstract.rl_rollouts import correct
from caderno.errors import BadInput
from caderno.params.abstract_sections import STARTS

if TYPE_CHECKING:
    from caderno.abstract.campaign import Campaign
    from caderno.abstract.rows import Item
    from caderno.abstract.sequences import Segments

Trained = dict[str, Any]  # steps, inputs, model (directory), and what the training told
KINDS: dict[str, judging.Kind] = {
    "verbal": "verbal", "pause": "pause", **dict.fromkeys(("direct", "direct_staged", "direct_stepwise"), "direct"),
}  # fmt: skip


def run(campaign: Campaign, arm: str, before: dict[str, Trained]) -> Trained:
    """Train an arm and judge it on the test rows; `before` are the arms that came before it."""
    trained = TRAIN[arm](campaign, arm, before)
    judged = campaign.judge(arm, Path(trained["model"]), KINDS.get(arm, "abstract"), trained["inputs"])
    return trained | {"judged": judged, "kind": KINDS.get(arm, "abstract")}


def matched(campaign: Campaign) -> tuple[list[Item], int]:
    """The rows and the optimizer steps of a warm-up's phases together, for its controls."""
    spec = campaign.spec
    sizes = [spec.phase_a.rows, spec.phase_b.rows] * spec.rounds
    part = [item for found in rows.disjoint(campaign.train, sizes) for item in found]
    steps = spec.rounds * sum(phases.steps_of(one, one.rows) for one in (spec.phase_a, spec.phase_b))
    return part, spec.control.steps or steps


def _supervised(make: Callable[[Campaign, Item], Segments], loss_on: Sequence[str] = ("z", "y")) -> Callable:
    def train(campaign: Campaign, arm: str, before: dict[str, Trained]) -> Trained:
        part, steps = matched(campaign)
        place = campaign.directory / arm / "train"
        made = [make(campaign, item) for item in part]
        done = campaign.phase(
            place, campaign.base, made, campaign.spec.control, inputs=arm, steps=steps, loss_on=loss_on
        )
        return done | {"model": str(place)}

    return train


def _verbal(campaign: Campaign, arm: str, before: dict[str, Trained]) -> Trained:
    """The base itself where `abstract.base` taught it to reason in words; else a training like the other controls'."""
    if campaign.spec.base is None:
        return _supervised(lambda _, item: item.spoken())(campaign, arm, before)
    return campaign.based | {"model": str(campaign.base)}


def _oracle(campaign: Campaign, item: Item) -> Segments:
    """Z is what the task knows of the way: value v is code v."""
    ids = campaign.vocabulary.code_ids
    if not item.values or max(item.values) >= len(ids) or len(item.values) > campaign.spec.traces.max_codes:
        raise BadInput(
            f"row {item.row_id} has values {list(item.values)[:8]}", where="abstract.arms: oracle",
            expected=f"1 to {campaign.spec.traces.max_codes} values below {len(ids)} codes",
            mend="The oracle arm is for tasks that know the way (arithmetic): leave it out, or raise abstract.codes.",
        )  # fmt: skip
    return item.segments(rows.traced(campaign.vocabulary, [ids[value] for value in item.values]))


def _warmed(select: bool) -> Callable:
    return lambda campaign, arm, before: rounds.warm_up(campaign, arm, select=select)


def _reinforced(campaign: Campaign, arm: str, before: dict[str, Trained]) -> Trained:
    """Warm-started RL from the arm that `STARTS` names, or from the base where it names none."""
    start = (
        before[STARTS[arm]]
        if arm in STARTS
        else {"model": str(campaign.base), "inputs": campaign.based["inputs"], "steps": 0}
    )
    place = campaign.directory / arm / "train"
    warm = Path(start["model"])
    done = campaign.step(place, lambda directory: _rl(campaign, arm, warm, directory), start=start["inputs"])
    return done | {"model": str(place), "warm_steps": start["steps"]}


def _rl(campaign: Campaign, arm: str, start: Path, directory: Path) -> dict[str, Any]:
    policy, spec = phases.open_model(campaign.params, start, for_training=True), campaign.spec
    grpo = rl.trainer(
        policy, campaign.vocabulary, [campaign.rows[item.row_id] for item in campaign.train],
        [(item.row_id, item.x) for item in campaign.train], spec.rl, spec.traces, output_dir=directory,
        seed=campaign.seed_of(arm), max_length=campaign.params.model.max_length, answer_tokens=spec.answer_tokens,
        run=arm, report=campaign.reporter(directory), worth=_coin(campaign) if arm == "random_rl" else correct,
        callbacks=[phases.listener(None, lambda: campaign.stage.stop_requested)],
    )  # fmt: skip
    with campaign.stage.graceful():
        done = rl.train(grpo)
    campaign.stage.ledger([row | {"what": f"{arm}: {row['what']}"} for row in grpo.ledger])
    phases.finish(policy, directory)
    return done


def _coin(campaign: Campaign) -> Callable[[Any], float]:
    """A reward that has nothing to do with the answer: what drift alone does to the codes (the panel's null)."""
    dice = random.Random(f"random reward {campaign.seed}")
    return lambda score: float(dice.random() < 0.5)


TRAIN: dict[str, Callable[[Campaign, str, dict[str, Trained]], Trained]] = {
    "verbal": _verbal,
    "direct": _supervised(lambda campaign, item: item.segments()),
    "pause": _supervised(
        lambda campaign, item: item.segments(judging.pause(campaign.vocabulary, campaign.spec)), loss_on=("y",)
    ),
    "oracle": _supervised(_oracle),
    "warmup": _warmed(select=False),
    "selection": _warmed(select=True),
    **dict.fromkeys(("staged", "stepwise"), staging.train),
    **dict.fromkeys(("direct_staged", "direct_stepwise"), staging.train_direct),
    **dict.fromkeys(("warmup_rl", "selection_rl", "staged_rl", "stepwise_rl", "cold_rl", "random_rl"), _reinforced),
}
