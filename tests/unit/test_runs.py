"""Run directories: whose they are, what a stage depends on, what is recorded."""

from __future__ import annotations

import errno
import os
from collections import namedtuple

import pytest
from fake_notebooks import write_notebook, write_params

from caderno import params as parameters
from caderno import runs
from caderno.errors import BadInput
from caderno.runs import inputs, paths
from caderno.runs import manifest as manifests

ALL = ["preflight", "calibration", "sft", "grpo", "validation"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))


def opened(path):
    loaded = parameters.load(path)
    return runs.create_or_open(runs.run_directory(loaded), loaded, path)


def test_the_manifest_says_what_the_run_was_made_with(tmp_path):
    manifest = opened(write_params(tmp_path / "a.yaml", seed=7))
    opening = manifest["openings"][0]
    assert manifest["params_file"] == str(tmp_path / "a.yaml")
    assert opening["versions"]["papermill"] and opening["hardware"]["cores"] >= 1
    assert opening["hardware"]["memory_gib"] > 0 and opening["seeds"] == {"seed": 7}
    run_dir = tmp_path / "runs/fake"
    assert parameters.load(run_dir / "params.yaml").seed == 7
    if opening["git"] and opening["git"]["diff"]:
        assert (run_dir / opening["git"]["diff"]).read_text().startswith("diff ")


def test_a_run_belongs_to_one_parameter_file(tmp_path):
    opened(write_params(tmp_path / "a.yaml"))
    before = (tmp_path / "runs/fake/run.json").read_bytes()
    with pytest.raises(BadInput) as refused:
        opened(write_params(tmp_path / "b.yaml", seed=1))
    message = str(refused.value)
    assert "a.yaml" in message and "b.yaml" in message and "--name" in message
    assert (tmp_path / "runs/fake/run.json").read_bytes() == before
    assert parameters.load(tmp_path / "runs/fake/params.yaml").seed == 0


def test_the_same_file_may_change_and_the_manifest_remembers(tmp_path):
    first = opened(write_params(tmp_path / "a.yaml"))
    second = opened(write_params(tmp_path / "a.yaml", seed=1))
    assert first["tracking_id"] == second["tracking_id"]
    assert [opening["seeds"]["seed"] for opening in second["openings"]] == [0, 1]
    assert parameters.load(tmp_path / "runs/fake/params.yaml").seed == 1


def test_opened_with_its_own_parameters_nothing_is_written(tmp_path):
    opened(write_params(tmp_path / "a.yaml"))
    before = (tmp_path / "runs/fake/run.json").stat().st_mtime_ns
    opened(tmp_path / "runs/fake/params.yaml")
    assert (tmp_path / "runs/fake/run.json").stat().st_mtime_ns == before


def test_a_directory_that_is_not_a_run_is_left_alone(tmp_path):
    (tmp_path / "runs/fake").mkdir(parents=True)
    (tmp_path / "runs/fake/thesis.tex").write_text("years")
    with pytest.raises(BadInput, match="not a run"):
        opened(write_params(tmp_path / "a.yaml"))
    assert [file.name for file in (tmp_path / "runs/fake").iterdir()] == ["thesis.tex"]


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**20))
    with pytest.raises(BadInput, match="GiB free"):
        opened(write_params(tmp_path / "a.yaml"))
    assert not (tmp_path / "runs").exists()


def test_a_disk_that_fills_while_the_run_is_created_is_bad_input(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(manifests, "write_text", full)
    with pytest.raises(BadInput, match="No space left"):
        opened(write_params(tmp_path / "a.yaml"))


def test_one_runner_at_a_time(tmp_path):
    second = runs.locked(tmp_path / "run")
    with runs.locked(tmp_path / "run"), pytest.raises(BadInput, match="another runner"), second:
        pass
    with runs.locked(tmp_path / "run"):
        pass


def test_runs_are_found_by_name_and_by_path(tmp_path):
    opened(write_params(tmp_path / "a.yaml"))
    assert runs.find_run("fake") == runs.find_run(tmp_path / "runs/fake") == runs.all_runs()[0]
    with pytest.raises(BadInput, match="'fake'"):
        runs.find_run("fak")


def hashes(tmp_path, **values):
    """Inputs' hash of every stage under these parameters."""
    loaded = parameters.load(write_params(tmp_path / "a.yaml", stages=ALL, **values))
    return {stage: runs.inputs_hash(stage, loaded, tmp_path / "notebooks") for stage in ALL}


def changed(before, after):
    return [stage for stage in ALL if before[stage] != after[stage]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"grpo": {"learning_rate": 2e-6}}, ["preflight", "grpo", "validation"]),
        ({"sft": {"learning_rate": 2e-6}}, ["preflight", "sft", "grpo", "validation"]),
        ({"calibration": {"rows": 5}}, ["preflight", "calibration"]),
        ({"validation": {"max_new_tokens": 5}}, ["preflight", "validation"]),
        ({"seed": 3}, ALL),
        ({"description": "words", "writeup": {"directory": "x"}, "tracking": {"project": "p"}}, []),
    ],
)
def test_a_stage_depends_on_its_own_sections_and_its_parents(tmp_path, values, expected):
    # calibration scores what follows it, so here (before sft) it has no parent
    assert changed(hashes(tmp_path), hashes(tmp_path, **values)) == expected


def test_a_stage_depends_on_its_notebooks_code_not_its_prose(tmp_path):
    notebooks = tmp_path / "notebooks"
    write_notebook(notebooks, "sft", "a = 1")
    before = hashes(tmp_path)
    path = write_notebook(notebooks, "sft", "a = 1")
    path.write_text(path.read_text().replace('"outputs": []', '"outputs": [{"output_type": "stream"}]'))
    assert changed(before, hashes(tmp_path)) == []
    write_notebook(notebooks, "sft", "a = 2")
    assert changed(before, hashes(tmp_path)) == ["sft", "grpo", "validation"]


def test_a_stage_depends_on_the_data_it_reads(tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text("{}\n")
    spec = {"data": {"source": "jsonl", "path": str(data)}}
    before = hashes(tmp_path, **spec)
    data.write_text('{"id": 1}\n')
    assert changed(before, hashes(tmp_path, **spec)) == ALL
    data.unlink()
    with pytest.raises(BadInput, match=r"data\.path"):
        hashes(tmp_path, **spec)


def test_parents_are_the_listed_stages_that_come_before(tmp_path):
    loaded = parameters.load(write_params(tmp_path / "a.yaml", stages=["sft", "calibration", "grpo"]))
    assert runs.parents("calibration", loaded) == ("sft",)
    assert runs.parents("grpo", loaded) == ("sft",)
    assert runs.parents("validation", loaded) == ("sft", "grpo")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("openai/gsm8k", True), ("openai/gsm8k@main:main:train", True), ("rows.jsonl", False),
        ("data/rows.jsonl", False), ("data/rows.csv.gz", False), ("a/b/c", False),
    ],
)  # fmt: skip
def test_a_name_on_the_hub_is_told_from_a_missing_file(path, expected):
    assert paths.is_hub_name(path) is expected
    given = parameters.load(runs.resolve("params/demo.yaml"), ["data.source=files", f"data.path={path}"])
    if expected:
        assert "data" not in inputs.file_hashes(given, weights=False)
    else:
        with pytest.raises(BadInput, match="does not exist"):
            inputs.file_hashes(given, weights=False)
