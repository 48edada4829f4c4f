"""Early stopping waits for a decline beyond the noise, whose size the calibration measured."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from materials import FakeStage, params
from transformers import TrainerControl

from caderno import stats
from caderno.errors import BadInput
from caderno.training.stopping import StopOnDecline, delta

EARLY = {"eval_steps": 5, "save_steps": 5, "eval_rows": 64, "max_steps": 50}
NOISY = {"early_stop": {"patience": 2, "delta": "standard_error"}, **EARLY}


def stopped(callback: StopOnDecline, metrics: list[float]) -> list[bool]:
    """Whether each evaluation asked for the end."""
    found = []
    for step, value in enumerate(metrics):
        control, state = TrainerControl(), SimpleNamespace(global_step=step)
        callback.on_evaluate(None, state, control, metrics={"eval_reward": value})
        found.append(control.should_training_stop)
    return found


def test_a_flat_run_goes_on_and_a_declining_one_is_stopped():
    assert not any(stopped(StopOnDecline(2, 0.1), [0.5, 0.45, 0.52, 0.44, 0.47, 0.45, 0.5]))
    assert stopped(StopOnDecline(2, 0.1), [0.5, 0.6, 0.45, 0.55, 0.45, 0.4]) == [False] * 5 + [True]


def test_the_count_survives_a_resume():
    first = StopOnDecline(3, 0.1)
    stopped(first, [0.6, 0.3, 0.3])
    kept = json.loads(json.dumps(first.state()))
    again = StopOnDecline.from_state(kept)
    assert (again.best, again.below, again.patience) == (0.6, 2, 3)
    assert stopped(again, [0.3]) == [True]


def test_without_its_metric_it_does_not_guess():
    with pytest.raises(KeyError):
        StopOnDecline(2, 0.1).on_evaluate(None, SimpleNamespace(global_step=1), TrainerControl(), metrics={})


def calibrated(tmp_path, scores: list[list[float | None]]):
    """A stage whose calibration drew these scores per prompt at the training temperature, and others greedy."""
    (tmp_path / "calibration").mkdir()
    rows = [{"id": f"r{i}", "temperature": 1.0, "score": s} for i, group in enumerate(scores) for s in group]
    rows += [{"id": f"r{i}", "temperature": 0.0, "score": 0.9} for i in range(len(scores))]
    (tmp_path / "calibration" / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return FakeStage(tmp_path, params(grpo=NOISY))


@pytest.mark.parametrize("scores", [[[0.0, 1.0], [0.3, 0.3]], [[0.0, 1.0], [None, None], [0.3, 0.3], [0.9, None]]])
def test_delta_is_what_noise_makes_in_a_twentieth_of_flat_runs(tmp_path, scores):
    # variances within the prompts 0.5 and 0, mean 0.25; what lies between the prompts is the same in all evaluations
    sd = (0.25 / 64) ** 0.5
    found = delta(calibrated(tmp_path, scores))
    assert found == pytest.approx(stats.delta_for(sd, 2, 11))
    assert stats.false_stop_rate(sd, 2, found, 11) <= 0.05 < stats.false_stop_rate(sd, 2, 0.3 * found, 11)


def test_a_calibration_without_a_score_measures_nothing(tmp_path):
    with pytest.raises(BadInput, match="no calibration sample was judged"):
        delta(calibrated(tmp_path, [[None, None]]))


def test_without_any_spread_every_decline_counts(tmp_path):
    assert delta(calibrated(tmp_path, [[0.5, 0.5], [1.0, 1.0]])) == 0.0


def test_a_number_is_taken_as_it_is_and_no_calibration_is_an_error(tmp_path):
    given = FakeStage(tmp_path, params(grpo={"early_stop": {"patience": 2, "delta": 0.02}, **EARLY}))
    assert delta(given) == 0.02, "nothing is read"
    with pytest.raises(BadInput, match="no calibration measures it") as refused:
        delta(FakeStage(tmp_path, params(stages=["grpo"], grpo=NOISY)))
    assert refused.value.where == "grpo.early_stop.delta" and "calibration" in refused.value.mend
