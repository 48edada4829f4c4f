"""Every task: gold is fully correct, what carries nothing earns at most 0.2, and the score follows the answer."""

from __future__ import annotations

import json

import pytest

from caderno import shop, tasks
from caderno.errors import BadInput
from caderno.tasks import base, extraction

EMPTY_AT_MOST = 0.2


@pytest.fixture(scope="module", params=["small", "full"])
def rows(request) -> dict[str, list[dict]]:
    source = shop.generate(3, "train", 600, request.param)
    return {name: task.rows(source, 40, 0) for name, task in tasks.TASKS.items()}


@pytest.mark.parametrize("name", list(tasks.TASKS))
def test_gold_is_fully_correct(rows, name):
    for row in rows[name]:
        score = tasks.score(row, row["gold"])
        assert score.fully_correct, (row["prompt"][-1]["content"], row["gold"], score)


@pytest.mark.parametrize("name", list(tasks.TASKS))
def test_what_carries_nothing_earns_little(rows, name):
    row = rows[name][0]
    prompt = row["prompt"][-1]["content"]
    unclosed = row["gold"].replace("</think>", "")
    for nothing in ("", " ", "<think>", unclosed, prompt, "não sei.", "<think></think>", "lorem ipsum " * 50):
        assert tasks.score(row, nothing).total <= EMPTY_AT_MOST, nothing


@pytest.mark.parametrize("name", list(tasks.TASKS))
def test_another_rows_gold_scores_below_ones_own(rows, name):
    for row, other in zip(rows[name], rows[name][1:], strict=False):
        if row["facts"] != other["facts"]:
            assert tasks.score(row, other["gold"]).total < 0.9, (row["gold"], other["gold"])


@pytest.mark.parametrize("name", list(tasks.TASKS))
def test_rows_repeat_and_differ(name):
    source = shop.generate(3, "heldout", 600, "small")
    task = tasks.TASKS[name]
    assert task.rows(source, 20, 1) == task.rows(source, 20, 1)
    assert task.rows(source, 20, 1) != task.rows(source, 20, 2)
    prompts = [row["prompt"][-1]["content"] for row in task.rows(source, 40, 1)]
    assert len(set(prompts)) == len(prompts)


def test_more_rows_than_there_are_is_an_error_that_counts_them():
    source = shop.generate(3, "test", 30, "small")
    with pytest.raises(BadInput, match=r"usable rows for task extraction.*at least 5000"):
        extraction.rows(source, 5000, 0)


def test_an_unknown_task_names_those_there_are():
    with pytest.raises(BadInput, match="extraction, sql_qa, push, insights"):
        tasks.task("sentiment")


def test_a_component_outside_0_1_is_a_bug_not_a_score():
    with pytest.raises(ValueError, match="outside"):
        base.scored(1.5, 0, 0, [])


def _extraction_row() -> tuple[dict, dict]:
    row = extraction.rows(shop.generate(3, "train", 600, "small"), 200, 0)
    row = next(r for r in row if r["facts"]["truth"]["produto"] and r["facts"]["truth"]["cidade"])
    return row, json.loads(row["gold"].rpartition("</think>")[2])


def test_extraction_rises_with_every_right_field():
    row, gold = _extraction_row()
    answer = {field: silent for field, (_, silent) in extraction.FIELDS.items()} | {"nota": 1, "sentimento": "neutro"}
    totals = []
    for field in gold:
        answer[field] = gold[field]
        totals.append(extraction.score(row, json.dumps(answer)).total)
    assert totals == sorted(totals) and totals[-1] == 1.0 and totals[0] < 0.6


def test_extraction_of_silence_earns_the_format_alone():
    row, _ = _extraction_row()
    silence = {field: silent for field, (_, silent) in extraction.FIELDS.items()} | {"nota": 9}
    assert extraction.score(row, json.dumps(silence)).total <= EMPTY_AT_MOST


@pytest.mark.parametrize("wrap", ["```json\n{}\n```", "Segue:\n{}\nEspero ter ajudado.", "<think>hum {{ }}</think>{}"])
def test_extraction_finds_json_in_its_wrapping(wrap):
    row, gold = _extraction_row()
    text = wrap.replace("{}", json.dumps(gold, ensure_ascii=False), 1).replace("{{", "{").replace("}}", "}")
    assert extraction.score(row, text).fully_correct


def test_extraction_judges_only_what_is_known():
    row, gold = _extraction_row()
    partly = row | {"facts": {"truth": {"nota": gold["nota"], "sentimento": gold["sentimento"]}}}
    assert extraction.score(partly, json.dumps(gold | {"cidade": "lugar nenhum"})).fully_correct


def test_extraction_survives_hostile_answers():
    row, _ = _extraction_row()
    for hostile in ("{" * 100_000, '{"nota":' + "9" * 10_000 + "}", '{"produto":NaN}', "[1,2", "{" + '"a":' * 5000):
        assert extraction.score(row, hostile).total <= EMPTY_AT_MOST


def test_push_demands_its_facts_and_its_manner(rows):
    row = next(row for row in rows["push"])
    facts = row["facts"]
    good = f"{facts['customer']}, {facts['product']} com {facts['discount']}% de desconto só hoje. Aproveite!"
    assert tasks.score(row, good).fully_correct
    for worse in (
        good.replace(str(facts["discount"]), "99"),
        good.replace(facts["product"], "item"),
        good.replace("Aproveite", "Obrigado"),
        good + " Não perca esta oferta imperdível!",
        good + " " + "x" * 120,
        good.replace(" com", " por 10 reais com"),
    ):
        assert tasks.score(row, worse).total < 1.0, worse


def test_insights_demand_the_right_extremes_and_no_invented_figure(rows):
    row = rows["insights"][0]
    gold = row["gold"].rpartition("</think>")[2].strip()
    lines = row["facts"]["lines"]
    top = max(lines, key=lambda line: line[1])[0]
    low = min(lines, key=lambda line: line[1])[0]
    swapped = gold.replace(top, "@").replace(low, top).replace("@", low)
    assert tasks.score(row, swapped).total < 0.7
    assert tasks.score(row, gold + " Meta: 987654.").total < 0.7
    listing = f"destaque: {'; '.join(name for name, _ in lines)}. atenção: {low}. recomendação: melhorar tudo."
    assert tasks.score(row, listing).total < 0.7


def test_sql_is_judged_by_its_result_not_its_letters(rows):
    row = rows["sql_qa"][0]
    query, value = row["facts"]["query"], base.figure(row["facts"]["value"])
    other = f"WITH q AS ({query}) SELECT * FROM q"
    assert tasks.score(row, f"sql: {other}\nresposta: {value}").fully_correct
    assert tasks.score(row, f"sql: {query}\nresposta: {float(value) + 1}").total < 0.9
    for constant in (f"SELECT {value}", f"SELECT {value} FROM orders LIMIT 1"):
        assert tasks.score(row, f"sql: {constant}\nresposta: {value}").total < 0.6, constant
    assert tasks.score(row, f"sql: DROP TABLE orders\nresposta: {value}").total <= EMPTY_AT_MOST


def test_numbers_are_read_in_both_notations():
    assert base.numbers("R$ 1.234,56 e 1234.5; 3 de 4,0") == [1234.56, 1234.5, 3, 4]
    assert base.numbers("10.000 pedidos") == [10000]
