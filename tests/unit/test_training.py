"""What the training stages share, and SFT's data: lines logged, stops heeded, checkpoints found, no row cut."""

from __future__ import annotations

import enum
import json
from types import SimpleNamespace

import pytest
from materials import FakeStage, params, rows
from transformers import PrinterCallback, ProgressCallback, TrainerControl

from caderno import chat, models
from caderno.errors import BadInput
from caderno.training import callbacks, ledgers, policies, sft


def logged(stage: FakeStage, step: int, max_steps: int = 100, **logs) -> None:
    state = SimpleNamespace(global_step=step, max_steps=max_steps)
    callbacks.StageCallback(stage).on_log(None, state, None, logs=logs)


def test_numbers_are_logged_and_the_closing_summary_is_not(tmp_path):
    stage = FakeStage(tmp_path, params())
    logged(stage, 3, loss=0.5, grad_norm=float("nan"), note="text", nothing=None)
    logged(stage, 3, train_loss=0.4, train_runtime=7.0)
    [line] = stage.lines
    assert line["step"] == 3 and line["loss"] == 0.5 and set(line) == {"step", "loss", "grad_norm"}
    assert line["grad_norm"] != line["grad_norm"], "a NaN stays visible"


@pytest.mark.parametrize(("watched", "expected"), [(False, ["10", "11", "20"]), (True, [])])
def test_ten_lines_a_run_and_every_evaluation_are_printed_when_nobody_watches(tmp_path, capsys, watched, expected):
    stage = FakeStage(tmp_path, params(), watched=watched)
    for step in range(9, 22):
        logged(stage, step, loss=1.0 / step)
    logged(stage, 11, eval_loss=0.25)
    told = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[1].split("/")[0] for line in told) == expected
    if not watched:
        assert {"step 10/100: loss 0.1", "step 11/100: eval_loss 0.25"} <= set(told)


@pytest.mark.parametrize("asked", [False, True])
def test_a_requested_stop_saves_and_ends(tmp_path, asked):
    stage, control = FakeStage(tmp_path, params()), TrainerControl()
    stage.stop_requested = asked
    control = callbacks.StageCallback(stage).on_step_end(None, None, control)
    assert (control.should_save, control.should_training_stop) == (asked, asked)


class FakeTrainer:
    """A Trainer that remembers its callbacks and where it was told to go on from."""

    def __init__(self):
        self.callbacks, self.removed, self.resumed = [], [], "not called"

    def add_callback(self, one) -> None:
        self.callbacks.append(one)

    def remove_callback(self, kind) -> None:
        self.removed.append(kind)

    def train(self, resume_from_checkpoint=None) -> None:
        self.resumed = resume_from_checkpoint


@pytest.mark.parametrize("watched", [True, False])
def test_training_goes_on_from_the_newest_complete_checkpoint(tmp_path, watched):
    stage, trainer = FakeStage(tmp_path, params(), watched=watched), FakeTrainer()
    assert callbacks.run(trainer, stage) >= 0
    assert trainer.resumed is None and stage.resumed_at == 0
    for step in (5, 10, 15):
        (tmp_path / "checkpoints" / f"checkpoint-{step}").mkdir(parents=True)
    for step in (5, 10):
        (tmp_path / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    callbacks.run(trainer, stage)  # checkpoint-15 was cut off while being written
    assert trainer.resumed == str(tmp_path / "checkpoints" / "checkpoint-10") and stage.resumed_at == 10
    assert PrinterCallback in trainer.removed and (ProgressCallback in trainer.removed) == (not watched)
    assert isinstance(trainer.callbacks[0], callbacks.StageCallback)


def test_a_ledger_compares_what_was_asked_with_what_the_arguments_hold():
    kind = enum.Enum("kind", {"COSINE": "cosine"})
    trainer = SimpleNamespace(args=SimpleNamespace(learning_rate=1e-3, lr_scheduler_type=kind.COSINE, seed=5))
    found = ledgers.arguments(trainer, {"learning_rate": 1e-4, "lr_scheduler_type": "cosine"})
    assert found == [
        {"what": "learning_rate", "requested": 1e-4, "effective": 1e-3},
        {"what": "lr_scheduler_type", "requested": "cosine", "effective": "cosine"},
    ]
    with pytest.raises(AttributeError):
        ledgers.arguments(trainer, {"no_such_argument": 1})


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (["calibration", "sft", "grpo", "validation"], ("sft", "grpo")),
        (["pretrain", "sft", "validation"], ("pretrain", "sft")),
        (["grpo", "validation"], ("start", "grpo")),
    ],
    ids=str,
)
def test_validation_compares_the_last_two_arms(tmp_path, stages, expected):
    stage = FakeStage(tmp_path, params(stages=stages))
    stage.name = "validation"
    assert policies.arms(stage) == expected
    named = [policies.model_of(stage, arm).name for arm in expected]
    assert named == ["tiny" if arm == "start" else str(tmp_path / arm / "model") for arm in expected]


def test_a_validation_of_nothing_trained_is_refused(tmp_path):
    stage = FakeStage(tmp_path, params(stages=["calibration", "validation"]))
    stage.name = "validation"
    with pytest.raises(BadInput, match="no stage before validation trains anything"):
        policies.arms(stage)


def row_tokens(tok, row: dict) -> int:
    """Tokens of a training row: prompt, completion and the end of the turn."""
    return len(chat.encode(tok, chat.render(tok, row["prompt"]) + row["gold"] + tok.eos_token))


@pytest.fixture
def policy(small_tokenizer):
    return models.Policy(None, small_tokenizer)


def test_rows_that_fit_exactly_are_kept_and_longer_ones_named(policy, tmp_path, capsys):
    tokens = {row["id"]: row_tokens(policy.tokenizer, row) for row in rows()}
    longest = max(tokens.values())
    whole = sft.dataset(list(rows()), policy, FakeStage(tmp_path, params(sft={"max_length": longest})))
    assert len(whole) == len(rows()) and capsys.readouterr().out == ""
    assert whole.column_names == ["prompt", "completion"]
    assert whole[0] == {
        "prompt": chat.render(policy.tokenizer, rows()[0]["prompt"]),
        "completion": rows()[0]["gold"],
    }
    tight = params(
        stages=["sft"], model={"name": "t", "max_length": longest - 1}
    )  # the model's limit, with none of SFT's
    cut = sft.dataset(list(rows()), policy, FakeStage(tmp_path, tight))
    long = [row_id for row_id, n in tokens.items() if n == longest]
    told = capsys.readouterr().out
    assert len(cut) == len(rows()) - len(long) and f"longer than {longest - 1} tokens" in told
    assert all(row_id in told for row_id in long) and sum(row["id"] in told for row in rows()) == len(long)


def test_rows_that_are_all_too_long_are_refused(policy, tmp_path):
    with pytest.raises(BadInput, match=r"all 12 rows are longer than 9 tokens.*Raise sft\.max_length"):
        sft.dataset(list(rows()), policy, FakeStage(tmp_path, params(sft={"max_length": 9})))


def test_the_trainer_supervises_the_completion_and_the_end_of_the_turn_and_cuts_nothing(small_tokenizer, tmp_path):
    from conftest import build_model

    chosen = params(sft={"warmup_share": 0.1, "max_steps": 50, "batch_size": 4}, tracking={"mode": "disabled"})
    policy, stage = models.Policy(build_model(small_tokenizer), small_tokenizer), FakeStage(tmp_path, chosen)
    data = sft.dataset(list(rows()), policy, stage)
    found = sft.trainer(policy, data, data, stage)
    assert found.args.get_warmup_steps(50) == 5 and found.args.max_steps == 50
    seen = set()
    for batch in found.get_train_dataloader():
        for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
            supervised = tuple(label for label in labels if label != -100)
            assert supervised == tuple(ids[labels.index(supervised[0]) :][: len(supervised)])
            seen.add(supervised)
    expected = {tuple(chat.encode(small_tokenizer, row["gold"] + small_tokenizer.eos_token)) for row in rows()}
    assert seen == expected
    mask = chat.loss_mask_example(small_tokenizer, rows()[0]["prompt"], rows()[0]["gold"])
    assert sum(on for _, on in mask) in {len(one) for one in expected}, json.dumps(mask)


def test_several_processes_are_refused_until_they_can_be_launched(tmp_path):
    with pytest.raises(BadInput, match="processes = 2"):
        callbacks.common_arguments(FakeStage(tmp_path, params(processes=2)))
