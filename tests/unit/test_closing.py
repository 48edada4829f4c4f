"""How a stage that trains ends, how the next one begins, and what the runner adds when the notebook is written."""

from __future__ import annotations

import nbformat
import pytest
from fake_notebooks import write_notebook, write_params
from materials import FakeStage, params

from caderno import models, pipeline, runs, writeup
from caderno.errors import GuardRefused, StageFailed
from caderno.params.sections import LoraParams
from caderno.training import closing, policies

KEY = "hf_" + "aB3dE5gH7jK9" * 3  # nobody's


@pytest.fixture
def stage(tmp_path, tiny_model_dir):
    """GRPO after an SFT whose model is the tiny one, and which has written what it saved."""
    found = FakeStage(tmp_path / "30-grpo", params(model={"name": str(tiny_model_dir)}, stages=["sft", "grpo"]))
    found.directory.mkdir()
    found.parent = lambda name: tmp_path / "20-sft"
    sft = FakeStage(tmp_path / "20-sft", found.params)
    runs.write_json(sft.directory / "ledger.json", [{"what": "seed", "requested": 0, "effective": 0, "same": True}])
    closing.keep(sft, models.with_lora(models.load(found.params.model), LoraParams(rank=2, alpha=2)))
    found.sft = sft
    return found


def said(stage) -> dict[str, str]:
    return {row["guard"]: row["verdict"] for row in stage.verdicts}


def test_what_is_kept_is_judged_before_the_gate(stage):
    assert said(stage.sft) == dict.fromkeys(closing.AFTER_TRAINING, "pass")


def test_a_ledger_that_differs_is_told(stage, capsys):
    row = {"what": "model.dtype", "requested": "bfloat16", "effective": "float32", "same": False}
    runs.write_json(stage.sft.directory / "ledger.json", [row])
    closing.keep(stage.sft, models.load(stage.params.model))
    assert said(stage.sft)["ledger-match"] == "fail" and said(stage.sft)["merged-equals-adapter"] == "not_applicable"
    assert "fail: ledger-match: model.dtype was asked as bfloat16" in capsys.readouterr().out


def test_a_stage_starts_from_what_was_saved(stage):
    policies.start(stage)
    assert said(stage) == {"parent-hash": "pass"}


@pytest.mark.parametrize("begin", [policies.start, policies.engine])
def test_a_stage_does_not_start_from_what_has_changed(stage, begin, monkeypatch):
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("nothing may be loaded"))
    file = stage.sft.directory / "model/model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(GuardRefused, match="parent-hash fail"):
        begin(stage)
    assert said(stage) == {"parent-hash": "fail"}


def test_the_parameters_may_let_it_start_all_the_same(stage):
    stage.params = stage.params.model_copy(update={"guards": stage.params.guards.model_copy(update={"stop_on": ()})})
    (stage.sft.directory / "weights.json").write_text('{"model.safetensors": "0"}')
    policies.start(stage)
    assert said(stage) == {"parent-hash": "fail"}


def test_a_pass_of_one_parent_does_not_hide_another_that_failed(stage):
    row = {"guard": "parent-hash", "verdict": "fail", "why": "30-grpo: model.safetensors", "step": None}
    runs.write_json(stage.directory / "guards.json", [row])
    closing.require_unchanged(stage, stage.sft.directory)
    assert stage.verdicts == []
    runs.write_json(stage.directory / "guards.json", [row | {"why": "20-sft: model.safetensors"}])
    closing.require_unchanged(stage, stage.sft.directory)
    assert said(stage) == {"parent-hash": "pass"}, "mended"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a preflight of one cell; gives back its directory."""
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(writeup, "write", lambda run_dir, directory: None)

    def run(cell: str, **values):
        write_notebook(tmp_path / "notebooks", "preflight", cell)
        path = write_params(tmp_path / "a.yaml", stages=["preflight"], **values)
        return pipeline.run(path, notebooks=tmp_path / "notebooks")

    run.stage = tmp_path / "runs/fake/00-preflight"
    return run


def verdicts(run) -> dict[str, str]:
    return {row["guard"]: row["verdict"] for row in runs.read_json(run.stage / "guards.json")}


def test_a_clean_notebook_passes_with_its_verdicts(run):
    run("print('reward 0.5')")
    wanted = {"notebook-secrets": "pass", "notebook-html": "pass", "checkpoint-hash": "not_applicable"}
    assert verdicts(run) == wanted and runs.read_status(run.stage)["state"] == "passed"


def test_a_token_in_the_executed_notebook_gates_the_stage(run):
    with pytest.raises(GuardRefused, match="notebook-secrets fail") as refused:
        run(f"print('{KEY[:10]}' + '{KEY[10:]}')")
    assert refused.value.exit_code == 3 and KEY not in str(refused.value)
    status = runs.read_status(run.stage)
    assert status["state"] == "gated" and "an output of cell 4" in status["error"]
    assert nbformat.read(run.stage / "notebook.ipynb", as_version=4), "it is left for people to look at"


def test_an_output_that_acts_is_told_and_passes(run):
    run("from IPython.display import HTML\nHTML('<button>run</button>')")
    assert verdicts(run)["notebook-html"] == "warn" and runs.read_status(run.stage)["state"] == "passed"


def test_a_notebook_that_failed_is_judged_and_fails_for_its_own_reason(run):
    with pytest.raises(StageFailed, match="ValueError: no such column"):
        run(f"print('{KEY}')\nraise ValueError('no such column')")
    assert verdicts(run)["notebook-secrets"] == "fail" and runs.read_status(run.stage)["state"] == "failed"


def test_the_parameters_may_only_have_it_told(run):
    run(f"print('{KEY}')", guards={"actions": {"notebook-secrets": "warn"}})
    assert verdicts(run)["notebook-secrets"] == "fail" and runs.read_status(run.stage)["state"] == "passed"
