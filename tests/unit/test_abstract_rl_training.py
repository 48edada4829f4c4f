"""RL on abstract traces as a training: what is rewarded grows, resuming changes nothing, nothing is left unsaid."""

from __future__ import annotations

import math

import pytest
import rl_runs
import torch

from caderno.abstract import rl
from caderno.errors import BadInput
from caderno.params.training_sections import GrpoParams


@pytest.fixture(autouse=True)
def _reward_of_a_random_model(monkeypatch):
    monkeypatch.setattr("caderno.tasks.arithmetic.score", rl_runs.early_letters)
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.fixture
def made(tmp_path):
    return rl_runs.maker(tmp_path)


def first_code(codes, **_) -> list[float]:
    """A reward for the trace itself: the share of its codes that are the first of the vocabulary."""
    first = rl_runs.policy()[1].code_ids[0]
    return [codes_of.count(first) / len(codes_of) for codes_of in codes]


@pytest.mark.parametrize("rewarded", ["answer", "codes"])
def test_what_is_rewarded_becomes_likelier(made, rewarded):
    _, _, grpo = made({"max_steps": 20, "learning_rate": 1e-2, "prompts_per_step": 8, "group_size": 8})
    if rewarded == "codes":
        grpo.reward_funcs = [first_code]
    found = rl.train(grpo)
    lines = [line["reward"] for line in grpo.state.log_history if "reward" in line]
    assert sum(lines[-5:]) / 5 > sum(lines[:5]) / 5 + 0.2
    assert found["steps"] == 20 and found["prompts"] == 12


@pytest.mark.parametrize("adapters", [False, True])
def test_a_resumed_run_is_the_unbroken_one(made, adapters):
    """Over more than one pass of the rows, whose order TRL would begin anew; with adapters, those that were trained."""
    spec = {"max_steps": 5, "kl_coef": 0.05, "save_steps": 2, "learning_rate": 1e-2, "gradient_accumulation_steps": 2}
    whole, _, straight = made(spec, adapters=adapters, directory="straight")
    told = rl.train(straight)
    _, _, broken = made(spec, adapters=adapters, directory="broken", callbacks=[stop_at(3)])
    rl.train(broken)
    assert broken.state.global_step == 3
    resumed, _, again = made(spec, adapters=adapters, directory="broken")
    result = rl.train(again)
    assert result["steps"] == 5 and again.state.log_history[3]["step"] == 4
    for one, other in zip(straight.state.log_history, again.state.log_history, strict=True):
        assert compared(one) == compared(other)
    assert all(torch.equal(one, rl_runs.weights(resumed)[name]) for name, one in rl_runs.weights(whole).items())
    assert {**told, "seconds": 0} == {**result, "seconds": 0}


def compared(line: dict) -> dict:
    """A logged line without what the clock says, and without what Trainer counts anew in each attempt."""
    return {key: value for key, value in line.items() if key != "step_time" and not key.startswith("train_")}


def stop_at(step: int):
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            control.should_save = control.should_training_stop = state.global_step >= step

    return Stop()


def test_another_run_or_seed_is_another_training(made):
    """Planted: what the test above compares does differ where anything does."""
    lines = []
    for number, more in enumerate(({"run": "one"}, {"run": "other"}, {"run": "one", "seed": 1})):
        _, _, grpo = made({"max_steps": 1}, directory=str(number), **more)
        rl.train(grpo)
        lines.append(compared(grpo.state.log_history[0]))
    assert lines[0] != lines[1] and lines[0] != lines[2]


def test_prompts_come_pass_after_pass_each_in_an_order_of_its_own():
    spec = GrpoParams(max_steps=5, prompts_per_step=3, updates_per_rollout=2)
    drawn = rl.dataset(list("abcd"), spec, 0)["row_id"]
    assert len(drawn) == 9, "three rollouts of three prompts"
    assert sorted(drawn[:4]) == sorted(drawn[4:8]) == list("abcd") and drawn[:4] != drawn[4:8]
    assert rl.dataset(list("abcd"), spec, 0)["row_id"][:] == drawn[:] != rl.dataset(list("abcd"), spec, 1)["row_id"][:]


def test_a_finished_run_is_not_trained_again(made):
    _, _, grpo = made()
    first = rl.train(grpo)
    given, _, again = made()
    result = rl.train(again)
    assert result["steps"] == 2 and {**result, "seconds": 0} == {**first, "seconds": 0}
    assert all(torch.equal(*pair) for pair in zip(given.model.parameters(), grpo.model.parameters(), strict=True))


@pytest.mark.parametrize(("updates", "clipped"), [(1, False), (2, True)])
def test_with_one_update_per_rollout_the_clip_ratio_says_nothing(made, updates, clipped):
    _, _, grpo = made({"updates_per_rollout": updates, "max_steps": 4, "learning_rate": 3e-2})
    rl.train(grpo)
    ratios = [line["clip_ratio/region_mean"] for line in grpo.state.log_history if "loss" in line]
    assert (max(ratios) > 0) == clipped


def test_groups_whose_rewards_are_equal_teach_nothing(made, monkeypatch):
    monkeypatch.setattr("caderno.tasks.arithmetic.score", lambda row, text: rl_runs.scored(1, 1, 1, []))
    given, _, grpo = made({"learning_rate": 1e-2})
    before = rl_runs.weights(given)
    result = rl.train(grpo)
    assert result["frac_reward_zero_std"]["last"] == 1 and result["reward"]["last"] == 1
    assert all(torch.equal(one, rl_runs.weights(given)[name]) for name, one in before.items())


def test_rows_that_cannot_be_judged_have_no_reward_and_are_counted(made, monkeypatch):
    monkeypatch.setattr("caderno.tasks.arithmetic.score", lambda row, text: None)
    _, _, grpo = made()
    result = rl.train(grpo)
    assert result["reward"] == {"first": None, "last": None} and result["unjudged"] == 8
    assert all(math.isfinite(line["loss"]) for line in grpo.state.log_history if "loss" in line)


def test_metrics_tell_the_segments_apart(made):
    lines = []
    _, abstract, grpo = made(report=lambda step, values: lines.append((step, values)))
    rollout = grpo.rollout_func(["r0"] * 4 + ["r1"] * 4, grpo)
    traces, forced = rollout["codes"], rollout["forced_end"]
    assert len({tuple(trace) for trace in traces[:4]}) > 1, "a group differs"
    assert grpo.rollout_func(["r0"] * 4 + ["r1"] * 4, grpo) == rollout, "the step and the place make the noise"
    assert all(set(trace) <= set(abstract.code_ids) and 1 <= len(trace) <= 3 for trace in traces)
    assert forced == [len(trace) == 3 for trace in traces] and {True, False} == set(forced)
    for ids, trace, mask in zip(rollout["completion_ids"], traces, rollout["env_mask"], strict=True):
        assert ids[len(trace)] == abstract.end_id and len(ids) - len(trace) - 1 <= rl_runs.ANSWER_TOKENS
        assert [place for place, counts in enumerate(mask) if not counts] == ([3] if len(trace) == 3 else [])
    rl.train(grpo)
    step, values = lines[0]
    assert step == 1 and 1 <= values["z/mean_length"] <= 3 and 0 < values["z/unique_share"] <= 1
    assert 0 < values["z/entropy"] <= math.log(5) < values["y/entropy"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"top_p": 0.9}, "top_p = 0.9"),
        ({"use_vllm": True}, "use_vllm = True"),
        ({"zero_advantage_noise": 0.005}, "zero_advantage_noise = 0.005"),
        ({"eval_steps": 5}, "eval_steps = 5"),
        ({"updates_per_rollout": 2, "save_steps": 5}, "save_steps = 5"),
        ({"prompts_per_step": 13}, "12 of 12 prompts have"),
        ({"train_prompts": 3}, "3 of 3 prompts have"),
    ],
)
def test_what_it_cannot_do_as_asked_is_refused(made, spec, said):
    with pytest.raises(BadInput, match=said):
        made(spec)


def test_prompts_that_do_not_fit_are_left_out_and_named(made, capsys):
    tokenizer = rl_runs.policy()[0].tokenizer
    given = [(row_id, ids * 9 if row_id == "r3" else ids) for row_id, ids in rl_runs.prompts(tokenizer)]
    _, _, grpo = made(prompts=given)
    [told] = [line for line in grpo.ledger if line["what"] == "RL prompts"]
    assert told == {"what": "RL prompts", "requested": 12, "effective": 11, "left_out": ["r3"]}
    assert "r3" in capsys.readouterr().out and "r3" not in grpo.train_dataset["row_id"]
