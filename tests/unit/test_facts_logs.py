"""Logs of every form become the same history, and what is no log is refused with the place."""

from __future__ import annotations

import json
import math

import pytest

from caderno import params, runs
from caderno.errors import BadInput
from caderno.guards import facts_logs
from caderno.guards.facts_logs import key_of, merged, read_log, settings_of

LOG = [{"step": step, "loss": 1.0 / step, "reward": 0.5 + step / 100} for step in range(1, 5)]


def written(tmp_path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    return path


FORMS = {
    "trainer_state.json": json.dumps({"log_history": LOG, "global_step": 4, "best_metric": None}),
    "metrics.jsonl": "".join(json.dumps(entry) + "\n" for entry in LOG),
    "cut.jsonl": "".join(json.dumps(entry) + "\n" for entry in LOG) + '{"step": 5, "lo',
    "wandb.json": json.dumps([{"_step": e["step"], "train/loss": e["loss"], "train/reward": e["reward"]} for e in LOG]),
    "history.csv": "_step,train/loss,train/reward,_timestamp\n"
    + "".join(f"{e['step']},{e['loss']!r},{e['reward']!r},\n" for e in LOG),
    "lists.json": json.dumps({"loss": [e["loss"] for e in LOG], "reward": [e["reward"] for e in LOG], "processes": 2}),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_history(tmp_path, name):
    assert read_log(written(tmp_path, name, FORMS[name])) == [pytest.approx(entry) for entry in LOG]


def test_a_chart_of_wandb_is_read_by_its_measure(tmp_path):
    header = ["Step", *(f"grpo v3 - train/reward{end}" for end in ("", "__MIN", "__MAX"))]
    text = ",".join(f'"{name}"' for name in header) + '\n"1","0.5","0","1"\n'
    assert read_log(written(tmp_path, "chart.csv", text)) == [{"step": 1.0, "reward": 0.5}]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("train/loss", "loss"), ("eval/reward", "eval_reward"), ("lrs", "learning_rate"), ("_step", "step"),
        ("completion_length", "completions/mean_length"), ("rewards/format_reward", "rewards/format_reward/mean"),
        ("rewards/push/std", "rewards/push/std"), ("clip_ratio", "clip_ratio/region_mean"), ("odd", "odd"),
    ],
)  # fmt: skip
def test_other_names_are_translated(key, expected):
    assert key_of(key) == expected


def test_text_is_left_out_and_a_nan_stays_visible(tmp_path):
    path = written(tmp_path, "log.jsonl", '{"step": 1, "loss": NaN, "note": "warm", "done": true, "kl": "0.5"}\n')
    [entry] = read_log(path)
    assert math.isnan(entry["loss"]) and entry["kl"] == 0.5 and set(entry) == {"step", "loss", "kl"}


def test_two_lines_of_a_step_become_one_and_a_repeated_key_stays_two():
    one = merged([{"step": 1, "loss": 2.0, "epoch": 0.1}, {"step": 1, "eval_loss": 3.0, "epoch": 0.1}])
    assert one == [{"step": 1, "loss": 2.0, "eval_loss": 3.0, "epoch": 0.1}]
    assert len(merged([{"step": 1, "loss": 2.0}, {"step": 1, "loss": 1.0}])) == 2
    assert [entry["step"] for entry in merged([{"loss": 1.0}, {"loss": 0.9}])] == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither JSON nor a table"), ("just words\nand more\n", "neither JSON nor a table"),
        ('{"step": 1, "loss": 1}\n{"step": 2,\n{"step": 3, "loss": 1}\n', "line 2"), ("[1, 2]", "entry 1 is no object"),
        ('[{"note": "x"}]', "1 entries without a number"), ('{"step": 1}\n{"step": 2}\n', "without a number"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused(tmp_path, text, said):
    with pytest.raises(BadInput, match=said):
        read_log(written(tmp_path, "log.json", text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_log(tmp_path / "none.jsonl")


def test_settings_come_from_parameters_under_the_trainers_names():
    found = settings_of(params.load(runs.resolve("params/tucano2/v3.yaml")))
    assert (found["num_iterations"], found["beta"], found["noise"]) == (1, 0.0, 0.005)
    assert found["max_completion_length"] == 4096 and found["reward_range"] == pytest.approx(1.1)
    assert settings_of(params.load(runs.resolve("params/demo.yaml")), "sft")["method"] == "sft"
    assert set(facts_logs.ALIASES.values()) >= {"loss", "step", "learning_rate"}
