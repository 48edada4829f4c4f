"""math-verify behind the worker: nothing is imported late, and a worker without files says what this process says."""

from __future__ import annotations

import json
import subprocess
import sys

import math_pairs
import pytest

from caderno import workers
from caderno.tasks import math, math_service

PROGRAM = """
import json, sys
from caderno.tasks import math_service
if sys.argv[1] == "late":
    math_service.LATE_IMPORTS = ()
math_service.prepare()
before = set(sys.modules)
for gold, answers in json.load(sys.stdin).items():
    math_service.handle({"gold": gold, "answers": answers})
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture(scope="module")
def cases() -> dict[str, list[str]]:
    """gold -> some answers, of every kind."""
    found: dict[str, list[str]] = {}
    for _, gold, answer in math_pairs.written():
        found.setdefault(gold, []).append(answer)
    return {gold: answers[1::3] for gold, answers in found.items()}


@pytest.mark.parametrize(("how", "late"), [("early", False), ("late", True)])
def test_no_comparison_imports_anything(cases, how, late):
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, how], input=json.dumps(cases), capture_output=True, check=True,
        text=True,
    ).stdout  # fmt: skip
    found = [name for name in json.loads(out) if name.startswith("sympy")]
    assert bool(found) == late, found


def test_a_locked_worker_says_what_this_process_says(cases):
    pool = workers.shared(math.SERVICE)
    for gold, answers in cases.items():
        request = {"gold": gold, "answers": answers}
        assert pool.call(request, 60.0) == math_service.handle(request), gold


def test_what_does_not_parse_is_not_judgeable():
    for gold in ("", "}", r"\frac{1}{", "72."):
        assert math_service.handle({"gold": gold, "answers": ["1"]}) == {"judgeable": False, "equal": [False]}, gold
    assert math_service.handle({"gold": "72", "answers": ["72.0", "", "71"]})["equal"] == [True, False, False]
