"""Model-written SQL: what is refused, what is cut off, what counts as the same."""

from __future__ import annotations

import time

import pytest

from caderno import shop, sql


@pytest.fixture(scope="module")
def small() -> shop.Shop:
    return shop.generate(1, "train", 200, "small")


def test_a_select_runs(small):
    assert sql.run("SELECT count(*) FROM orders", small).rows == ((200,),)


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE orders", "DELETE FROM orders", "INSERT INTO orders VALUES (1)", "UPDATE orders SET status='x'",
        "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE orders", "COPY orders TO '/tmp/x.csv'", "ATTACH '/tmp/x.db'",
        "PRAGMA database_list", "SET threads=8", "SELECT * FROM read_csv('/etc/passwd')", "INSTALL httpfs",
        "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/passwd')", "CREATE TABLE x AS SELECT 1",
        "SELECT * FROM information_schema.tables", "SELECT * FROM duckdb_settings()", "SELECT * FROM nada",
        "EXPLAIN ANALYZE SELECT 1", "not sql at all", "", "CALL pragma_version()", "EXPORT DATABASE '/tmp/x'",
    ],
)  # fmt: skip
def test_what_is_not_a_select_over_the_tables_is_refused(small, query):
    before = sql.run("SELECT count(*) FROM orders", small).rows
    assert sql.run(query, small).error
    assert sql.run("SELECT count(*) FROM orders", small).rows == before


def test_a_scalar_function_cannot_reach_files_or_the_environment(small):
    for query in ("SELECT getenv('HOME')", "SELECT content FROM read_blob('/etc/passwd')"):
        assert sql.run(query, small).error, query


def test_a_query_that_does_not_end_is_interrupted_at_its_deadline(small):
    started = time.monotonic()
    endless = (
        "SELECT count(*) FROM orders a, orders b, orders c, orders d WHERE a.status < b.status || c.status || d.status"
    )
    assert "passou de" in sql.run(endless, small, deadline_s=0.3).error
    assert time.monotonic() - started < 5
    assert sql.run("SELECT count(*) FROM orders", small).rows == ((200,),)


def test_rows_are_capped(small):
    assert len(sql.run("SELECT * FROM orders a, orders b", small).rows) == sql.MAX_ROWS


def test_what_counts_as_the_same_rows():
    assert sql.same_rows(((1,), (2,)), ((2,), (1,)))
    assert not sql.same_rows(((1,), (2,)), ((2,), (1,)), ordered=True)
    assert sql.same_rows(((1,),), ((1.0,),))
    assert not sql.same_rows(((1,),), ((1,), (1,)))
    assert not sql.same_rows(((None,),), ((0,),))
    assert not sql.same_rows((("a",),), (("A",),))


def test_overlap_grows_with_what_the_query_shares(small):
    tables, gold = frozenset(small.tables), "SELECT count(*) FROM orders WHERE status='canceled'"
    assert sql.overlap(gold, gold, tables) == 1.0
    assert 0 < sql.overlap("SELECT count(*) FROM orders", gold, tables) < 1
    assert sql.overlap("SELECT price FROM products", gold, tables) < sql.overlap(
        "SELECT count(*) FROM orders", gold, tables
    )
    assert sql.overlap("DROP TABLE orders", gold, tables) == 0.0
