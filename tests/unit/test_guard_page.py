"""docs/guides/guards.md says what the guards are, and a page that is older than they are trips."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from caderno import guards

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("guard_page")


def test_the_page_is_up_to_date(script):
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run: python scripts/guard_page.py"


def test_every_guard_stands_on_it(script):
    text = script.page()
    for name, one in guards.all_guards().items():
        assert f"| `{name}` |" in text and one.about.replace("|", "\\|") in text


def test_a_new_guard_makes_it_old(script, monkeypatch):
    before = script.page()
    module = importlib.import_module("caderno.guards.guard")
    monkeypatch.setattr(module, "_GUARDS", dict(module._GUARDS))

    @guards.guard("planted", stage="static", needs=(), threshold=0.5, unit="a | b", source="proposed")
    def planted(facts):
        """Nothing holds."""
        return guards.failed(1, "planted")

    after = script.page()
    assert after != before and "| `planted` | Nothing holds. | 0.5 (a \\| b) |  | proposed |" in after
