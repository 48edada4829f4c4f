"""Hostile SQL, case by case: what the guard refuses, what the deadline ends, what the locked DuckDB stops by itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import duckdb
import pytest

from caderno import shop, sql, workers
from caderno.shop import SCHEMA
from caderno.sql import allowed, cells
from caderno.sql.credit import PARTS
from caderno.sql.files import database_file

ATTACKS = Path(__file__).parents[1] / "attacks"
GOLD = "SELECT count(*) FROM orders"
DEADLINE_S = 0.4


def cases(file: str) -> list[dict]:
    return [json.loads(line) for line in (ATTACKS / file).read_text().splitlines()]


def text(case: dict) -> str:
    """The attack's SQL; long ones are written as parts, [text, how many times]."""
    parts = [case["sql"]] if isinstance(case["sql"], str) else case["sql"]
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)


def named(file: str, wanted: str | None = None) -> list:
    return [pytest.param(case, id=case["name"]) for case in cases(file) if wanted is None or case[wanted] is not None]


@pytest.fixture(scope="module")
def small() -> shop.Shop:
    return shop.generate(1, "train", 300, "small")


@pytest.fixture(scope="module")
def unguarded(small):
    """Runs a text as it is in a worker with every lock on."""
    pool, path = workers.Pool("sql_unguarded"), str(database_file(small))
    yield lambda query, deadline_s=5.0: pool.call({"path": path, "sql": query}, deadline_s)
    pool.close()


def verdict(judged: sql.Judgement) -> str:
    if judged.refused:
        return "refused"
    if judged.error is None:
        return "runs"
    return "deadline" if judged.error.startswith("passou de") else "error"


@pytest.mark.parametrize("attack", named("sql.jsonl"))
def test_an_attack_meets_the_guard(small, attack):
    expected = attack["guard"]
    # An ordinary error comes at once; what is meant to be stopped by the clock has a short one.
    deadline_s = DEADLINE_S if expected in ("deadline", "costs") else 20.0
    found = verdict(sql.judge(text(attack), GOLD, [small], deadline_s))
    assert found == expected or (expected == "costs" and found in ("deadline", "error"))


@pytest.mark.parametrize("attack", named("sql.jsonl", "raw"))
def test_an_attack_meets_the_locked_database(unguarded, attack):
    expected = attack["raw"]
    deadline_s = DEADLINE_S if expected in ("deadline", "costs") else 20.0
    try:
        found = "error" if unguarded(text(attack), deadline_s)["error"] else "runs"
    except workers.DeadlineMissed:
        found = "deadline"
    assert found == expected or (expected == "costs" and found in ("deadline", "error"))


def test_no_attack_left_anything_behind(small, unguarded):
    """After the whole corpus, guarded or not: no file, the same database, the same answers."""
    path = database_file(small)
    before = hashlib.sha256(path.read_bytes()).digest()
    for attack in cases("sql.jsonl"):
        if attack["raw"] in ("error", "runs"):
            unguarded(text(attack), 20.0)
    assert list(Path("/tmp").glob("caderno-attack*")) == []
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name]
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert unguarded(GOLD)["rows"] == [[300]] and sql.run(GOLD, small).rows == ((300,),)
    assert unguarded("SELECT lower('RECIFE'), getvariable('resposta')")["rows"] == [["recife", None]]


def test_the_locks_are_what_stops_a_file_from_being_read(small, unguarded, tmp_path):
    """The same text reads the file where DuckDB is as it comes, so that the corpus proves something."""
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nsecret\n")
    queries = (f"SELECT * FROM read_csv('{secret}')", f"FROM '{secret}'", f"SELECT content FROM read_text('{secret}')")
    for query in queries:
        assert "secret" in duckdb.connect().execute(query).fetchall()[0][0]
        assert "disabled" in unguarded(query)["error"]
        assert sql.run(query, small).error


def test_every_setting_that_locks_is_on(unguarded):
    off = (
        "enable_external_access autoinstall_known_extensions autoload_known_extensions allow_community_extensions"
        " allow_persistent_secrets allow_unsigned_extensions python_enable_replacements"
    ).split()
    wanted = dict.fromkeys(off, "false") | {
        "lock_configuration": "true", "access_mode": "read_only", "threads": "1", "temp_directory": "",
        "memory_limit": "488.2 MiB", "max_temp_directory_size": "0 bytes", "allowed_directories": "[]",
    }  # fmt: skip
    found = {name: unguarded(f"SELECT current_setting('{name}')::VARCHAR")["rows"][0][0] for name in wanted}
    assert found == wanted


def test_the_database_file_itself_cannot_be_opened_again(small, unguarded):
    """DuckDB's own settings allow the path that it was opened with; the process has no file left to open it with."""
    path = database_file(small)
    assert str(path) in unguarded("SELECT current_setting('allowed_paths')::VARCHAR")["rows"][0][0]
    with pytest.raises(workers.ServiceError, match="Too many open files"):
        unguarded(f"SELECT octet_length(content) FROM read_blob('{path}')")


def test_no_name_that_duckdb_reads_as_a_function_is_missing(small):
    """Every function and keyword that this DuckDB has, as a quoted column that no table has."""
    link = small.connect()
    names = link.execute(
        "SELECT function_name FROM duckdb_functions() UNION SELECT keyword_name FROM duckdb_keywords()"
    )
    found = set()
    for (name,) in names.fetchall():
        try:
            link.execute(f'SELECT "{name}" FROM orders LIMIT 1')
        except duckdb.BinderException:
            continue
        found.add(name)
    assert found - set(SCHEMA["orders"]) <= allowed.RESERVED and {"current_date", "user"} <= found
    for name in allowed.RESERVED:
        for query in (
            f'SELECT "{name}" FROM orders',
            f'SELECT 1 AS "{name}" FROM orders',
            f"SELECT q.n FROM orders q({name})",
        ):
            assert sql.judge(query, GOLD, [small]).refused, query


@pytest.mark.parametrize("case", named("sql_ordinary.jsonl"))
def test_an_ordinary_query_passes_and_means_what_it_says(small, unguarded, case):
    """What the guard writes out gives what the text itself gives."""
    found = sql.run(case["sql"], small)
    assert found.error is None
    again = sql.judge(case["sql"], case["sql"], [small])
    assert again.same and set(again.credit.values()) <= {1.0, 0.0}
    raw = unguarded(case["sql"])
    assert raw["error"] is None
    assert repr(found.rows[:5]) == repr(cells.decode(raw["rows"]))


def test_only_the_letters_that_count_make_two_queries_differ(small):
    """White space, comments, the case of keywords and of names, a last semicolon: one query, one result."""
    written = "SELECT count(*) FROM orders WHERE status = 'delivered'"
    expected = sql.run(written, small)
    shouted = "select COUNT(*)\nfrom\tORDERS where Status='delivered';"
    for same in (shouted, f"/* a */ {written} -- b", written.replace(" ", "  ")):
        assert sql.run(same, small) == expected
        assert sql.judge(same, written, [small]).credit == dict.fromkeys(PARTS, 1.0)
    assert sql.run(written.replace("delivered", "DELIVERED"), small).rows == ((0,),)
