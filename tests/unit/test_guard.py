"""What guards have in common: names, needs, the gravest of several, and that nothing missing is ever a pass."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from caderno import guards
from caderno.errors import BadInput
from caderno.guards import Verdict, failed, not_applicable, passed, unknown, warned, worst

ALL = guards.all_guards()
LIBRARY = Path(guards.__file__).parent


@pytest.fixture
def registry(monkeypatch):
    """A copy of the registered guards, to add to."""
    module = importlib.import_module("caderno.guards.guard")
    copied = dict(module._GUARDS)
    monkeypatch.setattr(module, "_GUARDS", copied)
    return copied


@pytest.fixture
def share(registry):
    """A guard that needs a fact."""

    @guards.guard("planted", stage="running", needs=("share",), threshold=0.5, unit="share", source="proposed")
    def planted(facts):
        """The share is small.

        Whatever share that is.
        """
        value = facts["share"]
        return failed(value, "too large", 0.4) if value > 0.4 else passed(value, "small")

    return planted


def test_a_guard_is_called_with_facts(share):
    assert share.about == "The share is small. Whatever share that is."
    assert share({"share": 0.3}) == Verdict("planted", "pass", 0.3, 0.5, "share", "small", "proposed", None)
    assert share({"share": 0.9}, step=7) == Verdict("planted", "fail", 0.9, 0.4, "share", "too large", "proposed", 7)


@pytest.mark.parametrize("facts", [{}, {"share": None}, {"other": 1}])
def test_a_missing_need_is_unknown_and_named(share, facts):
    verdict = share(facts)
    assert verdict.verdict == "unknown" and verdict.measured is None and "share" in verdict.why


def test_a_need_that_is_zero_or_empty_is_there(share):
    assert share({"share": 0}).verdict == "pass"


def test_a_name_belongs_to_one_guard(share):
    with pytest.raises(ValueError, match="two guards are called 'eval-power'"):

        @guards.guard("eval-power", stage="static", needs=(), threshold=0, unit="", source="proposed")
        def other(facts):
            """Another module's."""


def test_a_reloaded_module_may_register_again(registry):
    module = importlib.import_module("caderno.guards.static_runner")
    importlib.reload(module)
    assert guards.by_name("nan-filter")({"arguments": {}}).verdict == "not_applicable"


def test_guards_are_found_by_name_and_stage(share):
    assert guards.by_name("planted") is share
    with pytest.raises(BadInput, match="Did you mean 'planted'"):
        guards.by_name("plantd")
    assert {one.stage for one in guards.all_guards("static").values()} == {"static"}
    stages = [guards.STAGES.index(one.stage) for one in guards.all_guards().values()]
    assert stages == sorted(stages)


def test_judge_takes_a_stage_a_name_or_names(share):
    assert [one.guard for one in guards.judge("planted", {"share": 0.1})] == ["planted"]
    assert [one.guard for one in guards.judge(["planted", "eval-power"], {"share": 0.1})] == ["planted", "eval-power"]
    found = guards.judge("static", {})
    assert [one.guard for one in found] == list(guards.all_guards("static"))


def test_what_stops_is_what_the_parameters_say():
    answers = {"a": "fail", "b": "warn", "c": "pass"}
    verdicts = [Verdict(name, answer, 1, 0, "", "") for name, answer in answers.items()]
    assert [one.guard for one in guards.stops(verdicts, ("fail",))] == ["a"]
    assert [one.guard for one in guards.stops(verdicts, ("fail", "warn"))] == ["a", "b"]
    assert guards.stops(verdicts, ()) == []


def test_the_gravest_of_several_tells_all_that_are_as_grave():
    found = [passed(1, "fine"), failed(2, "bad"), not_applicable("none"), failed(3, "worse"), warned(4, "hm")]
    assert worst([*found, failed(5, "bad")]) == failed(2, "bad; worse")
    assert worst([passed(1, "fine"), unknown("dark")]) == unknown("dark")
    assert worst([not_applicable("none"), passed(1, "fine")]) == passed(1, "fine")
    with pytest.raises(IndexError):
        worst([])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measure_that_is_no_number_is_json(value):
    row = Verdict("g", "fail", value, 0, "", "why").as_dict()
    assert json.loads(json.dumps(row, allow_nan=False))["measured"] == str(value)


# Every guard there is


@pytest.mark.parametrize("one", ALL.values(), ids=list(ALL))
def test_without_facts_nothing_passes(one):
    assert one({}).verdict in ("unknown", "not_applicable")


@pytest.mark.parametrize("one", ALL.values(), ids=list(ALL))
def test_a_guard_says_what_it_is(one):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one.name)
    assert one.about.endswith(".") and one.source and one.classes
    assert all(re.fullmatch(r"[A-Z]\d", name) for name in one.classes)


def test_facts_are_gathered_elsewhere():
    """The static guards measure nothing: no process is started, no file or socket opened, nothing heavy imported."""
    banned = re.compile(r"\b(subprocess|http\.client|socket|open\(|read_text)|^\s*(import|from) (torch|trl)\b", re.M)
    mine = sorted(LIBRARY.glob("static_*.py"))
    assert len(mine) >= 7
    assert [path.name for path in mine if banned.search(path.read_text())] == []
    assert banned.search("    from torch import nn") and banned.search("x = open(path)")
