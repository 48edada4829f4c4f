"""Builds a shop's tables from a directory of Olist's CSV files, as messy as they come.

Olist publishes no names of people or products and no list prices: those columns are NULL, and a product's price is the
median it was sold at. Sellers, positions and English category names are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from caderno.errors import BadInput
from caderno.shop.csv_rows import Sheet, read_sheet
from caderno.shop.profile import SPLITS, split_of
from caderno.shop.tables import SCHEMA, Shop, frame, sentiment_of

FILES = {
    "customers": "olist_customers_dataset.csv",
    "orders": "olist_orders_dataset.csv",
    "items": "olist_order_items_dataset.csv",
    "reviews": "olist_order_reviews_dataset.csv",
    "payments": "olist_order_payments_dataset.csv",
    "products": "olist_products_dataset.csv",
}
REQUIRED = ("customers", "orders", "items", "reviews")
# Table -> our column: Olist's. Deliveries are columns of the orders' file.
NAMES = {
    "customers": {"customer_id": "customer_id", "city": "customer_city", "state": "customer_state"},
    "orders": {
        "order_id": "order_id",
        "customer_id": "customer_id",
        "status": "order_status",
        "purchased_at": "order_purchase_timestamp",
    },
    "items": {
        "order_id": "order_id",
        "item_number": "order_item_id",
        "product_id": "product_id",
        "price": "price",
        "freight": "freight_value",
    },
    "reviews": {
        "review_id": "review_id",
        "order_id": "order_id",
        "score": "review_score",
        "title": "review_comment_title",
        "comment": "review_comment_message",
        "created_at": "review_creation_date",
    },
    "payments": {
        "order_id": "order_id",
        "method": "payment_type",
        "installments": "payment_installments",
        "amount": "payment_value",
    },
    "products": {"product_id": "product_id", "category": "product_category_name"},
    "deliveries": {
        "order_id": "order_id",
        "promised_at": "order_estimated_delivery_date",
        "delivered_at": "order_delivered_customer_date",
    },
}
# Columns read for their keys only.
KEYS = {"customers": ["customer_unique_id"], "payments": ["payment_sequential"]}
UNKNOWN_ORDER = "order_id is not among the orders that can be used"


def load_olist(path: str | Path, split: str) -> Shop:
    """The shop of one split, 60/20/20 by a hash of the customer's unique id.

    An order of a customer who is not in the files goes by its customer_id, a review of an unknown order by its
    order_id; such reviews are kept. `rejected` covers the files as a whole and is the same for each split. Tables
    without a file are empty. Raises BadInput for a directory or a required file that is missing or cannot be read.
    """
    if split not in SPLITS:
        raise BadInput(f"split {split!r}", expected=f"one of {', '.join(SPLITS)}")
    sheets = _usable(_read_all(Path(path)))
    members = _split_of_orders(sheets)
    tables = _tables(sheets, members, split)
    commented = tables["reviews"].loc[tables["reviews"]["comment"].notna(), ["review_id", "score"]]
    labels = commented.assign(sentiment=commented["score"].map(sentiment_of)).reset_index(drop=True)
    rejected = sorted((row for sheet in sheets.values() for row in sheet.rejected), key=_table_and_line)
    source = {"source": "olist", "path": str(Path(path).resolve()), "split": split}
    return Shop(tables, split, source, labels, rejected)


def _table_and_line(row: dict[str, Any]) -> tuple[str, int]:
    return row["table"], row["line"]


def _read_all(directory: Path) -> dict[str, Sheet]:
    """Every table's sheet; an empty one for an optional file that is not there."""
    if not directory.is_dir():
        got = "a file" if directory.exists() else "no such directory"
        raise BadInput(got, expected="a directory of Olist CSV files", where=str(directory), mend="Check the path.")
    required = [FILES[table] for table in REQUIRED]
    lacking = [name for name in required if not (directory / name).exists()]
    if lacking:
        raise BadInput(
            f"no {', '.join(lacking)}",
            expected=", ".join(required),
            where=str(directory),
            mend="Put Olist's files there under their own names.",
        )
    return {table: _read(directory / name, table) for table, name in FILES.items()}


def _read(path: Path, table: str) -> Sheet:
    columns = [*NAMES[table].values(), *KEYS.get(table, [])]
    if table == "orders":
        columns += [name for name in NAMES["deliveries"].values() if name not in columns]
    if not path.exists():
        return Sheet(table, pd.DataFrame(columns=["line", *columns], dtype=object))
    return read_sheet(path, table, columns)


def _usable(sheets: dict[str, Sheet]) -> dict[str, Sheet]:
    """The sheets with typed columns, every row that cannot be used set aside."""
    customers, orders, items, reviews, payments, products = (sheets[table] for table in FILES)
    customers.need("customer_id", "customer_unique_id")
    customers.key("customer_id")
    orders.need("order_id", "customer_id", "order_status")
    orders.dates("order_purchase_timestamp")
    orders.dates("order_delivered_customer_date", optional=True)
    orders.dates("order_estimated_delivery_date")
    orders.key("order_id")
    items.need("order_id", "product_id")
    items.numbers("order_item_id", 1, whole=True)
    items.numbers("price", 0)
    items.numbers("freight_value", 0)
    items.key("order_id", "order_item_id")
    reviews.need("review_id", "order_id")
    reviews.numbers("review_score", 1, 5, whole=True)
    reviews.dates("review_creation_date")
    reviews.key("review_id")
    payments.need("order_id", "payment_type")
    payments.numbers("payment_sequential", 1, whole=True)
    payments.numbers("payment_installments", 0, whole=True)
    payments.numbers("payment_value", 0)
    payments.key("order_id", "payment_sequential")
    products.need("product_id")
    products.key("product_id")
    for sheet in (items, payments):
        sheet.set_aside(~sheet.rows["order_id"].isin(orders.rows["order_id"]), UNKNOWN_ORDER, ("order_id",))
    return sheets


def _split_of_orders(sheets: dict[str, Sheet]) -> dict[str, str]:
    """order_id -> split, for the orders that can be used."""
    customers, orders = sheets["customers"].rows, sheets["orders"].rows
    person = dict(zip(customers["customer_id"], customers["customer_unique_id"], strict=True))
    pairs = zip(orders["order_id"], orders["customer_id"], strict=True)
    return {order: split_of(person.get(customer, customer)) for order, customer in pairs}


def _tables(sheets: dict[str, Sheet], members: dict[str, str], split: str) -> dict[str, pd.DataFrame]:
    """The seven tables for the rows of one split."""
    rows = {name: sheet.rows for name, sheet in sheets.items()}
    mine = {name: _of_split(rows[name], members, split) for name in ("orders", "items", "payments", "reviews")}
    mine["customers"] = rows["customers"][rows["customers"]["customer_unique_id"].map(split_of) == split]
    mine["products"] = rows["products"][rows["products"]["product_id"].isin(mine["items"]["product_id"])]
    mine["deliveries"] = mine["orders"]
    tables = {}
    for table, names in NAMES.items():
        columns = {ours: mine[table][theirs] for ours, theirs in names.items()}
        for text in ("city", "state", "category", "title", "comment"):
            if text in columns:
                columns[text] = columns[text].map(_text_or_none)
        tables[table] = columns
    prices = mine["items"]["price"].astype("float64").groupby(mine["items"]["product_id"]).median()
    tables["products"]["price"] = mine["products"]["product_id"].map(prices)
    tables["deliveries"]["days_late"] = _days_late(mine["orders"])
    return {name: frame(name, tables[name]) for name in SCHEMA}


def _of_split(rows: pd.DataFrame, members: dict[str, str], split: str) -> pd.DataFrame:
    """The rows whose order belongs to the split; an unknown order goes by its own id."""
    return rows[rows["order_id"].map(lambda order: members.get(order) or split_of(order)) == split]


def _days_late(orders: pd.DataFrame) -> pd.Series:
    """Whole days from the promised moment to the delivery, at least 0; NULL where nothing was delivered."""
    waited = orders["order_delivered_customer_date"] - orders["order_estimated_delivery_date"]
    return pd.to_timedelta(waited).dt.days.clip(lower=0).astype("Int64")


def _text_or_none(text: str) -> str | None:
    return text.strip() or None
