"""Faults of evaluation, stopping, coverage and budgets: what could be claimed would be noise, or of another policy."""

from __future__ import annotations

import math

import pytest

from caderno import guards
from falsifiers.plants import clean, inside, with_fact
from falsifiers.registry import control, falsifies

CODE_MODEL = {"patience": 2, "delta": 0.1, "measurable": True, "batches": 16, "epochs": 3}
NOISE = {"standard_error_low": 0.01, "standard_error": 0.04}


@falsifies("eval-power")
def test_fifty_test_rows():
    return clean(data={"test_rows": 50})


@falsifies("eval-power", "warn")
def test_five_hundred_test_rows_for_a_gain_of_two_points():
    return clean(validation={"smallest_effect": 0.02})


@control("eval-power")
def test_five_hundred_test_rows():
    return clean()


@control("eval-power")
def test_fifty_test_rows_for_a_gain_of_twenty_points():
    return clean(data={"test_rows": 50}, validation={"smallest_effect": 0.2})


@falsifies("early-stop", "fail")
def test_a_delta_below_the_standard_error():
    """v3: 0.005 with 64 prompts; even groups spread by 0.05, its probe's, put the noise at 0.009."""
    return clean(grpo={"early_stop": {"patience": 6, "delta": 0.005}, "eval_rows": 64})


@falsifies("early-stop", "warn")
def test_a_delta_that_may_be_noise():
    return clean(grpo={"early_stop": {"patience": 6, "delta": 0.01}, "eval_rows": 64})


@falsifies("early-stop", "fail")
def test_two_heldout_batches_and_patience_two():
    """The code model's first training: the train loss was falling while val moved within 0.04."""
    return with_fact("early_stop", CODE_MODEL | NOISE | {"batches": 2, "epochs": 1})


@falsifies("early-stop", "fail")
def test_two_heldout_batches_alone():
    return inside("early_stop", batches=2)


@falsifies("early-stop", "fail")
def test_one_epoch_alone():
    return inside("early_stop", epochs=1)


@falsifies("early-stop", "fail")
def test_a_standard_error_that_nothing_measures():
    return clean(calibration={"samples": 1})


@control("early-stop")
def test_a_measured_delta():
    return clean()


@control("early-stop")
def test_sixteen_batches_patience_five_three_epochs():
    return with_fact("early_stop", CODE_MODEL | NOISE | {"patience": 5})


@falsifies("calibration-match", "fail")
def test_calibrated_at_another_temperature():
    return clean(calibration={"training": {"temperature": 0.7}})


@falsifies("calibration-match", "warn")
def test_calibrated_under_another_ceiling():
    return clean(calibration={"training": {"max_new_tokens": 512}})


@control("calibration-match")
def test_calibrated_as_trained():
    return clean()


@falsifies("calibration-size")
def test_eight_completions():
    return clean(calibration={"rows": 8, "samples": 1})


@control("calibration-size")
def test_256_completions():
    return clean()


@falsifies("eval-temperature")
def test_evaluated_nearly_greedy():
    return clean(grpo={"eval_temperature": 0.1})


@control("eval-temperature")
def test_evaluated_as_trained():
    return clean()


@falsifies("deployment-probed")
def test_nobody_validates_at_the_served_temperature():
    return clean(calibration={"deployment": {"temperature": 0.7}})


@control("deployment-probed")
def test_validated_at_the_served_temperature():
    return clean(calibration={"deployment": {"temperature": 0.1}})


@falsifies("coverage")
def test_a_third_of_the_data():
    """v3: 500 steps of one prompt among 1,404."""
    facts = clean(grpo={"max_steps": 500, "prompts_per_step": 1}, data={"train_rows": 1404})
    assert math.isclose(facts["coverage"]["prompts"] / facts["coverage"]["rows"], 0.356, abs_tol=1e-3)
    return facts


@control("coverage")
def test_every_prompt_once():
    return clean()


@control("coverage")
@pytest.mark.parametrize("advice", [{"train_prompts": 500}, {"max_steps": 1404}], ids=["fewer", "longer"])
def test_what_the_warning_advises_ends_it(advice):
    few = {"grpo": {"max_steps": 500, "prompts_per_step": 1}, "data": {"train_rows": 1404}}
    [warning] = guards.judge(["coverage"], clean(**few))
    [(key, value)] = advice.items()
    assert warning.verdict == "warn" and f"`grpo.{key}: {value}`" in warning.why
    return clean(grpo=few["grpo"] | advice, data=few["data"])


@falsifies("data-budget", "fail")
def test_18_million_tokens_for_370_million_parameters():
    return with_fact("data_budget", {"tokens": 18_000_000, "parameters": 370_000_000})


@control("data-budget")
def test_36_tokens_a_parameter():
    return with_fact("data_budget", {"tokens": 20_000_000, "parameters": 545_088})


@falsifies("adapter-provenance")
def test_an_adapter_trained_elsewhere():
    return clean(model={"adapter": "adapters/sft"})


@control("adapter-provenance")
def test_an_adapter_of_a_run_on_record():
    return with_fact("adapter_run", "runs/sft", model={"adapter": "runs/sft/20-sft/model"})
