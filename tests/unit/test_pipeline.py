"""The runner on real kernels: passing, skipping, failing, gating."""

from __future__ import annotations

import sys

import nbformat
import pytest
from fake_notebooks import PARAMETERS, write_notebook, write_params
from rich.console import Console

from caderno import params as parameters
from caderno import pipeline, runs, writeup
from caderno.errors import BadInput, GuardRefused, StageFailed
from caderno.pipeline import plan, progress, runner, view

VERDICT = {"guard": "speed", "verdict": "fail", "measured": 3, "threshold": 2, "unit": "s", "why": "slow", "step": 1}


@pytest.fixture
def told(monkeypatch):
    """Calls of the write-up, which is not what is tested here."""
    calls = []
    monkeypatch.setattr(writeup, "write", lambda run_dir, directory: calls.append(run_dir.name))
    return calls


@pytest.fixture
def run(tmp_path, monkeypatch, told):
    """Runs the fake parameter file; `run.directory` is the run's."""
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))

    def run(params_file=None, **options):
        path = params_file or write_params(tmp_path / "a.yaml")
        return pipeline.run(path, notebooks=tmp_path / "notebooks", **options)

    run.directory, run.notebooks = tmp_path / "runs/fake", tmp_path / "notebooks"
    for stage in ("preflight", "sft", "grpo"):
        write_notebook(run.notebooks, stage)
    return run


def states(run_dir) -> dict[str, tuple[str, int]]:
    found = {path.name: runs.read_status(path) for path in sorted(run_dir.iterdir()) if path.is_dir()}
    return {name: (status["state"], status["attempt"]) for name, status in found.items()}


def test_passes_then_skips_then_runs_what_changed(run, told, capsys, tmp_path):
    write_notebook(run.notebooks, "preflight", "import sys; stage.result({'python': sys.executable})")
    assert run() == run.directory
    assert states(run.directory) == {"00-preflight": ("passed", 1), "20-sft": ("passed", 1)}
    found = runs.read_json(run.directory / "00-preflight/result.json")
    assert found == {"python": sys.executable}, "the kernel must be this interpreter"
    executed = nbformat.read(run.directory / "20-sft/notebook.ipynb", as_version=4)
    injected = [cell.source for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert [line.split(" = ")[0] for line in injected[0].splitlines()[1:]] == ["params_file", "run_dir"]
    assert capsys.readouterr().out.count("starts") == 2

    run()
    out = capsys.readouterr().out
    assert out.count("skipped") == 2 and "starts" not in out and told == ["fake", "fake"]

    run(write_params(tmp_path / "a.yaml", sft={"learning_rate": 1e-5}))
    assert states(run.directory)["20-sft~1"] == ("passed", 1)
    assert (run.directory / "20-sft/notebook.ipynb").exists()


def test_a_failed_cell_shows_its_error_and_the_notebook(run, told):
    write_notebook(run.notebooks, "preflight", "def deep():\n    raise ValueError('no such column')", "deep()")
    with pytest.raises(StageFailed) as failed:
        run()
    message, output = str(failed.value), run.directory / "00-preflight/notebook.ipynb"
    assert "ValueError: no such column" in message and str(output) in message and "---> " in message
    assert "\x1b" not in message and failed.value.exit_code == 4
    assert runs.read_status(run.directory / "00-preflight")["error"] == "ValueError: no such column"
    assert not (run.directory / "20-sft").exists() and told == ["fake"]


def test_a_gated_stage_refuses_with_its_guard(run, told):
    write_notebook(run.notebooks, "preflight", f"stage.guards([{VERDICT!r}])")
    with pytest.raises(GuardRefused, match="speed fail") as refused:
        run()
    assert refused.value.exit_code == 3 and told == ["fake"]
    assert states(run.directory) == {"00-preflight": ("gated", 1)}


def test_bad_input_in_a_cell_is_bad_input(run):
    cell = "from caderno.errors import BadInput\nraise BadInput('3 rows', expected='4', where='rows.jsonl')"
    write_notebook(run.notebooks, "preflight", cell)
    with pytest.raises(BadInput, match=r"00-preflight: rows\.jsonl: 3 rows; expected 4\. The executed") as bad:
        run()
    assert bad.value.exit_code == 2 and states(run.directory)["00-preflight"] == ("failed", 1)


def test_a_dead_kernel_is_a_failed_stage(run):
    write_notebook(run.notebooks, "preflight", "import os; os._exit(1)")
    with pytest.raises(StageFailed, match=r"the kernel died \(exit code 1\)"):
        run()
    assert states(run.directory)["00-preflight"] == ("failed", 1)
    executed = nbformat.read(run.directory / "00-preflight/notebook.ipynb", as_version=4)
    assert executed.metadata.papermill.exception is True and "kernel died" in executed.cells[0].source


def test_a_notebook_that_does_not_close_its_stage_has_not_passed(run):
    write_notebook(run.notebooks, "preflight", close=False)
    with pytest.raises(StageFailed, match="without closing"):
        run()
    assert states(run.directory)["00-preflight"] == ("failed", 1)


def test_a_write_up_that_fails_is_an_error_and_hides_none(run, monkeypatch, tmp_path):
    def broken(run_dir, directory):
        raise KeyError("by_arm")

    monkeypatch.setattr(writeup, "write", broken)
    with pytest.raises(StageFailed, match=r"fake: the write-up failed: KeyError: 'by_arm'"):
        run(only="preflight")
    planned = plan.make(parameters.load(tmp_path / "a.yaml"), None, None, run.notebooks)
    for before in (StageFailed("ZeroDivisionError"), GuardRefused("speed fail")):
        with pytest.raises(StageFailed, match=f"{before.got}.* the write-up failed: KeyError: 'by_arm'"):
            runner._write_up(planned, before, view.choose(run.directory, planned.params))


def test_only_and_from_start_from_what_has_passed(run, tmp_path):
    chain = write_params(tmp_path / "a.yaml", stages=["preflight", "sft", "grpo"])
    with pytest.raises(BadInput, match="grpo builds on sft, which is pending"):
        run(chain, only="grpo")
    assert states(run.directory) == {}
    run(chain, only="sft")
    run(chain, from_stage="grpo")
    assert list(states(run.directory)) == ["20-sft", "30-grpo"]
    changed = write_params(tmp_path / "a.yaml", stages=["preflight", "sft", "grpo"], sft={"learning_rate": 1e-5})
    with pytest.raises(BadInput, match="passed, but with other inputs"):
        run(changed, only="grpo")


@pytest.mark.parametrize("options", [{"only": "validation"}, {"from_stage": "x"}, {"only": "sft", "from_stage": "sft"}])
def test_a_choice_that_cannot_be_is_bad_input_and_writes_nothing(run, options):
    with pytest.raises(BadInput):
        run(**options)
    assert not run.directory.exists()


def test_a_run_of_another_file_is_left_alone(run, tmp_path):
    run(write_params(tmp_path / "a.yaml", stages=["preflight"]))
    other = write_params(tmp_path / "b.yaml", stages=["preflight"])
    with pytest.raises(BadInput, match="--name"):
        run(other)
    assert run(other, name="other").name == "other"


def test_notebooks_that_cannot_take_parameters_are_refused(tmp_path):
    path = write_notebook(tmp_path, "sft")
    plan.check_notebook(path)
    for fault, expected in (
        ((PARAMETERS, 'params_file = "x"'), "without run_dir"),
        (("parameters", "params"), "0 such cells"),
    ):
        notebook = nbformat.read(write_notebook(tmp_path, "sft"), as_version=4)
        cell = notebook.cells[0]
        cell.source = cell.source.replace(*fault) if fault[0] == PARAMETERS else cell.source
        cell.metadata.tags = [tag.replace(*fault) for tag in cell.metadata.tags]
        nbformat.write(notebook, path)
        with pytest.raises(BadInput, match=expected):
            plan.check_notebook(path)
    with pytest.raises(BadInput, match="not a notebook"):
        plan.check_notebook(tmp_path / "none.ipynb")


def test_a_parent_that_ran_again_makes_its_children_stale(tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))
    for stage in ("sft", "grpo"):
        write_notebook(tmp_path / "notebooks", stage)
    loaded = parameters.load(write_params(tmp_path / "a.yaml", stages=["sft", "grpo"]))
    planned = plan.make(loaded, None, None, tmp_path / "notebooks")
    for stage in ("sft", "grpo", "sft"):
        if planned.directory(stage).exists():
            assert planned.current("grpo")
            runs.move_aside(planned.directory(stage))
        runs.begin(planned.directory(stage), planned.inputs[stage])
        runs.finish(planned.directory(stage), "passed")
    assert planned.current("sft") and not planned.current("grpo")


def test_progress_is_read_from_the_files(tmp_path):
    loaded = parameters.load(write_params(tmp_path / "a.yaml", stages=["sft", "grpo"], grpo={"max_steps": 40}))
    directory = runs.stage_directory(tmp_path, "grpo")
    runs.begin(directory, "inputs")
    lines = [{"step": step, "wall_s": 2.0 * step, "reward": step / 10} for step in (1, 2, 3)]
    runs.write_jsonl(directory / "metrics.jsonl", [*lines, {"step": 4, "wall_s": 8.0, "loss": 0.25}])
    sft, grpo = progress.stage_rows(tmp_path, loaded)
    assert (sft.state, sft.step, sft.eta_s) == ("pending", None, None)
    assert (grpo.state, grpo.step, grpo.total, grpo.reward, grpo.loss) == ("running", 4, 40, 0.3, 0.25)
    assert grpo.eta_s == pytest.approx(72)
    runs.write_json(directory / "status.json", {**runs.read_status(directory), "total_steps": 5})
    assert progress.stage_rows(tmp_path, loaded)[1].total == 5


def test_steps_planned_for_sft(tmp_path):
    loaded = parameters.load(
        write_params(tmp_path / "a.yaml", data={"train_rows": 33}, sft={"epochs": 2.0, "batch_size": 16})
    )
    assert progress.planned_steps("sft", loaded) == 6
    assert progress.planned_steps("validation", loaded) is None


def test_the_live_table_shows_stage_step_and_reward(tmp_path):
    loaded = parameters.load(write_params(tmp_path / "a.yaml", stages=["grpo"], grpo={"max_steps": 40}))
    directory = runs.stage_directory(tmp_path, "grpo")
    runs.begin(directory, "inputs")
    runs.write_jsonl(directory / "metrics.jsonl", [{"step": 4, "wall_s": 8.0, "reward": 0.512, "loss": 0.25}])
    console = Console(record=True, width=120, force_terminal=True, file=(tmp_path / "screen").open("w"))
    with view.choose(tmp_path, loaded, console) as shown:
        assert isinstance(shown, view.LiveView)
        shown.note("asked to stop")
    text = console.export_text()
    assert "30-grpo" in text and "4/40" in text and "0.512" in text and "asked to stop" in text


def test_lines_come_every_tenth_of_the_steps(tmp_path, capsys):
    loaded = parameters.load(write_params(tmp_path / "a.yaml", stages=["grpo"], grpo={"max_steps": 40}))
    lines = view.choose(tmp_path, loaded, Console(force_terminal=False))
    assert isinstance(lines, view.LineView)
    for step in range(1, 13):
        row = progress.StageRow("30-grpo", "running", 1, step, 40, 3.0, 75.0, 0.5, None, None)
        lines._tell(row)
    assert capsys.readouterr().out.splitlines() == [
        f"30-grpo: step {step}/40  reward 0.500  0:03, 1:15 to go" for step in (4, 8, 12)
    ]


@pytest.mark.parametrize(("seconds", "text"), [(None, "–"), (59.6, "1:00"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert view.clock(seconds) == text
