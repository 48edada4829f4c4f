"""Faults of the labels that the real SFT trainer collates: planted inside the trainer, none in our own rendering."""

from __future__ import annotations

from collections.abc import Callable

import conftest
import pytest
from materials import params, rows

from caderno import guards, models, trl_arguments
from caderno.training import labelling, sft
from falsifiers.registry import control, falsifies

TRAINING = params(stages=["preflight", "sft"])
Batch = dict


@pytest.fixture
def policy(small_tokenizer) -> models.Policy:
    return models.Policy(conftest.build_model(small_tokenizer), small_tokenizer)


def labels(policy, spoil: Callable[[Batch], Batch] | None = None) -> dict:
    """The fact, from a trainer whose collator's batches pass through `spoil`."""

    def make(*given):
        trainer = sft.trainer(*given)
        real = trainer.data_collator
        trainer.data_collator = (lambda features: spoil(real(features))) if spoil else real
        return trainer

    return {"labels": labelling.labels(policy, list(rows()), TRAINING, make)}


@falsifies("label-mask-collated", "fail")
def test_a_collator_that_supervises_the_prompt(policy):
    return labels(policy, lambda batch: batch | {"labels": batch["input_ids"].masked_fill(_padding(batch), -100)})


@falsifies("label-mask-collated", "fail")
def test_a_collator_that_supervises_nothing(policy):
    return labels(policy, lambda batch: batch | {"labels": batch["labels"] * 0 - 100})


@falsifies("label-mask-collated", "fail")
def test_a_collator_that_supervises_the_last_token_of_the_prompt(policy):
    def spoil(batch: Batch) -> Batch:
        found = batch["labels"].clone()
        last = (found != -100).int().argmax(dim=1) - 1
        for row, place in enumerate(last.tolist()):
            found[row, place] = batch["input_ids"][row, place]
        return batch | {"labels": found}

    return labels(policy, spoil)


@falsifies("label-mask-collated", "fail")
def test_a_collator_that_leaves_the_end_out(policy):
    end = policy.tokenizer.eos_token_id
    return labels(policy, lambda batch: batch | {"labels": batch["labels"].masked_fill(batch["labels"] == end, -100)})


@falsifies("label-mask-collated", "fail")
def test_the_trainers_own_switch_turned_off(policy, monkeypatch):
    """Nothing of ours is spoilt: TRL is asked for the loss over everything."""
    real = trl_arguments.sft
    monkeypatch.setattr(trl_arguments, "sft", lambda given: real(given) | {"completion_only_loss": False})
    return labels(policy)


@falsifies("label-mask-collated", "fail")
def test_a_trainer_that_cuts_the_rows(policy, monkeypatch):
    real = trl_arguments.sft
    monkeypatch.setattr(trl_arguments, "sft", lambda given: real(given) | {"max_length": 60})
    return labels(policy)


@control("label-mask-collated")
def test_the_trainer_as_it_is(policy):
    found = labels(policy)
    assert {row["id"] for row in found["labels"]["rows"]} == {row["id"] for row in rows()}
    return found


def test_rows_that_do_not_fit_leave_the_labels_unknown(policy):
    tight = params(stages=["preflight", "sft"], sft={"max_length": 8})
    found = {"labels": labelling.labels(policy, list(rows()), tight)}
    [verdict] = guards.judge(["label-mask-collated"], found)
    assert verdict.verdict == "unknown" and "longer than 8" in verdict.why


def test_without_sft_nothing_is_judged(policy):
    found = {"labels": labelling.labels(policy, list(rows()), params(stages=["preflight", "grpo"]))}
    assert guards.judge(["label-mask-collated"], found)[0].verdict == "not_applicable"


def _padding(batch: Batch):
    return batch["attention_mask"] == 0
