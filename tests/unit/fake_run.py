"""A finished run directory as the stages write it; no stage is run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from fake_results import calibration, contributions, grpo_metrics, sft_metrics, validation, write_json, write_lines

PARAMS = """\
name: demo
description: The whole way on a laptop, with the tiny model and the generated shop.
model: {name: tiny}
sft: {learning_rate: 3e-4}
grpo: {max_steps: 60, learning_rate: 1e-3}
writeup:
  context: GRPO on four tasks of a Brazilian shop, to see whether the reward moves at all at this size.
"""
FOLDERS = ("00-preflight", "10-calibration", "20-sft", "30-grpo", "40-validation")


def make_run(run_dir: Path, seed: int = 0, params: str = PARAMS) -> Path:
    """A finished run under `run_dir`, in the five stages of the demo."""
    from caderno import params as parameters

    rng = np.random.default_rng(seed)
    source = run_dir.parent / "demo.yaml"
    run_dir.mkdir(parents=True, exist_ok=True)
    source.write_text(params)
    (run_dir / "params.yaml").write_text(parameters.to_yaml(parameters.load(source)))
    write_json(run_dir / "run.json", manifest(source))
    for minute, folder in enumerate(FOLDERS):
        write_json(run_dir / folder / "status.json", status(f"2026-08-01T10:{5 * minute:02d}:00.000+00:00"))
        write_json(run_dir / folder / "guards.json", guards(folder))
        write_json(run_dir / folder / "ledger.json", ledger(folder))
    write_json(run_dir / "10-calibration" / "result.json", calibration(rng))
    write_lines(run_dir / "20-sft" / "metrics.jsonl", sft_metrics(rng))
    write_json(run_dir / "20-sft" / "result.json", SFT_RESULT)
    write_lines(run_dir / "30-grpo" / "metrics.jsonl", grpo_metrics(rng))
    write_json(run_dir / "30-grpo" / "result.json", GRPO_RESULT)
    result, samples = validation(rng)
    write_json(run_dir / "40-validation" / "result.json", result)
    write_lines(run_dir / "40-validation" / "samples.jsonl", samples)
    (run_dir / "30-grpo" / "model").mkdir()
    return run_dir


SFT_RESULT = {
    "steps": 40,
    "train_rows": 320,
    "loss": {"first": 1.81, "last": 0.37},
    "heldout_loss": {"first": 0.947, "last": 0.469},
    "seconds": 12.4,
}
GRPO_RESULT = {"steps": 60, "prompts": 400, "coverage": 1.0, "seconds": 131.0, "contributions": contributions()}


def manifest(source: Path) -> dict:
    opening = {
        "at": "2026-08-01T10:00:00.000+00:00",
        "host": "somewhere",
        "caderno": "0.1.0",
        "python": "3.11.9",
        "versions": {"torch": "2.13.0", "transformers": "5.17.0", "trl": "1.14.2", "peft": "0.21.2"},
        "git": {"sha": "0123456789abcdef0123456789abcdef01234567", "diff": "git-12345678.diff", "changed": [" M a"]},
        "hardware": {"cpu": "Some CPU @ 2.8 GHz", "cores": 2, "memory_gib": 7.6, "gpus": []},
        "seeds": {"seed": 0},
    }
    created = "2026-08-01T10:00:00.000+00:00"
    return {"name": "demo", "created": created, "params_file": str(source), "parent": None, "openings": [opening]}


def status(started: str, state: str = "passed", error: str | None = None, attempt: int = 1) -> dict:
    ended = started.replace(":00.000", ":42.500") if state != "running" else None
    return {"state": state, "attempt": attempt, "started": started, "ended": ended, "error": error}


def guards(folder: str) -> list[dict]:
    if folder != "30-grpo":
        return [verdict("template_round_trip", "pass", 0, 0, "rows", "every prompt comes back unchanged")]
    return [
        verdict("entropy_floor", "pass", 0.124, 0.05, "nats per token", "entropy stays above the floor"),
        verdict("clip_ratio", "not_applicable", None, None, "", "one update per rollout: the ratio is 1"),
        verdict("zero_std_groups", "warn", 0.31, 0.30, "share", "groups | of equal reward grow"),
    ]


def verdict(guard: str, said: str, measured: object, threshold: object, unit: str, why: str) -> dict:
    keys = ("guard", "verdict", "measured", "threshold", "unit", "why", "source", "step")
    return dict(zip(keys, (guard, said, measured, threshold, unit, why, "metrics.jsonl", 60), strict=True))


def ledger(folder: str) -> list[dict]:
    if folder != "30-grpo":
        return []
    return [
        {"what": "max_completion_length", "requested": 96, "effective": 96, "same": True},
        {"what": "top_k", "requested": 0, "effective": None, "same": False},
    ]


def change(path: Path, **values: object) -> None:
    """Sets keys of a JSON file."""
    write_json(path, {**json.loads(path.read_text()), **values})


def change_pairs(run_dir: Path, **values: object) -> None:
    """Sets keys of every paired difference of the mean reward."""
    path = run_dir / "40-validation" / "result.json"
    result = json.loads(path.read_text())
    for entry in result["paired"]:
        entry["mean_reward"].update(values)
    write_json(path, result)
