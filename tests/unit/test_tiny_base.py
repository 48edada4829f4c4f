"""The base that ships with the package and its card; and the program that puts one in its place, faults planted.

Whether the base is good enough for the demo is for the demo to show.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import shutil
from pathlib import Path

import pytest
from model_files import edit_weights

from caderno import chat, data, models, runs
from caderno.errors import BadInput
from caderno.params.sections import ModelParams

ROOT = runs.checkout()
SHIPPED = ROOT / "lib/caderno/tiny_base"
ROW = re.compile(r"^\| (\S+) \| ([\d,]+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)
RESULT = {
    "steps": 7, "tokens": 4321, "parameters": 1000, "tokens_per_parameter": 4.321, "vocabulary": 99,
    "loss": {"first": 4.5, "last": 1.25}, "heldout_loss": {"first": 4.625, "last": 1.375}, "uniform_loss": 4.595,
    "seconds": 3.0, "torch_threads": 1,
}  # fmt: skip


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("build_tiny_base")


@pytest.fixture
def finished(tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose pretraining has passed, with the random model of the other tests."""
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))
    run_dir = tmp_path / "runs/base"
    stage = run_dir / "05-pretrain"
    shutil.copytree(tiny_model_dir, stage / "model")
    (stage / "model/training_args.bin").write_bytes(b"no part of a model")
    (run_dir / "params.yaml").write_text((ROOT / "params/base.yaml").read_text() + "\nname: base\n")
    runs.write_json(stage / "result.json", RESULT)
    runs.write_jsonl(stage / "metrics.jsonl", [{"step": 1, "wall_s": 1.0}, {"step": 7, "wall_s": 250.0}])
    status = {
        "state": "passed",
        "attempt": 2,
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T01:00:00+00:00",
    }
    runs.write_json(stage / "status.json", {**status, "error": None})
    versions = dict.fromkeys(importlib.import_module("tiny_base_card").LIBRARIES, "1.2.3")
    hardware = {"cpu": "a planted CPU", "cores": 2, "memory_gib": 4.0, "gpus": []}
    git = {"sha": "0123456789abcdef", "diff": None, "changed": []}
    opened = {"python": "3.11.0", "platform": "Linux", "versions": versions, "git": git, "hardware": hardware}
    runs.write_json(run_dir / "run.json", {"name": "base", "openings": [opened]})
    return run_dir


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A base that stands there already, recognisable."""
    place = tmp_path / "package/tiny_base"
    place.mkdir(parents=True)
    (place / "README.md").write_text("the old base")
    return place


def left_in(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def sums(card: str) -> dict[str, tuple[int, str]]:
    """File -> (bytes, SHA-256) as a card has them."""
    return {name: (int(size.replace(",", "")), digest) for name, size, digest in ROW.findall(card)}


def actual(directory: Path) -> dict[str, tuple[int, str]]:
    files = [path for path in directory.iterdir() if path.name != "README.md"]
    return {path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}


# The shipped base


def test_the_shipped_base_is_small_enough(build):
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 8_000_000
    assert {path.name for path in SHIPPED.iterdir()} == {*build.FILES, "README.md"}


def test_the_card_is_of_these_files():
    assert sums((SHIPPED / "README.md").read_text()) == actual(SHIPPED)


def test_the_card_says_what_the_base_was_made_with():
    card = (SHIPPED / "README.md").read_text()
    for row in ("tokens seen", "tokens per parameter", "time", "machine", "torch threads", "training loss", "held-out"):
        assert re.search(rf"^\| {row}[^|]*\| \S", card, re.MULTILINE), row
    for row in ("seed", "versions", "code"):
        assert re.search(rf"^\| {row} \| \S", card, re.MULTILINE), row
    assert "held-out and of the test split included" in card
    parameters = models.load(ModelParams(name="tiny")).model.num_parameters()
    assert f"of {parameters:,} parameters" in card
    tokens = int(re.search(r"^\| tokens seen[^|]*\| ([\d,]+) \|$", card, re.MULTILINE)[1].replace(",", ""))
    assert tokens >= 20 * parameters


def test_the_shipped_base_loads_tied_and_takes_every_task():
    policy = models.load(ModelParams(name="tiny"))
    head, embedding = policy.model.get_output_embeddings().weight, policy.model.get_input_embeddings().weight
    assert policy.info["tied"] and head.data_ptr() == embedding.data_ptr()
    assert chat.switch(policy.tokenizer)
    for task in ("extraction", "sql_qa", "insights", "push"):
        for row in data.rows(task, "heldout", 20, 3):
            rendered = chat.render(policy.tokenizer, row["prompt"], enable_thinking=True)
            ids = chat.encode(policy.tokenizer, rendered + row["gold"])
            text = policy.tokenizer.decode(ids)
            assert chat.encode(policy.tokenizer, text) == ids
            assert policy.tokenizer.unk_token_id not in ids, row


# Putting one in its place


def test_a_finished_run_takes_the_place_with_its_card(build, finished, target):
    card = build.publish(finished, target).read_text()
    assert left_in(target) == ["tiny_base"]
    assert {path.name for path in target.iterdir()} == {*build.FILES, "README.md"}
    assert sums(card) == actual(target)
    for figure in ("4,321", "4.3", "250 s (4 minutes), in 2 attempts", "4.5000, 1.2500", "4.6250, 1.3750", "4.5950"):
        assert f"| {figure} |" in card, figure
    for fact in ("a planted CPU, 2 cores", "commit 0123456789ab |", "torch 1.2.3", "seed 0", "hidden_size: 128"):
        assert fact in card, fact


@pytest.mark.parametrize("state", ["running", "failed", "interrupted", "gated", None])
def test_a_run_that_has_not_passed_is_refused(build, finished, target, capsys, state):
    path = finished / "05-pretrain/status.json"
    if state is None:
        path.unlink()
    else:
        gone = {"pid": 1, "process": "x", "host": "elsewhere"}
        path.write_text(json.dumps({**json.loads(path.read_text()), "state": state, **gone}))
    assert build.main(["--run", str(finished), "--target", str(target)]) == 2
    assert "expected a run whose pretraining has passed" in capsys.readouterr().err
    assert (target / "README.md").read_text() == "the old base"
    assert left_in(target) == ["tiny_base"]


def test_a_run_that_is_not_there_is_a_usage_error(build, finished, target, capsys):
    assert build.main(["--run", "bases", "--target", str(target)]) == 2
    assert "Did you mean 'base'" in capsys.readouterr().err


def plant_too_large(build, finished, monkeypatch):
    monkeypatch.setattr(build, "LIMIT_BYTES", 1000)


def plant_missing_file(build, finished, monkeypatch):
    (finished / "05-pretrain/model/chat_template.jinja").unlink()


def plant_no_figure(build, finished, monkeypatch):
    runs.write_json(finished / "05-pretrain/result.json", {key: RESULT[key] for key in RESULT if key != "tokens"})


def plant_nan(build, finished, monkeypatch):
    runs.write_json(finished / "05-pretrain/result.json", {**RESULT, "loss": {"first": 4.0, "last": float("nan")}})


def plant_wrong_copy(build, finished, monkeypatch):
    """A copy that comes out as another model: other weights of the same shapes."""
    real = shutil.copyfile

    def copied(source, destination):
        real(source, destination)
        if Path(destination).name == "model.safetensors":
            edit_weights(Path(destination).parent, lambda state: state.update({k: -v for k, v in state.items()}))

    monkeypatch.setattr(build.shutil, "copyfile", copied)


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (plant_too_large, "expected at most 1,000"),
        (plant_missing_file, "no chat_template.jinja"),
        (plant_no_figure, "'tokens'"),
        (plant_nan, "loss_last is nan"),
        (plant_wrong_copy, "expected what the run's model writes"),
    ],
)
def test_a_base_that_cannot_be_shipped_leaves_the_old_one(build, finished, target, monkeypatch, plant, says):
    plant(build, finished, monkeypatch)
    with pytest.raises(BadInput, match=re.escape(says)):
        build.publish(finished, target)
    assert (target / "README.md").read_text() == "the old base"
    assert left_in(target) == ["tiny_base"]


def test_an_untied_model_is_refused(build, finished, monkeypatch):
    policy = models.load(ModelParams(name=str(finished / "05-pretrain/model")))
    monkeypatch.setattr(models, "load", lambda _: models.Policy(policy.model, policy.tokenizer, {"tied": False}))
    with pytest.raises(BadInput, match="not tied"):
        build.writes("loose")


def test_what_fails_after_the_renaming_brings_the_old_one_back(build, target, tmp_path):
    fresh = tmp_path / "package/.tiny_base.part"
    fresh.mkdir()

    def fails():
        assert not (target / "README.md").exists()  # the new one stands there by now
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.replace(fresh, target, fails)
    assert (target / "README.md").read_text() == "the old base"
    assert left_in(target) == ["tiny_base"]


def test_a_kill_between_the_renames_is_mended(build, target):
    target.rename(target.with_name(".tiny_base.before"))
    target.with_name(".tiny_base.part").mkdir()
    build.recover(target)
    assert (target / "README.md").read_text() == "the old base"
    assert left_in(target) == ["tiny_base"]
