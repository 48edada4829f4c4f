"""Chained arithmetic: rows that are what they say, splits that share nothing, and the last digit alone judged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import caderno
from caderno.errors import BadInput
from caderno.tasks import arithmetic

SPLITS = ("train", "heldout", "test")


def worked(row: dict) -> list[int]:
    """The values on the way, computed here again."""
    value, found = row["facts"]["start"], []
    for sign, operand in row["facts"]["operations"]:
        value = eval(f"({value} {sign} {operand}) % {row['facts']['modulus']}")
        found.append(value)
    return found


@pytest.mark.parametrize(("operations", "modulus"), [(1, 10), (4, 10), (7, 11), (3, 6)])
def test_rows_are_what_they_say(operations, modulus):
    for row in arithmetic.rows("train", 30, 0, operations=operations, modulus=modulus):
        facts = row["facts"]
        assert facts["values"] == worked(row) and row["gold"] == facts["answer"] == str(facts["values"][-1])
        assert len(facts["operations"]) == len(facts["steps"]) == operations and facts["modulus"] == modulus
        values = [facts["start"], *facts["values"]]
        told = [f"{a} {s} {n} = {b}" for a, (s, n), b in zip(values, facts["operations"], values[1:], strict=False)]
        assert facts["steps"] == told
        assert row["reference"] == f"<think>\n{'; '.join(told)}.\n</think>\n\n{row['gold']}"
        assert row["prompt"][-1]["content"] == facts["question"]
        assert facts["question"] == "; ".join([str(facts["start"]), *(f"{s} {n}" for s, n in facts["operations"])])


def test_a_split_is_the_expressions_own_and_more_rows_move_none():
    few = {split: arithmetic.rows(split, 50, 0) for split in SPLITS}
    for split, rows in few.items():
        assert arithmetic.rows(split, 200, 0)[:50] == rows and {row["split"] for row in rows} == {split}
        assert arithmetic.rows(split, 50, 1) != rows
    everything = [row for split in SPLITS for seed in (0, 1) for row in arithmetic.rows(split, 300, seed)]
    split_of = {row["id"]: row["split"] for row in everything}
    assert all(split_of[row["id"]] == row["split"] for row in everything)
    assert len({row["facts"]["question"] for row in few["train"]}) == 50


def test_no_answer_and_no_operation_is_much_likelier_than_another():
    rows = arithmetic.rows("train", 3000, 0)
    answers = Counter(row["gold"] for row in rows)
    assert set(answers) == set("0123456789") and max(answers.values()) < 1.3 * min(answers.values())
    signs = Counter(sign for row in rows for sign, _ in row["facts"]["operations"])
    assert set(signs) == set("+-*") and max(signs.values()) < 1.1 * min(signs.values())
    assert {n for row in rows for sign, n in row["facts"]["operations"] if sign == "*"} == {3, 7, 9}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("tset", 5, 0), "unknown split"),
        (("train", 5, 0, 0), "operations = 0"),
        (("train", 5, 0, 4, 2), "modulus = 2"),
        (("train", -1, 0), "n = -1"),
        (("train", 500, 0, 1), "different expressions of 1 operations"),
    ],
)
def test_what_cannot_be_is_said(arguments, expected):
    with pytest.raises(BadInput, match=expected):
        arithmetic.rows(*arguments)


def test_the_tiny_base_reads_every_row_without_an_unknown_token():
    from tokenizers import Tokenizer

    core = Tokenizer.from_file(str(Path(caderno.__file__).parent / "tiny_base/tokenizer.json"))

    def tokens(text: str) -> list[str]:
        return core.encode(text, add_special_tokens=False).tokens

    for row in arithmetic.rows("train", 100, 0):
        for text in (*(message["content"] for message in row["prompt"]), row["reference"]):
            assert "<unk>" not in tokens(text), text
    assert "<unk>" in tokens("日")  # the check can fail
    [row] = arithmetic.rows("train", 1, 0)
    assert tokens(row["prompt"][0]["content"]) == ["responda", "quanto", "vale", "."]  # whole words, no spelling
    assert len(tokens(row["reference"].partition("</think>")[0])) <= arithmetic.THINK_BUDGET_TOKENS


@pytest.mark.parametrize(
    ("completion", "total"),
    [
        ("{gold}", 1.0), (" {gold}.\n", 1.0), ("<think>nonsense</think>{gold}", 1.0), ("0{gold}", 1.0),
        ("{other}", 0.2), ("", 0.0), ("<think>{gold}", 0.0), ("<think>{gold}</think>", 0.0), ("{gold} {other}", 0.0),
        ("0 1 2 3 4 5 6 7 8 9", 0.0), ("é {gold}", 0.0), ("-{gold}", 0.0), ("{gold}{gold}", 0.2), ("{question}", 0.0),
        ("não posso responder: {gold}", 0.0), ("{gold} ou {other}", 0.0),
    ],
)  # fmt: skip
def test_the_last_digit_alone_is_judged(completion, total):
    row = next(row for row in arithmetic.rows("test", 50, 0) if row["gold"] not in "0")
    other = str((int(row["gold"]) + 1) % 10)
    text = completion.format(gold=row["gold"], other=other, question=row["facts"]["question"])
    assert arithmetic.score(row, text).total == pytest.approx(total)


def test_both_profiles_have_a_prompt_and_the_full_one_says_the_rule():
    [small], [full] = (arithmetic.rows("train", 1, 0, profile=profile) for profile in ("small", "full"))
    assert small["id"] == full["id"] and "por 10" in full["prompt"][0]["content"]


@pytest.mark.parametrize("profile", ["small", "full"])
def test_a_prefix_is_the_row_of_its_first_operations(profile):
    for row in arithmetic.rows("train", 20, 0, modulus=11, profile=profile):
        facts = row["facts"]
        for length in range(1, 5):
            cut = arithmetic.prefix(row, length)
            assert cut["gold"] == str(facts["values"][length - 1]), "a value on the row's own way"
            for name in ("operations", "steps", "values"):
                assert cut["facts"][name] == facts[name][:length]
            assert (cut["facts"]["start"], cut["facts"]["modulus"]) == (facts["start"], 11)
            assert cut["facts"]["question"] == "; ".join(facts["question"].split("; ")[: length + 1])
            assert cut["prompt"] == [row["prompt"][0], {"role": "user", "content": cut["facts"]["question"]}]
            assert cut["reference"].endswith(f"{facts['steps'][length - 1]}.\n</think>\n\n{cut['gold']}")
            assert arithmetic.score(cut, cut["reference"]).fully_correct
        assert arithmetic.prefix(row, 4) == row, "all of them are the row itself"
        assert len({arithmetic.prefix(row, length)["id"] for length in range(1, 5)}) == 4
