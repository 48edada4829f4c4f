"""Where an answer stands in a text, and the comparisons that need no computer algebra."""

from __future__ import annotations

import pytest

from caderno.tasks import math_answers as answers


@pytest.mark.parametrize(
    ("text", "found", "unclosed"),
    [
        (r"\boxed{72}", ["72"], False),
        (r"\boxed {\frac{1}{2}} and \fbox{x}", [r"\frac{1}{2}", "x"], False),
        (r"\boxed{\{1,2\}}", [r"\{1,2\}"], False),
        (r"\boxed{[0,1\}}", [r"[0,1\}"], False),
        (r"\boxed{\boxed{72}}", ["72"], False),
        (r"\boxed{x = \boxed{5}}", ["5"], False),
        (r"the set {1, 2 is \boxed{5}", ["5"], False),
        (r"} \boxed{5} }", ["5"], False),
        (r"\boxed 5, then", ["5,"], False),
        (r"\boxed{5} or \boxed{\frac{1}{2}", ["5"], True),
        (r"\boxed{", [], True),
        ("boxed{5}", [], False),
    ],
)
def test_boxes(text, found, unclosed):
    assert answers.boxes(text) == (found, unclosed)


@pytest.mark.parametrize(
    ("text", "how", "candidates"),
    [
        (r"x \boxed{ 72 }. #### 5", "boxed", ("72",)),
        (r"\boxed{1} \boxed{2} \boxed{1}", "boxed", ("1", "2")),
        ("work\n#### 1,200\n", "hashes", ("1,200",)),
        (r"$\frac{3}{4}$", "whole", (r"\frac{3}{4}",)),
        ("x = 5", "whole", ("x = 5",)),
        ("$18", "whole", ("18",)),
        ("18 dollars per hour", "whole", ("18 dollars per hour",)),
        ("Evelyn.", "whole", ("Evelyn",)),
        ("She has 48 and then 24. In all 48 + 24 = 72 clips.", "number", ("72",)),
        ("She gets 25ml on the 2nd day.", "number", ("25",)),
        ("It costs -$5.50 net!", "number", ("-5.50",)),
        ("It grew to 5 million people.", "number", ("5 million",)),
        ("Either 71 or else 72 it is.", "number", ("71", "72")),
        ("one\n71\ntwo\n72", "number", ("71", "72")),
        ("No idea what this could possibly be.", "none", ()),
    ],
)
def test_where_an_answer_stands(text, how, candidates):
    found = answers.find(text)
    assert (found.how, found.candidates) == (how, candidates)


def test_a_sentence_of_the_problem_is_no_answer_but_a_number_of_it_is():
    question = "Tom still has all 5 apples today. How many has he?"
    assert answers.find("Tom  still has all 5 APPLES today.", question).how == "none"
    assert answers.find("Tom still has all 5 apples today. So it is 5.", question).candidates == ("5",)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("72 clips", "72"), (r"18\text{ cm}^2", "18"), ("1,200 square feet", "1,200"), ("$5 per hour", "5"),
        ("72 million", "72 million"), ("5 percent", "5 percent"), ("2 pi", "2 pi"), ("3 halves", "3 halves"),
        ("5 x", "5 x"), ("5x", "5x"), ("72 or 73", "72 or 73"), ("a long way of 5 words", "a long way of 5 words"),
        ("5 of the very best red apples", "5 of the very best red apples"), ("clips", "clips"), ("72", "72"),
    ],
)  # fmt: skip
def test_units_go_and_what_changes_the_number_stays(text, bare):
    assert answers.without_unit(text) == bare


@pytest.mark.parametrize(
    ("gold", "answer", "known"),
    [
        ("72", "72.0", True), ("1,200", "1200", True), ("0.5", ".50", True), ("72", "71", False), ("-3", "3", False),
        ("5%", "5.0%", True), ("5%", "6%", False), ("5%", "5", None), ("0.5", "0.5000001", None), ("1/2", "0.5", None),
        ("1234567890123456", "1234567890123456", True), ("1234567890123456", "1234567890123457", None),
        ("5 million", "5,000,000", True), ("24", "2 dozen eggs", True), ("Evelyn", r"\text{evelyn}", True),
        ("Evelyn", "Briana", False), ("blue", "lube", False), ("xyz", "zyx", None), ("x+1", "x+1", True),
        ("x+1", "1+x", None),
    ],
)  # fmt: skip
def test_what_is_known_without_algebra(gold, answer, known):
    assert answers.same(gold, answer) is known


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (" $72$. ", "72"), (r"\( x \)", "x"), (r"\[5\]", "5"), ("**72**", "72"), ("= 5", "5"), ("−5", "-5"),
        (r"1{,}200", "1,200"), (r"1\,000", "1,000"), ("$1,200", "1,200"), ("-$5", "-5"), ("R$ 72", "72"), (".5", ".5"),
        ("2 3/4", r"2\frac{3}{4}"), ("$x$ and $y$", "$x$ and $y$"), ("", ""), ("...", ""), (r"5\,", "5"),
    ],
)  # fmt: skip
def test_what_surrounds_an_answer_goes(text, cleaned):
    assert answers.clean(text) == cleaned
