"""Properties of the two mathematical scorers on any text: bounded, gold at the top, blind to spacing, never raising."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caderno.shop import SPLITS
from caderno.tasks import arithmetic, math

RELAXED = settings(max_examples=60, deadline=None)
PIECES = st.sampled_from([*r"\boxed{ } { 72 71 #### <think> </think> \frac $ = or . % x".split(), "\n", " "])
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=12).map("".join))
NUMBERS = st.one_of(st.integers(-(10**9), 10**9).map(str), st.decimals(-1000, 1000, places=2).map(str))
SPACES = st.text(" \t\n", max_size=5)
HEARD = [arithmetic.rows("train", 1, 0)[0]]


def row(gold: str) -> dict:
    return math.from_record({"question": "How many?", "answer": "0"}, "test") | {"gold": gold}


@RELAXED
@given(TEXTS)
def test_any_text_has_a_score_in_bounds(text):
    for one in (row("72"), *HEARD):
        score = (math if one["task"] == "math" else arithmetic).score(one, text)
        assert 0.0 <= score.total <= 1.0 and all(0.0 <= part <= 1.0 for part in score.parts.values())
        assert score.total <= 0.2 or score.parts["task"] == 1.0  # what is wrong earns its form at most


@RELAXED
@given(TEXTS)
def test_any_text_as_reference_is_judged_or_not_and_never_raises(text):
    found = math.score(row(text), "\\boxed{72}")
    assert found is None or 0.0 <= found.total <= 1.0


@RELAXED
@given(NUMBERS)
def test_gold_scores_at_the_top_alone_and_as_a_reference(gold):
    made = math.from_record({"question": "How many?", "answer": f"I count.\n#### {gold}"}, "test")
    for completion in (made["gold"], made["reference"], f"#### {gold}", f"\\boxed{{{gold}}}"):
        assert math.score(made, completion).total >= 0.9


@RELAXED
@given(NUMBERS, st.integers(1, 10**6))
def test_another_number_scores_low(gold, apart):
    other = f"{float(gold) + apart:.2f}"
    assert math.score(row(gold), f"\\boxed{{{other}}}").total <= 0.2


@RELAXED
@given(SPACES, SPACES, SPACES, st.sampled_from(["72", "71", "72 clips", "\\frac{144}{2}", "blue"]))
def test_white_space_changes_nothing(before, inside, after, answer):
    spaced = f"{before}So it is{inside} \\boxed{{{inside}{answer}{after}}}{after}"
    assert math.score(row("72"), spaced) == math.score(row("72"), f"So it is \\boxed{{{answer}}}")
    alone = math.score(row("72"), f"{before}{answer}{after}")
    assert alone == math.score(row("72"), answer)
    [one] = HEARD
    assert arithmetic.score(one, before + one["gold"] + after) == arithmetic.score(one, one["gold"])


@RELAXED
@given(st.integers(0, 99), st.sampled_from(SPLITS), st.integers(1, 6), st.sampled_from((7, 10, 11)))
def test_every_generated_reference_is_right_and_another_value_is_not(seed, split, operations, modulus):
    [one] = arithmetic.rows(split, 1, seed, operations=operations, modulus=modulus)
    for completion in (one["gold"], one["reference"]):
        assert arithmetic.score(one, completion).fully_correct
    assert arithmetic.score(one, str((int(one["gold"]) + 1) % modulus)).total == pytest.approx(0.2)
