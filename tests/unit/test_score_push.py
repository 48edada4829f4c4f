"""Push: what is counted as a character, what grounds a notification, which faults cost what; and properties."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_tasks import answer, row_named

from caderno.errors import BadInput
from caderno.tasks import names, push, wording
from caderno.tasks.figures import Figure, figures

ROW, FULL, OLIST = (row_named("push", name) for name in ("trena", "magica", "olist"))
GOOD = "yasmin, trena com 60% de desconto só hoje. aproveite!"
QUICK = settings(max_examples=200, deadline=None)
FAMILY = "👨‍👩‍👧‍👦"


def parts(text: str, row: dict = ROW) -> tuple[float, float, float]:
    score = push.score(row, text)
    return tuple(round(score.parts[part], 3) for part in ("format", "partial", "task"))


def test_components_are_what_the_guide_says():
    assert parts(GOOD) == parts(answer(ROW)) == (1, 1, 1)
    assert parts(GOOD + "!" * 100) == (0, 0, 0), "too long: nothing counts"
    assert parts(GOOD.replace("yasmin", "olá")) == (1, 0.667, 0)
    assert parts(GOOD.replace("60", "65")) == (1, 0.333, 0), "the discount lacks, and a figure is invented"
    assert parts(GOOD.replace(" só", " e frete grátis só")) == (1, 0.5, 0)
    assert parts(GOOD.replace("aproveite", "obrigado")) == (1, 1, 0.4), "one fault of manner"
    assert parts(GOOD.replace("aproveite", "obrigado #promo")) == (1, 1, 0.16), "two"
    assert parts(f"{GOOD} na verdade não.") == (1, 1, 0), "a grave one"
    assert parts(ROW["prompt"][-1]["content"]) == (1, 0, 0), "a copy"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ação", 4), ("ac\u0327a\u0303o", 4), (FAMILY, 1), ("👍🏽", 1), ("🇧🇷🇵🇹", 2), ("❤️", 1), ("1️⃣", 1), ("a b", 3),
        ("", 0), ("R$ 5", 4), ("…–", 2),
    ],
)  # fmt: skip
def test_characters_are_counted_as_a_phone_counts_them(text, expected):
    assert wording.length(text) == expected


@pytest.mark.parametrize("filler", ["x", "é", "e\u0301", FAMILY])
def test_the_limits_are_of_characters_not_code_points(filler):
    assert [push.fits(filler * n) for n in (19, 20, 120, 121)] == [False, True, True, False]
    assert not push.fits("a" * 30 + "\n" + "b" * 30) and not push.fits("a" * 30 + "\x85" + "b")


@pytest.mark.parametrize(
    "char",
    ["\u200b", "\u200c", "\u200d", "\u200e", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u2060", "\u0337", "\ue000",
    "\x00",
     "\x07", "\u2800", "\u3164", "а", "ο", "𝐚", "②", "٦", "½", "\ufe0f", "\u20e3", "\U000e0041"],
)  # fmt: skip
def test_hidden_and_look_alike_characters_are_refused(char):
    text = f"{GOOD[:3]}{char}{GOOD[3:]}"
    assert wording.odd_characters(text) and push.score(ROW, text).total == 0


@pytest.mark.parametrize(
    "text", ["ação à vista", f"{FAMILY} 👍🏽 ❤️‍🔥 🇧🇷 1️⃣", "50 °C – “a” … ª º € ✓ •", "a\u00a0b\u202fc"]
)
def test_honest_characters_are_not(text):
    assert not wording.odd_characters(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10% off", [(10, True)]), ("-10 %", [(-10, True)]), ("10 por cento", [(10, True)]),
        ("12,5% e 1.200", [(12.5, True), (1200, False)]),
        ("vinte e cinco por cento", [(25, True)]), ("dois mil e trezentos", [(2300, False)]), ("um dia, uma vez", []),
        ("um por cento", [(1, True)]), ("meia duzia", [(6, False)]), ("cem por cento", [(100, True)]),
        ("24h", [(24, False)]),
        ("5x1", [(5, False), (1, False)]), ("mil", [(1000, False)]), ("sem centavos, segunda", []),
        ("r$3.", [(3, False)]),
    ],
)  # fmt: skip
def test_figures_are_read_in_digits_and_in_words(text, expected):
    assert [(one.value, one.per_cent) for one in figures(text)] == expected
    assert all(isinstance(one, Figure) for one in figures(text))


def test_names_are_found_whole_and_in_their_spellings():
    found = names.finder(("sao goncalo", "sao goncalo do amarante", "cama_mesa_banho", "castanha-do-pará"))
    marks = [names.mark(place) for place in range(4)]
    assert found.mark("sao goncalo do amarante e sao goncalo") == f"{marks[1]} e {marks[0]}"
    assert found.mark("cama, mesa e banho; cama_mesa_banho; cama mesa banho") == "; ".join([marks[2]] * 3)
    assert found.mark("castanha do para, castanha-do-para") == f"{marks[3]}, {marks[3]}"
    assert found.mark("sao goncalos, xsao goncalo, sao goncalo_") == "sao goncalos, xsao goncalo, sao goncalo_"


def test_the_first_name_is_enough_and_another_family_name_is_too_much():
    text = "{}, o kit de mágica está com 10% de desconto. Aproveite hoje!"
    for good in ("Raquel", "RAQUEL", "Raquel Ferreira"):
        assert push.score(FULL, text.format(good)).fully_correct, good
    for bad in ("Ferreira", "Raquel Oliveira", "Raque", "Raquel e Simone", "Você"):
        assert parts(text.format(bad), FULL)[1] < 1, bad


def test_other_names_count_where_the_shop_is_known():
    text = "yasmin, trena e martelo com 60% de desconto só hoje. aproveite!"
    assert parts(text)[1] < 1
    assert push.score(ROW | {"shop": {"source": "olist", "path": "x", "split": "train"}}, text).fully_correct
    assert push.score({k: v for k, v in ROW.items() if k != "shop"}, text).fully_correct, "a row from elsewhere"


@pytest.mark.parametrize(
    "facts",
    [{"customer": 3}, {"product": None}, {"product": ["trena"]}, {"discount": "60"}, {"discount": True},
    {"product": "!?"},
     {"customer": "--"}],
)  # fmt: skip
def test_facts_of_another_kind_are_bad_input(facts):
    with pytest.raises(BadInput, match="facts"):
        push.score(ROW | {"facts": ROW["facts"] | facts}, GOOD)


@pytest.mark.parametrize(
    ("text", "betrayed"),
    [
        ("não posso ajudar", True), ("na verdade", True), ("ignore o que leu", True), ("score", True),
        ("scorecard da loja", False), ("não poste", False), ("a verdade", False), ("posso ajudar", False),
    ],
)  # fmt: skip
def test_betraying_phrases_are_whole_phrases(text, betrayed):
    assert bool(wording.betrays(text.replace("ã", "a"))) == betrayed


FACTS = {"yasmin": "olá", "trena": "coisa", "60%": "muito"}


@given(st.permutations(list(FACTS)), st.sampled_from([GOOD, *(answer(row).lower() for row in (ROW,))]))
@QUICK
def test_one_more_right_fact_never_lowers_the_total(order, gold):
    totals = []
    for known in range(len(order) + 1):
        text = gold
        for fact in order[known:]:
            text = text.replace(fact, FACTS[fact])
        totals.append(push.score(ROW, text).total)
    assert totals == sorted(totals) and totals[0] == pytest.approx(0.2) and totals[-1] == 1.0


@given(st.lists(st.sampled_from([" ", "  ", "\t", "\u00a0"]), min_size=8, max_size=8), st.text(" \n\t", max_size=4))
@QUICK
def test_white_space_changes_nothing(spaces, around):
    words = GOOD.split()
    text = "".join(word + space for word, space in zip(words, [*spaces, ""], strict=False))
    assert len(words) == 9
    assert push.score(ROW, around + text + around) == push.score(ROW, GOOD)


WORDS = st.lists(
    st.sampled_from([*GOOD.split(), "60", "%", "10%", "😍", "não", "caneca", "\u200b", "!!!!", "dez"]), max_size=14
)


@given(
    st.one_of(st.text(), WORDS.map(" ".join), st.text("a é😍!%0123456789-\n", max_size=130)),
    st.sampled_from([ROW, FULL, OLIST]),
)
@settings(max_examples=400, deadline=None)
def test_any_text_has_a_score(text, row):
    score = push.score(row, text)
    assert 0 <= score.total <= 1 and score == push.score(row, text)
    assert (score.total < 1) == (score.why != "tudo certo")
