"""Every notebook under smoke.yaml by the real runner, in a process of its own, twice where sameness is the point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from caderno.runs import STAGE_DIRECTORIES, checkout

STAGES = ("preflight", "pretrain", "calibration", "sft", "grpo", "validation")


def start(runs: Path, *arguments: str) -> subprocess.Popen:
    """The command line in a process of its own, on one thread: two of them share two cores well."""
    environment = os.environ | {"CADERNO_RUNS": str(runs), "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).with_name("caderno")), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, cwd=checkout(), **pipes)


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> list[Path]:
    """The directories of two whole smoke runs, made side by side."""
    homes = [tmp_path_factory.mktemp("runs") for _ in range(2)]
    started = [start(home, "run", "params/smoke.yaml") for home in homes]
    for process in started:
        told, _ = process.communicate(timeout=900)
        assert process.returncode == 0, told[-3000:]
    return [home / "smoke" for home in homes]


@pytest.fixture(scope="module")
def smoke(twins) -> Path:
    return twins[0]


@pytest.fixture(scope="module")
def abstract(tmp_path_factory) -> Path:
    """A run of abstract chain-of-thought, every arm for a step or two."""
    home = tmp_path_factory.mktemp("abstract")
    process = start(home, "run", "params/abstract_cot/smoke.yaml")
    told, _ = process.communicate(timeout=600)
    assert process.returncode == 0, told[-3000:]
    return home / "abstract_cot-smoke"


def test_every_notebook_of_the_checkout_is_run(smoke, abstract):
    names = {path.stem.partition("_")[0] for path in (checkout() / "notebooks").glob("*.py")}
    ran = {path.parent.name.partition("-")[0] for run in (smoke, abstract) for path in run.glob("*/notebook.ipynb")}
    assert names == ran


@pytest.mark.parametrize("stage", [*STAGES, "abstract_cot"])
def test_a_stage_passes_and_leaves_its_artifacts(smoke, abstract, stage):
    directory = (abstract if stage == "abstract_cot" else smoke) / STAGE_DIRECTORIES[stage]
    assert json.loads((directory / "status.json").read_text())["state"] == "passed"
    assert json.loads((directory / "result.json").read_text())
    cells = nbformat.read(directory / "notebook.ipynb", as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)


def test_the_paired_notebooks_hold_no_outputs_and_stay_short(smoke):
    for path in (checkout() / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        assert 15 <= len(cells) <= 30, f"{path.name} has {len(cells)} cells"
        assert not any(cell.outputs or cell.execution_count for cell in code), path.name
        for cell in code:
            assert len(cell.source.splitlines()) <= 12, f"{path.name}: {cell.source}"
            assert "def " not in cell.source, f"{path.name}: {cell.source}"


def test_the_verdicts_are_there_and_none_fails(smoke):
    rows = json.loads((smoke / "00-preflight" / "guards.json").read_text())
    assert {"template-round-trip", "one-token", "reward-contract", "leak-scan"} <= {r["guard"] for r in rows}
    assert not [row for row in rows if row["verdict"] == "fail"]


def test_the_ledger_says_what_grpo_was_asked_and_did(smoke):
    rows = {row["what"]: row for row in json.loads((smoke / "30-grpo" / "ledger.json").read_text())}
    assert rows["temperature"]["same"] and rows["num_generations"]["effective"] == 4
    assert rows["early_stop.delta"]["requested"] == "standard_error" and not rows["early_stop.delta"]["same"]


def test_metrics_have_a_curve_per_task_and_their_steps(smoke):
    lines = [json.loads(line) for line in (smoke / "30-grpo" / "metrics.jsonl").read_text().splitlines()]
    keys = {key for line in lines for key in line}
    assert {"step", "wall_s", "reward", "entropy", "eval_reward"} <= keys
    # Two steps of two prompts meet two tasks or more, each with a curve of its own.
    assert len({key for key in keys if key.startswith("rewards/") and key.endswith("/mean")}) >= 2


def test_the_report_names_every_stage(smoke):
    report = (smoke / "report.md").read_text()
    assert all(STAGE_DIRECTORIES[stage] in report for stage in STAGES)


def test_every_abstract_arm_is_told_beside_its_control(abstract):
    result = json.loads((abstract / "50-abstract-cot" / "result.json").read_text())
    told = {line["arm"]: line for line in result["arms"]}
    assert {"direct", "verbal", "pause", "oracle", "cold_rl", "staged_rl", "selection_rl"} <= set(told)
    assert all(line["accuracy"]["n"] == result["test_rows"] for line in told.values())
    assert told["selection"]["paired_with"] == "direct" and told["selection_rl"]["paired_with"] == "selection"
    report = (abstract / "report.md").read_text()
    assert all(f"`{arm}`" in report for arm in told) and "hidden process supervision" in report


def test_the_same_command_again_skips_what_has_passed(smoke):
    again = start(smoke.parent, "run", "params/smoke.yaml")
    told, _ = again.communicate(timeout=300)
    assert again.returncode == 0 and told.count("skipped") == len(STAGES), told


def test_the_same_seed_gives_the_same_figures(twins):
    """Same rows, prompts, completions and validation figures from a second run; only times and paths may differ."""
    first, second = twins
    for file in ("40-validation/result.json", "40-validation/samples.jsonl", "10-calibration/samples.jsonl"):
        assert (first / file).read_text() == (second / file).read_text(), file
