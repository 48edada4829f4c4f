"""Insights: the three parts, the four facts, invented figures and names, the advice, faults; and properties."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_tasks import answer, row_named

from caderno.errors import BadInput
from caderno.tasks import insights
from caderno.tasks.insights_rules import parts_of, table_of

ROW, RECEIPTS, OLIST = (row_named("insights", name) for name in ("pedidos", "receita", "olist"))
GOLD = answer(ROW)
TABLE = table_of(ROW["facts"]["lines"])
QUICK = settings(max_examples=200, deadline=None)


def parts(text: str, row: dict = ROW) -> tuple[float, float, float]:
    score = insights.score(row, text)
    return tuple(round(score.parts[part], 3) for part in ("format", "partial", "task"))


def advised(advice: str) -> str:
    return f"destaque: niterói com 48. atenção: ipatinga com 12. recomendação: {advice}"


def test_components_are_what_the_guide_says():
    assert parts(GOLD) == (1, 1, 1)
    assert parts(f"A análise que fiz. {GOLD}") == (0.5, 1, 0)
    assert parts(GOLD.replace("48", "31")) == (1, 0.75, 0), "one of the four facts, by a figure of the table"
    assert parts(GOLD.replace("48", "49")) == (1, 0.375, 0), "and halved by one that is not"
    assert parts(GOLD.replace("niterói", "recife")) == (1, 0.375, 0), "and by a name that is not"
    assert parts(advised("não rever nada hoje em ipatinga")) == (1, 1, 0), "no action"
    assert parts(advised("em resumo, reforçar entregas em ipatinga")) == (1, 1, 0.4), "one fault of manner"
    assert parts(f"{GOLD} na verdade não.") == (1, 1, 0), "a grave one"
    assert parts(GOLD.replace("destaque", "maior")) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("destaque: a. atenção: b. recomendação: c.", True), ("DESTAQUE : a ATENCAO: b Recomendação: c", True),
        ("**destaque:** a\n**atenção**: b\n**recomendação:** c", True),
        ("1. destaque: a\n2) atenção: b\n- recomendação: c", True),
        ("destaque: a. recomendação: c. atenção: b.", False), ("destaque: a. atenção: b.", False),
        ("destaque a atenção b", False),
        ("destaque: a. destaque: a. atenção: b. recomendação: c.", False),
        ("destaque: . atenção: b. recomendação: c.", False),
        ("destaques: a. atenção: b. recomendação: c.", False), ("", False),
    ],
)  # fmt: skip
def test_three_labelled_parts_in_order(text, whole):
    found = parts_of(text, TABLE)
    assert (found is not None) == whole
    assert not whole or [part.strip(" .*\n") for part in (found.top, found.low, found.advice)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("part", "holds"),
    [
        ("niterói com 48", True), ("Niteroi: 48,0 pedidos", True), ("niterói, quarenta e oito pedidos", True),
        ("niterói, 48 pedidos, o maior: 48", True), ("niterói com 48 e pelotas com 31", False),
        ("niterói com 48 ou 12", False),
        ("niterói", False), ("48", False), ("niterói com 4.8", False), ("niterói com 048 e 48", True),
        ("niterói com -48", False),
        ("ipatinga com 48", False), ("niteróis com 48", False), ("niterói com ４８", False),
    ],
)  # fmt: skip
def test_the_largest_is_named_alone_with_its_figure(part, holds):
    text = GOLD.replace("niterói com 48", part)
    assert (parts(text)[1] == 1) == holds


def test_notation_and_digits_in_names_are_read():
    for shown in ("2399.7", "2399,70", "2.399,70", "R$ 2.399,7"):
        assert insights.score(RECEIPTS, answer(RECEIPTS).replace("2399.7", shown)).fully_correct, shown
    lines = [["celular 128 gb", 16.0], ["power bank 10000 mah", 4.0], ["rádio am/fm", 11.0]]
    row = RECEIPTS | {"facts": {"lines": lines, "limit": 300}, "entities": [f"product:{name}" for name, _ in lines]}
    good = (
        "destaque: Celular 128 GB com 16. atenção: power bank 10000 mah com 4. recomendação: promover o radio AM FM já."
    )
    assert insights.score(row, good).fully_correct
    assert parts(good.replace("com 4", "com 10000"), row)[1] < 1


def test_equal_extremes_are_all_right():
    row = ROW | {"facts": {"lines": [["niterói", 4], ["ipatinga", 4], ["pelotas", 1]], "limit": 300}}
    for top in ("niterói", "ipatinga"):
        text = f"destaque: {top} com 4. atenção: pelotas com 1. recomendação: rever entregas em pelotas."
        assert insights.score(row, text).fully_correct


@pytest.mark.parametrize(
    ("advice", "sound"),
    [
        ("invista em divulgação em ipatinga", True),
        ("levar a ipatinga o que deu certo em niterói e ampliar a equipe", True),
        ("priorizar pelotas, que tem 31", True), ("treinar as três equipes, a começar por ipatinga", True),
        ("rever ipatinga", False), ("não reforçar nada em ipatinga", False),
        ("ipatinga merece cuidado da loja", False), ("melhorar as entregas da loja", False),
        ("melhorar niterói, ipatinga e pelotas sem demora", False), ("rever as entregas em ipatinga, com 31", False),
        ("dar maior atenção ao frete e reduzir prazos em ipatinga", True),
        ("o maior é pelotas: rever entregas em pelotas", False),
        ("ipatinga é a maior: rever entregas em ipatinga", False), ("ampliar em ipatinga, a menor é ipatinga", True),
    ],
)  # fmt: skip
def test_advice_is_an_action_for_a_line_and_nothing_against_the_table(advice, sound):
    assert insights.score(ROW, advised(advice)).fully_correct == sound


def test_a_percentage_may_stand_where_the_table_has_them():
    row = ROW | {"prompt": [{"role": "user", "content": "devolução em %: niterói 48; ipatinga 12; pelotas 31."}]}
    text = GOLD.replace("48", "48%").replace("com 12", "com 12%")
    assert insights.score(row, text).fully_correct and parts(text)[1] == 0.5


@pytest.mark.parametrize(
    "lines",
    [[], None, "niterói 48", [["niterói"]], [["niterói", "48"]], [["niterói", True]], [[3, 4]], [["?", 1]], [5]],
)
def test_lines_of_another_kind_are_bad_input(lines):
    with pytest.raises(BadInput, match="facts"):
        insights.score(ROW | {"facts": {"lines": lines, "limit": 300}}, GOLD)


FACTS = {"niterói": "esta", "48": "mais", "com 12": "com menos"}


@given(st.permutations(list(FACTS)))
@QUICK
def test_one_more_right_fact_never_lowers_the_total(order):
    totals = []
    for known in range(len(order) + 1):
        text = GOLD
        for fact in order[known:]:
            text = text.replace(fact, FACTS[fact])
        totals.append(insights.score(ROW, text).total)
    assert totals == sorted(totals) and totals[0] < 0.35 and totals[-1] == 1.0


@given(
    st.lists(st.sampled_from([" ", "  ", "\n", "\t", "\u00a0"]), min_size=20, max_size=20), st.text(" \n", max_size=4)
)
@QUICK
def test_white_space_changes_nothing(spaces, around):
    text = "".join(word + space for word, space in zip(GOLD.split(), spaces, strict=False))
    assert insights.score(ROW, around + text + around) == insights.score(ROW, GOLD)


@given(st.permutations(ROW["facts"]["lines"]))
@QUICK
def test_the_order_of_the_lines_changes_nothing(lines):
    row = ROW | {"facts": ROW["facts"] | {"lines": lines}}
    for text in (GOLD, GOLD.replace("48", "31"), GOLD.replace("12", "99")):
        assert insights.score(row, text).total == insights.score(ROW, text).total


WORDS = st.lists(
    st.sampled_from([*GOLD.split(), "destaque:", "atenção:", "recomendação:", "pelotas", "31", "%", "dez", "\u200b",
    "é o maior"]),
    max_size=25,
)  # fmt: skip


@given(st.one_of(st.text(), WORDS.map(" ".join)), st.sampled_from([ROW, RECEIPTS, OLIST]))
@settings(max_examples=400, deadline=None)
def test_any_text_has_a_score(text, row):
    score = insights.score(row, text)
    assert 0 <= score.total <= 1 and score == insights.score(row, text)
    assert (score.total < 1) == (score.why != "tudo certo")
