"""What a thought's length is worth, what is logged of every component, and what each contributed in the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import params, row_of, rows
from rewarding import TASKS, at, call, functions, words

from caderno import rewards, tasks

LENGTHS = st.integers(0, 3000)
SHARES = st.floats(0, 1)


def push(**more) -> list:
    """The reward functions of push with a budget of 10 words, think efficiency last."""
    spec = {"push": {"think_budget_tokens": 10} | more}
    return rewards.Judge(params(tasks=spec, rewards={"think_efficiency": 1.0}), rows(), words).functions()[0]


def thinking(n: int, answer: str, close: str = "</think>") -> str:
    return f"<think>{'w ' * n}{close}{answer}"


@pytest.mark.parametrize(
    ("n", "expected"), [(0, 1.0), (1, 1.0), (10, 1.0), (12, 0.8), (15, 0.5), (20, 0.0), (21, 0.0), (50, 0.0)]
)
def test_it_is_whole_within_the_budget_and_falls_to_nothing_at_twice(n, expected):
    answer = row_of("push")["gold"].split("</think>")[1]
    assert call(push()[-1], [row_of("push")], [thinking(n, answer)]) == pytest.approx([expected])


def test_a_thought_that_never_closes_earns_nothing():
    answer = row_of("push")["gold"].split("</think>")[1]
    assert call(push()[-1], [row_of("push")] * 2, [thinking(3, answer, ""), "<think>"]) == [0.0, 0.0]
    assert rewards.think_efficiency(3, 10, False, 1.0) == 0.0, "whatever the answer would be worth"


def test_a_wrong_answer_without_a_thought_earns_nothing():
    assert tasks.score(row_of("push"), "").total == 0
    assert call(push()[-1], [row_of("push")] * 3, ["", "<think></think>", thinking(5, "")]) == [0.0] * 3


@given(LENGTHS, LENGTHS, st.integers(1, 1000), SHARES)
def test_inside_the_budget_no_thought_is_paid_more_than_another(n, m, budget, total):
    n, m = min(n, budget), min(m, budget)
    assert rewards.think_efficiency(n, budget, True, total) == rewards.think_efficiency(m, budget, True, total) == total


@given(LENGTHS, LENGTHS, st.integers(1, 1000), SHARES, SHARES)
def test_more_thought_never_pays_and_a_better_answer_never_costs(n, m, budget, a, b):
    (n, m), (a, b) = sorted((n, m)), sorted((a, b))
    assert rewards.think_efficiency(n, budget, True, b) >= rewards.think_efficiency(m, budget, True, b)
    assert 0 <= rewards.think_efficiency(n, budget, True, a) <= rewards.think_efficiency(n, budget, True, b) <= b


def test_it_takes_the_tasks_own_budget_and_sees_an_opened_thought():
    function = functions(think_efficiency=1.0)[0]["think_efficiency"]
    both = [row_of("extraction"), row_of("insights")]  # 150 and 800 tokens; weights 0.5 and 1
    answers = [row["gold"].split("</think>")[1] for row in both]
    thought = "w " * 225
    closed = [f"{thought}</think>{answer}" for answer in answers]
    assert call(function, both, [f"<think>{text}" for text in closed]) == pytest.approx([0.25, 1.0])
    assert call(function, both, closed, "q <think>\n") == pytest.approx([0.25, 1.0])
    assert call(function, both, answers, "q <think>\n") == [0.0, 0.0]


def test_a_task_without_weight_is_not_paid_for_thought():
    assert call(push(weight=0.0)[-1], [row_of("push")], [row_of("push")["gold"]]) == [0.0]


@pytest.mark.parametrize("budget", [None, "task", 37])
def test_hard_budgets_are_the_tasks_own_or_one_for_all(budget):
    spec = {"push": {"think_budget_tokens": 64}, "sql_qa": {}}
    expected = {None: {}, "task": {"push": 64, "sql_qa": 400}, 37: {"push": 37, "sql_qa": 37}}[budget]
    assert rewards.hard_think_budgets(params(tasks=spec, chat={"hard_think_budget": budget})) == expected


def test_the_budgets_of_the_tasks():
    budgets = {"push": 100, "extraction": 150, "sql_qa": 400, "insights": 800}
    assert {task: rewards.think_budget_tokens(params(), task) for task in budgets} == budgets


def logged_of(training: bool, **settings) -> tuple[dict, list]:
    """What a batch of six rows logs, gold for half of them, and its reward functions' values."""
    found = [row_of("push"), row_of("sql_qa")] * 3
    completions = [row["gold"] if i < 3 else "" for i, row in enumerate(found)]
    logged: dict[str, float] = {}
    named, _ = functions(lambda: training, **settings)
    values = call(named.values(), found, completions, trainer_state=at(0), log_metric=logged.__setitem__)
    return logged, values


@pytest.mark.parametrize("settings", [{}, {"composite": True}, {"staged": True}])
def test_the_mean_of_every_component_is_logged_by_task(settings):
    logged, _ = logged_of(True, think_efficiency=0.1, **settings)
    for task, share in (("push", 2 / 3), ("sql_qa", 1 / 3)):
        for part in (*rewards.PARTS, "think_efficiency"):
            assert logged[f"parts/{task}/{part}"] == pytest.approx(share), "gold earns every component, nothing earns 0"
    assert not any(name.startswith("parts/insights") for name in logged), "no row of it in the batch"
    assert logged["unjudged_share"] == 0
    assert "parts/push/think_efficiency" not in logged_of(True)[0], "what has no weight is not measured"


def test_the_weights_in_force_are_logged_and_an_evaluation_has_none():
    staged, _ = logged_of(True, staged=True)
    plain, _ = logged_of(True)
    assert {part: staged[f"weights/{part}"] for part in rewards.PARTS} == {"format": 0.6, "partial": 0.3, "task": 0.1}
    assert {part: plain[f"weights/{part}"] for part in rewards.PARTS} == tasks.WEIGHTS
    evaluated, _ = logged_of(False, staged=True)
    assert "parts/push/task" in evaluated and not any(name.startswith("weights/") for name in evaluated)


def test_forced_thoughts_are_logged_where_rollouts_tell_of_them():
    logged: dict[str, float] = {}
    found, row = functions()[0].values(), row_of("push")
    call(found, [row] * 4, ["a"] * 4, log_metric=logged.__setitem__, think_forced=[True, False, False, False])
    assert logged["think_forced_share"] == 0.25


def lines(steps: int, **values) -> list[dict]:
    """Logged lines: a value each, or a function of the step."""
    return [
        {"step": i} | {key.replace("__", "/"): v(i) if callable(v) else v for key, v in values.items()}
        for i in range(steps)
    ]


def test_contributions_are_weight_times_mean_at_both_ends():
    logged = lines(
        40, parts__push__format=1.0, parts__push__partial=lambda i: i / 40, parts__push__task=0.0,
        parts__push__think_efficiency=0.5, weights__format=lambda i: 0.6 if i < 20 else 0.2,
        weights__partial=lambda i: 0.3 if i < 20 else 0.4, weights__task=lambda i: 0.1 if i < 20 else 0.4,
    )  # fmt: skip
    given = params(tasks=TASKS, rewards={"think_efficiency": 0.1})
    form, partial, task, think = rewards.contributions(logged, given)
    assert [(e["task"], e["component"], e["steps"]) for e in (form, partial, task, think)] == [
        ("push", name, 10) for name in ("format", "partial", "task", "think_efficiency")
    ], "tasks that no step met have no entry"
    assert (form["weight_first"], form["weight_last"]) == pytest.approx((1.2, 0.4)), "push weighs 2"
    assert (partial["mean_first"], partial["mean_last"]) == pytest.approx((4.5 / 40, 34.5 / 40))
    assert (think["weight_first"], think["contribution_last"]) == pytest.approx((0.2, 0.1))
    for entry in (form, partial, task, think):
        for end in ("first", "last"):
            assert entry[f"contribution_{end}"] == entry[f"weight_{end}"] * entry[f"mean_{end}"]


def test_contributions_of_few_steps_do_not_overlap_and_only_steps_with_the_task_count():
    weights = {f"weights__{part}": 0.5 for part in rewards.PARTS}
    logged = lines(3, parts__push__task=lambda i: float(i), **weights) + lines(5, **weights)
    [entry] = rewards.contributions(logged, params())
    assert (entry["steps"], entry["mean_first"], entry["mean_last"]) == (1, 0.0, 2.0)
    assert rewards.contributions(lines(3, **weights), params()) == []


@pytest.mark.parametrize("settings", [{}, {"staged": True}, {"composite": True, "staged": True}])
def test_contributions_of_a_task_add_up_to_its_reward(settings):
    """The sum over components of what was logged is the weighted sum of what TRL was given."""
    logged, values = logged_of(True, think_efficiency=0.1, **settings)
    _, weights = functions(think_efficiency=0.1, **settings)
    entries = rewards.contributions([logged], params(tasks=TASKS, rewards={"think_efficiency": 0.1, **settings}))
    for task, places in (("push", (0, 2, 4)), ("sql_qa", (1, 3, 5))):
        reward = [sum(w * v[i] for w, v in zip(weights, values, strict=True) if v[i] is not None) for i in places]
        told = sum(entry["contribution_last"] for entry in entries if entry["task"] == task)
        assert told == pytest.approx(sum(reward) / 3) and told > 0
