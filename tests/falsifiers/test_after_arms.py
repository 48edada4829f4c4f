"""Arms beside controls that were trained for less, or that are not there; and beside their matched ones."""

from __future__ import annotations

import pytest

from caderno import guards
from falsifiers.registry import control, falsifies

NAME = "matched-controls"
MATCHED = {
    "direct": 400, "direct_staged": 900, "direct_stepwise": 800, "verbal": 10,
    "warmup": 400, "selection": 400, "staged": 900, "stepwise": 800,
}  # fmt: skip


def arms(**steps: int | None) -> dict:
    """Facts of arms with these optimizer steps, by name; None: there is no such arm."""
    found = {**MATCHED, **steps}
    return {"arms": [{"arm": arm, "steps": count} for arm, count in found.items() if count is not None]}


@control(NAME)
@pytest.mark.parametrize("more", [{}, {"direct": 500}, {"staged": None, "direct_staged": None}, {"cold_rl": 9000}])
def test_controls_that_were_trained_for_as_long_or_longer(more):
    return arms(**more)


@falsifies(NAME, "fail")
@pytest.mark.parametrize("short", [{"direct": 399}, {"direct_staged": 899}, {"selection": 401}, {"stepwise": 801}])
def test_a_control_that_was_trained_for_less(short):
    return arms(**short)


@falsifies(NAME, "warn")
@pytest.mark.parametrize("missing", ["direct", "direct_staged", "direct_stepwise"])
def test_an_arm_without_its_control(missing):
    return arms(**{missing: None})


@falsifies(NAME, "warn")
def test_the_staged_arm_beside_another_arms_control():
    """Planted: `direct` was trained longer, but on other rows than the curriculum's prefixes."""
    return arms(direct=9000, direct_staged=None)


def test_arms_that_claim_nothing_are_not_judged():
    found = guards.by_name(NAME)(arms(warmup=None, selection=None, staged=None, stepwise=None))
    assert found.verdict == "unknown", found


def test_the_measure_is_the_worst_pairs():
    found = guards.by_name(NAME)(arms(direct=200, direct_staged=450))
    assert found.verdict == "fail" and found.measured == pytest.approx(0.5)
    assert "direct 200 steps, warmup 400" in found.why and "direct_staged 450 steps, staged 900" in found.why
