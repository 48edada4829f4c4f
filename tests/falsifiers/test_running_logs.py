"""Running guards know when they are vacuous, raise no alarm over healthy logs, and replay says when they fired."""

from __future__ import annotations

import pytest

from caderno import guards
from caderno.guards.replay import replay
from falsifiers.logs import SETTINGS, facts, grpo, sft

VACUOUS = [
    ("clip-ratio", grpo(), {}, "one update"),
    ("kl-drift", [{k: v for k, v in e.items() if k != "kl"} for e in grpo()], {"beta": 0.0}, "beta is 0"),
    ("group-variance", grpo(frac_reward_zero_std=lambda _: 0.0), {"noise": 0.005}, "noise"),
    ("reward-spread", grpo(), {"reward_range": None}, "range"),
    ("loss-rise", grpo(loss=lambda step: 0.01 * step), {}, "beta is 0.04"),
    ("constant-loss", grpo(loss=lambda _: 0.0), {}, "by construction"),
    (
        "sampler-sync",
        [{k: v for k, v in e.items() if "logp" not in k} for e in grpo()],
        {"use_vllm": False},
        "own model",
    ),
    ("entropy-watch", sft(), {}, "not reinforcement learning"),
]


@pytest.mark.parametrize(("name", "history", "settings", "said"), VACUOUS, ids=[case[0] for case in VACUOUS])
def test_an_alarm_knows_when_it_is_vacuous(name, history, settings, said):
    verdict = guards.by_name(name)(facts(history, **settings))
    assert verdict.verdict == "not_applicable" and said in verdict.why


@pytest.mark.parametrize("name", list(guards.all_guards("running")))
def test_an_empty_log_passes_nothing_but_finiteness(name):
    verdict = guards.by_name(name)({"history": [{"step": 1}], "settings": {}})
    assert verdict.verdict in ("unknown", "not_applicable") or name == "nan-unmask"
    assert guards.by_name(name)({"settings": {}}).verdict == "unknown"


@pytest.mark.parametrize("seed", range(10))
def test_healthy_logs_raise_no_alarm_at_any_step(seed):
    for history in (grpo(seed=seed), sft(seed=seed)):
        fired = [v for v in replay(history, facts(history)["settings"]) if v.verdict in ("fail", "warn")]
        assert fired == []


def test_a_replay_says_when_a_guard_first_fired():
    log = grpo(frac_reward_zero_std=lambda step: 1.0 if step > 60 else 0.1)
    [found] = [v for v in replay(log, SETTINGS) if v.guard == "group-variance"]
    assert (found.verdict, found.step) == ("fail", 70)
