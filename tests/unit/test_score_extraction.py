"""Extraction: what is read as the answer, which fields are valid, which are right, and what that is worth."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_tasks import answer, row_named

from caderno.errors import BadInput
from caderno.tasks import extraction, json_answers, schema

ROW = row_named("extraction", "todos")
TRUTH = ROW["facts"]["truth"]
SILENT = {field: silent for field, (_, silent) in extraction.FIELDS.items()}
WRONG = {
    "produto": "balde", "nota": 5, "sentimento": "positivo", "problema": "defeito", "atraso_dias": 9, "cidade": "itu",
    "recomenda": True, "pedido": "troca", "elogio": "preco", "cliente": "ana",
}  # fmt: skip
QUICK = settings(max_examples=150, deadline=None)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.none()))


def total(fields: dict, row: dict = ROW) -> float:
    return extraction.score(row, json.dumps(fields)).total


def parts(text: str) -> tuple[float, float, float]:
    return tuple(round(extraction.score(ROW, text).parts[part], 3) for part in ("format", "partial", "task"))


def test_components_are_what_the_guide_says():
    gold = answer(ROW)
    assert parts(gold) == (1, 1, 1)
    assert parts(f"Segue o JSON: {gold}") == (1, 1, 1)
    assert parts(f"O cliente está bravo. {gold}") == (0.5, 1, 0)
    assert parts(json.dumps(TRUTH | {"nota": 3})) == (1, 0.889, 0), "one of the nine fields that say something"
    assert parts(json.dumps(TRUTH | {"elogio": "preco"})) == (1, 0.9, 0), "a tenth said, and wrong"
    assert parts(json.dumps(TRUTH | {"nota": "2"})) == (0.5, 1, 0), "right, of the wrong type"
    assert parts(json.dumps(TRUTH | {"x": 1})) == (0.5, 1, 0)
    assert parts("{}") == (0.5, 0, 0) and parts("[1]") == (0, 0, 0)


@pytest.mark.parametrize(
    ("field", "said", "truth", "expected"),
    [
        ("nota", 4, 4, True), ("nota", 4.0, 4, True), ("nota", "4", 4, True), ("nota", " 4,0 ", 4, True),
        ("nota", 4, 4.0, True), ("nota", 4.2, 4, False), ("nota", True, 1, False), ("nota", "4 estrelas", 4, False),
        ("nota", None, 4, False), ("atraso_dias", 0, None, False), ("atraso_dias", None, None, True),
        ("atraso_dias", float("inf"), 4, False), ("atraso_dias", -4, 4, False), ("atraso_dias", [4], 4, False),
        ("recomenda", True, True, True), ("recomenda", "sim", True, True), ("recomenda", "Não", False, True),
        ("recomenda", 1, True, False), ("recomenda", 0, False, False), ("recomenda", None, False, False),
        ("recomenda", False, None, False), ("produto", "CANECA ", "caneca", True), ("produto", "", None, False),
        ("cidade", "sao  paulo", "São Paulo", True), ("cidade", "São Paulo, SP", "São Paulo", False),
        ("cidade", ["São Paulo"], "São Paulo", False), ("cidade", "null", None, False),
        ("elogio", "Preço", "preco", True), ("elogio", "preco|qualidade", "preco", False),
        ("elogio", None, "nada", False),
    ],
)  # fmt: skip
def test_a_field_is_right_by_its_type(field, said, truth, expected):
    assert schema.right(field, said, truth) is expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nota", 0), ("nota", 6), ("nota", "4"), ("nota", True), ("nota", None), ("nota", 4.5), ("atraso_dias", -1),
        ("atraso_dias", "2"), ("produto", ""), ("produto", "  "), ("produto", 3), ("produto", ["a"]), ("cidade", {}),
        ("recomenda", "sim"), ("recomenda", 1), ("sentimento", "Positivo"), ("sentimento", None),
        ("pedido", "devolução"), ("problema", "não_chegou"), ("elogio", ""), ("cliente", False), ("cliente", "\ud800"),
    ],
)  # fmt: skip
def test_a_value_outside_the_schema_is_invalid(field, value):
    assert schema.invalid(TRUTH) == [] and schema.invalid(TRUTH | {field: value}) == [field]


def test_missing_and_unknown_fields_are_invalid():
    assert set(schema.invalid({})) == set(TRUTH) == set(schema.ReviewFields.model_fields) == set(extraction.FIELDS)
    assert schema.invalid(TRUTH | {"Nota": 2}) == ["Nota"]


def test_the_object_is_read_in_its_wrapping():
    for wrap in ("{}", "```json\n{}\n```", "<b>{}", "Resposta: {}", "[{}]", "{}}}"):
        found = json_answers.read(wrap.replace("{}", '{"a":4.0}', 1).replace("}}", "}"))
        assert found.fields == {"a": 4} and type(found.fields["a"]) is int
        assert found.alone == (wrap in ("{}", "```json\n{}\n```", "Resposta: {}")), wrap
    found = json_answers.read('{"a":1,"b":{"c":1,"c":2},"a":1,"d":2}')
    assert found.fields == {"b": {}, "d": 2} and found.repeated == {"a"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nenhum objeto"), ("[1,2]", "nenhum objeto"), ('{"a":1}{"a":1}', "mais de um"), ("{} {", "mais de um"),
        ('{"a":NaN}', "não pode ser lido"), ('{"a":-Infinity}', "não pode ser lido"), ("{'a':1}", "não pode ser lido"),
        ('{"a":1', "não pode ser lido"), ('{"a":' * 790, "não pode ser lido"),
        ('{"a":' + "[" * 3900, "não pode ser lido"), ('{"a":1}' + "." * 4000, "mais de 4000"),
        ("{" * 10_000, "mais de 4000"), ('{"a":"' + "x" * 10**6, "mais de 4000"),
    ],
)  # fmt: skip
def test_what_is_no_object_says_why(text, why):
    with pytest.raises(json_answers.NoObject, match=why):
        json_answers.read(text)
    score = extraction.score(ROW, text)
    assert score.total == 0 and why in score.why


def test_nesting_is_met_without_an_error_deep_in_a_thread_too():
    text, found = '{"a":' + "[" * 3900, []
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000)  # what a plain reader does

    def deep(left: int) -> None:
        found.append(extraction.score(ROW, text).total) if left == 0 else deep(left - 1)

    thread = threading.Thread(target=deep, args=(700,))
    thread.start()
    thread.join()
    assert found == [0.0]


def test_only_judged_fields_count():
    olist = row_named("extraction", "olist")
    assert total(SILENT | olist["facts"]["truth"] | {"cidade": "lugar nenhum", "produto": "x"}, olist) == 1.0
    assert total(SILENT | olist["facts"]["truth"] | {"nota": 2}, olist) == pytest.approx(0.4)


def test_silence_met_by_silence_is_right_and_costs_when_broken():
    row = ROW | {"facts": {"truth": {"produto": None, "problema": "nenhum"}}}
    quiet = SILENT | {"nota": 3, "sentimento": "neutro"}
    assert total(quiet, row) == 1.0
    assert total(quiet | {"produto": "balde"}, row) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "truth",
    [{}, {"nota": None}, {"nota": 9}, {"nota": "boa"}, {"sentimento": "ótimo"}, {"recomenda": "sim"}, {"produto": " "},
     {"nota": 2, "cidade": 3}],
)  # fmt: skip
def test_a_row_without_a_truth_to_judge_by_has_no_score(truth):
    assert extraction.score(ROW | {"facts": {"truth": truth}}, answer(ROW)) is None


def test_a_truth_of_unknown_fields_is_bad_input():
    with pytest.raises(BadInput, match=r"row x, facts: truth of unknown fields cor"):
        extraction.score(ROW | {"id": "x", "facts": {"truth": {"nota": 1, "cor": "azul"}}}, "{}")


@given(st.permutations(list(TRUTH)), st.dictionaries(st.sampled_from(list(TRUTH)), st.one_of(VALUES, st.just("-"))))
@QUICK
def test_one_more_right_field_never_lowers_the_total(order, start):
    said = {field: value for field, value in start.items() if value != "-"}
    totals = [total(said)]
    for field in order:
        said[field] = TRUTH[field]
        totals.append(total(said))
    assert totals == sorted(totals) and totals[-1] == 1.0 and totals[0] >= 0


@given(st.sets(st.sampled_from(list(TRUTH)), min_size=1))
@QUICK
def test_every_wrong_field_costs(fields):
    fewer = sorted(fields)[1:]
    assert total(TRUTH | {f: WRONG[f] for f in fields}) < total(TRUTH | {f: WRONG[f] for f in fewer})


@given(
    st.dictionaries(st.sampled_from(list(TRUTH)), VALUES), st.permutations(list(TRUTH)), st.integers(0, 6),
    st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ":\t")]), st.text(" \n\t\r", max_size=5),
)  # fmt: skip
@QUICK
def test_white_space_and_key_order_change_nothing(said, order, indent, separators, around):
    fields = TRUTH | said
    plain = json.dumps(fields)
    turned = json.dumps({f: fields[f] for f in order}, indent=indent or None, separators=separators)
    scores = [extraction.score(ROW, text) for text in (plain, around + turned + around, plain)]
    assert len({score.total for score in scores}) == 1 and scores[0] == scores[2]


@given(st.one_of(st.text(), st.text('{}[]":,\\ntrue0123456789.eE-', max_size=60), st.dictionaries(st.text(), VALUES)))
@settings(max_examples=300, deadline=None)
def test_any_text_has_a_score(text):
    text = text if isinstance(text, str) else json.dumps(text)
    score = extraction.score(ROW, text)
    assert 0 <= score.total <= 1 and score == extraction.score(ROW, text) and isinstance(score.why, str)
