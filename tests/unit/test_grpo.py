"""GRPO's helpers: prompts with room, batches that add up, its own evaluation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from materials import FakeStage, params, rows

from caderno import chat, models, trl_arguments
from caderno.errors import BadInput
from caderno.training import grpo

EARLY = {"eval_steps": 5, "save_steps": 5, "eval_rows": 64}


def stage(directory, **spec) -> FakeStage:
    return FakeStage(directory, params(grpo=spec, tracking={"mode": "disabled"}))


@pytest.fixture
def prompts(small_tokenizer, tmp_path):
    """Row id -> tokens of its prompt, and what makes a dataset with so much room: (lengths, dataset, stage)."""
    policy = models.Policy(None, small_tokenizer)
    lengths = {
        row["id"]: len(chat.encode(small_tokenizer, chat.render(small_tokenizer, row["prompt"]))) for row in rows()
    }
    told = FakeStage(tmp_path, params(grpo={"prompts_per_step": 4, "group_size": 2}))

    def dataset(room: int, found=None):
        told.params = params(
            model={"name": "tiny", "max_length": 96 + room}, grpo={"prompts_per_step": 4, "group_size": 2}
        )
        return grpo.dataset(list(rows()) if found is None else found, policy, told)

    return lengths, dataset, told


def test_the_dataset_has_the_prompts_rendered_once(prompts, small_tokenizer):
    lengths, dataset, told = prompts
    found = dataset(max(lengths.values()))
    assert found["row_id"] == [row["id"] for row in rows()]
    assert found[0]["prompt"] == chat.render(small_tokenizer, rows()[0]["prompt"])
    assert told.ledgers == [{"what": "prompts of split train", "requested": 12, "effective": 12}]


def test_prompts_that_leave_no_room_are_left_out_by_name_and_never_cut(prompts, capsys):
    lengths, dataset, told = prompts
    room = max(lengths.values()) - 1
    long = [name for name, tokens in lengths.items() if tokens > room]
    found = dataset(room)
    assert found["row_id"] == [row["id"] for row in rows() if row["id"] not in long] and long
    assert told.ledgers == [
        {"what": "prompts of split train", "requested": 12, "effective": 12 - len(long), "left_out": long}
    ]
    said = capsys.readouterr().out
    assert f"{len(long)} of 12 prompts have over {room} tokens and are left out" in said and long[0] in said


def test_too_few_prompts_for_one_step_are_refused(prompts):
    lengths, dataset, _ = prompts
    three = sorted(lengths.values())[2]  # room for three prompts of the shortest; a step wants four
    fitting = [row for row in rows() if lengths[row["id"]] <= three][:3]
    others = [row for row in rows() if lengths[row["id"]] > three]
    with pytest.raises(BadInput, match=r"which leaves 3; expected at least 4"):
        dataset(three, fitting + others)
    heldout = [row | {"split": "heldout"} for row in fitting + others]
    assert len(dataset(three, heldout)) == 3, "an evaluation has no step to fill"
    with pytest.raises(BadInput, match="which leaves 0"):
        dataset(1, heldout)


@pytest.mark.parametrize(("accumulation", "processes", "expected"), [(1, 1, 48), (4, 1, 12), (2, 3, 8)])
def test_batches_add_up_to_the_step(tmp_path, accumulation, processes, expected):
    spec = {"prompts_per_step": 6, "group_size": 8, "gradient_accumulation_steps": accumulation}
    chosen = params(grpo=spec, processes=processes, sft={"batch_size": 12})
    found = trl_arguments.grpo_batch(chosen)
    assert found["per_device_train_batch_size"] == expected and found["num_generations"] == 8
    assert expected * accumulation * processes == 6 * 8 and found["gradient_accumulation_steps"] == accumulation


def test_first_and_last_are_means_of_ten_lines_that_have_the_key():
    logged = [{"reward": float(i)} for i in range(30)] + [{"other": 1.0}]
    assert grpo._ends(logged, "reward") == {"first": 4.5, "last": 24.5}
    assert grpo._ends(logged[:4], "reward") == {"first": 1.5, "last": 1.5}
    assert grpo._ends([{"reward": None}, *logged[:4]], "reward") == {"first": 1.5, "last": 1.5}, (
        "a step without a judge"
    )
    assert grpo._ends(logged, "entropy") == {"first": None, "last": None}


def test_noise_on_equal_rewards_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"zero_advantage_noise = 0\.1"):
        grpo.trainer(None, [], [], stage(tmp_path, zero_advantage_noise=0.1))


def test_the_config_is_the_parameters(tmp_path):
    spec = {
        "temperature": 0.9,
        "top_p": 0.95,
        "warmup_share": 0.1,
        "max_steps": 40,
        "kl_coef": 0.02,
        "epsilon_high": 0.28,
    }
    found = grpo._config(stage(tmp_path, **spec), [1.0, 2.0])
    assert (found.temperature, found.top_p, found.beta, found.epsilon_high) == (0.9, 0.95, 0.02, 0.28)
    assert found.get_warmup_steps(40) == 4 and found.reward_weights == [1.0, 2.0]
    assert found.eval_strategy == "no" and not found.load_best_model_at_end and not found.logging_nan_inf_filter
    assert found.save_steps == 20
    watched = grpo._config(
        stage(tmp_path, early_stop={"patience": 3, "delta": 0.1}, **EARLY | {"save_steps": 10}), [1.0]
    )
    assert watched.load_best_model_at_end and watched.metric_for_best_model == "eval_reward"
    assert watched.eval_steps == watched.save_steps == 5 and watched.num_generations_eval == 1


def evaluated(monkeypatch, use_vllm: bool, temperature: float, error: Exception | None = None):
    """A trainer whose evaluation, in place of TRL's, notes the settings it sees: (trainer, settings, what is seen)."""
    from trl import GRPOTrainer

    trainer = object.__new__(grpo._trainer_class())
    trainer.use_vllm, trainer.eval_temperature, trainer.eval_max_tokens = use_vllm, temperature, 7
    settings = SimpleNamespace(temperature=0.9, do_sample=True, max_new_tokens=96, max_completion_length=96)
    trainer.generation_config = trainer.vllm_generation = settings
    seen = []

    def evaluate(self, *args, **kwargs):
        seen.append(dict(vars(settings)))
        if error:
            raise error
        return {"eval_reward": 0.5}

    monkeypatch.setattr(GRPOTrainer, "evaluate", evaluate, raising=False)
    return trainer, settings, seen


@pytest.mark.parametrize("error", [None, RuntimeError("out of memory")], ids=["passes", "raises"])
@pytest.mark.parametrize(
    ("use_vllm", "temperature", "expected"),
    [
        (False, 0.5, {"temperature": 0.5, "do_sample": True, "max_new_tokens": 7}),
        (False, 0.0, {"do_sample": False, "max_new_tokens": 7}),
        (True, 0.5, {"temperature": 0.5, "max_completion_length": 7}),
        (True, 0.0, {"temperature": 0.0, "max_completion_length": 7}),
    ],
)
def test_an_evaluation_has_its_own_temperature_and_gives_trainings_back(
    monkeypatch, use_vllm, temperature, expected, error
):
    trainer, settings, seen = evaluated(monkeypatch, use_vllm, temperature, error)
    before = dict(vars(settings))
    if error:
        with pytest.raises(RuntimeError, match="out of memory"):
            trainer.evaluate()
    else:
        assert trainer.evaluate() == {"eval_reward": 0.5}
    assert len(seen) == 1 and seen[0] == seen[0] | expected
    assert vars(settings) == before, "the rollouts go on as they were"
