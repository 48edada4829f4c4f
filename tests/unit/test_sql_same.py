"""When two results are the same: one test per rule of `caderno.sql.same`, and the rules as queries meet them."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caderno import shop, sql
from caderno.sql.same import same_cell, same_rows

DAY = dt.date(2024, 1, 2)
MIDNIGHT = dt.datetime(2024, 1, 2)


@pytest.fixture(scope="module")
def shops() -> list[shop.Shop]:
    return [shop.generate(seed, "train", 200, "small") for seed in (1, 2)]


def same(query: str, gold: str, shops: list[shop.Shop]) -> bool:
    judged = sql.judge(query, gold, shops)
    assert judged.error is None
    return judged.same


def test_names_do_not_count(shops):
    assert same("SELECT count(*) AS a FROM orders", "SELECT count(*) AS b FROM orders", shops)


def test_column_order_counts(shops):
    assert not same_rows(((1, 2),), ((2, 1),))
    assert not same("SELECT max(price), min(price) FROM items", "SELECT min(price), max(price) FROM items", shops)


def test_the_number_of_columns_counts():
    assert not same_rows(((1, 2),), ((1,),)) and not same_rows(((1,),), ((1, None),))


def test_row_order_counts_only_where_the_gold_orders(shops):
    up, down = ("SELECT product_name FROM products ORDER BY 1" + way for way in ("", " DESC"))
    plain = "SELECT product_name FROM products"
    assert same(down, plain, shops) and same(up, plain, shops) and same(up, up, shops)
    assert not same(down, up, shops)
    assert same(down, f"SELECT * FROM ({up}) x", shops)  # the order inside says nothing about the outside
    assert same_rows(((1,), (2,)), ((2,), (1,))) and not same_rows(((1,), (2,)), ((2,), (1,)), ordered=True)


def test_rows_with_equal_keys_may_swap(shops):
    gold = "SELECT product_name, category FROM products ORDER BY category"
    assert same("SELECT product_name, category FROM products ORDER BY category, product_name DESC", gold, shops)
    assert not same("SELECT product_name, category FROM products ORDER BY product_name", gold, shops)
    by_hidden = "SELECT product_name FROM products ORDER BY category, product_name"
    assert not same("SELECT product_name FROM products ORDER BY category, product_name DESC", by_hidden, shops)


@pytest.mark.parametrize("key", ["2", "n", "count(*)", "COUNT( * )"])
def test_a_key_is_known_by_place_name_or_expression(shops, key):
    gold = f"SELECT city, count(*) AS n FROM customers GROUP BY city ORDER BY {key} DESC"
    assert same("SELECT city, count(*) AS n FROM customers GROUP BY city ORDER BY n DESC, city", gold, shops)
    assert same("SELECT city, count(*) AS n FROM customers GROUP BY city ORDER BY n DESC, city DESC", gold, shops)
    assert not same("SELECT city, count(*) AS n FROM customers GROUP BY city ORDER BY n", gold, shops)


def test_null_equals_null_only():
    assert same_rows(((None,),), ((None,),))
    for other in (0, "", False, "NULL", math.nan):
        assert not same_rows(((None,),), ((other,),)) and not same_rows(((other,),), ((None,),))


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1.0, True), (1, Decimal("1.00"), True), (Decimal("0.1"), 0.1, True), (0.1 + 0.2, 0.3, True),
        (1e-12, 0, True), (1_000_000.0, 1_000_000.5, False), (2**60, 2**60 + 1, False), (10**400, 10**400, True),
        (10**400, 1.0, False), (1, 2, False), (0.3, 0.31, False), (math.nan, math.nan, True), (math.nan, 0.0, False),
        (math.inf, math.inf, True), (math.inf, -math.inf, False), (-0.0, 0.0, True), (1, -1, False),
    ],
)  # fmt: skip
def test_numbers_are_equal_by_value(a, b, equal):
    assert same_cell(a, b) is equal and same_cell(b, a) is equal


def test_the_type_of_a_sum_does_not_matter(shops):
    gold = "SELECT sum(price) FROM items"
    assert same("SELECT sum(price::DECIMAL(18, 2)) FROM items", gold, shops)
    assert same("SELECT sum(n) FROM (SELECT order_id, sum(price) AS n FROM items GROUP BY 1) x", gold, shops)
    assert not same("SELECT sum(price) + 0.01 FROM items", gold, shops)


def test_a_gold_that_rounds_compares_at_its_decimals(shops):
    gold = "SELECT round(avg(score), 1) FROM reviews"
    assert same("SELECT avg(score) FROM reviews", gold, shops)
    assert same("SELECT round(avg(score), 2) AS x FROM reviews", gold, shops)
    assert not same("SELECT avg(score) + 0.1 FROM reviews", gold, shops)
    assert not same("SELECT round(avg(score), 0) FROM reviews", gold, shops)
    assert same_rows(((4.3399,),), ((4.3,),), decimals=(1,)) and not same_rows(((4.36,),), ((4.3,),), decimals=(1,))


def test_a_query_that_rounds_where_the_gold_does_not_is_another_result(shops):
    assert not same("SELECT round(avg(score), 1) FROM reviews", "SELECT avg(score) FROM reviews", shops)


def test_rounding_is_of_its_own_column(shops):
    gold = "SELECT avg(score), round(avg(score), 1) FROM reviews"
    assert same("SELECT avg(score), avg(score) FROM reviews", gold, shops)
    assert not same("SELECT round(avg(score), 1), avg(score) FROM reviews", gold, shops)


def test_booleans_are_no_numbers(shops):
    assert not same_cell(True, 1) and not same_cell(0, False) and same_cell(True, True)
    assert not same("SELECT 1 FROM orders LIMIT 1", "SELECT count(*) > 0 FROM orders", shops)


def test_text_counts_letter_by_letter():
    assert same_cell("São Luís", "São Luís")
    for other in ("são Luís", "Sao Luis", "São  Luís", "São Luís ", "12"):
        assert not same_cell(other, "São Luís")
    assert not same_cell("12", 12) and not same_cell(12, "12")


def test_dates_and_timestamps():
    assert same_cell(DAY, MIDNIGHT) and same_cell(MIDNIGHT, DAY)
    assert not same_cell(DAY, MIDNIGHT.replace(microsecond=1)) and not same_cell("2024-01-02", DAY)
    assert not same_cell(MIDNIGHT, MIDNIGHT.replace(tzinfo=dt.UTC))
    assert same_cell(dt.timedelta(days=1), dt.timedelta(hours=24)) and not same_cell(dt.timedelta(days=1), 1)


def test_the_day_of_a_moment_is_the_same_written_either_way(shops):
    gold = "SELECT DISTINCT purchased_at::DATE FROM orders"
    assert same("SELECT DISTINCT date_trunc('day', purchased_at) FROM orders", gold, shops)
    assert not same("SELECT DISTINCT strftime(purchased_at, '%Y-%m-%d') FROM orders", gold, shops)


def test_duplicates_count(shops):
    assert not same_rows((("a",), ("a",)), (("a",),)) and not same_rows(
        (("a",), ("a",), ("b",)), (("a",), ("b",), ("b",))
    )
    assert not same("SELECT state FROM customers", "SELECT DISTINCT state FROM customers", shops)


def test_nothing_is_the_same_as_nothing_only():
    assert same_rows((), ()) and not same_rows((), ((None,),)) and not same_rows(((0,),), ())


def test_a_cut_result_is_the_same_as_none(shops):
    cut = "SELECT a.order_id FROM orders a, orders b"
    assert not same(cut, f"{cut} LIMIT 1000", shops)


def test_lists_are_compared_part_by_part():
    assert same_cell([1, "a", None], [1.0, "a", None]) and not same_cell([1, 2], [2, 1]) and not same_cell([1], 1)


def test_sums_that_differ_by_noise_find_their_rows():
    """Equal but for the last bits in one column, told apart by another: sorted by the first, they come in any order."""
    gold = ((100.0, 3), (100.0, 5), (7.5, 1))
    assert same_rows(((100.00000000001, 3), (99.99999999999, 5), (7.5, 1)), gold)
    assert not same_rows(((100.00000000001, 3), (99.99999999999, 3), (7.5, 1)), gold)


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["a", "A", "", "1"]),
    st.dates(dt.date(2024, 1, 1), dt.date(2024, 1, 3)), st.decimals(-5, 5, places=2),
)  # fmt: skip
ROWS = st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[CELLS] * n), max_size=6))


@given(ROWS, st.randoms())
@settings(max_examples=150, deadline=None)
def test_a_result_is_the_same_as_itself_in_any_order_and_as_nothing_shorter(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert same_rows(rows, rows, ordered=True) and same_rows(shuffled, rows)
    if rows:
        assert not same_rows(rows[1:], rows) and not same_rows([*rows, rows[0]], rows)


@given(ROWS, ROWS)
@settings(max_examples=150, deadline=None)
def test_being_the_same_goes_both_ways(a, b):
    assert same_rows(a, b) == same_rows(b, a)
