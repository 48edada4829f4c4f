"""Comparisons: pairs on shared ids, refusals where evaluations differ, files of other tools, several seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from caderno import compare as comparing
from caderno.errors import BadInput


def answers(n: int = 60, mean: float = 0.5, seed: int = 0, **fields) -> list[dict]:
    """Scored answers of n prompts; the same ids, prompts and references whatever the seed."""
    scores = np.clip(np.random.default_rng(seed).normal(mean, 0.2, n), 0, 1).round(3)
    told = {"temperature": 0.0, "gold": "g", "max_new_tokens": 96} | fields
    return [
        {"id": f"t{i}", "task": ("sql", "push")[i % 2], "score": float(score), "prompt": f"<s>{i}"} | told
        for i, score in enumerate(scores)
    ]


def compared(tmp_path: Path, before: list[dict], after: list[dict], **options) -> dict:
    arms = []
    for name, rows in (("a", before), ("b", after)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        arms.append(comparing.read_arm(str(path)))
    return comparing.compare(*arms, **options)


def row(found: dict, task: str = "all") -> dict:
    return next(one for one in found["results"] if one["task"] == task)


def test_pairs_on_shared_ids_and_says_what_was_left_out(tmp_path):
    before, after = answers(60), answers(60, 0.6, seed=1)
    after[0]["score"], extra = None, {**after[1], "id": "new"}
    found = compared(tmp_path, before[:50], [*after[:55], extra])
    assert found["comparable"] and found["shared"] == 49 and found["after"]["unscored"] == 1
    assert any("6 ids only" in note and "b.jsonl" in note for note in found["notes"])
    assert any("1 ids only" in note and "a.jsonl" in note for note in found["notes"])
    assert any("1 answers" in note and "could not be judged" in note for note in found["notes"])
    assert row(found)["score"]["n"] == 49 and row(found)["correct"] is None
    assert any("one training seed" in note for note in found["notes"])


def test_the_planted_gain_is_found_and_holm_is_over_tasks(tmp_path):
    before = answers(200)
    after = [{**one, "score": one["score"] + (0.1 if one["task"] == "push" else 0.0) + 0.05 * (i % 3 - 1)}
             for i, one in enumerate(before)]  # fmt: skip
    found = compared(tmp_path, before, after)
    push, sql = row(found, "push")["score"], row(found, "sql")["score"]
    assert push["reading"] == "gain" and push["low"] < 0.1 < push["high"] and push["p_holm"] < 0.001
    assert sql["reading"] == "no detectable change"
    assert push["p_holm"] == pytest.approx(2 * push["p"]) and row(found)["score"]["p_holm"] is None
    assert 0 < push["detectable"] < 0.02


def test_a_gain_that_holm_takes_away_says_so(tmp_path):
    rng = np.random.default_rng(0)
    tasks = [f"task{i}" for i in range(8)]
    before = [{"id": f"{t}{i}", "task": t, "score": 0.5, "temperature": 0} for t in tasks for i in range(40)]
    noise = {t: rng.normal(0, 0.2, 40) for t in tasks}
    noise["task0"] += 0.068 - noise["task0"].mean()  # z of about 2.4
    after = [{**one, "score": 0.5 + noise[one["task"]][i % 40]} for i, one in enumerate(before)]
    one = row(compared(tmp_path, before, after), "task0")["score"]
    assert one["p"] < 0.05 < one["p_holm"] and one["reading"] == "gain (not after Holm)"


def test_equal_scores_are_said_to_be_equal(tmp_path):
    found = compared(tmp_path, answers(), answers())
    assert row(found)["score"]["reading"] == "equal on every prompt" and found["comparable"]


def test_samples_of_a_prompt_count_once(tmp_path):
    before = [{**one, "sample": k} for k in range(4) for one in answers(30, seed=k)]
    after = [{**one, "sample": k} for k in range(4) for one in answers(30, 0.7, seed=9 + k)]
    assert row(compared(tmp_path, before, after))["score"]["n"] == 30


def test_yes_or_no_answers_get_mcnemar(tmp_path):
    before = [{"id": i, "correct": i % 2 == 0, "score": float(i % 2 == 0)} for i in range(100)]
    after = [{"id": i, "correct": i % 2 == 0 or i < 30, "score": float(i % 2 == 0 or i < 30)} for i in range(100)]
    found = compared(tmp_path, before, after)
    one = row(found)["correct"]
    assert "McNemar" in one["method"] and one["difference"] == pytest.approx(0.15) and one["reading"] == "gain"
    assert one["detectable"] > 0.05
    assert any("temperature" in told for told in found["unknown"])  # not told, so not known: and not refused


def replaced(rows: list[dict], **fields) -> list[dict]:
    return [{**one, **fields} for one in rows]


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (lambda rows: replaced(rows, temperature=0.7), "temperature"),
        (lambda rows: replaced(rows, max_new_tokens=4096), "max_new_tokens"),
        (lambda rows: replaced(rows, top_p=0.9), "top_p"),
        (lambda rows: replaced(rows, template="chatml"), "template"),
        (lambda rows: [{**one, "prompt": "<think>" + one["prompt"]} for one in rows], "prompt"),
        (lambda rows: [*rows[:-1], {**rows[-1], "prompt": "other"}], "prompt"),
        (lambda rows: replaced(rows, gold="another"), "reference answer"),
        (lambda rows: replaced(rows, parts={"format": 1.0}), "scorer (its parts)"),
        (lambda rows: [{**one, "completion": "c", "score": one["score"] / 2} for one in rows], "scorer"),
    ],
)
def test_evaluations_that_differ_are_not_compared(tmp_path, fault, what):
    """E2: each planted difference is named; the control, without it, is compared."""
    clean = replaced(answers(), top_p=1.0, template="qwen", completion="c", parts={"task": 1.0})
    assert compared(tmp_path, clean, clean)["comparable"]
    found = compared(tmp_path, clean, fault(clean))
    assert not found["comparable"] and found["results"] == []
    assert any(one["what"].startswith(what) for one in found["differs"])
    figures = compared(tmp_path, clean, fault(clean), anyway=True)
    assert figures["results"] and not figures["comparable"]


def test_what_one_side_does_not_tell_is_unknown(tmp_path):
    bare = [{"id": one["id"], "score": one["score"]} for one in answers()]
    found = compared(tmp_path, answers(), bare)
    assert found["comparable"] and {u.split(" of ")[0] for u in found["unknown"]} >= {"temperature", "max_new_tokens"}
    assert any("prompt" in told for told in found["unknown"])
    assert row(found)["temperature"] == 0.0


def test_temperatures_are_compared_one_by_one(tmp_path):
    both = [*answers(), *answers(seed=1, temperature=1.0)]
    found = compared(tmp_path, both, [*both, *answers(temperature=0.3)])
    assert [one["temperature"] for one in found["results"] if one["task"] == "all"] == [0.0, 1.0]
    assert any("0.3" in note for note in found["notes"])
    only = compared(tmp_path, both, both, temperature=1.0)
    assert {one["temperature"] for one in only["results"]} == {1.0}
    with pytest.raises(BadInput, match="several temperatures"):
        compared(tmp_path, both, [{"id": "t0", "score": 1.0}])
    with pytest.raises(BadInput, match=r"temperature 0\.5"):
        compared(tmp_path, both, both, temperature=0.5)


def test_several_seeds_widen_the_interval(tmp_path):
    """Seeds that differ by 0.1 around the same mean: prompts alone would call it a gain or a loss far too often."""

    def arm(offsets, shift):
        return [{**one, "seed": k, "score": one["score"] + offset + shift}
                for k, offset in enumerate(offsets) for one in answers(100, 0.5, seed=3)]  # fmt: skip

    before, after = arm((-0.1, 0.0, 0.1), 0.0), arm((-0.02, 0.1, 0.12), 0.0)
    one = row(compared(tmp_path, before, after))["score"]
    assert one["n"] == 3 and "3 and 3 seeds, 100 prompts" in one["method"]
    assert one["low"] < 0 < one["high"] and one["detectable"] is None
    alone = row(compared(tmp_path, replaced(before, seed=0), replaced(after, seed=0)))["score"]
    assert alone["n"] == 100 and alone["low"] != one["low"]


def test_files_of_other_tools(tmp_path):
    rows = [{"doc_id": i, "acc": float(i % 3 == 0), "filter": "none"} for i in range(30)]
    (tmp_path / "a.json").write_text(json.dumps({"samples": rows}))
    (tmp_path / "b.json").write_text(json.dumps(rows))
    arms = [comparing.read_arm(str(tmp_path / f), id_key="doc_id", score_key="acc") for f in ("a.json", "b.json")]
    assert row(comparing.compare(*arms))["correct"]["n"] == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "a", "score": 0.1}\n{"id": ', "line 2"),
        ('{"id": "a", "score": "high"}\n', "score is 'high'"),
        ('{"score": 0.5}\n', "id is None"),
        ("[1, 2]\n", "not an object"),
        ('{"id": "a", "score": null}\n', "no scored answers"),
        ("", "no scored answers"),
    ],
)
def test_broken_files_are_told_by_line(tmp_path, text, said):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(BadInput, match=said):
        comparing.read_arm(str(tmp_path / "a.jsonl"))


def test_nothing_shared_is_an_error(tmp_path):
    other = [{**one, "id": f"x{one['id']}"} for one in answers()]
    with pytest.raises(BadInput, match="no id"):
        compared(tmp_path, answers(), other)
