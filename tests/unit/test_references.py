"""The KL's reference in a GRPO: the policy as it starts, also after a checkpoint; TRL's own ways are planted."""

from __future__ import annotations

import pytest
import rl_runs
import torch
from materials import FakeStage, params, rows

from caderno import models
from caderno.errors import BadInput
from caderno.guards.after_ledger import kind
from caderno.training import callbacks, grpo, ledgers, references

LORA = {"rank": 4, "alpha": 8}
SPEC = {
    "max_steps": 4, "prompts_per_step": 2, "group_size": 4, "max_completion_length": 6, "learning_rate": 1e-2,
    "kl_coef": 0.05, "save_steps": 2, "logging_steps": 1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _reward_of_a_random_model(monkeypatch):
    monkeypatch.setattr("caderno.tasks.push.score", rl_runs.early_letters)


@pytest.fixture
def trls_own(monkeypatch):
    """Plants what references.made is there against: TRL makes the reference."""
    monkeypatch.setattr(references, "made", lambda make, policy, config, **_: make(args=config))


@pytest.fixture
def made(tmp_path, tiny_model_dir):
    """A function: (stage, policy, trainer) whose policy has weights put in place after it was loaded, as by model.init.

    Adapters begin at random, another start for each seed.
    """

    def make(directory: str = "run", *, lora: bool = False, seed: int = 0, **spec):
        given = params(
            model={"name": str(tiny_model_dir), "max_length": 512, "lora": LORA if lora else None}, stages=["grpo"],
            tracking={"mode": "disabled"}, chat={"enable_thinking": True}, tasks={"push": {}}, grpo=SPEC | spec,
        )  # fmt: skip
        stage = FakeStage(tmp_path / directory, given, watched=False)
        policy = models.load(given.model, for_training=True)
        with torch.no_grad():
            policy.model.model.layers[0].mlp.down_proj.weight.mul_(-1)
        torch.manual_seed(seed)
        policy = models.with_lora(policy, given.model.lora) if lora else policy
        drawn = [row for row in rows("train", 8) if row["task"] == "push"]
        return stage, policy, grpo.trainer(policy, drawn, drawn, stage)

    return make


def stop_at(step: int):
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            control.should_save = control.should_training_stop = state.global_step >= step

    return Stop()


def furthest(made, lora: bool) -> float:
    """Largest difference of a trained weight between an unbroken run and one that was resumed after half its steps."""
    stage, whole, unbroken = made("whole", lora=lora)
    before = rl_runs.weights(whole)
    assert grpo.train(unbroken, stage)["steps"] == 4
    stage, _, broken = made("broken", lora=lora)
    broken.add_callback(stop_at(2))
    assert grpo.train(broken, stage)["steps"] == 2
    stage, resumed, again = made("broken", lora=lora, seed=1)
    assert grpo.train(again, stage)["steps"] == 4 and stage.resumed_at == 2
    one, other = rl_runs.weights(whole), rl_runs.weights(resumed)
    assert max((one[name] - before[name]).abs().max() for name in before) > 0.01, "it trained"
    return max((one[name] - other[name]).abs().max().item() for name in before)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_a_resumed_run_has_the_unbroken_ones_weights(made, lora):
    assert furthest(made, lora) == 0


@pytest.mark.filterwarnings("ignore")
def test_trls_own_adapter_beside_it_loses_the_trained_one(made, trls_own):
    assert furthest(made, lora=True) > 1e-3


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_the_kl_is_0_at_the_first_step_and_its_weight_is_what_was_asked(made, lora):
    stage, policy, trainer = made(lora=lora)
    start = {name: one.clone() for name, one in policy.model.state_dict().items()}
    grpo.train(trainer, stage)
    kl = [line["kl"] for line in stage.lines if "kl" in line]
    assert len(kl) == 4 and kl[0] == pytest.approx(0, abs=1e-7) and kl[-1] > 1e-4
    assert trainer.beta == trainer.args.beta == 0.05
    told = {row["what"]: row for row in stage.ledgers}
    assert told["beta"]["requested"] == told["beta"]["effective"] == 0.05
    reference = references.DISABLED if lora else references.COPY
    assert told["reference of the KL"]["requested"] == told["reference of the KL"]["effective"] == reference
    if lora:
        assert list(policy.model.peft_config) == ["default"] and trainer.ref_model is None
    else:
        assert all(torch.equal(one, start[name]) for name, one in trainer.ref_model.state_dict().items()), "frozen"


def test_trls_own_reference_by_name_is_another_policy(made, trls_own):
    stage, _, trainer = made(max_steps=1)
    grpo.train(trainer, stage)
    assert next(line["kl"] for line in stage.lines if "kl" in line) > 0.01
    [told] = [row for row in stage.ledgers if row["what"] == "reference of the KL"]
    assert kind(told) == "experiment" and told["effective"].startswith("another model, ")


def about_kl(stage, trainer) -> dict[str, str]:
    """{what: kind} of the ledger's rows on the KL, read anew."""
    found = ledgers.grpo(trainer, stage.params, callbacks.common_arguments(stage))
    return {row["what"]: kind(row) for row in found if row["what"] in ("beta", "reference of the KL")}


def test_the_ledger_tells_another_weight_and_another_reference(made, monkeypatch):
    stage, policy, trainer = made()
    grpo.train(trainer, stage)
    assert about_kl(stage, trainer) == {"beta": "same", "reference of the KL": "same"}
    with monkeypatch.context() as planted:
        planted.setattr(trainer, "beta", 0.0)
        assert about_kl(stage, trainer) == {"beta": "experiment", "reference of the KL": "experiment"}
    with monkeypatch.context() as planted:
        planted.setattr(trainer, "ref_model", policy.model)
        assert about_kl(stage, trainer) == {"beta": "same", "reference of the KL": "experiment"}
    with monkeypatch.context() as planted:
        planted.setattr(trainer, "ref_model", None)
        assert about_kl(stage, trainer) == {"beta": "same", "reference of the KL": "unread"}
    trainer.ref_model.requires_grad_(True)
    assert about_kl(stage, trainer) == {"beta": "same", "reference of the KL": "experiment"}


def test_the_ledger_tells_a_second_adapter(made):
    _, policy, trainer = made(lora=True, max_steps=1)
    assert references.held(trainer) == references.DISABLED
    policy.model.add_adapter("ref", policy.model.peft_config["default"])
    assert references.held(trainer) == "a second adapter, ref"


def test_without_a_kl_there_is_no_reference(made):
    _, _, trainer = made(kl_coef=0.0)
    assert trainer.ref_model is None and trainer.beta == 0 and references.held(trainer) == references.NONE


def test_adapters_that_are_not_fresh_are_refused_and_left_as_they_were(made):
    _, policy, trainer = made(lora=True)
    with torch.no_grad():
        next(one for name, one in policy.model.named_parameters() if "lora_B" in name).fill_(0.01)
    trained = rl_runs.weights(policy)
    with pytest.raises(BadInput, match="the adapters change a logit"), references.shown(policy):
        pass
    with pytest.raises(BadInput, match="the adapters change a logit") as refused:
        references.made(lambda **_: pytest.fail("made"), policy, trainer.args, where="this policy")
    assert refused.value.where == "this policy" and trainer.args.beta == 0.05
    assert policy.model.training and rl_runs.weights(policy).keys() == trained.keys(), "still in training"


def test_dropout_does_not_make_fresh_adapters_look_trained(made):
    _, policy, _ = made(lora=True)
    for layer in policy.model.get_base_model().model.layers:
        layer.self_attn.attention_dropout = 0.5
    assert policy.model.training
    with references.shown(policy) as (model, how):
        assert model is policy.model and how == references.DISABLED
