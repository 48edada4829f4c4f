"""Benchmarks of the scorers: completions judged a second, task by task, on all cores.

What a score is worth is the tasks' own business; what a scorer has to do at the least is its baseline.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench_lines import RATIO, Line, in_turn, seconds
from caderno import shop, sql, tasks
from caderno.tasks import math

ORDERS = 3000
SCORED_ROWS = 1000
MATH_ROWS = 400
NEW_QUERIES = 1000
QUERIES = (
    "SELECT count(*) FROM orders JOIN customers USING (customer_id) WHERE city <> 'x{}'",
    "SELECT round(avg(items.price), 2) FROM items JOIN products USING (product_id) WHERE items.price < {}",
    "SELECT city, count(*) FROM customers WHERE customer_id <> 'c{}' GROUP BY city ORDER BY 2 DESC LIMIT 3",
)
ENDLESS = "SELECT count(*) FROM items a, items b, items c, items d WHERE a.price < b.price + c.price + d.price"
AT_LEAST = {"extraction": 5000, "push": 5000, "sql_qa": 500, "math": 200}  # scores a second, on two cores


def scores(repeats: int) -> list[Line]:
    """Completions judged a second: half of them the reference, half another row's."""
    source = shop.generate(0, "train", ORDERS, "small")
    sets = {name: task.rows(source, SCORED_ROWS, 0) for name, task in tasks.SHOP_TASKS.items()}
    sets["math"] = problems(MATH_ROWS)
    return [*(_line(name, rows, source, repeats) for name, rows in sets.items()), *_new_queries(source, repeats)]


def _line(name: str, rows: list[dict], source: shop.Shop, repeats: int) -> Line:
    """Answers of a repeat stand beside other rows than before, so that no cache answers for the scorer."""

    def judge(repeat: int) -> float:
        answers = [tasks.reference(rows[_partner(place, repeat, len(rows))]) for place in range(len(rows))]
        return len(rows) / seconds(lambda: tasks.score_many(rows, answers))

    judge(-1)  # starts the workers and builds the rows' shop and its twin, once per process
    label, other = _least(name, rows, source)
    ours, least = in_turn(repeats, judge, lambda _: len(rows) / seconds(other))
    return Line(name, "scores/s", ours, label, least, RATIO, at_least=AT_LEAST.get(name))


def _new_queries(source: shop.Shop, repeats: int) -> list[Line]:
    """Queries that no worker has seen, from two threads; and the same thousand with one that never ends among them."""

    def run(queries: list[str]) -> float:
        with ThreadPoolExecutor(2) as threads:
            return seconds(lambda: list(threads.map(lambda query: sql.run(query, source), queries)))

    run(["SELECT 1 FROM orders LIMIT 1"] * 4)
    plain, poisoned = in_turn(repeats, lambda r: run(_fresh(2 * r)), lambda r: run([*_fresh(2 * r + 1)[1:], ENDLESS]))
    rates = [NEW_QUERIES / took_s for took_s in plain]
    return [
        Line("`sql.run`, every query new, two threads", "queries/s", rates, at_least=AT_LEAST["sql_qa"]),
        Line(f"{NEW_QUERIES:,} such queries with one endless, beside as many without", "s", poisoned, "without", plain),
    ]


def _fresh(batch: int) -> list[str]:
    return [QUERIES[n % len(QUERIES)].format(n + 10_000 * batch) for n in range(NEW_QUERIES)]


def _partner(place: int, repeat: int, n: int) -> int:
    """Even places get their own reference, odd ones that of a row some way off."""
    return place if place % 2 == 0 else (place + 2 * repeat + 4) % n


def problems(n: int) -> list[dict]:
    """Problems with answers of three kinds: whole numbers, fractions, and expressions that need algebra."""
    rng = random.Random(0)
    found = []
    for number in range(n):
        a, b, c = (rng.randint(2, 99) for _ in range(3))
        asked, answer = (
            (f"What is {a} + {b} * {c}?", str(a + b * c)),
            (f"What is {a} / {b} + {c}?", rf"\frac{{{a + b * c}}}{{{b}}}"),
            (f"Expand (x + {a})({b} x + {c}).", f"{b} x^2 + {a * b + c} x + {a * c}"),
        )[number % 3]
        record = {"problem": f"{asked} (case {number})", "solution": rf"It is \boxed{{{answer}}}."}
        found.append(math.from_record(record, f"problem {number}"))
    return found


def _least(name: str, rows: list[dict], source: shop.Shop) -> tuple[str, Callable[[], object]]:
    """The least a scorer of this task has to do: run the reference's query, or read the row."""
    if name == "sql_qa":
        connection = source.connect()
        queries = [row["facts"]["query"] for row in rows]
        return "DuckDB, the reference query alone", lambda: [connection.execute(q).fetchall() for q in queries]
    texts = [json.dumps(row, ensure_ascii=False) for row in rows]
    return "`json.loads` of the row", lambda: [json.loads(text) for text in texts]
