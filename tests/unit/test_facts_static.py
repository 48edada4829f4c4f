"""The facts of the static guards against what they stand for: transformers' schedules, TRL, model files."""

from __future__ import annotations

import pytest
import torch
from materials import params

from caderno import guards, models, runs, stats, trl_arguments
from caderno.errors import BadInput
from caderno.guards import facts_static, trials, trl_configs
from caderno.guards import facts_static_files as files
from caderno.guards import facts_static_model as model_facts
from caderno.guards.static_evaluation import half_width
from caderno.guards.static_schedule import simulate
from caderno.guards.trl_configs_child import plain

LORA = {"rank": 8, "alpha": 16}


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant", "constant_with_warmup"])
@pytest.mark.parametrize(("steps", "share", "advances"), [(156, 0.05, 1), (156, 0.05, 2), (7, 0.5, 1), (40, 0.0, 3)])
def test_schedules_are_those_of_transformers(kind, steps, share, advances):
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    facts = facts_static.schedules(params(stages=["sft"], sft={"max_steps": steps, "warmup_share": share}))["sft"]
    schedule = facts | {"kind": kind, "peak": 1e-4, "advances_per_step": advances}
    real = get_scheduler(kind, optimizer, num_warmup_steps=schedule["warmup_steps"], num_training_steps=steps)
    rates = [real.get_last_lr()[0]]
    for _ in range(steps):
        for _ in range(advances):
            optimizer.step()
            real.step()
        rates.append(real.get_last_lr()[0])
    assert simulate(schedule) == pytest.approx(rates, abs=1e-12)


def test_sft_steps_are_the_trainers():
    found = params(data={"train_rows": 100, "sft_rows": 33}, sft={"epochs": 1.5, "batch_size": 8})
    assert facts_static.sft_steps(found) == 8  # 5 batches an epoch, rounded up, one and a half times
    assert facts_static.sft_steps(params(sft={"max_steps": 3})) == 3


def test_half_of_wilsons_interval():
    for n in (12, 400, 5000):
        low, high = (lambda e: (e.low, e.high))(stats.proportion_interval(n // 2, n, 0.95))
        assert half_width(n, 0.95) == pytest.approx((high - low) / 2, rel=1e-6)


def test_the_numbers_of_a_model_are_those_that_torch_counts(directory, tiny_pair):
    model, _ = tiny_pair
    found = model_facts.model_facts(params(model={"name": str(directory)}))
    assert found["parameters"] == model.num_parameters() and found["directory"] == str(directory)
    policy = models.with_lora(models.load(params(model={"name": str(directory)}).model), params(
        model={"name": "tiny", "lora": LORA}).model.lora)  # fmt: skip
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    section = params(model={"name": str(directory), "lora": LORA}).model
    assert model_facts.adapter_parameters(section, found["config"]) == trained
    named = section.model_copy(update={"lora": section.lora.model_copy(update={"targets": ("head",)})})
    assert model_facts.adapter_parameters(named, found["config"]) is None


def test_the_numbers_of_an_architecture_are_those_of_the_shipped_model():
    shipped = model_facts.model_facts(params())
    counted = model_facts.architecture_parameters(params().pretrain.architecture, shipped["config"]["vocab_size"])
    assert counted == shipped["parameters"]


def test_a_model_that_is_not_here_has_no_size(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    away = params(model={"name": "org/none"})
    assert model_facts.model_facts(away) == {"directory": None, "config": None, "parameters": None}
    assert model_facts.checkpoint_bytes(away, model_facts.model_facts(away)) is None
    snapshot = tmp_path / "models--org--none" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"hidden_size": 8}')
    refs = tmp_path / "models--org--none" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc\n")
    assert model_facts.model_facts(away)["config"] == {"hidden_size": 8}
    assert model_facts.directory("org/none", "abc") == snapshot and model_facts.directory("org/none", "v2") is None


def test_checkpoints_hold_weights_and_moments():
    found = params(stages=["sft", "grpo"])
    sizes = model_facts.checkpoint_bytes(found, {"parameters": 1000, "config": None})
    assert sizes == {stage: {"checkpoint": 12_000, "final": 4_000} for stage in ("sft", "grpo")}


@pytest.mark.parametrize(
    ("name", "hub"),
    [("tiny", False), ("org/name", True), ("gpt2", True), ("./a", False), ("/a", False), ("a/b/c", False)],
)
def test_what_can_only_be_a_hub_id(name, hub):
    assert model_facts.is_hub_id(name) is hub


class Silent:
    """Stands for TRL's process, and answers nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, stages, processes):
        pass

    def answer(self):
        return {"unknown": "not asked here"}


def test_an_installed_package_without_a_checkout_is_judged_too(monkeypatch):
    def none():
        raise BadInput("no checkout found")

    monkeypatch.setattr(runs.paths, "checkout", none)
    monkeypatch.setattr(runs, "checkout", none)
    monkeypatch.delenv("CADERNO_RUNS", raising=False)
    facts = facts_static.gather(params(model={"name": "org/none"}, sft={"learning_rate": 1e-5}), asked=Silent())
    found = {verdict.guard: verdict.verdict for verdict in guards.judge("static", facts)}
    assert facts["pins"] is facts["notebooks"] is facts["run_root"] is None and facts["hub_ids"] == ["org/none"]
    for name in ("version-lock", "runner-contract", "durable-logs", "checkpoint-disk", "trl-configs"):
        assert found[name] == "unknown", name
    assert "fail" not in found.values() and found["group-noise"] == "pass"


def test_what_is_not_installed_is_none():
    assert files.pins(None) is None and files.notebooks(None, ["sft"]) is None
    assert files.installed(["no-such-package"])["no-such-package"] is None
    assert files.installed([])["trl"]


@pytest.mark.parametrize(
    ("sections", "stage", "trial"),
    [
        ({"grpo": {"max_steps": 2}}, "grpo", True),
        ({"grpo": {"max_steps": 10}}, "grpo", False),
        ({"pretrain": {"tokens": 400}}, "pretrain", True),
        ({"stages": ["sft", "validation"], "sft": {"max_steps": 2}}, "validation", True),
        ({"stages": ["sft", "grpo", "validation"], "sft": {"max_steps": 2}}, "validation", False),
        ({"stages": ["calibration"]}, "calibration", False),
    ],
)
def test_what_is_a_trial_of_the_code(sections, stage, trial):
    assert trials.is_trial(params(**sections), stage) is trial


def test_the_child_and_the_whole_library_agree():
    """Without torch the same arguments are taken, and what they become is the same."""
    from trl import GRPOConfig, SFTConfig

    arguments = trl_arguments.all_stages(params(stages=["sft", "grpo"]), gpu=False, output_dir="unused")
    for stage, config in (("sft", SFTConfig), ("grpo", GRPOConfig)):
        held = config(**arguments[stage])
        assert {name: plain(getattr(held, name)) for name in arguments[stage]} == arguments[stage]


def test_a_child_that_does_not_answer_is_unknown(monkeypatch):
    monkeypatch.setattr(trl_configs.sys, "executable", "/bin/false")
    with trl_configs.Asked() as asked:
        asked.ask({"sft": {}}, 1)
        assert "could not be imported" in asked.answer()["unknown"]
    monkeypatch.undo()
    with trl_configs.Asked() as asked:
        asked.ask({"sft": {}}, 1)
        assert "longer than" in asked.answer(deadline_s=0.01)["unknown"]
    assert asked._process.poll() is not None
