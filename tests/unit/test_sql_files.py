"""The files that workers open, when they come and go, and the shop's mirror."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from caderno import shop, sql
from caderno.shop import SCHEMA
from caderno.sql.files import database_file

IN_THE_PROCESS = """
from caderno import shop, sql
from caderno.sql.files import database_file
small = shop.generate(1, "train", 20)
assert sql.run("SELECT count(*) FROM orders", small).rows == ((20,),)
print(database_file(small))
"""
IN_A_FORK = """
import multiprocessing
from caderno import shop
from caderno.sql.files import database_file

def child():
    print(database_file(shop.generate(1, "train", 20)), flush=True)

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
"""


def test_a_shop_has_one_file_that_nobody_may_write():
    small = shop.generate(5, "train", 20, "small")
    path = database_file(small)
    assert database_file(small) == path and not path.stat().st_mode & 0o222
    assert database_file(shop.generate(5, "train", 20, "small")) != path


def test_a_file_goes_with_its_shop():
    passing = shop.generate(5, "train", 20, "small")
    path = database_file(passing)
    assert path.exists()
    del passing
    gc.collect()
    assert not path.exists()


@pytest.mark.parametrize("script", [IN_THE_PROCESS, IN_A_FORK], ids=["process", "fork"])
def test_all_files_go_with_the_process(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(".duckdb") and not Path(done.stdout.strip()).parent.exists()


def test_a_mirror_has_the_same_names_and_other_figures():
    small = shop.generate(1, "train", 100, "small")
    mirrored = sql.mirror(small)
    assert sql.mirror(small) is mirrored and set(mirrored.tables) == set(SCHEMA)
    for table in SCHEMA:
        assert list(mirrored.tables[table].dtypes) == list(small.tables[table].dtypes), table
    names = "SELECT DISTINCT city, state FROM customers ORDER BY ALL"
    assert sql.run(names, mirrored) == sql.run(names, small)
    for figure in ("count(*)", "sum(amount)", "avg(amount)", "count(DISTINCT order_id)"):
        query = f"SELECT {figure} FROM payments"
        assert not sql.same_rows(sql.run(query, mirrored).rows, sql.run(query, small).rows), figure


def test_a_mirror_still_hangs_together():
    mirrored = sql.mirror(shop.generate(1, "train", 100, "small"))
    orders = sql.run("SELECT count(*), count(DISTINCT order_id) FROM orders", mirrored).rows[0]
    assert orders == (250, 250)
    for table in ("items", "payments", "deliveries", "reviews"):
        lost = sql.run(f"SELECT count(*) FROM {table} WHERE order_id NOT IN (SELECT order_id FROM orders)", mirrored)
        assert lost.rows == ((0,),), table
    assert sql.run("SELECT min(score) >= 1 AND max(score) <= 5 FROM reviews", mirrored).rows == ((True,),)
