"""The calibration's ticket: starts from which GRPO learns nothing, and the eight of eight that went on all the same."""

from __future__ import annotations

import pytest
from calibrating import CUT, always, eight_of_eight, healthy, samples, ticket

from caderno import guards
from caderno.guards import probe_ticket
from falsifiers.registry import control, falsifies

OPEN = {"think_closed": False, "score": 0.0}
V3 = {"calibration": {"training": {"temperature": 0.7}}, "stages": ["calibration", "grpo"]}


def facts(drawn: dict | None = None, **more) -> dict:
    return {"ticket": ticket(drawn, **more)}


@falsifies("calibration-ticket-ceiling", "fail")
def test_tucano2_v3_at_the_ceiling():
    """Eight of eight at the 4,096 ceiling, T = 0.7, both of extraction still thinking: no-go, and the run went on."""
    found = facts({"training": eight_of_eight()}, **V3)
    assert found["ticket"]["answer"] == "no-go" and found["ticket"]["proposals"][0]["proposed"] is None
    return found


@falsifies("calibration-ticket-thoughts", "warn")
def test_tucano2_v3_inside_its_thoughts():
    """Two of two are an interval from 0.34 up: enough to say more than a tenth, of extraction alone."""
    return facts({"training": eight_of_eight()}, **V3)


@falsifies("calibration-ticket-deployment", "fail")
def test_tucano2_v3_as_served():
    drawn = healthy()
    return facts({"training": drawn["training"], "deployment": eight_of_eight()})


@falsifies("calibration-ticket-ceiling", "warn")
def test_a_third_at_the_ceiling():
    drawn = healthy()
    return facts(drawn | {"training": [s | CUT if i % 3 == 0 else s for i, s in enumerate(drawn["training"])]})


@falsifies("calibration-ticket-solved", "fail")
def test_nothing_solved_anywhere():
    return facts({"training": samples("push", 60, 4, always(0.0))})


@falsifies("calibration-ticket-solved", "warn")
def test_a_task_that_is_solved_already():
    drawn = healthy()
    return facts(drawn | {"training": drawn["training"] + samples("sql_qa", 30, 4, always(1.0))})


@falsifies("calibration-ticket-solved", "warn")
def test_nothing_solved_but_partial_credit_that_spreads():
    return facts({"training": samples("push", 60, 4, lambda rng, i: [rng.choice([0.2, 0.4, 0.6]) for _ in range(4)])})


@falsifies("calibration-ticket-variance", "fail")
def test_every_prompt_is_all_or_nothing():
    return facts({"training": samples("push", 128, 4, lambda rng, i: [float(i % 2)] * 4)})


@falsifies("calibration-ticket-variance", "warn")
def test_rewards_that_hardly_spread():
    """v3's own probe had 0.043 to 0.074."""
    return facts({"training": samples("push", 60, 4, lambda rng, i: [0.4 + 0.03 * rng.random() for _ in range(4)])})


@falsifies("calibration-ticket-thoughts", "fail")
def test_most_thoughts_stay_open():
    drawn = healthy()
    return facts(drawn | {"training": [s | OPEN if i % 4 else s for i, s in enumerate(drawn["training"])]})


@falsifies("calibration-ticket-deployment", "warn")
def test_it_loops_only_when_greedy():
    drawn = healthy()
    return facts(drawn | {"deployment": [s | CUT if i % 2 else s for i, s in enumerate(drawn["deployment"])]})


@falsifies("calibration-ticket-deployment", "warn")
def test_users_get_worse_than_what_is_trained():
    drawn = healthy()
    return facts(drawn | {"deployment": [s | {"score": 0.8 * s["score"]} for s in drawn["deployment"]]})


@control("calibration-ticket-solved")
def test_some_are_solved():
    return facts()


@control("calibration-ticket-ceiling")
def test_completions_end():
    return facts()


@control("calibration-ticket-variance")
def test_completions_of_a_prompt_differ():
    return facts()


@control("calibration-ticket-thoughts")
def test_thoughts_close():
    return facts()


@control("calibration-ticket-deployment")
def test_users_get_what_is_trained():
    return facts()


@pytest.mark.parametrize("name", probe_ticket.NAMES)
def test_eight_healthy_completions_are_neither_pass_nor_alarm(name):
    """v3's eight, had they been fine: too few to say so."""
    fine = [s | {"finish_reason": "stop", "tokens": 300, "think_closed": True, "score": 0.5} for s in eight_of_eight()]
    verdict = guards.by_name(name)(facts({"training": fine, "deployment": fine}))
    n = 0 if name.endswith("variance") else 8  # one sample a prompt: no groups at all
    assert verdict.verdict == "unknown" and f"cannot be told with n = {n}" in verdict.why


@pytest.mark.parametrize("name", probe_ticket.NAMES)
def test_what_is_measured_before_sft_is_not_grpos_start(name):
    found = facts({"training": eight_of_eight()}, stages=["calibration", "sft", "grpo"])
    verdict = guards.by_name(name)(found)
    assert verdict.verdict == "not_applicable" and "SFT comes between" in verdict.why
    assert guards.by_name(name)({}).verdict == "unknown"


def test_what_was_not_drawn_is_not_applicable():
    silent = [s | {"think_tokens": 0} for s in healthy()["training"]]
    said = {v.guard: v.verdict for v in guards.judge(probe_ticket.NAMES, facts({"training": silent}))}
    assert said["calibration-ticket-thoughts"] == said["calibration-ticket-deployment"] == "not_applicable"
    unjudged = facts({"training": samples("math", 60, 4, always(None))})
    assert guards.by_name("calibration-ticket-solved")(unjudged).verdict == "not_applicable"


def test_a_pass_names_the_tasks_that_are_too_few():
    drawn = healthy()
    drawn["training"] += samples("sql_qa", 4, 4, always(0.5))
    verdict = guards.by_name("calibration-ticket-ceiling")(facts(drawn))
    assert verdict.verdict == "pass" and "Not to be told of sql_qa (n = 4)" in verdict.why
