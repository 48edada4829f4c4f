"""The running guards beside a Trainer: told once, recorded, and acted on as the parameters say."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
from materials import FakeStage, params
from transformers import TrainerControl

from caderno.training.watching import Watch


def watched(stage: FakeStage, log: list[dict]) -> tuple[Watch, list[TrainerControl]]:
    """A watch after a log, and the controls it left at every step."""
    watch, controls = Watch(stage), []
    watch.on_train_begin(None, SimpleNamespace(global_step=0), None)
    for step, values in enumerate(log, 1):
        control = TrainerControl()
        watch.on_log(None, SimpleNamespace(global_step=step), control, logs=values)
        controls.append(control)
    return watch, controls


def nan_at(step: int) -> list[dict]:
    return [{"loss": math.nan if number == step else 0.1 * number, "reward": 0.5} for number in range(1, 6)]


def test_a_nan_saves_and_stops_at_its_step_and_is_told_once(tmp_path, capsys):
    stage = FakeStage(tmp_path, params())
    _, controls = watched(stage, nan_at(3))
    assert [c.should_training_stop for c in controls] == [False, False, True, False, False]
    assert controls[2].should_save
    assert [(row["guard"], row["verdict"], row["step"]) for row in stage.verdicts] == [("nan-unmask", "fail", 3)]
    assert capsys.readouterr().out.count("nan-unmask") == 1


@pytest.mark.parametrize(("action", "saves", "stops"), [("warn", False, False), ("checkpoint", True, False)])
def test_a_guards_own_action_replaces_the_stop(tmp_path, action, saves, stops):
    stage = FakeStage(tmp_path, params(guards={"actions": {"nan-unmask": action}}))
    control = watched(stage, nan_at(3))[1][2]
    assert (control.should_save, control.should_training_stop) == (saves, stops)


def test_a_warning_stops_where_the_parameters_want_it(tmp_path):
    log = [{"reward": 0.5, "completions/clipped_ratio": 0.3 + 0.01 * step} for step in range(12)]
    assert not any(c.should_training_stop for c in watched(FakeStage(tmp_path, params()), log)[1])
    strict = FakeStage(tmp_path, params(guards={"stop_on": ["fail", "warn"]}))
    assert any(c.should_training_stop for c in watched(strict, log)[1])


def test_what_never_fired_is_recorded_at_the_end(tmp_path):
    stage = FakeStage(tmp_path, params())
    watch, _ = watched(stage, nan_at(99))
    watch.close()
    answers = {row["guard"]: row["verdict"] for row in stage.verdicts}
    assert answers["nan-unmask"] == "pass" and answers["clip-ratio"] == "not_applicable"
    assert set(answers) == {guard.name for guard in watch.running} and watch.seconds > 0


def test_a_resumed_run_is_judged_with_what_came_before(tmp_path):
    lines = [{"step": step, "loss": 1.0, "wall_s": 1.0 * step} for step in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    stage = FakeStage(tmp_path, params())
    stage.name = "sft"
    watch = Watch(stage)
    watch.on_train_begin(None, SimpleNamespace(global_step=2), None)
    assert [entry["step"] for entry in watch.history] == [1, 2]
    watch.on_log(None, SimpleNamespace(global_step=3), TrainerControl(), logs={"loss": 1.0})
    assert [row["guard"] for row in stage.verdicts] == ["constant-loss"]
