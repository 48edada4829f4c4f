"""Plateaus and collapses within the noise of real logs: what is proven trips, what a log cannot tell is unknown.

The noise is that of the demo's own runs: a step's mean reward over 8 prompts has a standard deviation of 0.085.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from caderno import guards
from caderno.guards.progress import progress, rewards
from caderno.guards.replay import replay
from falsifiers.logs import facts, grpo
from falsifiers.registry import control, falsifies

NOISE = 0.085
ALARMS = {"fail", "warn"}
BOTH = ("entropy-watch", "reward-progress")


def noisy(course: Callable[[int], float], noise: float = NOISE, seed: int = 0) -> Callable[[int], float]:
    """A reward by step about a course."""
    rng = random.Random(seed)
    return lambda step: course(step) + rng.gauss(0, noise)


def sharpening(step: int) -> float:
    """Entropy in nats, halved within sixty steps, as in the demo's runs."""
    return 0.04 + 0.045 / (1 + math.exp((step - 45) / 12))


@falsifies("reward-progress", "warn")
def test_a_plateau_that_four_hundred_noisy_steps_prove():
    return facts(grpo(400, reward=noisy(lambda step: 0.5)))


@falsifies("reward-progress", "warn")
def test_a_reward_that_falls_back_below_its_start():
    return facts(grpo(200, reward=noisy(lambda step: 0.7 - 0.004 * max(0, step - 140), 0.05)))


@control("reward-progress")
def test_a_slow_rise_that_the_log_can_see():
    return facts(grpo(400, reward=noisy(lambda step: 0.6 + 0.15 * step / 400)))


@falsifies("entropy-watch", "warn")
def test_sharpening_while_a_noisy_reward_provably_stands_still():
    return facts(grpo(400, reward=noisy(lambda step: 0.5), entropy=sharpening))


@falsifies("entropy-watch", "fail")
def test_a_collapse_while_the_reward_falls():
    zero = {"frac_reward_zero_std": lambda _: 0.8, "entropy": lambda step: 2.0 * math.exp(-step / 20)}
    return facts(grpo(reward=noisy(lambda step: 0.6 - 0.004 * max(0, step - 70), 0.03), **zero))


@control("entropy-watch")
def test_sharpening_at_the_ceiling():
    return facts(grpo(reward=noisy(lambda step: 0.97, 0.02), entropy=sharpening))


@pytest.mark.parametrize("name", BOTH)
def test_a_log_too_noisy_to_tell_is_unknown(name):
    """The course of a run of the demo that gained 0.04: a rise of 0.05 and none are both within its noise."""
    log = grpo(reward=noisy(lambda step: 0.8 + 0.0003 * step), entropy=sharpening)
    verdict = guards.by_name(name)(facts(log))
    assert verdict.verdict == "unknown" and "within its noise" in verdict.why


def test_a_rise_of_the_size_that_matters_rings_in_few_runs():
    """Judged again and again over sixty logs that gain exactly what matters, an alarm rings in at most 5 %."""
    rang = set()
    for seed in range(60):
        log = grpo(reward=noisy(lambda step: 0.6 + 0.05 * step / 120, 0.05, seed), entropy=sharpening)
        for end in range(40, 121, 4):
            verdicts = guards.judge(BOTH, facts(log[:end], max_steps=120))
            rang |= {seed for one in verdicts if one.verdict in ALARMS}
    assert len(rang) <= 3


def test_a_plateau_as_long_is_told_of_in_most_runs():
    """The control of the above: the same noise and length without any gain."""
    logs = [grpo(reward=noisy(lambda step: 0.6, 0.05, seed), entropy=sharpening) for seed in range(40)]
    found = [guards.by_name("entropy-watch")(facts(log, max_steps=120)) for log in logs]
    assert sum(one.verdict == "warn" for one in found) > 25


def test_near_the_ceiling_no_progress_is_asked_for():
    verdict = guards.by_name("reward-progress")(facts(grpo(reward=noisy(lambda step: 0.97, 0.02))))
    assert verdict.verdict == "not_applicable" and "no room" in verdict.why


def test_without_the_rewards_range_a_plateau_is_unknown_and_a_fall_is_not():
    still, fallen = (lambda step: 0.5 + 0.01 * (step % 3)), (lambda step: 0.9 - 0.004 * step)
    judge = guards.by_name("reward-progress")
    assert judge(facts(grpo(reward=still), reward_range=None)).verdict == "unknown"
    assert judge(facts(grpo(reward=fallen), reward_range=None)).verdict == "warn"


def test_what_matters_is_what_the_run_claims_to_see():
    log = grpo(reward=lambda step: 0.5 + 0.02 * math.sin(step * 1.7))
    states = {size: progress(log, facts(log, smallest_effect=size)["settings"]).state for size in (0.05, 0.005)}
    assert states == {0.05: "flat", 0.005: "untold"}


def test_the_steps_that_are_left_may_still_bring_the_rise():
    log = grpo(reward=lambda step: 0.5 + 0.02 * math.sin(step * 1.7))
    states = {end: progress(log, facts(log, max_steps=end)["settings"]).state for end in (120, 5000)}
    assert states == {120: "flat", 5000: "untold"}


def staged(weighed: bool) -> list[dict[str, float]]:
    """A reward whose weights move from format to task at step 60: its mean drops, and the policy has not changed."""
    weight = {"weights__format": lambda step: 0.6 if step < 60 else 0.2, "weights__partial": lambda _: 0.3}
    weight |= {"weights__task": lambda step: 0.1 if step < 60 else 0.5}
    reward = noisy(lambda step: 0.9 if step < 60 else 0.5, 0.02)
    return grpo(100, reward=reward, entropy=sharpening, kl=lambda _: 0.02, **(weight if weighed else {}))


def test_a_drop_by_other_weights_is_no_alarm():
    log = staged(weighed=True)
    assert [step for step, _ in rewards(log)] == list(range(60, 101))
    assert not [one for one in replay(log, facts(log)["settings"]) if one.verdict in ALARMS]


def test_the_same_drop_under_the_same_weights_is_one():
    log = staged(weighed=False)
    rang = {one.guard for one in replay(log, facts(log)["settings"]) if one.verdict in ALARMS}
    assert rang >= {"reward-drop", "kl-drift", "entropy-watch"}
