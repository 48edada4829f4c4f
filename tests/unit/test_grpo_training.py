"""GRPO through TRL on the tiny model: what a reward raises stops it, what has no judge is counted, budgets hold."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from materials import FakeStage, params, rows

from caderno import models, rewards
from caderno.errors import BadInput
from caderno.generation import budgets
from caderno.params import load
from caderno.params.sections import ModelParams
from caderno.training import grpo, rollouts

SPEC = {"max_steps": 2, "prompts_per_step": 4, "group_size": 2, "max_completion_length": 12, "learning_rate": 1e-3}


BASE = Path(__file__).parents[2] / "params" / "base.yaml"


def drawn_from(*names: str) -> list[dict]:
    return [row for row in rows() if row["task"] in names]


def staged(directory, model_dir, grpo_spec: dict | None = None, **sections) -> FakeStage:
    given = {
        "model": {"name": str(model_dir), "max_length": 512}, "tracking": {"mode": "disabled"},
        "chat": {"enable_thinking": True}, "tasks": {"push": {"weight": 2.0}, "sql_qa": {}}, "stages": ["grpo"],
        "rewards": {"staged": True, "think_efficiency": 0.1}, "grpo": SPEC | (grpo_spec or {}),
    }  # fmt: skip
    return FakeStage(directory, params(**(given | sections)), watched=False)


def trainer_of(stage: FakeStage, model_dir):
    policy = models.load(ModelParams(name=str(model_dir)), for_training=True)
    found = drawn_from("push", "sql_qa")
    return grpo.trainer(policy, found, found, stage)


@pytest.fixture
def trained(tmp_path, tiny_model_dir):
    """A function that trains with these parameters: (stage, trainer, result)."""

    def train(grpo_spec: dict | None = None, **sections):
        stage = staged(tmp_path, tiny_model_dir, grpo_spec, **sections)
        trainer = trainer_of(stage, tiny_model_dir)
        return stage, trainer, grpo.train(trainer, stage)

    return train


def test_what_a_reward_raises_stops_the_training_with_its_row(tmp_path, tiny_model_dir, monkeypatch):
    def broken(row, completion):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("caderno.tasks.push.score", broken)
    stage = staged(tmp_path, tiny_model_dir)
    trainer = trainer_of(stage, tiny_model_dir)
    with pytest.raises(ZeroDivisionError, match="planted") as raised:
        grpo.train(trainer, stage)
    assert any(row["id"] in note for row in drawn_from("push") for note in raised.value.__notes__)
    assert trainer.state.global_step == 0 and stage.lines == [], "no step was taken, no reward of 0 was logged"


def test_metrics_hold_weights_and_components_and_the_result_what_each_contributed(trained):
    stage, _, result = trained({"eval_steps": 1, "eval_rows": 4})
    steps = [line for line in stage.lines if "reward" in line]
    assert [line["step"] for line in steps] == [1, 2]
    assert [line["weights/format"] for line in steps] == pytest.approx([0.6, 0.2])
    assert [line["weights/task"] for line in steps] == pytest.approx([0.1, 0.3])
    for line in steps:
        met = [name for name in ("push", "sql_qa") if f"parts/{name}/format" in line]
        assert met and all(f"parts/{m}/{part}" in line for m in met for part in (*rewards.PARTS, "think_efficiency"))
        assert line["unjudged_share"] == 0
    evaluated = next(line for line in stage.lines if "eval_reward" in line)
    assert "eval_parts/push/format" in evaluated and "eval_weights/format" not in evaluated
    assert {entry["component"] for entry in result["contributions"]} == {*rewards.PARTS, "think_efficiency"}
    assert {"what": "rows no reward can judge", "requested": 0, "effective": 0} in stage.ledgers


def test_rows_without_a_judge_are_counted_and_the_others_train_on(trained, monkeypatch):
    monkeypatch.setattr("caderno.tasks.push.score", lambda row, completion: None)
    stage, trainer, result = trained()
    lines = [line for line in stage.lines if "loss" in line]
    assert max(line["unjudged_share"] for line in lines) >= 0.5
    assert all(math.isfinite(line["loss"]) for line in lines) and result["steps"] == 2
    drawn = trainer.judge.unjudged
    assert drawn and drawn <= {row["id"] for row in drawn_from("push")}
    assert {"what": "rows no reward can judge", "requested": 0, "effective": len(drawn)} in stage.ledgers
    assert {entry["task"] for entry in result["contributions"]} <= {"sql_qa"}


def test_a_training_that_nothing_can_judge_ends_with_no_reward_rather_than_with_0(trained, monkeypatch):
    for task in ("push", "sql_qa"):
        monkeypatch.setattr(f"caderno.tasks.{task}.score", lambda row, completion: None)
    stage, _, result = trained()
    assert result["reward"] == {"first": None, "last": None} and result["contributions"] == []
    assert {line["unjudged_share"] for line in stage.lines if "loss" in line} == {1.0}
    assert not any("reward" in line for line in stage.lines)


LIMITED = {
    "chat": {"enable_thinking": True, "hard_think_budget": "task", "hard_think_rollouts": True},
    "tasks": {"push": {"think_budget_tokens": 3}, "sql_qa": {"think_budget_tokens": 6}},
}


def test_rollouts_end_thoughts_at_their_tasks_budget_and_the_forced_token_is_out_of_the_loss(trained, monkeypatch):
    from trl import GRPOTrainer

    batches, compute = [], GRPOTrainer._compute_loss

    def noting(self, model, inputs):
        batches.append({key: value for key, value in inputs.items() if torch.is_tensor(value)})
        return compute(self, model, inputs)

    monkeypatch.setattr(GRPOTrainer, "_compute_loss", noting)
    with pytest.warns(UserWarning, match="rollout_func"):
        stage, trainer, result = trained({"group_size": 4}, **LIMITED)
    _, close = budgets.tag_ids(trainer.processing_class)
    places = []
    for batch in batches:
        for ids, mask in zip(batch["completion_ids"].tolist(), batch["tool_mask"].tolist(), strict=True):
            masked = [place for place, kept in enumerate(mask) if not kept]
            assert all(ids[place] == close for place in masked), "nothing else is masked"
            places += masked[:1]
    assert {2, 5} <= set(places), "one token of each budget is the prompt's line end"
    assert result["steps"] == 2 and max(line.get("think_forced_share", 0) for line in stage.lines) > 0.3
    [told] = [entry for entry in stage.ledgers if entry["what"] == "hard_think_budget, tokens"]
    assert told["requested"] == told["effective"] == {"push": 3, "sql_qa": 6}


def test_without_a_budget_trl_draws_for_itself(tmp_path, tiny_model_dir):
    assert trainer_of(staged(tmp_path, tiny_model_dir), tiny_model_dir).rollout_func is None


def test_a_rollout_draws_as_the_trainer_is_set_and_never_the_same_twice(tmp_path, tiny_model_dir):
    stage = staged(tmp_path, tiny_model_dir, **LIMITED)
    policy = models.load(ModelParams(name=str(tiny_model_dir)))
    found = drawn_from("push", "sql_qa")
    sets = [grpo.dataset(found, policy, stage)]
    rollout = rollouts.limited(policy, stage, found, sets)
    config = SimpleNamespace(temperature=1.0, do_sample=True, top_p=1.0, top_k=0, max_new_tokens=12)
    at = SimpleNamespace(
        generation_config=config, state=SimpleNamespace(global_step=3), accelerator=SimpleNamespace(process_index=0)
    )
    group = [sets[0][0]["prompt"]] * 4
    first, again = rollout(group, at), rollout(group, at)
    assert len({tuple(ids) for ids in first["completion_ids"]}) == 4, "a group has four different completions"
    assert first["completion_ids"] != again["completion_ids"]
    assert [len(mask) for mask in first["env_mask"]] == [len(ids) for ids in first["completion_ids"]]
    assert first["prompt_ids"] == policy.tokenizer(group)["input_ids"] and first["logprobs"] is None
    config.do_sample, config.max_new_tokens = False, 7
    greedy = rollout(group, at)["completion_ids"]
    assert len({tuple(ids) for ids in greedy}) == 1 and len(greedy[0]) <= 7, "an evaluation's own temperature"


def test_a_budget_that_leaves_no_answer_is_refused_before_the_first_step(tmp_path, tiny_model_dir):
    stage = staged(tmp_path, tiny_model_dir, chat=LIMITED["chat"])
    with pytest.raises(BadInput, match="a thought may take 400 tokens of a completion of 12"):
        trainer_of(stage, tiny_model_dir)


def test_a_budget_for_what_users_see_alone_may_exceed_the_rollouts_ceiling():
    assert load(BASE, ["name=x", "chat.hard_think_budget=40", "grpo.max_completion_length=32"]).chat.hard_think_budget


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["chat.hard_think_rollouts=true"], "chat.hard_think_rollouts without chat.hard_think_budget"),
        (
            ["chat.hard_think_rollouts=true", "chat.hard_think_budget=task", "grpo.use_vllm=true"],
            "chat.hard_think_rollouts with grpo.use_vllm",
        ),
        (["chat.hard_think_budget=0"], "chat.hard_think_budget is 0"),
        (["chat.hard_think_budget=taks"], "chat.hard_think_budget is 'taks'"),
        (["chat.hard_think_budget=96"], "chat.hard_think_budget is 96, by force; expected less than calibration"),
        (
            ["chat.hard_think_budget=task", "tasks.push.think_budget_tokens=50", "validation.max_new_tokens=48"],
            "tasks.push.think_budget_tokens is 50, by force; expected less than validation.max_new_tokens (48)",
        ),
        (
            ["chat.hard_think_budget=40", "chat.hard_think_rollouts=true", "grpo.max_completion_length=32"],
            "chat.hard_think_budget is 40, by force; expected less than grpo.max_completion_length (32)",
        ),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused_with_the_parameters(overrides, said):
    with pytest.raises(BadInput) as refused:
        load(BASE, ["name=x", *overrides])
    assert said in str(refused.value)
