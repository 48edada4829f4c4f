"""Time and cost from a probe: coverage on heavy tails, too few steps said so, and every form of log."""

from __future__ import annotations

import json

import numpy as np
import pytest

from caderno import advice
from caderno.advice.probe import from_rows
from caderno.advice.tails import bounds_of_sum
from caderno.errors import BadInput

STEPS = 300


def probe(seconds, tokens=None, first: int = 1, planned: int | None = None):
    rows = [{"step": first + i, "step_time": float(s)} for i, s in enumerate(seconds)]
    for row, length in zip(rows, tokens if tokens is not None else [], strict=False):
        row["completions/mean_length"] = float(length)
    return from_rows(rows, "probe", planned)


def test_three_steps_say_too_few_and_give_the_range():
    found = advice.forecast(probe([65, 180, 420]), 500, usd_per_hour=0.71)
    assert found.verdict == "too few steps to say" and found.confidence is None
    assert (round(found.low_s / 3600), round(found.high_s / 3600)) == (9, 58)
    assert found.middle_s is None  # no single figure to quote
    assert found.high_usd == pytest.approx(58.33 * 0.71, abs=0.01)
    assert found.steps_wanted > 20 and "kept" in found.warm_up


HEAVY = {
    "log-normal 0.5": lambda rng, n: rng.lognormal(3, 0.5, n),
    "log-normal 1": lambda rng, n: rng.lognormal(3, 1.0, n),
    "Pareto 2.2": lambda rng, n: 10 * (1 + rng.pareto(2.2, n)),
    "fixed + exponential": lambda rng, n: 20 + 10 * rng.exponential(1, n),
    "log-t 4": lambda rng, n: np.exp(3 + 0.3 * rng.standard_t(4, n)),
    "one in five is slow": lambda rng, n: rng.lognormal(3, 0.2, n) * np.where(rng.random(n) < 0.2, 4, 1),
}


@pytest.mark.parametrize("n", [5, 10, 30])
@pytest.mark.parametrize("kind", HEAVY)
def test_intervals_cover_heavy_tailed_steps(kind, n):
    """90 % at least (binomial SE 0.027 at 120 studies; the tolerance is one of them)."""
    rng, studies = np.random.default_rng(n), 120
    inside = []
    for study in range(studies):
        low, high = bounds_of_sum(HEAVY[kind](rng, n), STEPS, seed=study)
        inside.append(low <= HEAVY[kind](rng, STEPS).sum() <= high)
    assert np.mean(inside) >= 0.90 - 0.027


@pytest.mark.parametrize(("n", "widest"), [(10, 2.0), (30, 1.4)])
def test_intervals_of_steady_steps_are_of_use(n, widest):
    rng = np.random.default_rng(0)
    factors = []
    for study in range(20):
        low, high = bounds_of_sum(rng.lognormal(3, 0.15, n), STEPS, seed=study)
        factors.append(high / low)
    assert np.median(factors) < widest


def with_tokens(rng, n: int):
    tokens = 500 * rng.lognormal(0, 0.6, n)
    return tokens, np.maximum(5.0, 20 + 0.1 * tokens + 4 * rng.standard_t(4, n))


@pytest.mark.parametrize("n", [10, 30])
def test_regression_on_tokens_covers_and_narrows(n):
    """Steps driven by heavy-tailed completions: unknown tokens to come, then their mean given."""
    rng, found = np.random.default_rng(1), {False: [], True: []}
    widths = {False: [], True: []}
    for study in range(60):
        tokens, seconds = with_tokens(rng, n)
        later_tokens, later = with_tokens(rng, STEPS)
        for given in (False, True):
            told = advice.forecast(
                probe(seconds, tokens, first=2), STEPS, tokens=later_tokens.mean() if given else None, seed=study
            )
            found[given].append(told.low_s <= later.sum() <= told.high_s)
            widths[given].append(told.high_s / told.low_s)
    assert np.mean(found[False]) >= 0.9 - 0.04 and np.mean(found[True]) >= 0.9 - 0.04
    assert np.median(widths[True]) < 0.7 * np.median(widths[False]) and np.median(widths[True]) < 1.3


def test_the_line_on_tokens_is_told():
    tokens, seconds = with_tokens(np.random.default_rng(2), 40)
    line = advice.forecast(probe(seconds, tokens, first=2), STEPS).regression
    assert line.used and line.low < 0.1 < line.high and line.r2 > 0.8 and line.tokens_are == "tokens a completion"
    flat = advice.forecast(probe(np.random.default_rng(3).lognormal(3, 0.2, 40), tokens, first=2), STEPS)
    assert not flat.regression.used and "log-normal" in flat.method


def test_a_ceiling_on_tokens_bounds_the_high_end():
    from dataclasses import replace

    tokens, seconds = with_tokens(np.random.default_rng(4), 10)
    free = advice.forecast(probe(seconds, tokens, first=2), STEPS)
    capped = advice.forecast(replace(probe(seconds, tokens, first=2), ceiling_tokens=700.0), STEPS)
    assert capped.high_s < free.high_s and capped.low_s == free.low_s


def test_a_wide_interval_is_no_estimate():
    found = advice.forecast(probe(np.random.default_rng(5).lognormal(3, 1.2, 8), first=2), STEPS)
    assert found.verdict == "too few steps to say" and found.confidence == 0.95 and "factor" in found.why


def test_the_first_step_is_left_out_by_its_place():
    found = advice.forecast(probe([90, *[10.0, 10.5, 9.5, 10.2, 9.8, 10.1, 9.9, 10.3, 9.7, 10.4]]), 100)
    assert found.n == 10 and "left out" in found.warm_up and found.verdict == "estimate"
    assert found.low_s < 1_010 < found.high_s and found.high_s < 1_600
    later = advice.forecast(probe([90, *[10.0] * 9], first=20), 100)
    assert later.n == 10 and "nothing was left out" in later.warm_up


def test_equal_steps_have_one_total():
    assert bounds_of_sum(np.full(6, 2.0), 100) == (200.0, 200.0)


def test_every_log_gives_the_same_probe(tmp_path):
    rng = np.random.default_rng(6)
    rows = [
        {"step": i, "step_time": float(s), "completions/mean_length": float(t), "loss": 0.0}
        for i, (t, s) in enumerate(zip(*with_tokens(rng, 12), strict=True), 1)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 13, "st')
    state = {"log_history": [*rows, {"step": 12, "train_loss": 0.1, "train_runtime": 5.0}], "max_steps": 112}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    lines = ["Step,run - train/step_time,run - train/step_time__MIN,run - train/completions/mean_length"]
    lines += [f"{r['step']},{r['step_time']},{r['step_time']},{r['completions/mean_length']}" for r in rows]
    (tmp_path / "wandb.csv").write_text("\n".join(lines) + "\n")
    files = [tmp_path / "metrics.jsonl", tmp_path / "trainer_state.json", tmp_path / "wandb.csv"]
    found = [advice.read_probe(str(file)) for file in files]
    assert {one.seconds for one in found} == {found[0].seconds} and {one.tokens for one in found} == {found[0].tokens}
    assert [one.steps_left for one in found] == [None, 100, None]
    assert advice.read_probe(str(tmp_path)).seconds == found[0].seconds


def test_a_clock_counts_evaluations_and_not_the_night_between_attempts(tmp_path):
    rows = [{"step": 1, "wall_s": 3.0, "step_time": 2.5, "loss": 1.0}, {"step": 2, "wall_s": 5.0, "loss": 1.0}]
    rows += [{"step": 2, "wall_s": 9.0, "eval_loss": 1.0}, {"step": 3, "wall_s": 11.0, "loss": 1.0}]
    rows += [{"step": 4, "wall_s": 2.0, "loss": 1.0}, {"step": 6, "wall_s": 6.0, "loss": 1.0}]
    found = from_rows(rows, "log")
    assert found.seconds == (2.5, 2.0, 6.0, 2.0) and found.steps == (1, 2, 3, 6)
    assert "evaluations and checkpoints included" in found.seconds_from


def test_tokens_are_differences_of_a_running_total():
    rows = [{"step": i, "step_time": 1.0 + i, "num_tokens": 100.0 * i * i} for i in range(1, 6)]
    found = from_rows(rows, "log")
    assert found.tokens == (100.0, 300.0, 500.0, 700.0, 900.0) and found.tokens_are == "tokens a step"
    assert from_rows([{"step": 1, "step_time": 2.0}], "log").tokens is None


@pytest.mark.parametrize(
    ("rows", "arguments", "said"),
    [
        ([{"step": 1, "loss": 0.3}], {"steps": 5}, "no step times"),
        ([{"step": 1, "eval_loss": 0.3, "step_time": 1.0}], {"steps": 5}, "no step times"),
        ([{"step": 1, "step_time": 1.0}], {}, "how many steps"),
        ([{"step": 1, "step_time": 1.0}], {"steps": 0}, "at least 1"),
        ([{"step": 1, "step_time": 1.0}], {"steps": 5, "usd_per_hour": -1}, "USD"),
        ([{"step": 1, "step_time": 1.0}], {"steps": 5, "tokens": 100.0}, "per token"),
        ([], {"steps": 5}, "no step times"),
    ],
)
def test_what_cannot_be_estimated_is_refused(rows, arguments, said):
    with pytest.raises(BadInput, match=said):
        advice.forecast(from_rows(rows, "log"), **arguments)


def test_broken_files_are_told_by_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"step": 1, "step_time": 1}\n{"step": \n{"step": 3}\n')
    with pytest.raises(BadInput, match="line 2"):
        advice.read_probe(str(tmp_path / "a.jsonl"))
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(BadInput, match="log_history"):
        advice.read_probe(str(tmp_path / "b.json"))
    with pytest.raises(BadInput, match=r"no metrics\.jsonl"):
        advice.read_probe(str(tmp_path))
    with pytest.raises(BadInput, match="no run"):
        advice.read_probe("no-such-run")
