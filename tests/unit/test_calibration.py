"""The deep calibration: measures by task and prompt, reasons that need their intervals."""

from __future__ import annotations

import json

import pytest
from calibrating import CUT, always, analysed, healthy, mixed, params, reason, sample, samples, ticket

from caderno import calibration
from caderno.calibration.measures import reward_at_start
from caderno.calibration.ticket import sft_follows


def measure(result: dict, task: str = "all", sampling: str = "training") -> dict:
    return next(one for one in result["measures"] if (one["task"], one["sampling"]) == (task, sampling))


def names(ticket: dict, answer: str = "yes") -> set[tuple[str, str]]:
    return {(one["name"], one["task"]) for one in ticket["reasons"] if one["answer"] == answer}


def test_the_result_keeps_its_lines_and_is_json():
    result = analysed()
    assert [(line["task"], line["sampling"]) for line in result["by_task"]] == [
        (task, sampling) for sampling in ("training", "deployment") for task in ("all", "push", "extraction")
    ]
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["hard_think_budgets"] == {} and result["ticket"]["judged_on"] == "training"


def test_measures_are_of_prompts_not_of_completions():
    one = measure(
        analysed({"training": samples("push", 10, 4, always(1.0)) + samples("extraction", 10, 4, always(0.0))})
    )
    assert (one["prompts"], one["samples"]) == (20, 80) and one["solved"]["value"] == 0.5
    assert one["solved"]["n"] == 20 and one["solved"]["low"] < 0.32, "80 completions of 20 prompts are no 80 draws"
    assert one["reward_std"]["value"] == 0 and one["mean_score"]["n"] == 20


def test_thoughts_lengths_and_budgets():
    found = [sample(f"push-{i}", 0, 1.0, think_tokens=i, tokens=10 * i) for i in range(1, 101)]
    found[3] |= CUT
    one = measure(analysed({"training": found}, tasks={"push": {"think_budget_tokens": 77}}), "push")
    told = {name: one["thought"][name] for name in ("mean", "p50", "p95", "p99", "max", "budget")}
    assert told == {"mean": 50.5, "p50": 50, "p95": 95, "p99": 99, "max": 100, "budget": 77}
    assert (one["lengths"]["n"], one["lengths"]["max"]) == (99, 1000), "what was cut has no length"
    silent = analysed({"training": [s | {"think_tokens": 0} for s in found]})
    assert measure(silent, "push")["thought"] is None and not [
        r for r in silent["ticket"]["reasons"] if "clos" in r["name"]
    ]


def test_the_reward_is_grpos_own_in_its_first_steps():
    half = sample("push-0", 0, 0.5, parts={"format": 1.0, "partial": 0.5, "task": 0.0}, think_tokens=150)
    staged = params(rewards={"staged": True})
    first = staged.rewards.stages[0]
    assert reward_at_start(half, params()) == 0.5
    assert reward_at_start(half, staged) == pytest.approx(first.format + 0.5 * first.partial)
    paid = params(rewards={"think_efficiency": 0.1}, tasks={"push": {"think_budget_tokens": 100}})
    assert reward_at_start(half, paid) == pytest.approx(0.5 + 0.1 * 0.5 * 0.5)
    assert reward_at_start(sample("push-0", 0, None), paid) is None


def test_think_efficiency_makes_equal_scores_differ():
    drawn = {"training": [sample(f"push-{i}", k, 1.0, think_tokens=60 + 30 * k) for i in range(40) for k in range(4)]}
    tasks = {"push": {"think_budget_tokens": 50}}
    flat = measure(analysed(drawn, tasks=tasks))["zero_advantage"]
    paid = measure(analysed(drawn, tasks=tasks, rewards={"think_efficiency": 0.1}))["zero_advantage"]
    assert [one["value"] for one in flat] == [1, 1, 1, 1] and paid[1]["value"] == 0


def test_rows_without_a_judge_are_in_no_score():
    drawn = healthy()
    drawn["training"] += samples("math", 30, 4, always(None))
    result = analysed(drawn)
    assert measure(result, "math")["solved"] is None and measure(result)["solved"]["n"] == 120
    assert (
        measure(result, "math")["zero_advantage"][0]["value"] is None and measure(result, "math")["reward_std"] is None
    )
    assert {one["task"] for one in result["groups"]} == {"push", "extraction"}
    assert measure(result)["ceiling"]["n"] == 150, "a completion is cut, judged or not"
    nothing = ticket({"training": samples("math", 30, 4, always(None))})
    assert nothing["answer"] == "cannot be told" and nothing["drop"] == []


def test_temperatures_are_compared_on_the_same_prompts():
    drawn = {
        "training": samples("push", 40, 4, lambda rng, i: [rng.random()] * 4),
        "deployment": samples("push", 30, 1, always(1.0), temperature=0.0),
    }
    pair = analysed(drawn)["temperatures"][0]
    assert (pair["task"], pair["mean_score"]["n"]) == ("all", 30) and pair["mean_score"]["low"] > 0.2
    assert pair["think_tokens"]["difference"] == 0
    assert analysed({"training": drawn["training"]})["temperatures"] == []


def test_a_good_start_is_a_go():
    found = ticket()
    assert found["answer"] == "go" and names(found) == set() and found["about"] == ""
    assert {one["change"] for one in found["proposals"]} == {False}


@pytest.mark.parametrize(
    ("scores", "name", "answer"),
    [
        (always(0.0), "nothing solved", "no-go"),
        (always(0.2), "nothing solved", "no-go"),
        (lambda rng, i: [rng.choice([0.0, 0.2, 0.4, 0.6]) for _ in range(4)], "nothing solved", "go with changes"),
        (always(1.0), "mostly solved", "no-go"),  # and every group agrees
        (lambda rng, i: [float(rng.random() < 0.92) for _ in range(4)], "mostly solved", "go with changes"),
        (lambda rng, i: [float(i % 2)] * 4, "equal rewards", "no-go"),
        (lambda rng, i: [0.5 + 0.01 * rng.random() for _ in range(4)], "no spread", "go with changes"),
    ],
)
def test_a_start_that_teaches_little(scores, name, answer):
    found = ticket({"training": samples("push", 120, 4, scores)})
    assert found["answer"] == answer and (name, "all") in names(found), found["reasons"]


def test_a_reason_counts_only_when_the_interval_says_so():
    cut_at = [{"training": samples("push", n, 1, mixed, **CUT)[: n // 3] + samples("push", n, 1, mixed)[n // 3 :]}
              for n in (12, 300)]  # fmt: skip
    few, many = (reason(ticket(drawn), "ceiling") for drawn in cut_at)
    assert few["measured"] == many["measured"] == pytest.approx(1 / 3)
    assert (few["answer"], many["answer"]) == ("cannot be told", "yes")
    assert few["why"].startswith("cannot be told with n = 12 prompts") and few["low"] < 0.25 < few["high"]
    assert many["low"] > 0.25 and many["source"] == "huggingface/trl#5697" and many["threshold"] == 0.25


def test_none_of_eight_solved_is_no_zero():
    few, many = (reason(ticket({"training": samples("push", n, 1, always(0.0))}), "nothing solved") for n in (8, 60))
    assert (few["answer"], many["answer"]) == ("cannot be told", "yes") and few["high"] > 0.3


def test_a_single_task_is_a_change_and_no_no_go():
    drawn = healthy()
    drawn["training"] += samples("sql_qa", 60, 4, always(1.0))
    found = ticket(drawn)
    assert found["answer"] == "go with changes" and ("mostly solved", "sql_qa") in names(found)
    assert {one["severity"] for one in found["reasons"] if one["task"] != "all"} == {"change"}


def test_stuck_only_where_users_are():
    drawn = healthy()
    drawn["deployment"] = [s | CUT | {"think_closed": False, "score": 0.0} for s in drawn["deployment"]]
    found = ticket(drawn)
    assert found["answer"] == "no-go" and ("ceiling", "all") in names(found, "no")
    assert {("deployment-ceiling", "all"), ("deployment-unclosed", "all"), ("deployment-worse", "push")} <= names(found)


def test_what_precedes_sft_says_so():
    assert sft_follows(["calibration", "sft", "grpo"]) and not sft_follows(["sft", "calibration", "grpo"])
    assert not sft_follows(["calibration", "grpo"]) and not sft_follows(["calibration", "sft"])
    assert "SFT comes between" in ticket(stages=["calibration", "sft", "grpo"])["about"]


def test_grpos_own_prompts_decide_where_they_were_drawn():
    own = [one | {"id": one["id"] + "-train"} for one in samples("push", 120, 4, always(1.0))]
    found = ticket(healthy(), rollouts=own)
    assert found["judged_on"] == "rollouts" and found["answer"] == "no-go"
    assert reason(found, "mostly solved")["sampling"] == "rollouts" and len(found["drop"]) == 120
    assert all(one["id"].endswith("-train") for one in found["drop"])


def test_rollout_rows_are_spread_over_what_grpo_draws_on():
    train = [{"id": i} for i in range(1000)]
    given = params(calibration={"rows": 10}, grpo={"train_prompts": 300})
    assert [row["id"] for row in calibration.rollout_rows(train, given)] == list(range(0, 300, 30))
    assert calibration.rollout_rows(train[:3], given) == train[:3] and calibration.rollout_rows([], given) == []
