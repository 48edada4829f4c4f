"""Tables: the rows people need first come first, and no figure lands under another's name."""

from __future__ import annotations

import fake_results
import numpy as np
import pytest
from materials import params, sample

from caderno import evaluation, tables
from caderno.guards import Verdict


def verdict(guard: str, said: str) -> Verdict:
    return Verdict(guard, said, 1, 2, "tokens", f"why {guard}")


def test_settings_are_those_of_the_sections_asked_for():
    found = tables.settings(params(seed=7), "seed", "chat", "sft")
    assert list(found.columns) == ["value", "meaning"]
    assert {name.split(".")[0] for name in found.index} == {"seed", "chat", "sft"}
    assert str(found.loc["seed", "value"]) == "7" and "random" in found.loc["seed", "meaning"]
    every = tables.settings(params())
    assert len(every) > len(found) and {"grpo.group_size", "model.name"} <= set(every.index)


def test_failures_come_first_and_nothing_is_left_out():
    said = ["pass", "unknown", "not_applicable", "fail", "warn", "fail"]
    found = tables.verdicts(verdict(f"g{i}", one) for i, one in enumerate(said))
    assert list(found["verdict"]) == ["fail", "fail", "warn", "unknown", "pass", "not_applicable"]
    assert list(found.index) == ["g3", "g5", "g4", "g1", "g0", "g2"], "equals keep their order"
    assert tuple(found.loc["g3"]) == ("fail", 1, 2, "tokens", "why g3")


def test_calibration_has_a_line_per_task_and_sampling():
    found = evaluation.calibration(
        {
            "training": [
                sample(f"r{i}", s, temperature=1.0, finish_reason="length", think_closed=i > 0)
                for i, s in enumerate((0.0, 0.5, 1.0, 1.0))
            ],
            "deployment": [sample("r0", 1.0), sample("r1", 0.4, tokens=15, think_tokens=8)],
        }
    )
    table = tables.calibration(found)
    training, deployment = (
        table[(table["task"] == "all") & (table["sampling"] == s)].iloc[0] for s in ("training", "deployment")
    )
    assert (training["T"], training["completions"], training["at ceiling"], training["unclosed"]) == (
        1.0,
        4,
        "100%",
        "25%",
    )
    assert training["mean reward"].startswith("0.625 [") and training["fully correct"].startswith("0.500 [")
    assert (deployment["T"], deployment["at ceiling"], deployment["tokens"], deployment["thought tokens"]) == (
        0.0,
        "0%",
        12.5,
        5.0,
    )
    assert deployment["mean reward"].startswith("0.700 [") and len(table) == 4


def test_validation_sets_before_beside_after():
    result, _ = fake_results.validation(np.random.default_rng(0))
    table = tables.validation(result)
    assert list(table.columns) == ["n", "sft", "grpo", "paired difference", "p"]
    assert len(table) == 2 * 5 * 2 and table.index.names == ["T", "task", "measure"]
    for pair in result["paired"]:
        for measure in ("mean_reward", "fully_correct"):
            row = table.loc[(pair["temperature"], pair["task"], measure.replace("_", " "))]
            arms = {
                line["arm"]: line[measure]["value"]
                for line in result["by_arm"]
                if (line["temperature"], line["task"]) == (pair["temperature"], pair["task"])
            }
            assert row["n"] == pair[measure]["n"]
            assert {arm: float(row[arm].split()[0]) for arm in arms} == pytest.approx(arms, abs=6e-4)
            assert float(row["paired difference"].split()[0]) == pytest.approx(pair[measure]["difference"], abs=6e-4)
            assert row["paired difference"][0] in "+-"
    gain, loss = (table.loc[(1.0, task, "mean reward"), "paired difference"] for task in ("push", "insights"))
    assert gain.startswith("+") and loss.startswith("-")


def test_samples_are_the_worst():
    found = [sample(f"r{i}", score) for i, score in enumerate((0.5, 0.0, 1.0, 0.2))]
    table = tables.samples(found, n=3)
    assert list(table["score"]) == [0.0, 0.2, 0.5] and list(table["completion"]) == ["c r1", "c r3", "c r0"]
    assert list(table.columns) == ["task", "score", "completion", "why"] and len(tables.samples(found)) == 4
