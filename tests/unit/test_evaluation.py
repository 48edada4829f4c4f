"""Evaluation: samples that say what was drawn, summaries whose n is honest, pairs that are pairs."""

from __future__ import annotations

import pytest
from evaluating import Says, arm
from materials import params, row_of, rows, sample

from caderno import evaluation, stats
from caderno.generation import Sampling
from caderno.generation.hf import HfEngine


def test_a_sample_holds_what_was_asked_drawn_and_judged(small_tokenizer):
    row = row_of("push")
    sampling = Sampling(0.0, max_new_tokens=96, samples=2)
    found = evaluation.samples(Says(small_tokenizer, row["gold"]), [row], sampling, arm="sft", run="r")
    assert [s["sample"] for s in found] == [0, 1]
    one, thought = found[0], row["gold"].split("</think>")[0].removeprefix("<think>")
    assert (one["id"], one["task"], one["arm"], one["temperature"]) == (row["id"], "push", "sft", 0.0)
    assert one["completion"] == one["gold"] == row["gold"] and one["why"] == "tudo certo"
    assert (one["score"], one["parts"]) == (pytest.approx(1), {"format": 1, "partial": 1, "task": 1})
    assert one["tokens"] == len(small_tokenizer(row["gold"])["input_ids"])
    assert one["think_tokens"] == len(small_tokenizer(thought)["input_ids"]) and one["think_closed"]
    assert one["logprob"] == pytest.approx(-0.5 * one["tokens"]) and one["finish_reason"] == "stop"
    assert row["prompt"][1]["content"] in one["prompt"] and one["prompt"].endswith("assistant\n")


def test_a_completion_of_an_opened_thought_is_judged_as_one(tiny_pair):
    row = row_of("push")
    answer = row["gold"].split("</think>")[1].strip()
    found = {
        (text, thinking): evaluation.samples(
            Says(tiny_pair[1], text), [row], Sampling(), arm="a", run="r", enable_thinking=thinking
        )[0]
        for text in (answer, f"hum</think>{answer}")
        for thinking in (True, False)
    }  # the tiny template opens the thought when thinking is on
    assert found[answer, False]["score"] == pytest.approx(1) and found[answer, False]["think_tokens"] == 0
    unclosed = found[answer, True]
    assert unclosed["score"] == 0 and not unclosed["think_closed"] and unclosed["think_tokens"] > 5
    closed = found[f"hum</think>{answer}", True]
    assert closed["score"] == pytest.approx(1) and closed["think_closed"] and 0 < closed["think_tokens"] <= 3


def test_arms_share_their_noise_and_runs_do_not(tiny_pair):
    engine = HfEngine(*tiny_pair, context_tokens=512)
    given = params(validation={"temperatures": [0.0, 1.0], "max_new_tokens": 6})

    def drawn(arm: str, **more) -> list[dict]:
        found = given.model_copy(update=more)
        return evaluation.at_temperatures(engine, rows()[::3], found, arm=arm, progress=False)

    sft = drawn("sft")
    assert [(s["id"], s["temperature"]) for s in sft] == [(r["id"], t) for t in (0.0, 1.0) for r in rows()[::3]]
    assert [s | {"arm": "sft"} for s in drawn("grpo")] == sft
    other, seeded = drawn("sft", name="u"), drawn("sft", seed=1)
    for again in (other, seeded):
        same = [a["completion"] == b["completion"] for a, b in zip(sft, again, strict=True)]
        assert all(same[:4]) and not any(same[4:]), "greedy draws nothing; sampling follows run and seed"


def test_summary_of_one_sample_a_prompt():
    found = arm([1.0, 0.5, 0.0, 1.0])
    found[0] |= {"finish_reason": "length", "tokens": 20, "think_tokens": 50, "think_closed": False}
    told = evaluation.summary(found)
    assert told["n"] == 4 and told["mean_reward"]["value"] == 0.625 and told["mean_reward"]["n"] == 4
    correct = told["fully_correct"]
    assert (correct["value"], correct["n"], correct["method"]) == (0.5, 4, "Wilson interval")
    assert (correct["low"], correct["high"]) == pytest.approx((0.1500, 0.8500), abs=1e-4)  # Wilson, by hand
    assert told["mean_tokens"] == 12.5 and told["clipped_share"] == told["unclosed_share"] == 0.25
    assert told["think_tokens_mean"] == 14 and told["think_tokens_p95"] == 2
    wide, narrow = (evaluation.summary(found, c)["mean_reward"] for c in (0.99, 0.5))
    assert wide["low"] < told["mean_reward"]["low"] < narrow["low"]


def test_almost_right_is_not_fully_correct():
    assert evaluation.summary(arm([0.999, 1 - 1e-12]))["fully_correct"]["value"] == 0.5


def test_samples_of_one_prompt_are_not_independent():
    scores = [0.0, 0.0, 1.0, 1.0, 0.6, 0.6]
    found = [sample(f"r{i}", score, sample=k) for i, score in enumerate(scores) for k in range(4)]
    told = evaluation.summary(found)
    assert told["n"] == 24
    for key, values in {
        "mean_reward": [s["score"] for s in found],
        "fully_correct": [s["score"] == 1 for s in found],
    }.items():
        naive, grouped = stats.mean_interval([float(v) for v in values]), told[key]
        assert (
            grouped["n"] == 6 and "group means" in grouped["method"] and grouped["value"] == pytest.approx(naive.value)
        )
        assert grouped["high"] - grouped["low"] > 2 * (naive.high - naive.low)


def test_by_task_begins_with_all():
    found = [*arm([1.0]), *arm([0.0], task="sql_qa"), *arm([0.5])]
    groups = evaluation.by_task(found)
    assert list(groups) == ["all", "push", "sql_qa"] and groups["all"] == found
    assert [s["score"] for s in groups["push"]] == [1.0, 0.5]


@pytest.mark.parametrize(
    "after",
    [arm([1.0]), arm([0.0, 1.0])[::-1], arm([0.0, 1.0], sample=1), [sample("r0", 0), sample("other", 1)]],
    ids=["fewer", "another order", "another sample", "another row"],
)
def test_pairs_refuses_what_are_no_pairs(after):
    before = arm([0.0, 1.0])
    assert evaluation.pairs(before, arm([1.0, 1.0]))["all"]["mean_reward"]["difference"] == 0.5
    with pytest.raises(ValueError, match="same prompts in the same order"):
        evaluation.pairs(before, after)


def test_pairs_sign_is_after_minus_before():
    before = [*arm([0.1, 0.2, 0.3, 0.2, 0.1, 0.3]), *arm([1.0, 1.0, 1.0, 1.0], task="sql_qa")]
    after = [*arm([1.0, 0.9, 1.0, 1.0, 1.0, 0.9]), *arm([0.0, 0.1, 0.0, 0.0], task="sql_qa")]
    found = evaluation.pairs(before, after)
    push, sql = found["push"], found["sql_qa"]
    assert push["mean_reward"]["difference"] == pytest.approx(4.6 / 6) and push["mean_reward"]["low"] > 0
    assert push["fully_correct"]["difference"] == pytest.approx(4 / 6) and push["fully_correct"]["n"] == 6
    assert sql["mean_reward"]["high"] < 0 and sql["fully_correct"]["difference"] == -1
    assert found["all"]["mean_reward"]["difference"] == pytest.approx((4.6 - 3.9) / 10)


def both_arms() -> dict[str, list[dict]]:
    """Two arms at two temperatures: better at 1, worse at 0."""
    scores = {("sft", 0.0): [0.9, 1.0, 1.0], ("grpo", 0.0): [0.2, 0.1, 0.3]}
    scores |= {("sft", 1.0): [0.2, 0.1, 0.3], ("grpo", 1.0): [0.9, 1.0, 1.0]}
    return {
        name: [s for t in (0.0, 1.0) for s in arm(scores[name, t], arm=name, temperature=t)] for name in ("sft", "grpo")
    }


def test_validation_has_every_arm_temperature_and_task_and_pairs_after_with_before():
    result = evaluation.validation(both_arms(), 0.9)
    assert (result["arms"], result["confidence"], result["n_prompts"]) == (["sft", "grpo"], 0.9, 3)
    expected = [(t, task, a) for t in (0.0, 1.0) for a in ("sft", "grpo") for task in ("all", "push")]
    assert [(x["temperature"], x["task"], x["arm"]) for x in result["by_arm"]] == expected
    line = next(x for x in result["by_arm"] if (x["temperature"], x["arm"]) == (1.0, "grpo"))
    assert line["n"] == 3 and line["mean_reward"]["value"] == pytest.approx(2.9 / 3)
    for pair in result["paired"]:
        assert (pair["before"], pair["after"]) == ("sft", "grpo")
        assert (pair["mean_reward"]["difference"] > 0) == (pair["temperature"] == 1.0)
        assert pair["mean_reward"]["high"] - pair["mean_reward"]["low"] > 0
    assert [(x["temperature"], x["task"]) for x in result["paired"]] == [e[:2] for e in expected if e[2] == "sft"]
    wider = evaluation.validation(both_arms(), 0.99)["by_arm"][0]["mean_reward"]
    assert wider["low"] < result["by_arm"][0]["mean_reward"]["low"]


def test_validation_refuses_arms_of_different_prompts():
    arms = both_arms()
    arms["grpo"] = [s | {"id": f"x{s['id']}"} for s in arms["grpo"]]
    with pytest.raises(ValueError, match="same prompts"):
        evaluation.validation(arms, 0.95)


def test_calibration_has_a_line_per_sampling_and_task():
    drawn = {
        "training": arm([0.2, 0.4], temperature=1.0, finish_reason="length"),
        "deployment": [*arm([1.0]), *arm([0.0], task="sql_qa")],
    }
    lines = evaluation.calibration(drawn)["by_task"]
    found = [(x["sampling"], x["task"], x["temperature"], x["n"]) for x in lines]
    assert found[:2] == [("training", "all", 1.0, 2), ("training", "push", 1.0, 2)]
    assert found[2:] == [
        ("deployment", "all", 0.0, 2),
        ("deployment", "push", 0.0, 1),
        ("deployment", "sql_qa", 0.0, 1),
    ]
    assert [x["ceiling_share"] for x in lines] == [1.0, 1.0, 0.0, 0.0, 0.0]
    keys = {"mean_reward", "fully_correct", "mean_tokens", "think_tokens_mean", "think_tokens_p95", "unclosed_share"}
    assert all(keys <= set(x) and "clipped_share" not in x for x in lines)
    assert lines[0]["mean_reward"]["value"] == pytest.approx(0.3)
