"""Attacks on the scorers of extraction, push and insights, and good answers unlike the reference, case by case."""

from __future__ import annotations

import time

import pytest
from text_tasks import MARGIN, NAMES, completion, corpus, fault

from caderno import tasks

CASES = [(task, case) for task in NAMES for case in corpus(task)[1]]
LONGEST_S = 0.5  # of processor time; a megabyte takes some 20 ms


def total(task: str, case: dict) -> float:
    row = corpus(task)[0][case["row"]]
    return tasks.task(task).score(row, completion(case, row)).total


@pytest.mark.parametrize(("task", "case"), CASES, ids=[f"{task}-{case['name']}" for task, case in CASES])
def test_case(task, case):
    started = time.process_time()
    found = fault(case, total(task, case))
    assert found is None, found
    assert time.process_time() - started < LONGEST_S


@pytest.mark.parametrize("task", NAMES)
def test_gold_of_the_corpus_is_fully_correct(task):
    for row in corpus(task)[0].values():
        assert tasks.task(task).score(row, row["gold"]).total == 1.0, row["name"]


@pytest.mark.parametrize("task", NAMES)
def test_a_corpus_asks_enough_of_a_scorer(task):
    rows, cases = corpus(task)
    attacks = [case for case in cases if case["kind"] == "attack"]
    good = {completion(case, rows[case["row"]]) for case in cases if case["kind"] == "good"}
    assert len({case["name"] for case in cases}) == len(cases)
    assert len(attacks) >= 50 and all(case["at_most"] <= 1 - MARGIN for case in attacks)
    assert len(good - {row["gold"] for row in rows.values()}) >= 10
    assert all(case["at_least"] >= 0.9 for case in cases if case["kind"] == "good")


@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize(("flat", "kind"), [(1.0, "attack"), (0.0, "good")])
def test_a_scorer_that_gives_everything_the_same_trips(task, flat, kind):
    cases = corpus(task)[1]
    assert all(bool(fault(case, flat)) == (case["kind"] == kind) for case in cases if case.get("at_most") != 1.0)
