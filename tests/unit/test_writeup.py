"""The write-up tells what is there and what is not, by rule, from any state of a run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_run import PARAMS, change, change_pairs, status, write_json, write_lines

from caderno import params, writeup
from caderno.errors import BadInput
from caderno.writeup import images

VALIDATION = "40-validation"


def told(run_dir: Path, directory: Path | None = None) -> str:
    return writeup.write(run_dir, str(directory) if directory else None).read_text()


def test_a_finished_run_has_every_section_and_its_figures(finished: Path, tmp_path: Path) -> None:
    run_dir = shutil.copytree(finished, tmp_path / "demo")
    path = writeup.write(run_dir, str(tmp_path / "docs"))
    assert path == tmp_path / "docs" / "2026-08-01-demo.md"
    for text in (path, run_dir / "report.md"):
        links = re.findall(r"!\[.+?\]\((.+?)\)", text.read_text())
        assert len(links) == 7 and all((text.parent / link).is_file() for link in links)
    headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
    assert headings == [
        "Context", "Parameters", "Stages", "Calibration", "Supervised training", "GRPO", "Validation", "Completions",
        "Verdicts", "Requested and effective", "Decisions", "How to go on", "Next",
    ]  # fmt: skip


def test_every_figure_of_validation_is_in_the_tables(run_dir: Path) -> None:
    text, result = told(run_dir), json.loads((run_dir / VALIDATION / "result.json").read_text())
    for entry in result["by_arm"]:
        for measure in ("mean_reward", "fully_correct"):
            e = entry[measure]
            assert f"{e['value']:.3f} [{e['low']:.2f}, {e['high']:.2f}]" in text
    for entry in result["paired"]:
        d = entry["mean_reward"]
        assert f"{d['difference']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]" in text


def test_every_table_names_its_artifact(run_dir: Path) -> None:
    tables = re.findall(r"^\| ---.*?\n\n(.*?)$", told(run_dir), re.MULTILINE | re.DOTALL)
    assert len(tables) == 14 and all(re.match(r"<sub>.*Source: `.+`.*</sub>", line) for line in tables)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"difference": 0.1, "low": 0.05, "high": 0.15}, "a **gain** of +0.100 [+0.050, +0.150]"),
        ({"difference": -0.1, "low": -0.15, "high": -0.05}, "a **loss** of -0.100 [-0.150, -0.050]"),
        ({"difference": 0.1, "low": -0.05, "high": 0.25}, "**no detectable change**, +0.100 [-0.050, +0.250]"),
        ({"difference": 0.0, "low": None, "high": None, "method": "no interval: n = 1"}, "**cannot be told**, +0.000"),
    ],
)
def test_the_sentence_follows_the_paired_interval(run_dir: Path, values: dict, said: str) -> None:
    change_pairs(run_dir, **values)
    sentence = told(run_dir).split("\n\n")[1]
    assert sentence.count(said) == 2 and "400 test prompts" in sentence


def test_a_task_that_does_not_survive_holm_says_so(run_dir: Path) -> None:
    change_pairs(run_dir, difference=0.1, low=0.001, high=0.2, p=0.048)
    text = told(run_dir)
    assert "gain (not after Holm) in `extraction`" in text and "| 0.048 | 0.192 | gain (not after Holm) |" in text


def test_one_arm_alone_is_not_a_comparison(run_dir: Path) -> None:
    change(run_dir / VALIDATION / "result.json", paired=[])
    text = told(run_dir)
    assert text.split("\n\n")[1].startswith("Nothing was compared") and "Each arm alone" in text


@pytest.mark.parametrize("state", ["failed", "gated", "interrupted"])
def test_a_stopped_run_says_where_and_why(run_dir: Path, state: str) -> None:
    shutil.rmtree(run_dir / VALIDATION)
    (run_dir / "30-grpo" / "result.json").unlink()
    when = "2026-08-01T10:15:00.000+00:00"
    write_json(run_dir / "30-grpo" / "status.json", status(when, state, "entropy | fell to <0>\nTraceback ...", 2))
    text = told(run_dir)
    assert f"There is no result: stage `30-grpo` is {state} (entropy \\| fell to &lt;0&gt;)" in text
    assert f"| `30-grpo` | **{state}** | 2 |" in text and "| `40-validation` | not run |" in text
    assert "Not run: `40-validation`" in text and "Not run: there is no `40-validation/result.json`" in text
    assert f"This stage is **{state}**" in text and "| mean reward |" in text
    assert f"Go on at `30-grpo` ({state})" in text and "caderno run " in text


def test_a_run_that_has_just_begun(run_dir: Path) -> None:
    for folder in ("00-preflight", "10-calibration", "20-sft", "30-grpo", VALIDATION):
        shutil.rmtree(run_dir / folder)
    text = told(run_dir)
    assert "There is no result: stage `00-preflight` is not run; validation has not run." in text
    assert "nothing was checked" in text and "is not known" in text


def test_a_stage_outside_the_plan_is_not_missing(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "10-calibration")
    file = run_dir / "params.yaml"
    file.write_text(params.to_yaml(params.load(file, ["stages=[preflight, sft, grpo, validation]"])))
    text = told(run_dir)
    assert "Not part of this run: there is no `10-calibration/result.json`" in text and "Not run:" not in text


def test_result_of_a_gated_validation_is_told_with_its_state(run_dir: Path) -> None:
    change(run_dir / VALIDATION / "status.json", state="gated", error="too few rows")
    assert told(run_dir).split("\n\n")[1].endswith("Stage `40-validation` is **gated**.")


def test_a_dead_process_does_not_read_as_running(run_dir: Path) -> None:
    shutil.rmtree(run_dir / VALIDATION)
    code = "import sys, pathlib; from caderno.runs import status; status.begin(pathlib.Path(sys.argv[1]), 'inputs')"
    subprocess.run([sys.executable, "-c", code, str(run_dir / VALIDATION)], check=True)
    assert '"running"' in (run_dir / VALIDATION / "status.json").read_text()
    assert "| `40-validation` | **interrupted** |" in told(run_dir)


def test_verdicts_come_worst_first_and_only_differences_are_in_the_ledger(run_dir: Path) -> None:
    text = told(run_dir)
    rows = [line for line in text.splitlines() if "`30-grpo` |" in line and "metrics.jsonl, step" in line]
    assert [row.split("|")[1].strip() for row in rows] == ["**warn**", "pass", "not applicable"]
    assert "| `top_k` | `0` | `null` |" in text and "max_completion_length` | `96`" not in text


def test_resumed_steps_count_once_in_the_probe(run_dir: Path) -> None:
    path = run_dir / "30-grpo" / "metrics.jsonl"
    before = re.search(r"\| mean reward \|.*", told(run_dir))[0]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rewards = [line["reward"] for line in lines if "reward" in line]
    assert f"| {sum(rewards[:10]) / 10:.3f} [" in before and f"| {sum(rewards[-10:]) / 10:.3f} [" in before
    write_lines(path, [{**lines[0], "reward": 99.0}, *reversed(lines)])
    assert re.search(r"\| mean reward \|.*", told(run_dir))[0] == before


def test_differences_are_told_against_the_stated_parent(run_dir: Path, finished: Path) -> None:
    parent = shutil.copytree(finished, run_dir.parent / "parent")
    text = (parent / "params.yaml").read_text()
    (parent / "params.yaml").write_text(re.sub(r"max_steps: 60", "max_steps: 30", text))
    yaml = (run_dir / "params.yaml").read_text().replace("parent: null", f"parent: {parent}")
    (run_dir / "params.yaml").write_text(yaml)
    assert "| `grpo.max_steps` | `30` | `60` |" in told(run_dir)
    (parent / "params.yaml").write_text("nonsense: 1\n")
    assert "no longer loads, so no differences are told" in told(run_dir)
    shutil.rmtree(parent)
    assert "is not there, so no differences are told" in told(run_dir)


def test_the_command_holds_what_was_set_beside_the_file(run_dir: Path) -> None:
    source = run_dir.parent / "demo.yaml"
    source.write_text(PARAMS)
    change(run_dir / "run.json", params_file=str(source))
    yaml = (run_dir / "params.yaml").read_text()
    (run_dir / "params.yaml").write_text(re.sub(r"(\ngrpo:\n  max_steps:) 60", r"\1 61", yaml))
    assert f"caderno run {source} --set grpo.max_steps=61\n" in told(run_dir)
    source.write_text(PARAMS + "nonsense: 1\n")
    text = told(run_dir)
    assert f"caderno run {run_dir}/params.yaml\n" in text and "the parameter file no longer loads" in text


@pytest.mark.parametrize(
    ("file", "text", "where"),
    [
        ("40-validation/result.json", "{", "40-validation/result.json"),
        ("40-validation/result.json", '{"by_arm": []}', "40-validation/result.json"),
        ("30-grpo/metrics.jsonl", '{"step": 1}\nnonsense\n{"step": 2}\n', "metrics.jsonl:2"),
        ("30-grpo/guards.json", '[{"guard": "x", "verdict": "fine"}]', "guards.json"),
        ("20-sft/status.json", '{"state": "done", "attempt": 1}', "20-sft"),
        ("run.json", '{"name": "demo"}', "run.json"),
    ],
)
def test_an_unreadable_artifact_is_named_and_nothing_is_written(
    run_dir: Path, file: str, text: str, where: str
) -> None:
    (run_dir / file).write_text(text)
    with pytest.raises(BadInput, match=re.escape(where)):
        writeup.write(run_dir)
    assert not (run_dir / "report.md").exists()


def test_a_line_cut_by_a_kill_is_left_out(run_dir: Path) -> None:
    path = run_dir / "30-grpo" / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 61, "rew')
    assert "of 60 logged steps" in told(run_dir)


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no run\.json"):
        writeup.write(tmp_path)


def test_a_file_in_the_place_of_the_directory_is_refused(run_dir: Path) -> None:
    with pytest.raises(BadInput, match="not a directory"):
        writeup.write(run_dir, str(run_dir / "run.json"))


def test_a_figure_goes_when_its_artifact_goes_and_other_files_stay(tmp_path: Path) -> None:
    image = images.Image(b"png", "caption", "source")
    images.save({"hero": image, "calibration": image}, tmp_path)
    (tmp_path / "photo.png").write_bytes(b"mine")
    images.save({"hero": image}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hero.png", "photo.png"]


def test_importing_it_loads_neither_torch_nor_matplotlib() -> None:
    code = "import sys, caderno.writeup; sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
