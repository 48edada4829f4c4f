"""A seeded Brazilian shop: customers, products, orders, items, payments, deliveries and reviews that agree.

The words come from a profile and what reviews say from `reviews`; nothing here writes Portuguese.
"""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd

from caderno.errors import BadInput
from caderno.shop.profile import SPLITS, Pools, Profile
from caderno.shop.reviews import review_tables
from caderno.shop.tables import SCHEMA, Shop, frame

PROFILES = ("small", "full")
FIRST_DAY = np.datetime64("2023-01-01")
DAYS = 1096  # three years: 2023 to 2025, 2024 being a leap year
STATUSES = {"delivered": 0.88, "shipped": 0.05, "canceled": 0.04, "processing": 0.02, "unavailable": 0.01}
METHODS = {"credit_card": 0.70, "boleto": 0.15, "pix": 0.12, "voucher": 0.03}
# Share of a month's purchases relative to an average month: Mother's Day in May, Black Friday in November.
MONTH_WEIGHT = np.array([0.90, 0.85, 0.95, 0.95, 1.15, 0.95, 0.95, 1.05, 0.95, 1.00, 1.45, 1.20])
# Monday to Sunday, and the hours of the day: people shop on weekdays, from mid-morning until late evening.
WEEKDAY_WEIGHT = np.array([1.15, 1.15, 1.10, 1.05, 1.00, 0.75, 0.80])
HOUR_WEIGHT = np.array([24, 12, 5, 3, 2, 2, 5, 12, 30, 48, 62, 66, 60, 65, 66, 65, 67, 62, 58, 60, 62, 62, 58, 41.0])
# Days promised and freight in reais per region: the shop ships from the South-East.
NEAR = ("SP", "RJ", "MG", "ES")
MIDDLE = ("PR", "SC", "RS", "GO", "DF", "MS", "MT", "BA")


def load_profile(name: str) -> Profile:
    """The profile of that name. Raises BadInput for a name that is none."""
    if name not in PROFILES:
        raise BadInput(f"shop profile {name!r}", expected=f"one of {', '.join(PROFILES)}")
    return importlib.import_module(f"caderno.shop.{name}").PROFILE


def generate(seed: int, split: str, orders: int, profile: str = "small") -> Shop:
    """A shop of `orders` orders whose names, cities and products stand in no other split.

    The same four arguments give identical frames. Raises BadInput for an argument out of range.
    """
    _check(seed, split, orders)
    voice = load_profile(profile)
    pools = voice.pools(split)
    # The split is part of the seed, so that two splits of one seed do not share their draws.
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    customers, products = _customers(rng, pools, orders), _products(pools)
    placed = _orders(rng, customers, orders)
    buyers = customers.set_index("customer_id").loc[placed["customer_id"]].reset_index()
    items = _items(rng, placed, buyers["state"].to_numpy(), products)
    deliveries = _deliveries(rng, placed, buyers["state"].to_numpy())
    tables = {
        "customers": customers,
        "products": products,
        "orders": placed,
        "items": items,
        "payments": _payments(rng, items),
        "deliveries": deliveries,
    }
    tables["reviews"], labels = review_tables(f"{seed}/{split}", voice, tables)
    source = {"source": "shop", "profile": profile, "seed": seed, "orders": orders, "split": split}
    return Shop({name: tables[name] for name in SCHEMA}, split, source, labels)


def _check(seed: int, split: str, orders: int) -> None:
    if split not in SPLITS:
        raise BadInput(f"split {split!r}", expected=f"one of {', '.join(SPLITS)}")
    if orders < 1:
        raise BadInput(f"a shop of {orders} orders", expected="at least 1 order")
    if seed < 0:
        raise BadInput(f"seed {seed}", expected="a seed of 0 or more")


def _heavy_tail(rng: np.random.Generator, count: int, exponent: float) -> np.ndarray:
    """Zipf probabilities over `count` things, in an order drawn by `rng`: other seeds have other favourites."""
    weights = 1.0 / np.arange(1, count + 1) ** exponent
    return rng.permutation(weights / weights.sum())


def _customers(rng: np.random.Generator, pools: Pools, orders: int) -> pd.DataFrame:
    """Names without repetition, at most four customers to five orders; a few cities hold most of them."""
    count = min(len(pools.customers), -(-orders * 4 // 5))
    names = rng.choice(np.array(pools.customers, dtype=object), count, replace=False)
    where = rng.choice(len(pools.cities), count, p=_heavy_tail(rng, len(pools.cities), 0.7))
    return frame(
        "customers",
        {
            "customer_id": [f"c{number}" for number in range(1, count + 1)],
            "customer_name": names,
            "city": [pools.cities[place][0] for place in where],
            "state": [pools.cities[place][1] for place in where],
        },
    )


def _products(pools: Pools) -> pd.DataFrame:
    names, categories, prices = zip(*pools.products, strict=True)
    ids = [f"p{number}" for number in range(1, len(names) + 1)]
    return frame("products", {"product_id": ids, "product_name": names, "category": categories, "price": prices})


def _orders(rng: np.random.Generator, customers: pd.DataFrame, orders: int) -> pd.DataFrame:
    days = np.sort(rng.choice(DAYS, orders, p=_day_weights()))
    hours = rng.choice(24, orders, p=HOUR_WEIGHT / HOUR_WEIGHT.sum())
    seconds = hours * 3600 + rng.integers(0, 3600, orders)
    moments = FIRST_DAY.astype("datetime64[s]") + days.astype("timedelta64[D]") + seconds.astype("timedelta64[s]")
    return frame(
        "orders",
        {
            "order_id": [f"o{number}" for number in range(1, orders + 1)],
            "customer_id": rng.choice(customers["customer_id"], orders, p=_heavy_tail(rng, len(customers), 0.8)),
            "status": rng.choice(list(STATUSES), orders, p=list(STATUSES.values())),
            "purchased_at": np.sort(moments),
        },
    )


def _day_weights() -> np.ndarray:
    """Probability of each day: season, weekday, steady growth, and the week of Black Friday."""
    days = pd.date_range(pd.Timestamp(FIRST_DAY), periods=DAYS)
    weights = MONTH_WEIGHT[days.month - 1] * WEEKDAY_WEIGHT[days.day_of_week] * np.linspace(1.0, 1.8, DAYS)
    weights = weights * np.where((days.month == 11) & (days.day >= 22) & (days.day <= 28), 2.5, 1.0)
    return weights / weights.sum()


def _by_region(states: np.ndarray, near: float, middle: float, far: float) -> np.ndarray:
    return np.where(np.isin(states, NEAR), near, np.where(np.isin(states, MIDDLE), middle, far))


def _items(rng: np.random.Generator, orders: pd.DataFrame, states: np.ndarray, products: pd.DataFrame) -> pd.DataFrame:
    """One line per piece bought; a second piece is mostly another of the first."""
    lines = rng.choice([1, 2, 3, 4], len(orders), p=[0.84, 0.11, 0.03, 0.02])
    owner = np.repeat(np.arange(len(orders)), lines)
    first_line = np.cumsum(lines) - lines
    bought = rng.choice(len(products), len(owner), p=_heavy_tail(rng, len(products), 0.7))
    again = rng.random(len(owner)) < 0.6
    bought = np.where(again, bought[first_line[owner]], bought)
    prices = products["price"].to_numpy()[bought]
    freight = _by_region(states, 12.0, 19.0, 32.0)[owner] * rng.gamma(9.0, 1 / 9.0, len(owner)) + 0.03 * prices
    # Shops of whole reais (the closed vocabulary) stay whole: their texts can then say every figure.
    decimals = 0 if np.all(products["price"] == products["price"].round()) else 2
    return frame(
        "items",
        {
            "order_id": orders["order_id"].to_numpy()[owner],
            "item_number": np.arange(len(owner)) - first_line[owner] + 1,
            "product_id": products["product_id"].to_numpy()[bought],
            "price": prices,
            "freight": np.round(freight, decimals),
        },
    )


def _payments(rng: np.random.Generator, items: pd.DataFrame) -> pd.DataFrame:
    """What was paid per order, in one payment or, rarely, a voucher and a card; amounts sum to items and freight."""
    totals = (items["price"] + items["freight"]).groupby(items["order_id"], sort=False).sum().round(2)
    method = rng.choice(list(METHODS), len(totals), p=list(METHODS.values()))
    spread = np.minimum(rng.geometric(0.35, len(totals)), 12)
    first = pd.DataFrame({"order_id": totals.index, "method": method, "amount": totals.to_numpy()})
    first["installments"] = np.where(method == "credit_card", spread, 1)
    shared = (rng.random(len(totals)) < 0.03) & (method == "credit_card")
    second = first[shared].assign(method="voucher", installments=1)
    second["amount"] = np.floor(second["amount"] * rng.uniform(0.1, 0.6, len(second)))
    first.loc[shared, "amount"] = (first.loc[shared, "amount"] - second["amount"]).round(2)
    paid = pd.concat([first, second[second["amount"] > 0]]).sort_index(kind="stable")
    return frame("payments", paid)


def _deliveries(rng: np.random.Generator, orders: pd.DataFrame, states: np.ndarray) -> pd.DataFrame:
    """Most parcels come early; one in eight is late, more in the year's last weeks, by days with a long tail."""
    count = len(orders)
    bought = orders["purchased_at"].to_numpy().astype("datetime64[D]")
    promise = rng.integers(0, 8, count) + _by_region(states, 7, 12, 18).astype(int)
    promised = bought + promise.astype("timedelta64[D]")
    rush = np.isin(orders["purchased_at"].dt.month, (11, 12))
    late = rng.random(count) < np.where(rush, 0.20, 0.10)
    late_days = np.clip(np.ceil(rng.lognormal(1.3, 0.9, count)), 1, 60).astype(int)
    early_days = np.minimum(rng.poisson(4.0, count), promise - 3)
    shift = np.where(late, late_days, -early_days).astype("timedelta64[D]")
    moment = rng.integers(8 * 3600, 20 * 3600, count).astype("timedelta64[s]")
    arrived = (promised + shift).astype("datetime64[s]") + moment
    delivered = (orders["status"] == "delivered").to_numpy()
    return frame(
        "deliveries",
        {
            "order_id": orders["order_id"],
            "promised_at": promised.astype("datetime64[s]"),
            "delivered_at": np.where(delivered, arrived, np.datetime64("NaT")),
            "days_late": pd.Series(np.where(late, late_days, 0), dtype="Int64").where(delivered),
        },
    )
