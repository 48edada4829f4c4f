"""Each running guard trips by name on a log with its fault, and passes on a healthy one."""

from __future__ import annotations

import math

from falsifiers.logs import facts, grpo, sft
from falsifiers.registry import control, falsifies


@falsifies("nan-unmask", "fail")
def test_a_nan_at_step_three_stops():
    return facts(sft(5, loss=lambda step: math.nan if step >= 3 else 1.0 / step))


@control("nan-unmask")
def test_finite_numbers_pass():
    return facts(sft())


@falsifies("constant-loss", "fail")
def test_the_placeholder_loss_of_one():
    return facts(sft(60, loss=lambda step: 1.0 if step > 20 else 3.0 / step))


@control("constant-loss")
def test_a_loss_that_lives():
    return facts(sft())


@falsifies("step-time", "fail")
def test_steps_that_do_nothing_are_too_fast():
    return facts(sft(60, step_time=lambda step: 0.001 if step > 50 else 0.2))


@control("step-time")
def test_steps_that_take_their_time():
    return facts(sft())


@falsifies("loss-rise")
def test_a_loss_that_rises():
    return facts(sft(80, loss=lambda step: 1.0 + 0.02 * step + 0.01 * (step % 3)))


@control("loss-rise")
def test_a_loss_that_falls():
    return facts(sft())


@falsifies("validation-turn")
def test_a_held_out_loss_that_turns_up():
    return facts(sft(200, eval_loss=lambda step: abs(step - 80) / 100 + 1 + 0.005 * (step % 3)))


@control("validation-turn")
def test_a_held_out_loss_that_varies_within_its_noise():
    return facts(sft(200))


@falsifies("schedule-watch", "fail")
def test_the_cosine_that_bounces_with_two_processes():
    return facts(sft(156, learning_rate=lambda step: 5e-5 * (1 + math.cos(2 * math.pi * step / 156))))


@control("schedule-watch")
def test_a_cosine_with_warm_up():
    return facts(sft(156, learning_rate=lambda s: 1e-4 * (s / 8 if s < 8 else 0.5 * (1 + math.cos(math.pi * s / 156)))))


@falsifies("step-order", "warn")
def test_a_resumed_run_that_lost_its_counter():
    return facts(sft(20) + sft(20, seed=1))


@control("step-order")
def test_steps_in_order():
    return facts(sft(40))


@falsifies("clip-ratio")
def test_updates_far_off_policy():
    return facts(grpo(clip_ratio__region_mean=lambda _: 0.45), num_iterations=4)


@control("clip-ratio")
def test_a_small_clip_ratio_with_several_updates():
    return facts(grpo(clip_ratio__region_mean=lambda _: 0.01), num_iterations=4)


@falsifies("entropy-watch")
def test_entropy_that_collapses_while_the_reward_stands_still():
    return facts(grpo(entropy=lambda step: 2.0 * math.exp(-step / 20), reward=lambda step: 0.5 + 0.01 * (step % 5)))


@falsifies("entropy-watch", "fail")
def test_entropy_that_collapses_into_equal_answers():
    flat = {"reward": lambda step: 0.5 + 0.01 * (step % 5), "frac_reward_zero_std": lambda _: 0.8}
    return facts(grpo(entropy=lambda step: 2.0 * math.exp(-step / 20), **flat))


@falsifies("entropy-watch", "warn")
def test_entropy_that_explodes():
    return facts(grpo(entropy=lambda step: 0.2 + 0.02 * step))


@control("entropy-watch")
def test_entropy_that_falls_while_the_reward_rises():
    return facts(grpo(entropy=lambda step: 0.2 * math.exp(-step / 100)))


@falsifies("kl-drift")
def test_drift_while_the_reward_falls():
    return facts(grpo(kl=lambda step: 0.001 * step, reward=lambda step: 0.7 - 0.001 * step + 0.01 * (step % 3)))


@control("kl-drift")
def test_drift_that_pays():
    return facts(grpo(kl=lambda step: 0.001 * step))


@falsifies("policy-moves")
def test_a_policy_that_stands_still():
    still = {
        "reward": lambda step: 0.5 + 0.02 * math.sin(step * 1.7),
        "entropy": lambda step: 0.2 + 0.01 * math.sin(step),
    }
    return facts(grpo(kl=lambda _: 1e-5, **still))


@control("policy-moves")
def test_a_policy_that_moves():
    return facts(grpo())


@falsifies("sampler-sync", "fail")
def test_a_sampler_with_stale_weights():
    return facts(grpo(sampling__sampling_logp_difference__mean=lambda step: 0.012 if step < 20 else 0.6))


@control("sampler-sync")
def test_a_sampler_in_step():
    return facts(grpo())


@falsifies("group-variance")
def test_a_constant_reward():
    return facts(grpo(frac_reward_zero_std=lambda _: 1.0, reward_std=lambda _: 0.0))


@control("group-variance")
def test_a_graded_reward():
    return facts(grpo())


@falsifies("reward-spread")
def test_rewards_that_hardly_differ():
    return facts(grpo(reward_std=lambda step: 0.03 + 0.001 * (step % 2)))


@control("reward-spread")
def test_rewards_that_differ():
    return facts(grpo())


@falsifies("ceiling-watch", "fail")
def test_every_completion_at_the_ceiling():
    return facts(grpo(completions__clipped_ratio=lambda _: 1.0, completions__mean_length=lambda _: 96.0))


@falsifies("ceiling-watch", "fail")
def test_a_log_that_shows_its_ceiling_only_by_its_lengths():
    log = [{"step": step, "reward": 0.5, "completions/mean_length": 2048.0} for step in range(1, 30)]
    return {"history": log, "settings": {}}


@falsifies("ceiling-watch", "warn")
def test_a_third_of_the_completions_cut():
    return facts(grpo(completions__clipped_ratio=lambda step: 0.3 + 0.05 * (step % 2)))


@control("ceiling-watch")
def test_completions_that_end():
    return facts(grpo())


@falsifies("reward-drop", "fail")
def test_a_rate_for_sft_in_grpo():
    return facts(grpo(reward=lambda step: 0.57 * math.exp(-step / 40)))


@control("reward-drop")
def test_a_reward_that_rises():
    return facts(grpo())


@falsifies("format-dominates")
def test_format_learnt_and_the_task_lost():
    return facts(grpo(parts__push__task=lambda step: 0.6 - 0.003 * step + 0.01 * (step % 2)))


@control("format-dominates")
def test_format_and_task_both():
    return facts(grpo())


@falsifies("independent-measure")
def test_a_reward_that_is_gamed():
    return facts([e | ({"eval_reward": 0.7 - 0.002 * e["step"]} if "eval_reward" in e else {}) for e in grpo()])


@control("independent-measure")
def test_a_reward_that_holds_outside():
    return facts(grpo())


@falsifies("reward-progress")
def test_no_progress_in_a_hundred_steps():
    return facts(grpo(reward=lambda step: 0.5 + 0.02 * math.sin(step * 1.7)))


@control("reward-progress")
def test_progress():
    return facts(grpo())
