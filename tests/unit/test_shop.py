"""The generated shop: same seed same shop, splits without a common entity, tables that agree with each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from caderno import data
from caderno.errors import BadInput
from caderno.shop import SCHEMA, SPLITS, generate, load_profile, rebuild

PROFILES = ("small", "full")


@pytest.fixture(scope="module", params=PROFILES)
def shop(request):
    return generate(3, "train", 1500, request.param)


def names_of(pools):
    return (
        {name.casefold() for name in pools.customers},
        {city.casefold() for city, _ in pools.cities},
        {name.casefold() for name, _, _ in pools.products},
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_same_arguments_give_identical_frames(profile):
    first, second = generate(5, "heldout", 200, profile), generate(5, "heldout", 200, profile)
    for table in SCHEMA:
        pd.testing.assert_frame_equal(first.tables[table], second.tables[table])
    pd.testing.assert_frame_equal(first.labels, second.labels)


@pytest.mark.parametrize("other", [(6, "heldout", 200), (5, "test", 200)])
def test_another_seed_or_split_gives_other_orders(other):
    moments = [
        generate(*arguments, "small").tables["orders"]["purchased_at"] for arguments in ((5, "heldout", 200), other)
    ]
    assert not moments[0].equals(moments[1])


@pytest.mark.parametrize("profile", PROFILES)
def test_no_entity_stands_in_two_splits(profile):
    pools = [names_of(load_profile(profile).pools(split)) for split in SPLITS]
    for kind in range(3):
        sets = [split[kind] for split in pools]
        assert all(sets)
        assert sum(map(len, sets)) == len(set.union(*sets))


def test_no_full_entity_is_contained_in_another():
    """A name inside a name ("Santa Maria" in "Santa Maria da Serra") would leak from one split into another."""
    pools = [names_of(load_profile("full").pools(split)) for split in SPLITS]
    for kind in range(3):
        names = [name for split in pools for name in split[kind]]
        assert not [(a, b) for a in names for b in names if a != b and a in b]


def test_full_products_of_a_category_stay_in_one_split():
    categories = [{category for _, category, _ in load_profile("full").pools(split).products} for split in SPLITS]
    assert sum(map(len, categories)) == len(set.union(*categories)) == 20


@pytest.mark.parametrize("split", SPLITS)
def test_tables_hold_only_entities_of_the_split(split):
    shop, pools = generate(2, split, 300, "full"), load_profile("full").pools(split)
    assert set(shop.tables["customers"]["customer_name"]) <= set(pools.customers)
    assert set(shop.tables["products"]["product_name"]) <= {name for name, _, _ in pools.products}
    assert set(zip(shop.tables["customers"]["city"], shop.tables["customers"]["state"], strict=True)) <= set(
        pools.cities
    )


def test_every_key_leads_to_a_row(shop):
    tables = shop.tables
    for table, key, target in [
        ("orders", "customer_id", "customers"),
        ("items", "order_id", "orders"),
        ("items", "product_id", "products"),
        ("payments", "order_id", "orders"),
        ("deliveries", "order_id", "orders"),
        ("reviews", "order_id", "orders"),
    ]:
        assert tables[table][key].isin(tables[target][key]).all(), (table, key)
    for table, key in [("customers", "customer_id"), ("products", "product_id"), ("orders", "order_id")]:
        assert tables[table][key].is_unique
    assert tables["reviews"]["review_id"].is_unique and tables["deliveries"]["order_id"].is_unique
    assert not tables["items"].duplicated(["order_id", "item_number"]).any()
    assert len(tables["deliveries"]) == len(tables["orders"]) == 1500


def test_payments_sum_to_items_and_freight(shop):
    items = shop.tables["items"]
    owed = (items["price"] + items["freight"]).groupby(items["order_id"]).sum()
    paid = shop.tables["payments"].groupby("order_id")["amount"].sum()
    assert (owed - paid).abs().max() < 0.005
    assert (shop.tables["payments"]["amount"] > 0).all()


def test_days_late_follow_from_the_dates(shop):
    merged = shop.tables["deliveries"].merge(shop.tables["orders"], on="order_id")
    delivered = merged[merged["status"] == "delivered"]
    days = (delivered["delivered_at"] - delivered["promised_at"]).dt.days.clip(lower=0)
    assert (delivered["days_late"] == days).all()
    assert (delivered["delivered_at"] > delivered["purchased_at"]).all()
    rest = merged[merged["status"] != "delivered"]
    assert rest["delivered_at"].isna().all() and rest["days_late"].isna().all()
    assert 0.05 < (days > 0).mean() < 0.25


def test_stars_are_j_shaped_and_fall_with_lateness(shop):
    share = shop.tables["reviews"]["score"].value_counts(normalize=True)
    assert share[5] > share[1] > share[2]
    scored = shop.tables["reviews"].merge(shop.tables["deliveries"], on="order_id")
    assert scored[scored["days_late"] > 0]["score"].mean() < scored[scored["days_late"] == 0]["score"].mean() - 0.8


def test_few_customers_buy_much(shop):
    orders = shop.tables["orders"]["customer_id"].value_counts()
    top = orders.head(max(1, len(orders) // 10)).sum() / orders.sum()
    assert top > 0.2  # the first tenth would hold 0.1 if all bought alike


def test_labels_agree_with_the_tables(shop):
    """A label names the product, the city, the customer and the days that the tables hold for its order."""
    whole = shop.labels.merge(shop.tables["reviews"][["review_id", "order_id", "score"]], on=["review_id", "score"])
    assert len(whole) == len(shop.labels) == shop.tables["reviews"]["comment"].notna().sum()
    buyers = shop.tables["customers"].rename(columns={"city": "home"})
    whole = whole.merge(shop.tables["orders"], on="order_id").merge(buyers, on="customer_id")
    whole = whole.merge(shop.tables["deliveries"], on="order_id")
    sold = shop.tables["items"].merge(shop.tables["products"], on="product_id")
    sold = sold.groupby("order_id")["product_name"].agg(set)
    for row in whole.to_dict("records"):
        assert row["late_days"] in (None, row["days_late"])
        assert row["city"] in (None, row["home"])
        assert row["customer"] in (None, row["customer_name"])
        assert row["product"] is None or row["product"] in sold[row["order_id"]]
        assert row["problem"] != "nao_chegou" or row["status"] != "delivered"


def test_duckdb_holds_the_same_rows_typed_and_with_nulls(shop):
    connection = shop.connect()
    for table, columns in SCHEMA.items():
        described = connection.execute(f"DESCRIBE {table}").fetchall()
        assert {name: kind for name, kind, *_ in described} == columns
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == len(shop.tables[table])
    silent = connection.execute("SELECT count(*) FROM reviews WHERE comment IS NULL").fetchone()[0]
    assert silent == shop.tables["reviews"]["comment"].isna().sum() > 0


def test_a_connection_does_not_reach_back_into_the_frames(shop):
    shop.connect().execute("DELETE FROM orders")
    assert len(shop.tables["orders"]) == 1500


def test_summary_counts_rows(shop):
    assert shop.summary()["rows"]["orders"] == 1500
    assert shop.summary()["rejected"] == {}


def test_rebuild_gives_the_same_shop_once(shop):
    again = rebuild(shop.source)
    pd.testing.assert_frame_equal(again.tables["reviews"], shop.tables["reviews"])
    assert rebuild(dict(reversed(shop.source.items()))) is again


def test_threads_that_ask_for_one_shop_make_it_once():
    source = {"source": "shop", "seed": 77, "split": "test", "orders": 300, "profile": "small"}
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: rebuild(source), range(8)))
    assert len({id(one) for one in made}) == 1


def test_a_shop_that_was_opened_is_the_one_that_scorers_ask_for():
    opened = data.open_shop("test", 78, orders=200)
    assert rebuild(opened.source) is opened


def test_a_shop_of_one_order_stands():
    assert len(generate(0, "test", 1, "full").tables["items"]) >= 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((1, "dev", 10, "small"), "dev"),
        ((1, "train", 0, "small"), "0 orders"),
        ((-1, "train", 10, "small"), "-1"),
        ((1, "train", 10, "medium"), "medium"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(BadInput, match=named):
        generate(*arguments)


@pytest.mark.parametrize("source", [{"source": "magic"}, {"source": "shop", "seed": 1}, {}])
def test_a_source_that_describes_no_shop_is_refused(source):
    with pytest.raises(BadInput, match="source"):
        rebuild(source)
