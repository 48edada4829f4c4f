"""What the guard reads in a query and what a query that is not yet right earns for it, part by part."""

from __future__ import annotations

import pytest

from caderno import shop, sql
from caderno.shop import SCHEMA
from caderno.sql.credit import PARTS, credit, f1, overlap
from caderno.sql.guard import Refused, parse, rendered
from caderno.sql.tree import Facts, facts

TABLES = frozenset(SCHEMA)
GOLD = (
    "SELECT c.city, avg(r.score) AS media FROM reviews r JOIN orders o ON r.order_id = o.order_id"
    " JOIN customers c USING (customer_id) WHERE o.status = 'delivered' AND c.state = 'SP' GROUP BY c.city ORDER BY 2"
)
COMMA = (
    "SELECT city, avg(score) FROM reviews r, orders o, customers c WHERE r.order_id = o.order_id"
    " AND o.customer_id = c.customer_id AND status = 'delivered' AND state = 'SP' GROUP BY city"
)


def read(query: str) -> Facts:
    return facts(parse(query, TABLES))


def credits(query: str, gold: str = GOLD) -> dict[str, float]:
    return credit(read(query), read(gold))


def test_a_query_is_read_part_by_part():
    found = read(GOLD)
    assert found.tables == {"reviews", "orders", "customers"}
    assert found.columns == {"city", "score", "status", "state"}  # order_id and customer_id only hold tables together
    assert found.filters == {"eq('SP',state)", "eq('delivered',status)"}
    assert found.aggregation == {"avg(score)", "by city"}
    assert found.literals == ("delivered", "SP")
    assert found.ordered and found.order_keys == (1,) and found.decimals == (None, None) and not found.constant


@pytest.mark.parametrize(
    "query",
    [
        GOLD.lower().replace("'sp'", "'SP'"),
        GOLD.replace("c.", "").replace("r.score", "score").replace("o.status", "status"),
        GOLD.replace("o.status = 'delivered' AND c.state = 'SP'", "('SP' = c.state) AND 'delivered' = (o.status)"),
        GOLD.replace("ON r.order_id = o.order_id", "USING (order_id)").replace("GROUP BY c.city", "GROUP BY 1"),
        GOLD.replace("GROUP BY c.city", "GROUP BY ALL"),
        COMMA,
        GOLD.replace("o.status = 'delivered' AND c.state = 'SP'", "o.status = 'delivered'").replace(
            "USING (customer_id)", "ON c.customer_id = o.customer_id AND c.state = 'SP'"
        ),
    ],
    ids=["case", "qualifiers", "sides", "using", "group by all", "comma", "filter in the join"],
)  # fmt: skip
def test_another_way_to_write_the_same_earns_everything(query):
    assert credits(query) == dict.fromkeys(PARTS, 1.0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (GOLD.replace("JOIN customers c USING (customer_id)", ""), {"tables": 4 / 5}),
        (GOLD.replace("avg(r.score)", "sum(r.score)"), {"aggregation": 0.5}),
        (GOLD.replace(" AND c.state = 'SP'", ""), {"filters": 2 / 3, "columns": 6 / 7}),
        (GOLD.replace("'SP'", "'RJ'"), {"filters": 0.5}),
        (GOLD.replace("c.state = 'SP'", "c.state <> 'SP'"), {"filters": 0.5}),
        (GOLD.replace("GROUP BY c.city", "GROUP BY c.city, c.state"), {"aggregation": 4 / 5}),
        (GOLD.replace("avg(r.score) AS media", "avg(r.score) AS media, r.title"), {"columns": 8 / 9}),
        (GOLD + " LIMIT 3", {}),
    ],
)
def test_each_part_is_credited_by_itself(query, expected):
    assert credits(query) == pytest.approx(dict.fromkeys(PARTS, 1.0) | expected)


def test_naming_everything_pays_no_better():
    everything = "SELECT * FROM customers, products, orders, items, payments, deliveries, reviews"
    assert credits(everything)["tables"] == pytest.approx(0.6)
    assert overlap(credits(everything)) < overlap(credits("SELECT city FROM reviews JOIN orders USING (order_id)"))


def test_a_part_that_neither_has_does_not_count():
    assert set(credits("SELECT count(*) FROM orders", "SELECT count(*) FROM orders")) == {"tables", "aggregation"}
    assert credits("SELECT count(*) FROM orders WHERE status = 'x'", "SELECT count(*) FROM orders")["filters"] == 0.0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 12", "SELECT 12 FROM reviews", "SELECT max(12) FROM reviews JOIN orders USING (order_id)",
        "WITH q AS (SELECT 12 AS n) SELECT n FROM q", "SELECT 'SP' AS city FROM customers WHERE state = 'SP'",
    ],
)  # fmt: skip
def test_an_output_that_no_row_can_change_earns_nothing(query):
    assert read(query).constant and overlap(credits(query)) == 0.0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM orders", "SELECT sum(1) FROM orders", "SELECT city FROM customers",
        "SELECT * FROM orders", "WITH q AS (SELECT count(*) AS n FROM orders) SELECT n FROM q",
        "SELECT EXISTS (SELECT order_id FROM orders)",
    ],
)  # fmt: skip
def test_an_output_that_follows_the_rows_is_no_constant(query):
    assert not read(query).constant


@pytest.mark.parametrize(
    ("query", "decimals"),
    [
        ("SELECT round(avg(score), 2) FROM reviews", (2,)),
        ("SELECT round(avg(score)) AS x, avg(score) FROM reviews", (0, None)),
        ("SELECT round(avg(score), score) FROM reviews", (None,)),
        ("SELECT round(avg(score), -1) FROM reviews", (None,)),
        ("SELECT round(sum(price), 1) + 1 FROM items", (None,)),
        ("(SELECT round(sum(price), 1) FROM items)", (1,)),
    ],
)
def test_the_decimals_of_a_round_are_read(query, decimals):
    assert read(query).decimals == decimals


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        ("ORDER BY 1", (0,)), ("ORDER BY n DESC, city", (1, 0)), ("ORDER BY count(*)", (1,)), ("ORDER BY state", None),
        ("ORDER BY 9", None), ("ORDER BY ALL", None), ("ORDER BY lower(city)", None), ("", None),
    ],
)  # fmt: skip
def test_the_keys_of_an_order_are_read(order, keys):
    found = read(f"SELECT city, count(*) AS n FROM customers GROUP BY city, state {order}")
    assert found.order_keys == keys and found.ordered == bool(order)


def test_f1_is_between_none_and_all():
    a, b = frozenset("ab"), frozenset("bc")
    assert f1(a, b) == 0.5 and f1(a, a) == 1.0 and f1(a, frozenset()) == 0.0 and f1(a, frozenset("c")) == 0.0


def test_overlap_is_the_mean_of_the_parts_and_is_read_in_a_worker():
    small = shop.generate(1, "train", 50, "small")
    for query in (GOLD, GOLD.replace("'SP'", "'RJ'"), "SELECT price FROM products"):
        assert sql.overlap(query, GOLD, small.tables) == pytest.approx(overlap(credits(query)))
    assert sql.overlap("DROP TABLE orders", GOLD, small.tables) == 0.0
    with pytest.raises(sql.UnusableGold):
        sql.overlap(GOLD, "DROP TABLE orders", small.tables)


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("WITH a AS (SELECT 1 AS n FROM orders), b AS (SELECT n FROM a) SELECT n FROM b", True),
        ("WITH b AS (SELECT n FROM a), a AS (SELECT 1 AS n FROM orders) SELECT n FROM b", False),
        ("WITH a AS (SELECT n FROM a) SELECT n FROM a", False),
        ("SELECT n FROM (WITH a AS (SELECT 1 AS n FROM orders) SELECT n FROM a) x", True),
        ("SELECT n FROM (WITH a AS (SELECT 1 AS n FROM orders) SELECT n FROM a) x, a", False),
        ("WITH a AS (SELECT 1 AS n FROM orders) SELECT (SELECT max(n) FROM (SELECT n FROM a) y) FROM orders", True),
        ("WITH a AS (WITH b AS (SELECT 1 AS n FROM orders) SELECT n FROM b) SELECT n FROM a, b", False),
    ],
)
def test_a_with_is_seen_from_where_it_holds(query, seen):
    if seen:
        parse(query, TABLES)
    else:
        with pytest.raises(Refused, match="tabela desconhecida"):
            parse(query, TABLES)


@pytest.mark.parametrize("text", ["'; DROP TABLE orders --", "\\", "''", '"', "a\nb", "/*", "$$", "%s", "{x}"])
def test_what_is_written_out_keeps_texts_and_names_as_they_are(text):
    """The one place where hostile text reaches DuckDB again: between quotes, as it came."""
    import duckdb

    quoted, name = text.replace("'", "''"), text.replace('"', '""')
    where = f"status = '{quoted}' OR contains(status, '{quoted}') OR date_trunc('month', purchased_at) IS NULL"
    query = f"SELECT '{quoted}' AS \"{name}\", count(*) FROM orders WHERE {where}"
    out = rendered(parse(query, TABLES))
    link = duckdb.connect()
    link.execute("CREATE TABLE orders (status VARCHAR, purchased_at TIMESTAMP)")
    link.execute("INSERT INTO orders VALUES (?, TIMESTAMP '2024-01-01'), ('other', TIMESTAMP '2024-01-01')", [text])
    assert len(link.extract_statements(out)) == 1
    found = link.execute(out)
    assert found.description[0][0] == text and found.fetchall() == [(text, 1)]


@pytest.mark.parametrize("call", ["date_trunc({}, purchased_at)", "date_diff({}, purchased_at, purchased_at)"])
def test_a_unit_is_a_word_and_nothing_else(call):
    """The parser takes it out of its quotes and the writer puts it down bare."""
    assert "MONTH" in rendered(parse(f"SELECT {call.format(chr(39) + 'month' + chr(39))} FROM orders", TABLES))
    for unit in ("'month) ; DROP TABLE orders --'", "'day'' OR 1'"):
        with pytest.raises(Refused, match="não é leitura simples"):
            parse(f"SELECT {call.format(unit)} FROM orders", TABLES)
