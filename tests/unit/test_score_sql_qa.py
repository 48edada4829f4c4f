"""The scorer of SQL answers under attack, case by case, and what holds for every text: bounds, invariance, order."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caderno import shop, sql, workers
from caderno.sql import client
from caderno.tasks import base, panels, sql_qa

ATTACKS = [json.loads(line) for line in (Path(__file__).parents[1] / "attacks/sql_qa.jsonl").read_text().splitlines()]
ENDLESS = "SELECT count(*) FROM items a, items b, items c, items d WHERE a.product_id < b.product_id || d.product_id"


def drawn(profile: str) -> list[dict]:
    return sql_qa.rows(shop.generate(3, "train", 300, profile), 60, 0)


ROWS = {profile: drawn(profile) for profile in ("small", "full")}
# One row per measure: counts, an average that is rounded, a sum.
BY_MEASURE = {row["facts"]["query"].partition("=")[0]: row for row in ROWS["small"]}


def filled(attack: dict, row: dict) -> str:
    """The attack's completion for a row."""
    facts = row["facts"]
    query, value = facts["query"], base.figure(facts["value"])
    measure = next(one for one in panels.MEASURES if one.query(facts["about"]) == query)
    prompt = row["prompt"][1]["content"]
    panel = prompt.removeprefix("painel de ").partition(".")[0]
    other = next(r for r in ROWS["small"] if r["facts"]["about"] != facts["about"] and r["facts"]["query"] != query)
    namesake = next(line for line in panel.partition(":")[2].split(";") if not base.says(line, facts["about"]))
    words = {
        "query": query, "value": value, "about": facts["about"], "gold": row["gold"], "prompt": prompt,
        "system": row["prompt"][0]["content"], "answer": base_answer(row), "other_answer": base_answer(other),
        "other_query": measure.query(namesake.strip().rpartition(" ")[0]), "panel": panel,
        "figures": ", ".join(re.findall(r"[0-9.]+", panel)), "by_entity": measure.by_entity(),
        "unfiltered": f"SELECT {measure.select} FROM {measure.source}", "source": query.partition(" FROM ")[2],
        "folded": query.replace(f"{measure.column}=", f"lower({measure.column}) LIKE "),
    }  # fmt: skip
    parts = [attack["completion"]] if isinstance(attack["completion"], str) else attack["completion"]
    return "".join(part.format(**words) if isinstance(part, str) else part[0] * part[1] for part in parts)


def base_answer(row: dict) -> str:
    return row["gold"].rpartition("</think>")[2].strip()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine must not decide a test: only the endless queries meet their deadline."""
    whole = sql.judge
    monkeypatch.setattr(
        sql, "judge", lambda q, gold, shops: whole(q, gold, shops, 0.5 if "items d" in q + gold else 20.0)
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack["name"] for attack in ATTACKS])
def test_an_answer_earns_what_it_carries(attack):
    rows = list(BY_MEASURE.values())[:1] if "items d" in str(attack["completion"]) else BY_MEASURE.values()
    for row in rows:
        score = sql_qa.score(row, filled(attack, row))
        assert attack["at_least"] - 1e-9 <= score.total <= attack["at_most"] + 1e-9, (score, row["facts"])


@pytest.mark.parametrize("profile", list(ROWS))
def test_gold_is_fully_right_every_time(profile):
    for row in ROWS[profile]:
        scores = [sql_qa.score(row, completion) for completion in (row["gold"], base_answer(row)) for _ in range(2)]
        assert all(score == scores[0] and score.fully_correct for score in scores)


def test_another_rows_gold_stays_below():
    for row, other in itertools.pairwise(ROWS["small"]):
        if row["facts"]["query"] != other["facts"]["query"]:
            assert sql_qa.score(row, other["gold"]).total <= 0.6


@pytest.mark.parametrize("row", BY_MEASURE.values(), ids=lambda row: row["id"])
def test_a_constant_that_is_right_on_shop_and_twin_meets_the_mirror(monkeypatch, row):
    """Where the reference happens to agree on the twin, or finds nothing there, the shop's mirror decides."""
    first, whole, value = shop.rebuild(row["shop"]), shop.rebuild, row["facts"]["value"]
    monkeypatch.setattr(
        shop, "rebuild", lambda source: first if source["seed"] == first.source["seed"] + 1 else whole(source)
    )
    select, _, source = row["facts"]["query"].removeprefix("SELECT ").partition(" FROM ")
    dressed = f"SELECT {value} + 0 * {select} FROM {source}"
    assert sql.judge(dressed, row["facts"]["query"], [first, first]).same
    assert sql_qa.score(row, f"sql: {dressed}\nresposta: {base.figure(value)}").parts["task"] == 0
    assert sql_qa.score(row, row["gold"]).fully_correct


def test_every_reference_differs_on_the_mirror():
    for rows in ROWS.values():
        source = shop.rebuild(rows[0]["shop"])
        for row in rows:
            judged = sql.judge(row["facts"]["query"], row["facts"]["query"], [source, sql.mirror(source)])
            assert judged.same and judged.varies, row["facts"]


def test_a_query_that_is_nearer_earns_more():
    row = next(row for row in ROWS["small"] if "days_late" in row["facts"]["query"])
    source, about = row["facts"]["query"].partition(" FROM ")[2].partition(" WHERE ")[0], row["facts"]["about"]
    queries = (
        "SELECT 1", "SELECT product_name FROM products", "SELECT city FROM customers", f"SELECT city FROM {source}",
        f"SELECT count(*) FROM {source}", f"SELECT count(*) FROM {source} WHERE city='{about}'", row["facts"]["query"],
    )  # fmt: skip
    totals = [sql_qa.score(row, f"sql: {query}\nresposta: 987654").total for query in queries]
    assert totals == sorted(totals) and len(set(totals)) >= 6 and totals[0] == 0.2 and totals[-1] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "facts",
    [
        {"query": "isto não é sql"}, {"query": "SELECT nada FROM orders"}, {"query": "DROP TABLE orders"},
        {"query": ENDLESS}, {"query": "SELECT city FROM customers"}, {"value": 987654.0},
    ],
    ids=["prose", "fails", "refused", "late", "another kind of result", "another figure"],
)  # fmt: skip
def test_a_row_that_cannot_be_judged_is_none_and_not_zero(facts):
    row = ROWS["small"][0]
    assert sql_qa.score(row | {"facts": row["facts"] | facts}, row["gold"]) is None


def test_our_own_fault_is_raised(monkeypatch):
    row = ROWS["small"][0]

    class Broken:
        def call(self, *_):
            raise workers.ServiceError("KeyError", "planted")

    monkeypatch.setattr(client.workers, "shared", lambda *_: Broken())
    with pytest.raises(workers.ServiceError, match="planted"):
        sql_qa.score(row, row["gold"])


WORDS = """
SELECT FROM WHERE GROUP BY ORDER LIMIT HAVING JOIN LEFT ON USING WITH AS UNION ALL CASE WHEN THEN ELSE END AND OR NOT IN
EXISTS BETWEEN LIKE IS NULL DISTINCT OVER PARTITION ROWS INTERVAL CAST count sum avg round max lower extract year orders
customers items reviews city score price status order_id purchased_at a b ( ) , . * = < > <> + - / % :: || ; ' '' " ` $1
? @ [ ] { } : 1 0 -1 1.5 1e9 'recife' '%a%' DATE '2024-01-01' DAY VARCHAR DECIMAL(4,2) -- /* */ \\ \n é \u200b \ud800
""".split(" ")
SOUP = st.lists(st.sampled_from([word for line in WORDS for word in line.split("\n")]), max_size=25).map(" ".join)


@given(st.one_of(st.text(max_size=80), SOUP), st.one_of(st.text(max_size=40), SOUP))
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_score(query, answer):
    row = ROWS["small"][0]
    for completion in (query, f"sql: SELECT {query}\nresposta: {answer}", f"sql: {query}\nresposta: {answer}"):
        score = sql_qa.score(row, completion)
        assert 0.0 <= score.total <= 1.0 and score.why
        assert score.total < 0.9


@given(st.sampled_from(ROWS["small"] + ROWS["full"]), st.randoms())
@settings(max_examples=80, deadline=None)
def test_white_space_and_the_case_of_words_do_not_count(row, random):
    query, value = row["facts"]["query"], base.figure(row["facts"]["value"])
    parts = re.split(r"('(?:[^']|'')*')", query)  # what stands between quotes stays
    parts[::2] = [
        re.sub(r"\w+", lambda m: random.choice((m[0], m[0].upper(), m[0].lower())), part) for part in parts[::2]
    ]
    gaps = ("", " ", "\n", "\t ", " /* x */ ")
    parts[::2] = [re.sub(r" |(?<=[(),])", lambda m: m[0] + random.choice(gaps), part) for part in parts[::2]]
    completion = f"\n sql:{random.choice(gaps[1:4])}{''.join(parts)} ;\n\n Resposta : {value} \n"
    assert sql_qa.score(row, completion).fully_correct
