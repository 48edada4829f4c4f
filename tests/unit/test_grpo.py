"""GRPO's helpers: prompts with room, batches that add up, a smallest gain that is measured, its own evaluation."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from materials import FakeStage, params, rows

from caderno import chat, models
from caderno.errors import BadInput
from caderno.training import grpo

EARLY = {"eval_steps": 5, "save_steps": 5, "eval_rows": 64}


def stage(directory, **spec) -> FakeStage:
    return FakeStage(directory, params(grpo=spec, tracking={"mode": "disabled"}))


def test_the_dataset_has_rendered_prompts_and_a_long_one_is_an_error_with_its_row(small_tokenizer, tmp_path):
    policy = models.Policy(None, small_tokenizer)
    lengths = {
        row["id"]: len(chat.encode(small_tokenizer, chat.render(small_tokenizer, row["prompt"]))) for row in rows()
    }
    longest = max(lengths, key=lengths.get)

    def dataset(room: int):
        model = {"name": "tiny", "max_length": 96 + room}
        return grpo.dataset(list(rows()), policy, FakeStage(tmp_path, params(model=model)))

    found = dataset(lengths[longest])
    assert found["row_id"] == [row["id"] for row in rows()]
    assert found[0]["prompt"] == chat.render(small_tokenizer, rows()[0]["prompt"])
    with pytest.raises(
        BadInput, match=rf"prompt of row \S+ has {lengths[longest]} tokens; expected at most"
    ) as refused:
        dataset(lengths[longest] - 1)
    assert longest in str(refused.value)


@pytest.mark.parametrize(("accumulation", "processes", "expected"), [(1, 1, 48), (4, 1, 12), (2, 3, 8)])
def test_batches_add_up_to_the_step(tmp_path, accumulation, processes, expected):
    spec = {"prompts_per_step": 6, "group_size": 8, "gradient_accumulation_steps": accumulation}
    chosen = params(grpo=spec, processes=processes, sft={"batch_size": 12})
    found = grpo.batch(FakeStage(tmp_path, chosen))
    assert found["per_device_train_batch_size"] == expected and found["num_generations"] == 8
    assert expected * accumulation * processes == 6 * 8 and found["gradient_accumulation_steps"] == accumulation


def calibrated(tmp_path, scores: list[list[float]]):
    """A stage whose calibration drew these scores per prompt at the training temperature, and others greedy."""
    (tmp_path / "calibration").mkdir()
    rows = [{"id": f"r{i}", "temperature": 1.0, "score": s} for i, group in enumerate(scores) for s in group]
    rows += [{"id": f"r{i}", "temperature": 0.0, "score": 0.9} for i in range(len(scores))]
    (tmp_path / "calibration" / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return stage(tmp_path, early_stop={"patience": 2, "delta": "standard_error"}, **EARLY)


def test_the_smallest_gain_is_the_noise_between_two_evaluations_of_the_same_prompts(tmp_path):
    # variances within the prompts 0.5 and 0, mean 0.25; what lies between the prompts is the same in both evaluations
    found = calibrated(tmp_path, [[0.0, 1.0], [0.3, 0.3]])
    assert grpo.early_stop_delta(found) == pytest.approx((2 * 0.25 / found.params.grpo.eval_rows) ** 0.5)


def test_without_any_spread_every_gain_counts(tmp_path):
    assert grpo.early_stop_delta(calibrated(tmp_path, [[0.5, 0.5], [1.0, 1.0]])) == 0.0


def test_a_number_is_taken_as_it_is_and_no_calibration_is_an_error(tmp_path):
    given = stage(tmp_path, early_stop={"patience": 2, "delta": 0.02}, **EARLY)
    assert grpo.early_stop_delta(given) == 0.02, "nothing is read"
    early = {"early_stop": {"patience": 2, "delta": "standard_error"}, **EARLY}
    missing = FakeStage(tmp_path, params(stages=["grpo"], grpo=early))
    with pytest.raises(BadInput, match="no calibration measures it") as refused:
        grpo.early_stop_delta(missing)
    assert refused.value.where == "grpo.early_stop.delta" and "calibration" in refused.value.mend


def test_first_and_last_are_means_of_ten_lines_that_have_the_key():
    logged = [{"reward": float(i)} for i in range(30)] + [{"other": 1.0}]
    assert grpo._ends(logged, "reward") == {"first": 4.5, "last": 24.5}
    assert grpo._ends(logged[:4], "reward") == {"first": 1.5, "last": 1.5}
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
