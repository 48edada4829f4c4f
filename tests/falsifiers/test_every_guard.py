"""Every registered guard has a falsifier and a clean control, and every registered test a guard."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from caderno import guards
from falsifiers import registry


def uncovered(names: Iterable[str], falsifiers: Mapping[str, list], controls: Mapping[str, list]) -> list[str]:
    """What is missing: a guard's falsifier, its control, or the guard of a registered test."""
    names = list(names)
    found = [f"{name} has no falsifier" for name in names if not falsifiers.get(name)]
    found += [f"{name} has no control" for name in names if not controls.get(name)]
    strays = sorted({*falsifiers, *controls} - {*names})
    return found + [f"{name} is tested and is no guard" for name in strays]


@pytest.fixture(scope="module")
def collected() -> None:
    """Every module of falsifiers imported, whichever of them pytest was asked to run."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"falsifiers.{path.stem}")


def test_every_guard_has_a_falsifier_and_a_control(collected):
    assert uncovered(guards.all_guards(), registry.FALSIFIERS, registry.CONTROLS) == []


def test_a_guard_without_one_is_named():
    both = {"a": ["test_a"]}
    assert uncovered(["a"], both, both) == []
    assert uncovered(["a", "b"], both, both) == ["b has no falsifier", "b has no control"]
    assert uncovered(["a"], both, {}) == ["a has no control"]
    assert uncovered(["a"], {"a": []}, both) == ["a has no falsifier"]
    assert uncovered([], both, both) == ["a is tested and is no guard"]


def test_a_falsifier_that_trips_nothing_fails():
    facts = {"eval_power": {"n": 400, "confidence": 0.95, "effect": 0.05}}

    def test_plant():
        return facts

    registered = registry._registered("eval-power", {"eval-power": []}, ("fail", "warn"))(test_plant)
    with pytest.raises(AssertionError, match="eval-power"):
        registered()
    facts["eval_power"]["n"] = 20
    registered()


def test_only_tests_that_pytest_runs_are_registered():
    def plant():
        return {}

    with pytest.raises(ValueError, match="never run"):
        registry.falsifies("eval-power")(plant)


def test_another_guards_verdict_is_no_proof():
    other = guards.Verdict("group-noise", "fail", 1, 0, "", "")
    with pytest.raises(AssertionError, match="no verdict of eval-power"):
        registry.verdict_of("eval-power", [other])
