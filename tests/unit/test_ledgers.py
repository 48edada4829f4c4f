"""The ledger's rows of an SFT: adapters by their tensors, schedules by what moves the rate, parts unread."""

from __future__ import annotations

import math
from types import SimpleNamespace

import conftest
import pytest
import torch
from materials import FakeStage, params, rows
from transformers import get_scheduler

from caderno import models
from caderno.guards.after_ledger import kind
from caderno.params.sections import LoraParams
from caderno.training import callbacks, ledger_models, ledger_steps, ledgers, sft

LORA = {"rank": 4, "alpha": 8, "targets": ["q_proj", "v_proj"]}


def trained(directory, model_dir, lora=None, **spec) -> tuple[FakeStage, sft.SFTTrainer]:
    given = params(
        model={"name": str(model_dir), "max_length": 512, "lora": lora}, tracking={"mode": "disabled"}, stages=["sft"],
        chat={"enable_thinking": True}, tasks={"push": {}}, sft={"batch_size": 2, "max_steps": 4} | spec,
    )  # fmt: skip
    stage = FakeStage(directory, given, watched=False)
    policy = models.load(given.model, for_training=True)
    policy = models.with_lora(policy, given.model.lora) if lora else policy
    drawn = sft.dataset([row for row in rows() if row["task"] == "push"], policy, stage)
    trainer = sft.trainer(policy, drawn, drawn, stage)
    sft.train(trainer, stage)
    return stage, trainer


def test_an_sft_with_adapters_holds_what_was_asked(tmp_path, tiny_model_dir):
    spec = {"gradient_accumulation_steps": 2, "warmup_share": 0.3, "weight_decay": 0.01}
    stage, trainer = trained(tmp_path, tiny_model_dir, LORA, **spec)
    found = {entry["what"]: entry for entry in stage.ledgers}
    assert {entry["what"] for entry in stage.ledgers if kind(entry) != "same"} == set()
    held = {what: entry["effective"] for what, entry in found.items()}
    assert held["lora.targets"] == ["q_proj", "v_proj"] and held["adapted modules"] == 4
    assert held["trainable parameters"] == sum(p.numel() for p in trainer.model.parameters() if p.requires_grad) > 0
    assert held["optimizer"] == "AdamW" and held["warm-up, steps"] == 2 and held["rows per optimizer step"] == 2
    assert held["learning_rate, first logged"] == 0 and held["learning_rate, last logged"] > 0

    target = next(p for name, p in trainer.model.named_parameters() if "lora_A" in name)
    target.requires_grad_(False)
    changed = ledgers.sft(trainer, stage.params, callbacks.common_arguments(stage))
    assert [entry["what"] for entry in changed if kind(entry) == "experiment"] == ["trainable parameters"]


@pytest.mark.parametrize(
    ("targets", "modules", "kinds"),
    [
        ("all-linear", 14, 7), (("q_proj",), 2, 1), (("mlp.up_proj", "o_proj"), 4, 2), (r".*layers\.1\..*_proj", 7, 7),
    ],
)  # fmt: skip
def test_targets_are_counted_in_the_model(small_tokenizer, targets, modules, kinds):
    policy = models.Policy(conftest.build_model(small_tokenizer), small_tokenizer)
    asked = LoraParams(rank=4, alpha=8, targets=targets)
    adapted = models.with_lora(policy, asked).model
    found = ledger_models._adapter(adapted, asked)
    assert found["adapted modules"] == (modules, modules) and len(found["lora.targets"][0]) == kinds
    assert all(wanted == held for wanted, held in found.values()), found
    other = ledger_models._adapter(adapted, LoraParams(rank=8, alpha=8, targets=("k_proj",)))
    assert {what for what, (wanted, held) in other.items() if wanted != held} >= {
        "lora.targets", "lora.rank", "lora.scale", "trainable parameters",
    }  # fmt: skip


def stepped(kind_: str, warmup: int, total: int = 10, asked: dict | None = None) -> dict[str, tuple]:
    """The optimizer's rows after `total` steps of one of transformers' schedules."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = get_scheduler(kind_, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    log = []
    for step in range(1, total + 1):
        log.append({"step": step, "learning_rate": scheduler.get_last_lr()[0]})
        optimizer.step()
        scheduler.step()
    state = SimpleNamespace(max_steps=total, log_history=log)
    trainer = SimpleNamespace(optimizer=optimizer, lr_scheduler=scheduler, state=state)
    spec = SimpleNamespace(**{"schedule": kind_, "learning_rate": 0.1, "warmup_share": warmup / total} | (asked or {}))
    return {one["what"]: (one["requested"], one["effective"]) for one in ledger_steps.rows(trainer, spec)}


@pytest.mark.parametrize("kind_", ["linear", "cosine", "constant_with_warmup"])
def test_a_schedule_is_read_from_what_moves_the_rate(kind_):
    rows_ = stepped(kind_, 3)
    assert all(asked == held for asked, held in rows_.values()), rows_


def test_a_constant_schedule_ignores_its_warm_up():
    assert stepped("constant", 3)["warm-up, steps"] == (3, 0)


def test_another_shape_shows_in_word_and_in_rate():
    rows_ = stepped("linear", 0, asked={"schedule": "cosine"})
    assert rows_["lr_scheduler_type"] == ("cosine", "linear")
    wanted, held = rows_["learning_rate, last logged"]
    assert wanted == pytest.approx(0.05 * (1 + math.cos(0.9 * math.pi)), rel=1e-5) and held == pytest.approx(0.01)


def test_what_neither_library_knows_is_drawn_from_everything():
    assert [ledgers._neutral("top_k", value) for value in (None, -1, 0, 20)] == [0, 0, 0, 20]
    assert [ledgers._neutral("min_p", value) for value in (None, 0.1)] == [0.0, 0.1]
    assert ledgers._neutral("temperature", None) is None


def test_vllms_own_settings_are_read_where_it_samples(tmp_path):
    engine = SimpleNamespace(
        temperature=0.7, top_p=1.0, top_k=-1, min_p=None, repetition_penalty=1.0, max_completion_length=96,
        generation_kwargs={"top_p": 0.5},
    )  # fmt: skip
    trainer = SimpleNamespace(vllm_generation=engine, temperature=1.0)
    found = {one["what"]: one["effective"] for one in ledgers.sampling(trainer, params(grpo={"use_vllm": True}))}
    assert (found["engine"], found["temperature"], found["top_p"], found["top_k"]) == ("vllm", 0.7, 0.5, 0)


def test_a_part_that_cannot_be_read_is_said_and_loses_nothing(tmp_path, tiny_model_dir):
    stage, trainer = trained(tmp_path, tiny_model_dir)
    del trainer.lr_scheduler
    found = ledgers.sft(trainer, stage.params, callbacks.common_arguments(stage))
    unread = [entry for entry in found if kind(entry) == "unread"]
    assert [entry["what"] for entry in unread] == ["ledger of the optimizer"] and "lr_scheduler" in unread[0]["why"]
    assert "rows per optimizer step" in {entry["what"] for entry in found}


def test_arguments_that_are_not_held_are_named():
    held = SimpleNamespace(seed=3, save_steps=20, report_to=["none"])
    found = ledgers.changed_arguments(held, {"seed": 0, "save_steps": 20, "report_to": [], "fused": True})
    assert [(one["what"], one["requested"], one["effective"]) for one in found] == [
        ("arguments that were ignored", [], ["fused"]), ("argument seed", 0, 3),
    ]  # fmt: skip
