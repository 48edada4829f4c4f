"""Olist's files as they come: marks, two date formats, broken rows named with their lines, files that are not there."""

from __future__ import annotations

import pytest

from caderno.errors import BadInput
from caderno.shop import SCHEMA, SPLITS, load_olist, rebuild
from caderno.shop.profile import split_of

CUSTOMERS = "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state"
ORDERS = (
    "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,"
    "order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date"
)
ITEMS = "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value"
REVIEWS = (
    "review_id,order_id,review_score,review_comment_title,review_comment_message,"
    "review_creation_date,review_answer_timestamp"
)
PAYMENTS = "order_id,payment_sequential,payment_type,payment_installments,payment_value"
PRODUCTS = "product_id,product_category_name,product_name_lenght"

FILES = {
    "olist_customers_dataset.csv": [
        "\ufeff" + CUSTOMERS,
        "c1,u1,48700,serrinha,BA",
        "c2,u2,26115,belford roxo,RJ",
        ",u3,1000,sao paulo,SP",
        "c1,u4,1000,osasco,SP",
        "c5,u5,1000",
    ],
    "olist_orders_dataset.csv": [
        "\ufeff" + ORDERS,
        "o1,c1,delivered,10/2/2017 10:56,,,10/10/2017 21:25,10/8/2017 00:00",
        "o2,c2,shipped,2018-03-01 09:30:00,,,,2018-03-20 00:00:00",
        "o1,c1,delivered,10/2/2017 10:56,,,10/10/2017 21:25,10/8/2017 00:00",
        "o3,c2,delivered,31/31/2017 10:56,,,10/10/2017 21:25,10/8/2017 00:00",
        "o4,c9,delivered,5/16/2017 13:10,,,5/18/2017 12:55,6/7/2017 00:00",
        "o5,c2,delivered,5/16/2017 13:10,,,soon,6/7/2017 00:00",
    ],
    "olist_order_items_dataset.csv": [
        ITEMS,
        "o1,1,p1,s1,10/6/2017 11:07,29.99,8.72",
        "o1,2,p2,s1,10/6/2017 11:07,10,0",
        "o3,1,p1,s1,10/6/2017 11:07,29.99,8.72",
        "o2,1,p1,s1,10/6/2017 11:07,-1,8.72",
        "o2,one,p1,s1,10/6/2017 11:07,1,8.72",
        "o4,1,,s1,10/6/2017 11:07,1,8.72",
        "o2,1,p1,s1,10/6/2017 11:07,1e999,8.72",
    ],
    "olist_order_reviews_dataset.csv": [
        REVIEWS,
        'r1,o1,4,,"Mas um pouco ,travando...',
        'pelo ""valor"" ta Boa.',
        '",2018-02-16 00:00:00,2018-02-20 10:52:22',
        "r2,elsewhere,1,Péssimo ,Nada de chegar,2/16/2018 00:00,",
        "r3,o2,6,,bom,2018-02-16 00:00:00,",
        "r4,o2,5,,,2018-02-16 00:00:00,",
        "r4,o1,5,,,2018-02-16 00:00:00,",
        "r5,o2,,,bom,2018-02-16 00:00:00,",
        "",
        'r6,o2,3,,"never closed,2018-02-16 00:00:00,',
        "r7,o2,3,,ok,2018-02-16 00:00:00,",
    ],
}


def write(directory, files):
    for name, lines in files.items():
        (directory / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory


@pytest.fixture
def olist(tmp_path):
    return write(tmp_path, FILES)


def whole(directory, table):
    """The rows of a table over the three splits."""
    rows = [row for split in SPLITS for row in load_olist(directory, split).tables[table].to_dict("records")]
    return {row[next(iter(SCHEMA[table]))]: row for row in rows}


def rejected(directory):
    return {(row["table"], row["line"]): row["why"] for row in load_olist(directory, "train").rejected}


def test_every_unusable_row_is_named_with_its_line(olist):
    why = rejected(olist)
    assert why == {
        ("customers", 4): "customer_id is empty",
        ("customers", 5): "customer_id stands on an earlier line",
        ("customers", 6): "3 fields where the header has 5",
        ("items", 4): "order_id is not among the orders that can be used",
        ("items", 5): "price is not a number of 0 or more",
        ("items", 6): "order_item_id is not a whole number of 1 or more",
        ("items", 7): "product_id is empty",
        ("items", 8): "price is not a number of 0 or more",
        ("orders", 4): "order_id stands on an earlier line",
        ("orders", 5): "order_purchase_timestamp is no date",
        ("orders", 7): "order_delivered_customer_date is no date",
        ("reviews", 6): "review_score is not a whole number from 1 to 5",
        ("reviews", 8): "review_id stands on an earlier line",
        ("reviews", 9): "review_score is not a whole number from 1 to 5",
        ("reviews", 11): "broken CSV: unexpected end of data",
    }


def test_rejections_are_counted_by_reason(olist):
    counted = load_olist(olist, "train").summary()["rejected"]
    assert counted["items: price is not a number of 0 or more"] == 2
    assert sum(counted.values()) == len(rejected(olist))


def test_every_row_is_used_or_named(olist):
    """Rows of the file = rows of the three splits + rows rejected."""
    shops, named = [load_olist(olist, split) for split in SPLITS], rejected(olist)
    for table, count in {"customers": 5, "orders": 6, "items": 7, "reviews": 8}.items():
        used = sum(len(shop.tables[table]) for shop in shops)
        assert used + sum(name == table for name, _ in named) == count, table


def test_both_date_formats_and_lateness(olist):
    orders, deliveries = whole(olist, "orders"), whole(olist, "deliveries")
    assert str(orders["o1"]["purchased_at"]) == "2017-10-02 10:56:00"
    assert str(orders["o2"]["purchased_at"]) == "2018-03-01 09:30:00"
    assert deliveries["o1"]["days_late"] == 2 and deliveries["o4"]["days_late"] == 0
    shop = load_olist(olist, split_of("u2"))
    assert shop.connect().execute(
        "SELECT delivered_at, days_late FROM deliveries WHERE order_id = 'o2'"
    ).fetchone() == (None, None)


def test_quoted_newlines_stay_and_line_numbers_go_on_after_them(olist):
    reviews = whole(olist, "reviews")
    assert reviews["r1"]["comment"] == 'Mas um pouco ,travando...\npelo "valor" ta Boa.'
    assert reviews["r4"]["comment"] is None and reviews["r2"]["title"] == "Péssimo"


def test_a_quote_never_closed_costs_one_line(olist):
    assert "r7" in whole(olist, "reviews") and "r6" not in whole(olist, "reviews")


def test_reviews_of_unknown_orders_are_kept_by_their_order_id(olist):
    shop = load_olist(olist, split_of("elsewhere"))
    row = (
        shop.connect()
        .execute(
            "SELECT r.score, o.status FROM reviews r LEFT JOIN orders o USING (order_id) WHERE order_id = 'elsewhere'"
        )
        .fetchone()
    )
    assert row == (1, None)


def test_orders_go_where_their_customer_goes(olist):
    for split in SPLITS:
        tables = load_olist(olist, split).tables
        known = tables["orders"][tables["orders"]["customer_id"] != "c9"]
        assert known["customer_id"].isin(tables["customers"]["customer_id"]).all()
        for table in ("items", "deliveries"):
            assert tables[table]["order_id"].isin(tables["orders"]["order_id"]).all()


def test_labels_hold_the_stars_of_commented_reviews_only(olist):
    labels = {row["review_id"]: row for split in SPLITS for row in load_olist(olist, split).labels.to_dict("records")}
    assert labels == {
        "r1": {"review_id": "r1", "score": 4, "sentiment": "positivo"},
        "r2": {"review_id": "r2", "score": 1, "sentiment": "negativo"},
        "r7": {"review_id": "r7", "score": 3, "sentiment": "neutro"},
    }


def test_tables_without_a_file_are_empty_but_typed(olist):
    shop = load_olist(olist, "train")
    for table in ("payments", "products"):
        assert shop.tables[table].empty and list(shop.tables[table]) == list(SCHEMA[table])
    described = shop.connect().execute("DESCRIBE payments").fetchall()
    assert {name: kind for name, kind, *_ in described} == SCHEMA["payments"]


def test_optional_files_are_read(olist):
    write(
        olist,
        {
            "olist_order_payments_dataset.csv": [
                PAYMENTS,
                "o1,1,credit_card,2,48.71",
                "o1,1,voucher,1,3",
                "zz,1,boleto,1,3",
            ],
            "olist_products_dataset.csv": [PRODUCTS, "p1,perfumaria,40", "p2,,40", "p3,moveis,40"],
        },
    )
    assert whole(olist, "payments")["o1"]["amount"] == 48.71
    products = whole(olist, "products")
    assert products["p1"]["price"] == 29.99 and products["p1"]["category"] == "perfumaria"
    assert products["p2"]["category"] is None and "p3" not in products
    assert {key[1] for key in rejected(olist) if key[0] == "payments"} == {3, 4}


def test_rebuild_reads_the_same_directory(olist):
    shop = load_olist(olist, "train")
    assert rebuild(shop.source).summary() == shop.summary()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_required_file_is_named(olist, name):
    (olist / name).unlink()
    with pytest.raises(BadInput, match=name):
        load_olist(olist, "train")


def test_a_missing_column_is_named_with_file_and_line(olist):
    write(olist, {"olist_order_items_dataset.csv": [ITEMS.replace("price", "preco"), "o1,1,p1,s1,,1,1"]})
    with pytest.raises(BadInput, match=r"items_dataset\.csv, line 1: no column price"):
        load_olist(olist, "train")


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_file_is_refused(olist, content):
    (olist / "olist_orders_dataset.csv").write_bytes(content)
    with pytest.raises(BadInput, match="no columns at all"):
        load_olist(olist, "train")


def test_a_file_that_is_not_utf8_is_refused_with_its_line(olist):
    text = "\n".join([CUSTOMERS, "c1,u1,1,serrinha,BA", "c2,u2,1,são paulo,SP"])
    (olist / "olist_customers_dataset.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=r"line 3.*UTF-8"):
        load_olist(olist, "train")


def test_a_file_that_cannot_be_opened_is_refused(olist):
    (olist / "olist_products_dataset.csv").mkdir()
    with pytest.raises(BadInput, match="cannot be read"):
        load_olist(olist, "train")


@pytest.mark.parametrize("place", ["nowhere", "olist_orders_dataset.csv"])
def test_a_path_that_is_no_directory_is_refused(olist, place):
    with pytest.raises(BadInput, match="expected a directory of Olist CSV files"):
        load_olist(olist / place, "train")


def test_an_unknown_split_is_refused(olist):
    with pytest.raises(BadInput, match="dev"):
        load_olist(olist, "dev")
