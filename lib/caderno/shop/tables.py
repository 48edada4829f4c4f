"""The seven tables of a shop: their columns and types, and `Shop`, which holds them and opens them in DuckDB.

It makes no rows: `generator` invents them and `olist` reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import duckdb

# Column -> DuckDB type. The frames' own types follow from it through FRAME_TYPES.
SCHEMA: dict[str, dict[str, str]] = {
    "customers": {"customer_id": "VARCHAR", "customer_name": "VARCHAR", "city": "VARCHAR", "state": "VARCHAR"},
    "products": {"product_id": "VARCHAR", "product_name": "VARCHAR", "category": "VARCHAR", "price": "DOUBLE"},
    "orders": {"order_id": "VARCHAR", "customer_id": "VARCHAR", "status": "VARCHAR", "purchased_at": "TIMESTAMP"},
    "items": {
        "order_id": "VARCHAR",
        "item_number": "INTEGER",
        "product_id": "VARCHAR",
        "price": "DOUBLE",
        "freight": "DOUBLE",
    },
    "payments": {"order_id": "VARCHAR", "method": "VARCHAR", "installments": "INTEGER", "amount": "DOUBLE"},
    "deliveries": {
        "order_id": "VARCHAR",
        "promised_at": "TIMESTAMP",
        "delivered_at": "TIMESTAMP",
        "days_late": "INTEGER",
    },
    "reviews": {
        "review_id": "VARCHAR",
        "order_id": "VARCHAR",
        "score": "INTEGER",
        "title": "VARCHAR",
        "comment": "VARCHAR",
        "created_at": "TIMESTAMP",
    },
}

# Objects, not pandas' own strings: a missing text is then None, which JSON and people read alike.
FRAME_TYPES = {"VARCHAR": "object", "DOUBLE": "float64", "INTEGER": "Int64", "TIMESTAMP": "datetime64[us]"}


def frame(table: str, columns: Mapping[str, Any]) -> pd.DataFrame:
    """The frame of `table` from its columns, each cast to the schema's type; a column not given is all NULL."""
    made = pd.DataFrame(dict(columns)).reindex(columns=list(SCHEMA[table]))
    for name, sql_type in SCHEMA[table].items():
        made[name] = made[name].astype(FRAME_TYPES[sql_type])
        if sql_type == "VARCHAR":
            made[name] = made[name].where(made[name].notna(), None)
    return made.reset_index(drop=True)


def sentiment_of(score: int) -> str:
    """The sentiment that a number of stars (1-5) stands for."""
    return "negativo" if score <= 2 else "neutro" if score == 3 else "positivo"


@dataclass(frozen=True, eq=False)
class Shop:
    """A shop's tables for one split.

    `labels` says what each commented review states (the columns of `ReviewFacts`, as far as they are known) and is no
    SQL table. `rejected` names every source row that could not be used: table, line of its file, why.
    `source` is JSON from which `caderno.shop.rebuild` makes the same shop again.
    """

    tables: dict[str, pd.DataFrame]
    split: str
    source: dict[str, Any]
    labels: pd.DataFrame
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A new in-memory DuckDB with a copy of the seven tables, typed as in SCHEMA."""
        import duckdb

        connection = duckdb.connect(":memory:")
        for table, columns in SCHEMA.items():
            typed = ", ".join(f"{name} {sql_type}" for name, sql_type in columns.items())
            connection.execute(f"CREATE TABLE {table} ({typed})")
            connection.register("incoming", self.tables[table])
            connection.execute(f"INSERT INTO {table} SELECT {', '.join(columns)} FROM incoming")
            connection.unregister("incoming")
        return connection

    def summary(self) -> dict[str, dict[str, int]]:
        """Rows per table, and rejected source rows per "table: reason"."""
        reasons = Counter(f"{row['table']}: {row['why']}" for row in self.rejected)
        return {
            "rows": {table: len(self.tables[table]) for table in SCHEMA},
            "rejected": dict(sorted(reasons.items())),
        }
