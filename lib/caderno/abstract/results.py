"""All arms of a campaign in one go, and what the stage says of them: accuracy, tokens, pairs, health, verdicts.

It trains nothing itself (`arms` does) and draws no picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caderno import guards, runs
from caderno.abstract import arms, health, judging
from caderno.guards import Verdict, after_arms, after_traces
from caderno.params.abstract_sections import STARTS

if TYPE_CHECKING:
    from caderno.abstract.campaign import Campaign

# What an arm is paired with, the first of these that was trained: RL with its own start, the others with a control
# that was trained for as long on the same rows.
PAIRED = {
    **{arm: (start,) for arm, start in STARTS.items() if arm.endswith("_rl")},
    "staged": ("direct_staged",), "stepwise": ("direct_stepwise",), "selection": ("direct", "warmup"),
    **dict.fromkeys(
        ("warmup", "cold_rl", "oracle", "pause", "verbal", "direct_staged", "direct_stepwise"), ("direct",)
    ),
}  # fmt: skip


def run_all(campaign: Campaign) -> dict[str, Any]:
    """Train and judge every arm of `abstract.arms`, write the stage's result, verdicts and samples; the result."""
    trained: dict[str, arms.Trained] = {}
    for arm in campaign.spec.arms:
        trained[arm] = arms.run(campaign, arm, trained)
        print(told(arm, trained[arm]), flush=True)
    samples = {arm: _samples(campaign, arm) for arm in trained}
    drawn = {arm: _drawn(campaign, arm) for arm, one in trained.items() if one["kind"] == "abstract"}
    nulls = {"random reward": [row["trace"] for row in drawn["random_rl"]]} if "random_rl" in drawn else {}
    measured = {arm: _measures(campaign, rows, nulls if arm != "random_rl" else {}) for arm, rows in drawn.items()}
    verdicts = {arm: _verdicts(trained[arm], found) for arm, found in measured.items()}
    result = {
        "seed": campaign.seed, "chance": _chance(campaign), "test_rows": len(campaign.test),
        "arms": [_line(arm, trained, samples) for arm in trained],
        "health": measured, "verdicts": {arm: [one.as_dict() for one in found] for arm, found in verdicts.items()},
    }  # fmt: skip
    campaign.stage.result(result)
    campaign.stage.samples([sample for found in samples.values() for sample in found])
    judged = guards.judge(after_arms.NAMES, {"arms": result["arms"]})
    campaign.stage.guards([one.as_dict() for one in [*_gravest(verdicts), *judged]])
    return result


def told(arm: str, trained: Mapping[str, Any]) -> str:
    """An arm in a line."""
    judged = trained["judged"]
    found = judged["accuracy"]
    tokens = ", ".join(f"{judged[f'tokens_{part}']:.1f} of {part}" for part in "czy" if judged[f"tokens_{part}"])
    interval = f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f}, n = {found['n']})"
    return f"{arm}: {interval}, tokens {tokens}, {trained['steps']} steps"


def _samples(campaign: Campaign, arm: str) -> list[dict]:
    return list(runs.whole_lines(campaign.directory / arm / "judged" / "samples.jsonl"))


def _drawn(campaign: Campaign, arm: str) -> list[dict]:
    return list(runs.whole_lines(campaign.directory / arm / "judged" / "traces.jsonl"))


def _measures(campaign: Campaign, rows: list[dict], nulls: dict[str, list]) -> dict[str, Any]:
    """The panel's measures of an arm's freshly drawn traces, beside those of a training whose reward was a coin."""
    bounds, spec = campaign.spec.traces, campaign.spec
    known = {"codes": spec.codes, "min_codes": bounds.min_codes, "max_codes": bounds.max_codes}
    return health.measures(
        [row["trace"] for row in rows], prompts=[row["id"] for row in rows], seeds=[row["seed"] for row in rows],
        spec=known | {"temperature": bounds.temperature}, nulls=nulls, seed=campaign.seed,
    )  # fmt: skip


def _verdicts(trained: Mapping[str, Any], measured: dict[str, Any]) -> list[Verdict]:
    facts = {"traces": measured, "interventions": trained["judged"]["interventions"]}
    return guards.judge(after_traces.NAMES, facts)


def _gravest(verdicts: Mapping[str, list[Verdict]]) -> list[Verdict]:
    """Of every guard the gravest answer over the arms, with the arms that gave it: guards.json has a line a guard."""
    found: dict[str, list[tuple[str, Verdict]]] = {}
    for arm, mine in verdicts.items():
        for one in mine:
            found.setdefault(one.guard, []).append((arm, one))
    gravest = []
    for several in found.values():
        _, worst = min(several, key=lambda pair: guards.SEVERITY.index(pair[1].verdict))
        same = [f"{arm}: {one.why}" for arm, one in several if one.verdict == worst.verdict]
        gravest.append(replace(worst, why="; ".join(same)))
    return gravest


def _line(arm: str, trained: Mapping[str, arms.Trained], samples: Mapping[str, list[dict]]) -> dict[str, Any]:
    """One arm as the result tells it."""
    mine = trained[arm]
    judged = {key: value for key, value in mine["judged"].items() if key != "inputs"}
    line = {
        "arm": arm, "kind": mine["kind"], "steps": mine["steps"], "warm_steps": mine.get("warm_steps", 0), **judged,
        "training": {key: mine[key] for key in ("loss", "phases", "stages", "reward", "kl", "seconds") if key in mine},
    }  # fmt: skip
    other = next((one for one in PAIRED.get(arm, ()) if one in trained), None)
    return line | ({"paired_with": other, "paired": judging.against(samples[arm], samples[other])} if other else {})


def _chance(campaign: Campaign) -> float | None:
    """The share that the commonest answer of the training rows would get right; None where none comes up often."""
    answers = [campaign.rows[item.row_id]["gold"] for item in campaign.train]
    share = max(answers.count(one) for one in set(answers[:200])) / len(answers)
    return share if share >= 0.02 else None
