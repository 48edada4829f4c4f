"""Rewards: each function judges its own task's rows, in stages or by the total, and no failure becomes a zero.

What components contributed and what a thought's length is worth are in test_rewards_parts.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from materials import params, row_of, rows
from rewarding import TASKS, at, call, functions, words

from caderno import rewards, tasks
from caderno.errors import BadInput
from caderno.params import load

BASE = Path(__file__).parents[2] / "params" / "base.yaml"


def half_right() -> tuple[dict, str, tasks.Score]:
    """An extraction row and a well-formed answer with one wrong field: format 1, partial between 0 and 1, task 0."""
    row = row_of("extraction")
    fields = json.loads(row["gold"].split("</think>")[1])
    completion = json.dumps(fields | {"nota": fields["nota"] % 5 + 1})
    score = tasks.score(row, completion)
    assert score.parts["format"] == 1 and 0 < score.parts["partial"] < 1 and score.parts["task"] == 0
    return row, completion, score


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
    weights = rewards.stage_weights(params(rewards={"staged": True}).rewards, progress)
    assert set(weights) == set(rewards.PARTS) and sum(weights.values()) == pytest.approx(1.0)


def test_a_declared_schedule_is_what_holds():
    stages = [
        {"until": 0.1, "format": 1, "partial": 0, "task": 0},
        {"until": 1.0, "format": 0, "partial": 0.25, "task": 0.75},
    ]
    declared = params(rewards={"staged": True, "stages": stages}).rewards
    found = [rewards.stage_weights(declared, share) for share in (0.0, 0.09, 0.1, 0.5, 1.0)]
    first, last = ({part: stage[part] for part in rewards.PARTS} for stage in stages)
    assert found == [first, first, last, last, last]
    plain = params(rewards={"stages": stages}).rewards
    assert rewards.stage_weights(plain, 0.0) == tasks.WEIGHTS, "without staged the schedule is not used"


def stage(until: float, *weights: float) -> str:
    return f"{{until: {until}, " + ", ".join(f"{p}: {w}" for p, w in zip(rewards.PARTS, weights, strict=True)) + "}"


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([stage(0.5, 0.6, 0.3, 0.1)], "rewards.stages end at 0.5"),
        ([stage(0.5, 0.6, 0.3, 0.1), stage(0.5, 0.2, 0.4, 0.4)], "end at 0.5, 0.5"),
        ([stage(0.8, 0.6, 0.3, 0.1), stage(0.2, 0.6, 0.3, 0.1), stage(1, 0.2, 0.4, 0.4)], "end at 0.8, 0.2, 1"),
        ([stage(1, 0.6, 0.3, 0.3)], "weights of reward stage 1 sum to 1.2"),
        ([stage(0.5, 0.6, 0.3, 0.1), stage(1, 0.1, 0.1, 0.1)], "weights of reward stage 2 sum to 0.3"),
        ([], "at least 1 of them"),
        ([stage(1, 1.5, -0.5, 0)], "at most 1"),
        ([stage(0, 0.6, 0.3, 0.1), stage(1, 0.2, 0.4, 0.4)], "a number above 0"),
    ],
    ids=["no end", "twice the same", "going back", "above 1", "below 1", "none", "weight above 1", "until 0"],
)
def test_a_schedule_with_a_hole_or_wrong_weights_is_refused(stages, said):
    with pytest.raises(BadInput, match=r"rewards\.stages|reward stage") as refused:
        load(BASE, ["name=x", f"rewards.stages=[{', '.join(stages)}]"])
    assert said in str(refused.value)


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


@pytest.mark.parametrize("settings", [{}, {"composite": True}, {"staged": True}])
def test_a_row_that_cannot_be_judged_has_no_reward_and_is_counted(monkeypatch, settings):
    monkeypatch.setattr("caderno.tasks.push.score", lambda row, completion: None)
    judge = rewards.Judge(params(tasks=TASKS, rewards=settings | {"think_efficiency": 0.1}), rows(), words)
    logged, gold = {}, [row["gold"] for row in rows()]
    batch = call(judge.functions()[0], rows(), gold, trainer_state=at(80), log_metric=logged.__setitem__)
    push = [row["task"] == "push" for row in rows()]
    assert [all(found[i] is None for found in batch) for i in range(len(push))] == push
    assert judge.unjudged == {row["id"] for row in rows() if row["task"] == "push"}
    assert logged["unjudged_share"] == pytest.approx(sum(push) / len(push)) and "parts/push/task" not in logged
    call(judge.functions()[0], rows(), gold, trainer_state=at(81))
    assert len(judge.unjudged) == sum(push), "rows, not completions"


def test_a_batch_is_scored_once_for_all_functions(monkeypatch):
    scored = []
    one = tasks.push.score

    def counting(row, completion):
        scored.append(completion)
        return one(row, completion)

    monkeypatch.setattr("caderno.tasks.push.score", counting)
    found, row = functions(think_efficiency=0.1)[0].values(), row_of("push")
    first = call(found, [row], [row["gold"]])
    assert scored == [row["gold"]] and len(first) == 5
    again = call(found, [row], [""])
    assert scored == [row["gold"], ""], "another batch is another batch"
    assert again != first


def test_insights_names_an_invented_figure_beside_a_missing_action():
    row = row_of("insights")
    answer = "destaque: 987654. atenção: nada. recomendação: nada."
    why = rewards.judged(row, answer).why
    assert "figura 987654 não está na tabela" in why and "nenhuma ação concreta" in why
