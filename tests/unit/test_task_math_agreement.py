r"""The grader's verdict against math-verify's own on several hundred pairs: they agree but where this file says why.

math-verify is asked here as its users ask it, both texts in a box, in this process and with its own timeouts.
"""

from __future__ import annotations

import logging

import math_pairs
import math_verify
import pytest

from caderno.tasks import math

DRAWN = 200
# (gold, answer): whether they are equal. math-verify says the other thing.
BETTER = {
    ("72", "72."): True,  # a full stop behind an answer is no part of it
    (r"\text{Evelyn}", "Evelyn."): True,
    ("5", "5,"): True,
    ("18", "18 dollars"): True,  # math-verify knows 150 units; dollars, clips and trees are not among them
    ("5000000", "5 million"): True,  # a scale is part of the number, in \text{...} too, where math-verify drops it
    ("5000000", r"5 \text{ million}"): True,
    ("72", r"72 \text{ million}"): False,
    ("72", "6 dozen"): True,
    (r"1\frac{1}{2}", "1 1/2"): True,  # math-verify reads a mixed number as 1
    ("2 3/4", "2.75"): True,
    ("2 3/4", "11/4"): True,
    ("2 3/4", r"2\frac{3}{4}"): True,
    ("blue", "lube"): False,  # math-verify reads words as products, which commute
    ("east", "seat"): False,
    (r"\frac{1}{2}", r"\frac{1}{2"): False,  # inside \boxed{...}: the box never closes, more may have been meant
}


@pytest.fixture(autouse=True)
def no_deadline(monkeypatch):
    """A busy machine must not decide about agreement."""
    monkeypatch.setattr(math, "DEADLINE_S", 60.0)
    monkeypatch.setattr(math, "GOLD_DEADLINE_S", 60.0)
    logging.getLogger("math_verify").setLevel(logging.ERROR)


def theirs(gold: str, answer: str) -> bool:
    """math-verify's verdict on two boxed texts."""
    box = [math_verify.LatexExtractionConfig(boxed_match_priority=0), math_verify.ExprExtractionConfig()]
    parsed = [math_verify.parse(rf"\boxed{{{text}}}", box) for text in (gold, answer)]
    return math_verify.verify(*parsed)


def ours(gold: str, answer: str) -> bool | None:
    row = math.from_record({"question": "?", "answer": "0"}, "test") | {"gold": gold}
    found = math.score(row, rf"\boxed{{{answer}}}")
    return None if found is None else found.parts["task"] == 1.0


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str, str]]:
    return math_pairs.written() + math_pairs.drawn(DRAWN)


def test_the_verdict_is_math_verifys_but_for_the_named_cases(pairs):
    assert len(pairs) >= 600 and len({kind for kind, _, _ in pairs}) >= 12
    verdicts = {(gold, answer): (theirs(gold, answer), ours(gold, answer)) for _, gold, answer in pairs}
    apart = {pair: mine for pair, (other, mine) in verdicts.items() if mine != other}
    assert apart == BETTER
    # Neither verdict is the rule: a grader that always says the same would not pass.
    assert 0.3 < sum(mine for _, mine in verdicts.values()) / len(verdicts) < 0.7


# Whole completions, in which math-verify looks for the answer itself.
COMPLETIONS = (
    (r"48+24 = 72. \boxed{72}", "72"), (r"The answer is $\boxed{\frac{3}{4}}$.", "0.75"), ("#### 72", "72"),
    ("The answer is 72.", "72"), ("So she has 72 clips.", "72"), ("It costs $18.", "18"), ("He pays 18 dollars.", "18"),
    ("48+24 = 72", "72"), ("x = 72", "72"), ("72", "72"), ("71", "72"), ("The answer is 71.", "72"), ("", "72"),
    (r"\boxed{71}", "72"), ("no idea", "72"), ("1,200 in all.", "1200"), ("-3", "-3"), ("The answer is -3.", "-3"),
    ("0.5", "1/2"), ("50% of them.", "50\\%"), (r"$\frac{1}{2}$", "0.5"), (r"\[ x = \boxed{5} \]", "5"),
    ("**72**", "72"), (r"\boxed{\text{blue}}", r"\text{blue}"), ("She ran 3 miles. He ran 5.", "5"), ("25ml", "25"),
    (r"First \boxed{24}. After a long while and many words, with no other sign: \boxed{72}", "24"),
)  # fmt: skip


@pytest.mark.parametrize(("completion", "gold"), COMPLETIONS)
def test_answers_are_found_where_math_verify_finds_them(completion, gold):
    row = math.from_record({"question": "?", "answer": "0"}, "test") | {"gold": gold}
    parsed = math_verify.parse(rf"\boxed{{{gold}}}"), math_verify.parse(completion)
    assert (math.score(row, completion).parts["task"] == 1.0) == math_verify.verify(*parsed)
