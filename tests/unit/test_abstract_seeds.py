"""The page over several training seeds: means and differences over seeds, and runs that are no seeds of one file."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from caderno.runs import checkout

sys.path.insert(0, str(checkout() / "scripts"))
import abstract_seeds


def line(arm: str, accuracy: float, gain: float | None) -> dict:
    found = {
        "arm": arm, "kind": "direct", "steps": 10, "warm_steps": 0, "tokens_c": 0.0, "tokens_z": 6.0, "tokens_y": 2.0,
        "accuracy": {"value": accuracy, "low": 0.0, "high": 1.0, "n": 50, "method": "Wilson"},
    }  # fmt: skip
    return found if gain is None else found | {
        "paired_with": "direct", "paired": {"difference": gain},
        "interventions": [{"name": "kept", "accuracy": accuracy}, {"name": "randomised", "accuracy": 0.1}],
    }  # fmt: skip


@pytest.fixture
def seeds(tmp_path, monkeypatch):
    """Three finished runs; `spec` and `seed` of each may be overridden."""
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path))

    def make(number: int, **more):
        run = tmp_path / f"run-{number}"
        stage = run / "50-abstract-cot"
        stage.mkdir(parents=True)
        spec = {"name": run.name, "seed": number, "model": {"name": "tiny"}} | more
        (run / "params.yaml").write_text(yaml.safe_dump(spec))
        hardware = {"cpu": "a processor", "cores": 2, "gpus": []}
        (run / "run.json").write_text(json.dumps({"openings": [{"hardware": hardware}]}))
        (stage / "status.json").write_text(json.dumps({"state": "passed", "attempt": 1}))
        arms = [line("direct", 0.2, None), line("staged", 0.9 + number / 100, 0.7 + number / 100)]
        result = {"seed": spec["seed"], "chance": 0.1, "test_rows": 50, "arms": arms}
        (stage / "result.json").write_text(json.dumps(result))
        return f"runs/{run.name}"

    return make


def test_the_page_holds_means_over_seeds_and_keeps_what_people_wrote(seeds, tmp_path, capsys):
    named, page = [seeds(number) for number in range(3)], tmp_path / "three"
    assert abstract_seeds.main([*named, "--output", str(page)]) == 0, capsys.readouterr().err
    text, told = page.with_suffix(".md").read_text(), json.loads((page / "seeds.json").read_text())
    assert told["arms"]["staged"]["accuracy"]["value"] == pytest.approx(0.91)
    assert told["arms"]["staged"]["difference"]["low"] == pytest.approx(0.71 - 4.3027 * 0.01 / 3**0.5, abs=1e-4)
    assert "| `staged` | 0.900 | 0.910 | 0.920 |" in text and "hidden process supervision" in text
    assert (page / "accuracy-tokens.png").read_bytes().startswith(b"\x89PNG")
    page.with_suffix(".md").write_text(text.replace("_Nothing written yet: why", "Because we asked why"))
    assert abstract_seeds.main([*named, "--output", str(page)]) == 0
    assert "Because we asked why" in page.with_suffix(".md").read_text()


def test_runs_that_are_no_seeds_of_one_file_are_refused(seeds, tmp_path, capsys):
    first, other, twice = seeds(0), seeds(1, guards={"stop_on": ["warn"]}), seeds(2, seed=0)
    assert abstract_seeds.main([first, other, "--output", str(tmp_path / "a")]) == 2
    assert "run-1" in capsys.readouterr().err
    assert abstract_seeds.main([first, twice, "--output", str(tmp_path / "a")]) == 2
    assert abstract_seeds.main([first, "runs/nothing", "--output", str(tmp_path / "a")]) == 2
    assert not (tmp_path / "a.md").exists()
