"""Steps x prompts against rows, checked against a simulation of the two samplers."""

from __future__ import annotations

import json
import random
from math import ceil

import pytest

from caderno import data, params
from caderno.data.covering import met


def simulated(
    rows: int, per_step: int, steps: int, steps_per_draw: int, keeps_rest: bool, seed: int
) -> tuple[int, int]:
    """(draws, distinct) of one run of the sampler: passes in new orders, the last batch of each kept or dropped."""
    rng, order, seen, draws = random.Random(seed), [], set(), 0
    for _ in range(ceil(steps / steps_per_draw)):
        if len(order) < (1 if keeps_rest else per_step):
            order = rng.sample(range(rows), rows)
        batch, order = order[:per_step], order[per_step:]
        draws += len(batch)
        seen.update(batch)
    return draws, len(seen)


@pytest.mark.parametrize(
    ("rows", "per_step", "steps", "steps_per_draw", "keeps_rest"),
    [
        (1404, 1, 500, 1, False), (100, 8, 5, 1, False), (100, 8, 12, 1, False), (100, 8, 30, 1, False),
        (100, 8, 48, 4, False), (100, 8, 13, 1, True), (100, 8, 12, 1, True), (100, 8, 40, 1, True),
        (8, 8, 3, 1, False),
    ],
)  # fmt: skip
def test_draws_and_distinct_rows_are_the_samplers(rows, per_step, steps, steps_per_draw, keeps_rest):
    found = met("grpo", rows, per_step, steps, steps_per_draw, keeps_rest, {"push": 1.0})
    runs = [simulated(rows, per_step, steps, steps_per_draw, keeps_rest, seed) for seed in range(300)]
    assert {draws for draws, _ in runs} == {found["draws"]}
    mean = sum(distinct for _, distinct in runs) / len(runs)
    assert found["share"] * rows == pytest.approx(mean, abs=0.35)
    assert found["never"] == rows - found["distinct"]


def test_trls_own_sampler_drops_the_last_batch_as_simulated():
    from trl.trainer.utils import RepeatSampler

    order = list(RepeatSampler(range(100), mini_repeat_count=4, batch_size=8, repeat_count=2, seed=0))
    assert len(order) == 12 * 8 * 4 * 2 and len(set(order)) == 96


def test_the_third_run_of_tucano2_saw_a_third_of_its_prompts():
    found = data.coverage(params.load("params/tucano2/v3.yaml"))
    [stage] = found["stages"]
    assert (stage["stage"], stage["rows"], stage["distinct"], stage["never"]) == ("grpo", 1404, 500, 904)
    assert stage["share"] == pytest.approx(0.356, abs=1e-3) and stage["steps_for_one_pass"] == 1404
    assert "500 are seen (36 %), 904 never" in stage["words"]
    by_task = {line["task"]: line for line in stage["by_task"]}
    assert by_task["extraction"]["rows"] == 561 and by_task["extraction"]["draws"] == pytest.approx(561 * 500 / 1404)
    assert sum(line["rows"] for line in stage["by_task"]) == 1404


def test_sft_repeats_its_own_rows_and_a_run_without_training_has_no_stage():
    chosen = params.load("params/base.yaml", ["data.sft_rows=100", "sft.epochs=2.5", "sft.batch_size=16"])
    sft, grpo = data.coverage(chosen)["stages"]
    assert (sft["steps"], sft["rows"], sft["share"]) == (18, 100, 1.0) and sft["times_each"] == pytest.approx(2.64)
    assert "each 2.6 times" in sft["words"] and grpo["rows"] == 400
    reused = params.load("params/base.yaml", ["grpo.updates_per_rollout=2", "grpo.train_prompts=80"])
    assert data.coverage(reused)["stages"][1] | {"words": "", "by_task": []} == grpo | {
        "rows": 80, "draws": 240, "distinct": 80, "share": 1.0, "never": 0, "times_each": 3.0,
        "steps_for_one_pass": 20, "words": "", "by_task": [],
    }  # fmt: skip
    assert data.coverage(params.load("params/base.yaml", ["stages=[preflight]"]))["stages"] == []


def test_of_a_file_the_rows_there_are_are_counted(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [row for split, n in (("train", 30), ("heldout", 9), ("test", 8)) for row in data.rows("push", split, n, 0)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    chosen = params.Params(
        name="t", model={"name": "tiny"}, tasks={"push": {}}, calibration={"rows": 4},
        data={"source": "files", "path": str(path), "train_rows": 20, "heldout_rows": 5, "test_rows": 5},
    )  # fmt: skip
    [line] = data.coverage(chosen)["splits"]
    assert line == {
        "task": "push", "train": 20, "heldout": 5, "test": 5, "file": {"train": 30, "heldout": 9, "test": 8},
    }  # fmt: skip
    assert data.coverage(params.load("params/base.yaml"))["splits"][0]["file"] is None
