"""Faults of schedules, rates, batches and checkpoints, the bouncing cosine of two processes among them."""

from __future__ import annotations

import pytest

from falsifiers.plants import clean, inside, with_fact
from falsifiers.registry import control, falsifies

# The abstract-chain-of-thought run: 156 steps on two GPUs, the scheduler prepared by accelerate.
COSINE = {
    "kind": "cosine", "peak": 1e-4, "total_steps": 156, "warmup_steps": 8, "warmup_share": 0.05, "advances_per_step": 1,
}  # fmt: skip


@falsifies("schedule-sim", "fail")
def test_the_cosine_that_bounces_with_two_processes():
    return with_fact("schedule", {"sft": COSINE | {"advances_per_step": 2}})


@falsifies("schedule-sim", "fail")
def test_it_is_found_beside_a_good_stage():
    return with_fact("schedule", {"sft": COSINE, "grpo": COSINE | {"advances_per_step": 2}})


@falsifies("schedule-sim", "fail")
def test_a_linear_schedule_that_is_over_half_way():
    return with_fact("schedule", {"sft": COSINE | {"kind": "linear", "advances_per_step": 2}})


@falsifies("schedule-sim", "fail")
def test_a_schedule_made_for_more_steps_than_are_taken():
    """Half of a scheduler's moves: it stands in the middle of the cosine when the run ends."""
    return with_fact("schedule", {"sft": COSINE | {"advances_per_step": 0.5}})


@falsifies("schedule-sim", "warn")
def test_a_warm_up_that_is_ignored():
    return clean(grpo={"schedule": "constant", "warmup_share": 0.1})


@control("schedule-sim")
@pytest.mark.parametrize("kind", ["linear", "cosine", "constant", "constant_with_warmup"])
def test_one_move_a_step(kind):
    share = 0.0 if kind == "constant" else 0.05
    return with_fact("schedule", {"sft": COSINE | {"kind": kind, "warmup_share": share}})


@control("schedule-sim")
@pytest.mark.parametrize("steps", [10, 60])
def test_short_runs_are_no_fault(steps):
    return clean(grpo={"max_steps": steps, "early_stop": None, "schedule": "linear"}, sft={"max_steps": steps})


@falsifies("learning-rate-band", "fail")
@pytest.mark.parametrize("rate", [5e-7, 2e-6])
def test_a_rate_of_full_fine_tuning_on_an_adapter(rate):
    return clean(grpo={"learning_rate": rate})


@falsifies("learning-rate-band", "fail")
def test_a_rate_of_sft_in_grpo_of_every_weight():
    return clean(model={"lora": None}, grpo={"learning_rate": 5e-5}, sft={"learning_rate": 1e-5})


@falsifies("learning-rate-band", "fail")
def test_a_rate_of_adapters_in_sft_of_every_weight():
    return clean(model={"lora": None}, grpo={"learning_rate": 1e-6}, sft={"learning_rate": 2e-4})


@control("learning-rate-band")
def test_rates_of_an_adapter():
    return clean()


@control("learning-rate-band")
def test_rates_of_every_weight():
    return clean(model={"lora": None}, grpo={"learning_rate": 1e-6}, sft={"learning_rate": 1e-5})


@falsifies("batch-declared")
def test_unsloth_raises_a_batch_that_is_no_group():
    """v2: eight completions in two micro-batches."""
    grpo = {"prompts_per_step": 1, "group_size": 8, "gradient_accumulation_steps": 2}
    return clean(model={"backend": "unsloth"}, grpo=grpo)


@control("batch-declared")
def test_whole_groups_in_a_micro_batch():
    return clean(model={"backend": "unsloth"}, grpo={"gradient_accumulation_steps": 4})


@falsifies("checkpoint-budget")
def test_rotation_of_5_x_10_against_patience_of_15_x_10():
    early_stop = {"patience": 15, "delta": "standard_error"}
    return clean(grpo={"early_stop": early_stop, "eval_steps": 10, "save_steps": 10, "save_total_limit": 5})


@falsifies("checkpoint-budget", "fail")
def test_the_same_where_nothing_protects_the_best():
    return inside("checkpoints", limit=3, keeps_best=False)


@falsifies("checkpoint-budget", "fail")
def test_saved_every_three_steps_and_evaluated_every_two():
    return inside("checkpoints", save_steps=3, eval_steps=2)


@control("checkpoint-budget")
def test_rotation_longer_than_patience():
    return clean()


@falsifies("checkpoint-disk", "fail")
def test_twenty_gib_for_nine_checkpoints_and_a_merge():
    return with_fact("run_root", {"where": "/runs", "free_bytes": 20 * 2**30, "temporary": None})


@control("checkpoint-disk")
def test_five_hundred_gib():
    return clean()
