"""Faults of GRPO's set-up that its parameters show: noise, groups, sampling, ceilings, blind monitors."""

from __future__ import annotations

from falsifiers.plants import clean
from falsifiers.registry import control, falsifies


@falsifies("group-noise", "fail")
def test_noise_of_v3_becomes_advantages_of_full_strength():
    return clean(grpo={"zero_advantage_noise": 0.005})


@falsifies("group-noise", "fail")
def test_noise_under_batch_scaling_is_refused_too():
    return clean(grpo={"zero_advantage_noise": 0.005, "scale_rewards": "batch"})


@falsifies("group-noise", "warn")
def test_noise_without_scaling_still_blinds_a_metric():
    return clean(grpo={"zero_advantage_noise": 0.005, "scale_rewards": "none"})


@control("group-noise")
def test_no_noise():
    return clean()


@falsifies("group-size")
def test_groups_of_two():
    return clean(grpo={"group_size": 2})


@falsifies("group-size")
def test_groups_of_64():
    return clean(grpo={"group_size": 64})


@control("group-size")
def test_groups_of_eight():
    return clean()


@falsifies("prompts-per-step")
def test_a_gradient_from_one_prompt_of_one_task():
    return clean(grpo={"prompts_per_step": 1})


@control("prompts-per-step")
def test_four_prompts_a_step():
    return clean()


@falsifies("composite-reward")
def test_two_tasks_in_one_curve():
    return clean(rewards={"composite": True})


@control("composite-reward")
def test_one_curve_a_task():
    return clean()


@falsifies("sampling-bias")
def test_nucleus_sampling_in_rollouts():
    return clean(grpo={"top_p": 0.8})


@falsifies("sampling-bias")
def test_top_k_in_the_arguments():
    facts = clean()
    facts["arguments"]["grpo"]["top_k"] = 50
    return facts


@control("sampling-bias")
def test_the_whole_distribution():
    return clean()


@falsifies("completion-ceiling", "warn")
def test_a_ceiling_doubled_instead_of_a_budget():
    """v3: 4,096 tokens where the largest budget is 800."""
    tasks = {"sql_qa": {"think_budget_tokens": 800}}
    return clean(model={"max_length": 6144}, grpo={"max_completion_length": 4096}, tasks=tasks)


@falsifies("completion-ceiling", "warn")
def test_a_budget_that_leaves_no_room_for_the_answer():
    return clean(grpo={"max_completion_length": 400})


@control("completion-ceiling")
def test_a_high_ceiling_where_thoughts_end_by_force():
    chat = {"hard_think_budget": 200, "hard_think_rollouts": True}
    return clean(chat=chat, tasks={"push": {"think_budget_tokens": 100}, "sql_qa": {"think_budget_tokens": 200}})


@control("completion-ceiling")
def test_a_ceiling_of_two_and_a_half_budgets():
    return clean()


@falsifies("entropy-monitor", "fail")
def test_a_monitor_of_what_unsloth_does_not_log():
    return clean(model={"backend": "unsloth"})


@falsifies("entropy-monitor", "warn")
def test_nobody_watches():
    return clean(grpo={"entropy_monitor": False})


@control("entropy-monitor")
def test_a_monitor_with_an_entropy():
    return clean()


@falsifies("rule-validity")
def test_nothing_says_whether_the_policy_moves():
    return clean(model={"backend": "unsloth"}, grpo={"kl_coef": 0.0})


@control("rule-validity")
def test_entropy_and_kl_are_left():
    return clean()
