"""math-verify behind a worker: does the reference parse, and is each answer equal to it?

It runs in a child process of `caderno.workers`, which keeps the time: math-verify's own timeouts are signals, which
work in a main thread only, and are switched off here. What stands for the answer in a completion is decided before.
"""

from __future__ import annotations

import importlib
import logging
from functools import lru_cache

# sympy imports these inside functions, when a comparison first needs them. A worker may open no file by then: the
# import would fail, math-verify would swallow that, and a right answer would be a wrong one.
LATE_IMPORTS = (
    "sympy.assumptions.lra_satask",
    "sympy.assumptions.satask",
    "sympy.combinatorics.galois",
    "sympy.integrals.heurisch",
    "sympy.integrals.manualintegrate",
    "sympy.integrals.risch",
    "sympy.logic.algorithms.dpll2",
    "sympy.logic.algorithms.minisat22_wrapper",
    "sympy.logic.algorithms.pycosat_wrapper",
    "sympy.physics.matrices",
    "sympy.physics.units",
    "sympy.polys.distributedmodules",
    "sympy.sets.handlers.issubset",
    "sympy.sets.setexpr",
    "sympy.tensor.tensor",
)
# One of each kind, so that the first answer of a kind does not pay for the parser's tables and sympy's caches.
WARM_UP = (
    "72", "0.5", r"\frac{1}{2}", "(1,2]", r"\{1,2\}", "(1,2,3)", "x=5", r"x \le 5", r"\text{blue}", r"3\sqrt{2}",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"50\%", "x^2+2x+1", r"2\pi",
)  # fmt: skip


def prepare() -> None:
    """Import sympy and math-verify and build their parser's tables, before the first deadline runs."""
    for name in ("math_verify", "latex2sympy2_extended"):  # they warn that timeouts are off, which is meant
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in LATE_IMPORTS:
        importlib.import_module(name)
    for text in WARM_UP:
        _verify(text, text)


def handle(request: dict) -> dict:
    """Judge answers by a reference.

    Args:
        request: {"gold": text, "answers": [text, ...]}, cleaned by `math_answers.clean`.

    Returns:
        {"judgeable": whether the reference parses and equals itself, "equal": one bool per answer}.
    """
    gold = request["gold"]
    judgeable = bool(_expressions(gold)) and _verify(gold, gold)
    return {"judgeable": judgeable, "equal": [judgeable and _verify(gold, one) for one in request["answers"]]}


def _verify(gold: str, answer: str) -> bool:
    """math-verify's verdict; what makes it raise (infinite, not a number, too deep) is not equal."""
    import math_verify

    return math_verify.verify(list(_expressions(gold)), list(_expressions(answer)), timeout_seconds=None)


@lru_cache(maxsize=256)
def _expressions(text: str) -> tuple:
    """The sympy expressions of a text as math-verify reads LaTeX in a box; empty where it cannot.

    Two of math-verify's ways are left out: to compare the texts by letter, which is done before, and to take the last
    number of a box that does not parse, by which a list of all numbers is any of them.
    """
    import math_verify

    box = math_verify.LatexExtractionConfig(boxed_match_priority=0)
    found = math_verify.parse(rf"\boxed{{{text}}}", [box], parsing_timeout=None)
    return tuple(one for one in found if not isinstance(one, str))
