"""The parameter files that ship: all load, say how to run them, and hold the figures they are known for."""

from __future__ import annotations

from pathlib import Path

import pytest

from caderno.params import Params, flatten, load, resolve
from caderno.params.sections import STAGES

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "params").rglob("*.y*ml"))


def params_of(name: str) -> Params:
    return load(ROOT / "params" / f"{name}.yaml")


def test_none_is_overlooked():
    names = {str(path.relative_to(ROOT / "params")) for path in FILES}
    expected = "base demo smoke tiny_base tucano2/base tucano2/v2 tucano2/v3 tucano2/v4".split()
    assert {f"{name}.yaml" for name in expected} <= names
    assert len(FILES) >= 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_loads_and_says_how_to_run_it(path):
    params = load(path)
    command, *head = path.read_text(encoding="utf-8").splitlines()[:12]
    assert command.split()[:4] == ["#", "caderno", "run", str(path.relative_to(ROOT))]
    assert any("Wants:" in line for line in head) and any("Takes:" in line for line in head)
    assert params.description
    if params.writeup.parent:
        assert (ROOT / params.writeup.parent).is_file()


def test_names_are_distinct():
    names = [load(path).name for path in FILES]
    assert len(set(names)) == len(names)
    assert {"demo", "smoke", "tucano2-v2", "tucano2-v3", "tucano2-v4"} <= set(names)


def test_base_writes_down_every_default():
    defaults = flatten(Params(name="base", model={"name": "tiny"}))
    base = flatten(params_of("base"))
    assert {key: value for key, value in base.items() if key != "description"} == {
        key: value for key, value in defaults.items() if key != "description"
    }
    _, places = resolve(ROOT / "params" / "base.yaml")
    assert [key for key in defaults if places.get(key) is None or places[key].line is None] == ["name"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.name", "tiny"),
        ("model.dtype", "float32"),
        ("model.lora", None),
        ("engine.name", "hf"),
        ("data.source", "shop"),
        ("data.profile", "small"),
        ("chat.enable_thinking", True),
        ("grpo.temperature", 1.0),
        ("tracking.mode", "offline"),
    ],
)
def test_demo(key, value):
    assert flatten(params_of("demo"))[key] == value


def test_smoke_runs_every_stage_for_a_step_or_two():
    smoke = params_of("smoke")
    assert set(smoke.stages) == set(STAGES) - {"abstract_cot"}
    assert (smoke.sft.max_steps, smoke.grpo.max_steps) == (2, 2)
    assert smoke.data.train_rows + smoke.data.heldout_rows + smoke.data.test_rows < 100
    assert smoke.pretrain.tokens < 10_000
    assert smoke.writeup.directory is None and smoke.tracking.mode == "offline"


def test_tiny_base_only_pretrains():
    assert params_of("tiny_base").stages == ("pretrain",)
    assert params_of("tiny_base").pretrain.tokens > 1_000_000


# The record of the project: parameter, v2, v3
RECORD = [
    ("grpo.temperature", 0.8, 1.0),
    ("grpo.max_completion_length", 2048, 4096),
    ("grpo.group_size", 8, 4),
    ("grpo.learning_rate", 5e-7, 2e-6),
    ("grpo.kl_coef", 0.001, 0.0),
    ("grpo.train_prompts", 300, None),
    ("data.train_rows", 1404, 1404),
    ("rewards.composite", True, False),
    ("rewards.staged", False, True),
    ("tasks.extraction.system_prompt", "generic", "task"),
    ("tasks.sql_qa.system_prompt", "generic", "task"),
    ("tasks.insights.system_prompt", "generic", "task"),
    ("tasks.push.system_prompt", "generic", "task"),
    ("tasks.push.think_budget_tokens", None, 100),
    ("tasks.extraction.think_budget_tokens", None, 150),
    ("tasks.sql_qa.think_budget_tokens", None, 400),
    ("tasks.insights.think_budget_tokens", None, 800),
    ("grpo.zero_advantage_noise", 0.0, 0.005),
    ("grpo.entropy_monitor", False, True),
    ("grpo.gradient_accumulation_steps", 2, 1),
    ("grpo.early_stop.patience", 10, 15),
    ("grpo.early_stop.delta", 0.01, 0.005),
    ("grpo.save_steps", 15, 10),
    ("grpo.save_total_limit", 3, 5),
    ("grpo.eval_temperature", 0.7, 0.1),
    ("grpo.eval_max_tokens", 2048, 4096),
    ("grpo.max_steps", 300, 500),
    ("data.proportions.extraction", 659, 659),
    ("data.proportions.sql_qa", 655, 655),
    ("data.proportions.push", 222, 222),
    ("data.proportions.insights", 114, 114),
    ("model.name", "Polygl0t/Tucano2-qwen-3.7B-Think", "Polygl0t/Tucano2-qwen-3.7B-Think"),
    ("chat.enable_thinking", None, None),
]


@pytest.mark.parametrize(("key", "v2", "v3"), RECORD, ids=[row[0] for row in RECORD])
def test_the_record_of_tucano2(key, v2, v3):
    assert flatten(params_of("tucano2/v2"))[key] == v2
    assert flatten(params_of("tucano2/v3"))[key] == v3


def test_the_think_reward_came_with_v3():
    assert params_of("tucano2/v2").rewards.think_efficiency == 0
    assert params_of("tucano2/v3").rewards.think_efficiency > 0


def test_v2_and_v3_start_from_the_sft_adapter():
    for name in ("tucano2/v2", "tucano2/v3"):
        params = params_of(name)
        assert params.model.adapter and params.model.lora and "sft" not in params.stages


def test_the_rows_of_tucano2_add_up():
    data = params_of("tucano2/v3").data
    assert sum(data.proportions.values()) == data.train_rows + data.heldout_rows == 1650
    assert data.heldout_rows / 1650 == pytest.approx(0.15, abs=0.002)


def coverage(params: Params) -> float:
    return params.grpo.max_steps * params.grpo.prompts_per_step / (params.grpo.train_prompts or params.data.train_rows)


def test_v3_met_a_third_of_its_prompts_and_v4_meets_all():
    assert coverage(params_of("tucano2/v3")) == pytest.approx(0.36, abs=0.005)
    assert coverage(params_of("tucano2/v4")) == 1.0


def test_v4_corrects_v3():
    v3, v4 = params_of("tucano2/v3"), params_of("tucano2/v4")
    assert v4.grpo.learning_rate == pytest.approx(10 * v3.grpo.learning_rate) and v4.model.lora
    assert v4.grpo.zero_advantage_noise == 0
    assert v4.grpo.early_stop.delta == "standard_error"
    window = v4.grpo.early_stop.patience * v4.grpo.eval_steps / v4.grpo.save_steps
    assert v4.grpo.save_total_limit > window
    assert v4.calibration.training.temperature == v4.grpo.temperature == v4.grpo.eval_temperature
    assert v4.validation.temperatures == (0.0, 1.0)
    assert v4.model.backend == "hf" and v4.grpo.entropy_monitor
    assert v4.model.adapter is None and "sft" in v4.stages


def test_v4_leaves_room_for_thought_and_answer():
    v4 = params_of("tucano2/v4")
    budgets = {name: task.think_budget_tokens for name, task in v4.tasks.items()}
    assert budgets == {"push": 100, "extraction": 150, "sql_qa": 400, "insights": 800}
    assert max(budgets.values()) < v4.grpo.max_completion_length < params_of("tucano2/v3").grpo.max_completion_length
    assert all(task.system_prompt == "task" for task in v4.tasks.values())
