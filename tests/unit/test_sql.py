"""Model-written SQL from the trainer's side: results, verdicts, and who pays for a query that stalls, dies or lies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from caderno import shop, sql, workers
from caderno.sql import cells, client
from caderno.sql.files import database_file

GOLD = "SELECT count(*) FROM orders WHERE status = 'delivered'"
ENDLESS = (
    "SELECT count(*) FROM orders a, orders b, orders c, orders d WHERE a.status < b.status || c.status || d.status"
)


@pytest.fixture(scope="module")
def small() -> shop.Shop:
    return shop.generate(1, "train", 200, "small")


@pytest.fixture(scope="module")
def twin() -> shop.Shop:
    return shop.generate(2, "train", 200, "small")


def test_a_select_runs(small):
    assert sql.run("SELECT count(*) FROM orders", small) == sql.Result(rows=((200,),))


def test_values_arrive_as_what_they_are(small):
    query = (
        "SELECT 1, 1.50::DECIMAL(5, 2), 0.5::DOUBLE, 'ç', NULL, true, DATE '2024-02-29',"
        " TIMESTAMP '2024-01-01 10:00:01.5', TIME '10:00:00', INTERVAL 90 MINUTE, max(purchased_at) FROM orders"
    )
    ours = small.connect().execute(query).fetchall()
    assert repr(sql.run(query, small).rows) == repr(tuple(ours))


def test_rows_are_capped_and_the_result_says_so(small):
    found = sql.run("SELECT a.order_id FROM orders a, orders b", small)
    assert len(found.rows) == sql.MAX_ROWS and found.truncated
    exactly = sql.run(f"SELECT a.order_id FROM orders a, orders b LIMIT {sql.MAX_ROWS}", small)
    assert len(exactly.rows) == sql.MAX_ROWS and not exactly.truncated


def test_bytes_are_capped(small):
    doubled = "WITH a0 AS (SELECT string_agg(comment, ' ') AS t FROM reviews)"
    for i in range(8):
        doubled += f", a{i + 1} AS (SELECT t || t AS t FROM a{i})"
    assert sql.run(doubled + " SELECT length(t) FROM a8", small).rows[0][0] > cells.MAX_RESULT_BYTES
    assert "bytes" in sql.run(doubled + " SELECT t FROM a8", small).error


def test_a_query_that_does_not_end_costs_its_deadline(small):
    started = time.monotonic()
    assert sql.run(ENDLESS, small, deadline_s=0.3).error == "passou de 0.3 s"
    assert time.monotonic() - started < 2
    assert sql.run("SELECT count(*) FROM orders", small).rows == ((200,),)


def test_one_poisoned_query_among_many_spoils_no_other(small):
    queries = [f"SELECT count(*) + {i} FROM orders" for i in range(200)]
    queries[77] = ENDLESS
    with ThreadPoolExecutor(4) as threads:
        found = list(
            threads.map(lambda query: sql.run(query, small, deadline_s=5.0 if query != ENDLESS else 0.3), queries)
        )
    assert [i for i, result in enumerate(found) if result.error] == [77]
    assert [result.rows for i, result in enumerate(found) if i != 77] == [((200 + i,),) for i in range(200) if i != 77]


def test_the_trainers_process_neither_parses_nor_runs_a_query(small, twin, monkeypatch):
    """With its own parser and database broken, everything is still answered: it is done elsewhere."""
    for one in (small, twin):
        database_file(one)

    def broken(*_, **__):
        raise AssertionError("called in the trainer's process")

    monkeypatch.setattr("duckdb.connect", broken)
    monkeypatch.setattr("sqlglot.parse", broken)
    assert sql.run("SELECT count(*) + 0 FROM orders", small).rows == ((200,),)
    assert sql.judge(f"{GOLD} AND 1 = 1", GOLD, [small, twin]).same
    assert sql.overlap("SELECT 1 FROM items", GOLD, small.tables) < 1
    assert os.getpid() not in workers.shared(client.SERVICE).pids()


def test_any_thread_may_ask(small):
    found = []
    thread = threading.Thread(target=lambda: found.append(sql.run("SELECT count(*) FROM orders", small)))
    thread.start()
    thread.join()
    assert found == [sql.Result(rows=((200,),))]


def test_a_fork_asks_with_files_and_workers_of_its_own(small):
    parents, (read, write) = database_file(small), os.pipe()
    if (fork := os.fork()) == 0:
        signal.alarm(60)  # a fork that waits for its parent's threads must fail, not hang
        try:
            answer = [sql.run("SELECT count(*) FROM orders", small).rows, str(database_file(small))]
            os.write(write, json.dumps(answer).encode())
        finally:
            workers.close_all()
            shutil.rmtree(database_file(small).parent)
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answers:
        rows, path = json.load(answers)
    os.waitpid(fork, 0)
    assert rows == [[200]] and path != str(parents) and parents.exists()
    assert sql.run("SELECT count(*) FROM orders", small).rows == ((200,),)


def test_our_own_fault_is_an_error_and_no_verdict(small):
    broken = shop.generate(6, "train", 20, "small")
    database_file(broken).unlink()
    for ask in (lambda: sql.run(GOLD, broken), lambda: sql.judge(GOLD, GOLD, [small, broken])):
        with pytest.raises(workers.ServiceError, match="IOException"):
            ask()
    assert sql.run(GOLD, small).error is None


class Failing:
    """A pool that fails as often as it is told to, then hands on."""

    def __init__(self, pool: workers.Pool, *failures: Exception):
        self.pool, self.failures = pool, list(failures)

    def call(self, request: dict, deadline_s: float) -> dict:
        if self.failures:
            raise self.failures.pop(0)
        return self.pool.call(request, deadline_s)


@pytest.fixture
def failing(monkeypatch):
    pool = workers.shared(client.SERVICE)

    def plant(*failures: Exception) -> Failing:
        made = Failing(pool, *failures)
        monkeypatch.setattr(client.workers, "shared", lambda *_: made)
        return made

    return plant


def test_a_query_is_blamed_for_a_death_only_when_it_happens_again(small, failing):
    failing(workers.WorkerDied("ended by signal 9"))
    assert sql.run(GOLD, small).error is None
    failing(workers.WorkerDied("ended by signal 11"), workers.WorkerDied("ended by signal 11"))
    assert sql.run(GOLD, small).error == "derrubou o processo: ended by signal 11"
    failing(workers.WorkerDied("a"), workers.WorkerDied("a"))
    judged = sql.judge("SELECT count(*) FROM orders", GOLD, [small])
    assert judged.error and not judged.same and 0 < judged.overlap < 1 and judged.gold_rows == sql.run(GOLD, small).rows


def test_no_process_to_ask_is_an_error_and_no_verdict(small, failing):
    for ask in (lambda: sql.run(GOLD, small), lambda: sql.judge(GOLD, GOLD, [small])):
        failing(workers.StartFailed("no duckdb"))
        with pytest.raises(workers.StartFailed):
            ask()
        failing(workers.ServiceError("KeyError", "planted"))
        with pytest.raises(workers.ServiceError):
            ask()


def test_a_judgement_says_all_at_once(small, twin):
    right = sql.judge("SELECT sum(1) FROM orders WHERE 'delivered' = status", GOLD, [small, twin])
    assert right.same and right.error is None and right.varies and right.literals == ("delivered",)
    assert right.rows == right.gold_rows == sql.run(GOLD, small).rows
    wrong = sql.judge("SELECT count(*) FROM orders", GOLD, [small, twin])
    assert not wrong.same and wrong.rows == ((200,),) and 0 < wrong.overlap < 1
    guessed = right.rows[0][0]
    assert not sql.judge(
        f"SELECT {guessed} + 0 * count(*) FROM orders", GOLD, [small, twin]
    ).same  # right on one of two
    for constant in (f"SELECT {guessed}", f"SELECT max({guessed}) FROM orders"):
        assert not sql.judge(constant, GOLD, [small]).same and sql.run(constant, small).rows == right.rows
    refused = sql.judge("DROP TABLE orders", GOLD, [small, twin])
    assert refused.refused and refused.error == "não é um único SELECT" and refused.overlap == 0
    failed = sql.judge("SELECT nada FROM orders", GOLD, [small, twin])
    assert failed.error == "coluna desconhecida: nada" and not failed.refused and failed.overlap > 0


def test_a_late_query_is_judged_late_and_keeps_its_credit(small, twin):
    judged = sql.judge(f"{ENDLESS} AND a.status = 'delivered'", GOLD, [small, twin], 0.4)
    assert judged.error == "passou de 0.4 s" and not judged.same
    assert judged.credit["tables"] == 1.0 and 0 < judged.credit["filters"] < 1


@pytest.mark.parametrize(
    ("gold", "why"),
    [
        ("DROP TABLE orders", "não é um único SELECT"),
        ("SELECT city + score FROM customers, reviews", "Binder Error"),
        ("SELECT a.order_id FROM orders a, orders b", "mais de 1000 linhas"),
        (ENDLESS, "passou de 0.4 s"),
    ],
    ids=["refused", "fails", "too many rows", "late"],
)
def test_a_gold_that_cannot_be_judged_by_is_no_zero(small, gold, why):
    with pytest.raises(sql.UnusableGold, match=why):
        sql.judge("SELECT count(*) FROM orders", gold, [small], 0.4)


def test_a_text_too_long_is_refused_before_it_is_sent(small):
    for query in ("x" * 3_000_000, "(" * 4000):
        assert sql.run(query, small).error and sql.judge(query, GOLD, [small]).refused
        assert sql.overlap(query, GOLD, small.tables) == 0.0


def test_importing_sql_loads_neither_parser_nor_database():
    script = (
        "import sys; from caderno import sql; print([m for m in ('duckdb', 'sqlglot', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
