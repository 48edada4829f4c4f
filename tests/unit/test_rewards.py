"""Rewards: each function judges its own task's rows, in stages or by the total, and no failure becomes a zero."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from materials import params, row_of, rows

from caderno import rewards, tasks

TASKS = {"push": {"weight": 2.0}, "extraction": {"weight": 0.5}, "sql_qa": {}, "insights": {}}


def words(text: str) -> int:
    """Stands for a tokenizer: one token a word."""
    return len(text.split())


def call(function, found: list[dict], completions: list[str], prompt: str = "p", **more) -> list:
    ids = [row["id"] for row in found]
    return function([prompt] * len(found), completions, row_id=ids, completion_ids=None, **more)


def functions(training=lambda: True, **settings) -> tuple[dict, list[float]]:
    given = params(tasks=TASKS, rewards=settings)
    found, weights = rewards.functions(given, rows(), words, training)
    return {function.__name__: function for function in found}, weights


def half_right() -> tuple[dict, str, tasks.Score]:
    """An extraction row and a well-formed answer with one wrong field: format 1, partial between 0 and 1, task 0."""
    row = row_of("extraction")
    fields = json.loads(row["gold"].split("</think>")[1])
    completion = json.dumps(fields | {"nota": fields["nota"] % 5 + 1})
    score = tasks.score(row, completion)
    assert score.parts["format"] == 1 and 0 < score.parts["partial"] < 1 and score.parts["task"] == 0
    return row, completion, score


def at(step: int, of: int = 90) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=of)


def test_a_function_judges_its_own_task_and_leaves_the_rest_none():
    named, weights = functions()
    assert list(named) == list(TASKS) and weights == [2.0, 0.5, 1.0, 1.0]
    for name, function in named.items():
        found = call(function, rows(), [row["gold"] for row in rows()])
        assert [value is None for value in found] == [row["task"] != name for row in rows()]
        assert [value for value in found if value is not None] == pytest.approx([1.0] * 3)
        assert call(function, rows(), [""] * len(rows())).count(0.0) == 3


def test_staged_weights_follow_the_trainers_progress():
    row, completion, score = half_right()
    function = functions(staged=True)[0]["extraction"]
    partial = score.parts["partial"]
    expected = {0: 0.6 + 0.3 * partial, 29: 0.6 + 0.3 * partial, 30: 0.2 + 0.5 * partial, 59: 0.2 + 0.5 * partial}
    expected |= {60: score.total, 89: score.total}
    found = {step: call(function, [row], [completion], trainer_state=at(step))[0] for step in expected}
    assert found == pytest.approx(expected)
    assert call(function, [row_of("push")], ["x"], trainer_state=at(0)) == [None]


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.34, 0.66, 0.67, 1.0])
def test_weights_of_every_stage_sum_to_one_over_all_parts(progress):
    weights = rewards.stage_weights(progress)
    assert set(weights) == set(rewards.PARTS) and sum(weights.values()) == pytest.approx(1.0)


def test_an_evaluation_is_judged_by_the_total_whatever_the_stage():
    row, completion, score = half_right()
    training = True
    function = functions(training=lambda: training, staged=True)[0]["extraction"]
    assert call(function, [row], [completion], trainer_state=at(0)) != [score.total]
    training = False
    assert call(function, [row], [completion], trainer_state=at(0)) == [score.total]
    assert call(function, [row], [completion]) == [score.total], "an evaluation before training has no state"


def test_composite_is_one_function_for_every_row():
    named, weights = functions(composite=True)
    assert list(named) == ["composite"] and weights == [1.0]
    completions = [row["gold"] if place % 2 else "" for place, row in enumerate(rows())]
    worth = [TASKS[row["task"]].get("weight", 1.0) for row in rows()]
    expected = [w * tasks.score(r, c).total for w, r, c in zip(worth, rows(), completions, strict=True)]
    assert call(named["composite"], rows(), completions) == expected and 0.0 in expected


@pytest.mark.parametrize("composite", [False, True])
def test_think_efficiency_comes_last_with_its_weight(composite):
    named, weights = functions(composite=composite, think_efficiency=0.1)
    assert list(named)[-1] == "think_efficiency" and weights[-1] == 0.1 and len(weights) == len(named)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        (f"<think>{'w ' * 10}</think> ok", 1.0),
        (f"<think>{'w ' * 15}</think> ok", 0.5),
        (f"<think>{'w ' * 20}</think> ok", 0.0),
        (f"<think>{'w ' * 50}</think> ok", 0.0),
        ("<think>w", 0.0),
        ("no thought", 1.0),
    ],
    ids=["at the budget", "half over", "twice", "five times", "never closed", "none"],
)
def test_think_efficiency_is_whole_within_the_budget_and_gone_at_twice(completion, expected):
    given = params(tasks={"push": {"think_budget_tokens": 10}}, rewards={"think_efficiency": 1.0})
    function = rewards.functions(given, rows(), words)[0][-1]
    assert call(function, [row_of("push")], [completion]) == pytest.approx([expected])


def test_think_efficiency_takes_the_tasks_own_budget_and_sees_an_opened_thought():
    function = functions(think_efficiency=1.0)[0]["think_efficiency"]
    thought = "w " * 150  # push allows 100, insights 800
    both = [row_of("push"), row_of("insights")]
    assert call(function, both, [f"<think>{thought}</think> ok"] * 2) == pytest.approx([0.5, 1.0])
    assert call(function, both, [f"{thought}</think> ok"] * 2, "q <think>\n") == pytest.approx([0.5, 1.0])
    assert call(function, both, ["ok"] * 2, "q <think>\n") == [0.0, 0.0]


@pytest.mark.parametrize("name", list(TASKS))
def test_a_prompt_that_opens_a_thought_needs_a_completion_that_closes_it(name):
    row, function = row_of(name), functions()[0][name]
    answer = row["gold"].split("</think>")[1].strip()
    opened = "<|im_start|>assistant\n<think>\n"
    assert call(function, [row], [answer]) == pytest.approx([1.0])
    assert call(function, [row], [answer], opened) == [0.0], "all of it is thought"
    assert call(function, [row], [f"hum\n</think>\n\n{answer}"], opened) == pytest.approx([1.0])
    assert call(function, [row], [answer], "<think>\n\n</think>\n\n") == pytest.approx([1.0])


@pytest.mark.parametrize("settings", [{}, {"composite": True}])
def test_what_a_score_raises_is_raised_with_the_row(monkeypatch, settings):
    def broken(row, completion):
        return 1 / 0

    monkeypatch.setattr("caderno.tasks.push.score", broken)
    function = next(iter(functions(**settings)[0].values()))
    with pytest.raises(ZeroDivisionError) as raised:
        call(function, [row_of("push")], ["abc" * 100])
    [note] = raised.value.__notes__
    assert row_of("push")["id"] in note and "abcabc" in note and len(note) < 300


def test_insights_names_an_invented_figure_beside_a_missing_action():
    row = row_of("insights")
    answer = "destaque: 987654. atenção: nada. recomendação: nada."
    why = rewards.judged(row, answer).why
    assert "figura 987654 não está na tabela" in why and "nenhuma ação concreta" in why
