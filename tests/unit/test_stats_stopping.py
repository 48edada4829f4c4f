"""Stopping rules on flat, rising and falling runs: rates promised, rates found, and transformers' own rule."""

from __future__ import annotations

import numpy as np
import pytest

from caderno import stats
from caderno.errors import BadInput


@pytest.mark.parametrize(("patience", "evaluations"), [(2, 8), (3, 10), (5, 20), (10, 40), (15, 50)])
def test_the_decline_rule_keeps_its_promise_on_flat_runs(patience, evaluations):
    delta = stats.delta_for(0.02, patience, evaluations)
    rates = [stats.false_stop_rate(0.02, patience, delta, evaluations, seed=seed) for seed in (1, 2, 3)]
    assert max(rates) <= 0.05 and np.mean(rates) > 0.03  # on draws other than those it was set with


def test_with_autocorrelated_noise_too():
    delta = stats.delta_for(0.02, 5, 20, correlation=0.6)
    assert stats.false_stop_rate(0.02, 5, delta, 20, correlation=0.6, seed=4) <= 0.05
    assert stats.false_stop_rate(0.02, 5, stats.delta_for(0.02, 5, 20), 20, correlation=0.6) > 0.08


@pytest.mark.parametrize("rule", ["transformers", "cumulative"])
def test_no_delta_saves_a_rule_that_waits_for_improvement(rule):
    rates = [stats.false_stop_rate(0.02, 5, delta, 20, rule=rule) for delta in (0.0, 0.005, 0.02, 0.1)]
    assert min(rates) > 0.9 and rates == sorted(rates)  # a larger delta stops a flat run sooner
    assert stats.false_stop_rate(0.02, 18, 0.0, 20, rule=rule) > 0.05  # not even a patience of 18 of 20


def test_transformers_rule_by_hand():
    """With patience E - 1 it stops only where the first of E is the largest: 1 in E."""
    assert stats.false_stop_rate(1.0, 9, 0.0, 10, rule="transformers") == pytest.approx(0.1, abs=0.008)


def test_the_rule_named_transformers_is_transformers():
    from transformers import EarlyStoppingCallback, TrainerControl, TrainerState, TrainingArguments

    args = TrainingArguments(greater_is_better=True, metric_for_best_model="eval_reward", use_cpu=True)

    def stops(metrics, patience: int, delta: float) -> bool:
        callback, state, control = EarlyStoppingCallback(patience, delta), TrainerState(), TrainerControl()
        for metric in metrics:
            callback.on_evaluate(args, state, control, {"eval_reward": metric})
            if state.best_metric is None or metric > state.best_metric:  # Trainer._determine_best_metric
                state.best_metric = metric
        return bool(control.should_training_stop)

    from caderno.stats.stopping import _noise

    metrics = _noise(12, 200, 0.0, 0)
    for patience, delta in ((3, 0.0), (4, 0.5), (7, 1.0)):
        found = np.mean([stops(run, patience, delta) for run in metrics.T])
        assert found == stats.false_stop_rate(1.0, patience, delta, 12, rule="transformers", runs=200)


def test_rising_runs_go_on_and_falling_ones_stop():
    delta = stats.delta_for(1.0, 5, 20)
    assert stats.false_stop_rate(1.0, 5, delta, 20, slope=0.2) < 0.01
    assert stats.false_stop_rate(1.0, 5, delta, 20, slope=-0.3) > 0.9
    # the planted fault: patience 2 and a delta of one standard error stop a run that is plainly rising
    assert stats.false_stop_rate(1.0, 2, 1.0, 20, slope=0.2, rule="transformers") > 0.95


def test_the_rule_in_a_run_is_the_rule_that_was_simulated():
    from caderno.stats.stopping import _noise

    metrics = _noise(15, 500, 0.0, 3)

    def stops(run) -> bool:
        rule = stats.DeclineStop(patience=3, delta=1.5)
        return any(rule.update(float(metric)) for metric in run)

    found = np.mean([stops(run) for run in metrics.T])
    assert found == stats.false_stop_rate(1.0, 3, 1.5, 15, runs=500, seed=3) and 0 < found < 1


def test_a_metric_that_broke_counts_as_below():
    rule = stats.DeclineStop(patience=2, delta=0.1)
    assert [rule.update(value) for value in (0.5, float("nan"), float("nan"))] == [False, False, True]
    assert rule.best == 0.5


def test_delta_is_in_proportion_to_the_noise_and_0_without_any():
    assert stats.delta_for(0.04, 5, 20) == pytest.approx(2 * stats.delta_for(0.02, 5, 20))
    assert stats.delta_for(0.0, 5, 20) == 0.0
    assert stats.delta_for(0.02, 20, 20) == 0.0  # too few evaluations to stop
    assert stats.false_stop_rate(0.0, 2, 0.0, 10) == 0.0
    assert stats.false_stop_rate(0.0, 2, 0.0, 10, rule="transformers") == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.false_stop_rate(-1, 5, 0.1, 20),
        lambda: stats.false_stop_rate(0.1, 0, 0.1, 20),
        lambda: stats.delta_for(0.1, 5, 0),
        lambda: stats.delta_for(0.1, 5, 20, rate=5),
        lambda: stats.delta_for(0.1, 5, 20, correlation=1.0),
    ],
)
def test_impossible_rules_are_refused(call):
    with pytest.raises(BadInput):
        call()
