"""Values that a library changed in silence, on the ledger of a real GRPO; and differences that are meant."""

from __future__ import annotations

import pytest
from materials import FakeStage, params, rows

from caderno import guards, models
from caderno.params.sections import ModelParams
from caderno.training import callbacks, grpo, ledgers
from falsifiers.registry import control, falsifies

SPEC = {
    "max_steps": 2, "prompts_per_step": 4, "group_size": 2, "max_completion_length": 8, "temperature": 0.9,
    "learning_rate": 1e-3, "schedule": "cosine", "eval_steps": 1, "eval_rows": 4, "eval_temperature": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_model_dir):
    """(stage, trainer) after two steps. What a test changes in the trainer it gives back."""
    given = params(
        model={"name": str(tiny_model_dir), "max_length": 512}, tracking={"mode": "disabled"}, stages=["grpo"],
        chat={"enable_thinking": True}, tasks={"push": {}, "sql_qa": {}}, grpo=SPEC,
    )  # fmt: skip
    stage = FakeStage(tmp_path_factory.mktemp("stage"), given, watched=False)
    policy = models.load(ModelParams(name=str(tiny_model_dir)), for_training=True)
    found = [row for row in rows() if row["task"] in ("push", "sql_qa")]
    trainer = grpo.trainer(policy, found, found, stage)
    grpo.train(trainer, stage)
    return stage, trainer


def ledger_of(stage, trainer) -> dict:
    return {"ledger": ledgers.grpo(trainer, stage.params, callbacks.common_arguments(stage))}


@control("ledger-match")
def test_a_training_as_it_was_asked_for(trained):
    stage, _ = trained
    last = {entry["what"]: entry for entry in stage.ledgers}
    assert last["temperature"]["effective"] == 0.9, "not the evaluation's"
    return {"ledger": list(last.values())}


@falsifies("ledger-match", "fail")
def test_weights_in_another_dtype(trained):
    stage, trainer = trained
    trainer.model.bfloat16()
    try:
        return ledger_of(stage, trainer)
    finally:
        trainer.model.float()


@falsifies("ledger-match", "fail")
@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("generation_config", "temperature", 0.6), ("generation_config", "do_sample", False),
        ("generation_config", "top_p", 0.8), ("generation_config", "top_k", 20),
        ("generation_config", "max_new_tokens", 4), ("generation_config", "repetition_penalty", 1.1),
        (None, "temperature", 1.0), (None, "num_generations", 4), (None, "loss_type", "grpo"),
        (None, "scale_rewards", "none"), (None, "beta", 0.04), (None, "_train_batch_size", 4),
        ("args", "seed", 7), ("args", "per_device_train_batch_size", 2), ("args", "steps_per_generation", 4),
        ("model.config", "_attn_implementation", "eager"), ("model.config", "vocab_size", 9),
        ("model.config", "tie_word_embeddings", False),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_a_library_put_in_its_place(trained, monkeypatch, place, name, value):
    stage, trainer = trained
    assert guards.by_name("ledger-match")(ledger_of(stage, trainer)).verdict == "pass", "only the plant may trip it"
    target = trainer
    for part in (place or "").split(".") if place else ():
        target = getattr(target, part)
    monkeypatch.setattr(target, name, value)
    return ledger_of(stage, trainer)


@falsifies("ledger-match", "fail")
def test_another_optimizer_and_rate(trained, monkeypatch):
    import torch

    stage, trainer = trained
    monkeypatch.setattr(trainer, "optimizer", torch.optim.SGD(trainer.model.parameters(), lr=0.1))
    return ledger_of(stage, trainer)


@falsifies("ledger-match", "fail")
def test_a_cosine_that_two_processes_moved_twice_a_step(trained, monkeypatch):
    stage, trainer = trained
    log = [dict(line) for line in trainer.state.log_history]
    [*_, last] = [line for line in log if "learning_rate" in line]
    last["learning_rate"] = 0.0
    monkeypatch.setattr(trainer.state, "log_history", log)
    return ledger_of(stage, trainer)


@falsifies("ledger-match", "fail")
def test_a_frozen_tensor(trained):
    stage, trainer = trained
    first = next(trainer.model.parameters())
    first.requires_grad_(False)
    try:
        return ledger_of(stage, trainer)
    finally:
        first.requires_grad_(True)


@falsifies("ledger-match", "fail")
def test_a_configuration_that_forgets_an_argument(trained, monkeypatch):
    stage, trainer = trained
    common = callbacks.common_arguments(stage) | {"no_such_argument": 1}
    return {"ledger": ledgers.grpo(trainer, stage.params, common)}


@falsifies("ledger-match", "warn")
def test_a_value_that_changes_no_experiment(trained, monkeypatch):
    stage, trainer = trained
    monkeypatch.setattr(trainer.args, "save_steps", 999)
    return ledger_of(stage, trainer)


@falsifies("ledger-match", "unknown")
def test_a_trainer_that_does_not_say_is_unknown(trained, monkeypatch):
    stage, trainer = trained
    monkeypatch.delattr(trainer, "num_iterations")
    return ledger_of(stage, trainer)


@falsifies("ledger-match", "unknown")
def test_an_empty_ledger_is_no_pass():
    return {"ledger": []}


@control("ledger-match")
def test_differences_that_are_meant():
    return {"ledger": [
        {"what": "early_stop.delta", "requested": "standard_error", "effective": 0.031},
        {"what": "SFT rows of split train", "requested": 40, "effective": 38, "left_out": ["a", "b"]},
        {"what": "rows no reward can judge", "requested": 0, "effective": 2},
        {"what": "tracking.mode", "requested": "online", "effective": "offline"},
        {"what": "model.revision", "requested": None, "effective": "0f3a"},
    ]}  # fmt: skip


def test_every_name_of_the_list_is_one_that_somebody_writes(trained):
    """A name that is misspelt in the list would turn a fail into a warning."""
    stage, trainer = trained
    names = {entry["what"] for entry in [*ledger_of(stage, trainer)["ledger"], *stage.ledgers]}
    from caderno.guards.after_ledger import EXPERIMENT

    told = "report_to", "model.gradient_checkpointing"
    assert {name for name in names if not name.startswith(("prompts of", "rows no"))} - EXPERIMENT == set(told)
    assert guards.by_name("ledger-match").threshold == 0
