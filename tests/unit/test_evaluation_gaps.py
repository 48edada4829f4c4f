"""Evaluation of what cannot be judged, of scorers that fail, and of thoughts that are ended by force."""

from __future__ import annotations

import pytest
from evaluating import Says, arm
from materials import params, row_of, rows

from caderno import evaluation
from caderno.errors import BadInput
from caderno.generation import Sampling
from caderno.generation.hf import HfEngine


@pytest.fixture
def no_judge_of_push(monkeypatch):
    """Every row of push is one that cannot be judged."""
    monkeypatch.setattr("caderno.tasks.push.score", lambda row, completion: None)


def test_a_sample_of_a_row_without_a_judge_has_no_score_and_says_so(small_tokenizer, no_judge_of_push):
    both = [row_of("push"), row_of("sql_qa")]
    found = evaluation.samples(Says(small_tokenizer, both[1]["gold"]), both, Sampling(), arm="a", run="r")
    one, other = found
    assert (one["score"], one["parts"], one["why"]) == (None, {}, "this row cannot be judged")
    assert other["score"] == pytest.approx(1) and evaluation.scored(found) == [other]
    told = evaluation.summary(found)
    assert (told["n"], told["unjudged"], told["mean_reward"]["n"]) == (2, 1, 1) and told["mean_tokens"] > 0


def test_what_a_scorer_raises_comes_with_its_row(small_tokenizer, monkeypatch):
    def broken(row, completion):
        raise RuntimeError("planted")

    monkeypatch.setattr("caderno.tasks.push.score", broken)
    with pytest.raises(RuntimeError, match="planted") as raised:
        evaluation.samples(Says(small_tokenizer, "x"), [row_of("push")], Sampling(), arm="a", run="r")
    assert row_of("push")["id"] in raised.value.__notes__[0]


def test_what_has_no_score_is_in_no_mean_and_is_counted():
    found = arm([1.0, None, 0.0, None, 0.5])
    told, clean = evaluation.summary(found), evaluation.summary(arm([1.0, 0.0, 0.5]))
    assert (told["n"], told["unjudged"], clean["unjudged"]) == (5, 2, 0)
    assert told["mean_reward"] == clean["mean_reward"] and told["fully_correct"] == clean["fully_correct"]
    nobody = evaluation.summary(arm([None, None]))
    assert nobody["mean_reward"] is None and nobody["fully_correct"] is None and nobody["unjudged"] == 2
    assert nobody["mean_tokens"] == 10


def test_a_pair_needs_both_scores_and_a_task_without_one_has_no_entry():
    before = [*arm([0.0, None, 0.5, 0.25]), *arm([None], task="math")]
    after = [*arm([1.0, 0.5, None, 0.5]), *arm([None], task="math")]
    found = evaluation.pairs(before, after)
    assert list(found) == ["all", "push"] and found["all"]["mean_reward"]["n"] == 2
    assert found["push"]["mean_reward"]["difference"] == pytest.approx(0.625)
    assert evaluation.pairs(arm([None]), arm([None])) == {}


def test_results_count_the_rows_without_a_judge():
    arms = {name: arm([1.0, None, 0.5], arm=name) for name in ("sft", "grpo")}
    result = evaluation.validation(arms, 0.95)
    assert result["unjudged"] == 1 and [entry["unjudged"] for entry in result["by_arm"]] == [1, 1, 1, 1]
    lines = evaluation.calibration({"training": arms["sft"], "deployment": arms["grpo"]})["by_task"]
    assert [line["unjudged"] for line in lines] == [1, 1, 1, 1]
    [entry] = evaluation.ledger([*arms["sft"], *arms["grpo"]], params())
    assert entry == {"what": "rows no scorer can judge", "requested": 0, "effective": 1}


def test_thoughts_end_at_their_tasks_budget_where_users_see_and_not_where_grpo_draws(tiny_pair):
    engine = HfEngine(*tiny_pair, context_tokens=1024)
    given = params(
        chat={"enable_thinking": True, "hard_think_budget": "task"}, validation={"temperatures": [1.0]},
        tasks={"push": {"think_budget_tokens": 5}, "sql_qa": {"think_budget_tokens": 9}},
        calibration={"samples": 1, "deployment": {"temperature": 1.0}},
    )  # fmt: skip
    both = [row for row in rows() if row["task"] in given.tasks]
    free = evaluation.calibrating(engine, both, given, "training", progress=False)
    assert [s["hard_think_budget"] for s in free] == [None] * 6 and not any(s["think_forced"] for s in free)
    for found in (
        evaluation.calibrating(engine, both, given, "deployment", progress=False),
        evaluation.at_temperatures(engine, both, given, arm="sft", progress=False),
    ):
        assert [s["hard_think_budget"] for s in found] == [9, 9, 9, 5, 5, 5]
        told = evaluation.by_task(found)
        assert sum(s["think_forced"] for s in found) >= 3, "the budgets were put to the test"
        assert all("</think>" in s["completion"] for s in found if s["think_forced"])
        for name in ("push", "sql_qa"):
            shares = [s["think_forced"] for s in told[name]]
            assert evaluation.summary(told[name])["forced_share"] == pytest.approx(sum(shares) / 3)
        assert evaluation.ledger(found, given)[1] == {
            "what": "hard_think_budget, tokens", "requested": {"push": 5, "sql_qa": 9},
            "effective": {"sql_qa": 9, "push": 5},
        }  # fmt: skip
    result = evaluation.calibration({"training": free, "deployment": found})
    assert result["hard_think_budgets"] == {"sql_qa": 9, "push": 5}
    assert [line["forced_share"] is None for line in result["by_task"]] == [True] * 3 + [False] * 3
    rollouts = given.model_copy(update={"chat": given.chat.model_copy(update={"hard_think_rollouts": True})})
    found = evaluation.calibrating(engine, both, rollouts, "training", progress=False)
    assert {s["hard_think_budget"] for s in found} == {5, 9}, "calibration's training sampling is what GRPO will do"


def test_a_budget_that_leaves_no_answer_is_refused(tiny_pair):
    given = params(chat={"enable_thinking": True, "hard_think_budget": "task"})
    with pytest.raises(BadInput, match="a thought may take 100 tokens of a completion of 96") as refused:
        evaluation.at_temperatures(HfEngine(*tiny_pair, 1024), [row_of("push")], given, arm="sft", progress=False)
    assert "think_budget_tokens" in refused.value.mend
