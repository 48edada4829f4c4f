"""Static guards on the optimizer: the schedule simulated to its end, the rate's band, the batch that was declared.

The schedules are transformers' formulas written out (`transformers/optimization.py`; a test compares them), since
importing them would import torch.
"""

from __future__ import annotations

import math
from typing import Any

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, warned, worst
from caderno.guards.trials import TRIAL_STEPS, WHY

FINAL_SHARE = 0.01  # of the peak, after the last step
EARLY_SHARE = 0.9  # of the steps, before which a schedule should not have reached its end
DECAYS = ("linear", "cosine")
TINY_PARAMETERS = 50_000_000  # below, bands for language models say nothing: small models take far higher rates
# (stage, adapter): (lowest, highest, source). Wide on purpose, the ends proposed: what the sources trained with lies
# inside with room on both sides, and the five projects' faults outside.
BANDS = {
    ("sft", False): (1e-6, 1e-4, "TRL's default is 2e-5; InstructGPT, arXiv 2203.02155: 5e-6 to 1e-5"),
    ("sft", True): (1e-5, 2e-3, "LoRA Without Regret, 2025: ten times full fine-tuning's; TRL's guide to PEFT: 2e-4"),
    ("grpo", False): (1e-7, 1e-5, "TRL's default and DAPO, arXiv 2503.14476: 1e-6; 5e-5 fails, HelloAgents#108"),
    ("grpo", True): (4e-6, 1e-3, "LoRA Without Regret: ten times full fine-tuning's; Tinker's 4e-5, a study's 2.8e-4"),
}


def rate(schedule: dict[str, Any], call: int) -> float:
    """The learning rate after `call` moves of the scheduler."""
    kind, warmup, total = schedule["kind"], schedule["warmup_steps"], schedule["total_steps"]
    if kind == "constant":
        return schedule["peak"]
    if call < warmup:
        return schedule["peak"] * call / max(1, warmup)
    done = (call - warmup) / max(1, total - warmup)
    if kind == "cosine":  # no clamp past the end: it comes back up
        return schedule["peak"] * max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))
    return schedule["peak"] * (max(0.0, 1.0 - done) if kind == "linear" else 1.0)


def simulate(schedule: dict[str, Any]) -> list[float]:
    """The rate before the first step and after each one, `total_steps` + 1 values."""
    advances = schedule["advances_per_step"]
    return [rate(schedule, step * advances) for step in range(schedule["total_steps"] + 1)]


@guard(
    "schedule-sim", stage="static", needs=("schedule",), threshold=FINAL_SHARE, unit="final rate / peak",
    source="huggingface/accelerate#2926", classes=("O1",),
)  # fmt: skip
def schedule_sim(facts: Facts) -> Finding:
    """The schedule, run to its last step, never rises after warm-up and ends at 1 % of its peak or less."""
    schedules = facts["schedule"]
    if not schedules:
        return not_applicable("no stage has a schedule of transformers")
    return worst(_judge_schedule(stage, schedule) for stage, schedule in schedules.items())


def _judge_schedule(stage: str, schedule: dict[str, Any]) -> Finding:
    if schedule["total_steps"] < TRIAL_STEPS:  # warm-up may be all of it
        return not_applicable(f"{stage}: {WHY}")
    rates, advances = simulate(schedule), schedule["advances_per_step"]
    final = rates[-1] / schedule["peak"]
    peak_step = rates.index(max(rates))
    rise = next((step for step in range(peak_step + 1, len(rates)) if rates[step] > rates[step - 1] * (1 + 1e-9)), None)
    steps, kind = schedule["total_steps"], schedule["kind"]
    if rise is not None:
        low = min(range(peak_step, len(rates)), key=rates.__getitem__)
        why = f"{stage}: {kind} falls to {rates[low]:.3g} at step {low} of {steps} and rises again to {rates[-1]:.3g}"
        return failed(final, f"{why}: the scheduler moves {advances} times a step")
    if kind not in DECAYS:
        return _judge_level(stage, schedule)
    if final > FINAL_SHARE:
        return failed(final, f"{stage}: {kind} ends at {rates[-1]:.3g}, {final:.0%} of its peak, after {steps} steps")
    ended = next(step for step, one in enumerate(rates) if step >= peak_step and one <= schedule["peak"] * 1e-4)
    if ended < EARLY_SHARE * steps and steps > 20:
        why = f"{stage}: {kind} is at nothing from step {ended} of {steps}: the scheduler moves {advances} times a step"
        return failed(final, why)
    return passed(final, f"{stage}: {kind}, peak {schedule['peak']:.3g}, ends at {rates[-1]:.3g} after {steps} steps")


def _judge_level(stage: str, schedule: dict[str, Any]) -> Finding:
    """A schedule that does not decay: nothing is said of its end, but a warm-up it would ignore is."""
    share = schedule.get("warmup_share", 0)
    if schedule["kind"] == "constant" and share:
        why = f"{stage}: transformers' constant schedule has no warm-up, and warmup_share {share:g} is ignored"
        return warned(1.0, f"{why}: constant_with_warmup has one")
    return passed(1.0, f"{stage}: {schedule['kind']}, which is not meant to decay", "none: it does not decay")


@guard(
    "learning-rate-band", stage="static", needs=("params",), threshold="the method's band", unit="learning rate",
    source="LoRA Without Regret (Thinking Machines, 2025); jjyaoao/HelloAgents#108", classes=("O6",),
)  # fmt: skip
def learning_rate_band(facts: Facts) -> Finding:
    """The learning rate lies in the range that works for the method, and for adapters or whole models."""
    params, known = facts["params"], (facts.get("model") or {}).get("parameters")
    stages = [stage for stage in ("sft", "grpo") if stage in params.stages]
    if not stages:
        return not_applicable("no stage fine-tunes")
    if known is not None and known < TINY_PARAMETERS:
        return not_applicable(f"{known:,} parameters: the bands are for language models, whose rates are far lower")
    adapter = bool(params.model.lora)
    return worst(_judge_rate(stage, adapter, getattr(params, stage).learning_rate) for stage in stages)


def _judge_rate(stage: str, adapter: bool, value: float) -> Finding:
    low, high, source = BANDS[stage, adapter]
    band = f"{low:g} to {high:g}"
    what = f"{stage} with LoRA" if adapter else f"{stage} of every weight"
    if value < low:
        return failed(value, f"{what} hardly moves at {value:g}: the band is {band} ({source})", band)
    if value > high:
        return failed(value, f"{what} breaks the policy at {value:g}: the band is {band} ({source})", band)
    return passed(value, f"{what}: within {band}", band)


@guard(
    "batch-declared", stage="static", needs=("params", "arguments"), threshold="num_generations",
    unit="completions per device and micro-batch", source="unslothai/unsloth#3572", classes=("O7",),
)  # fmt: skip
def batch_declared(facts: Facts) -> Finding:
    """The batch that trains is the batch that was declared: Unsloth raises one that is smaller than a group."""
    params, given = facts["params"], facts["arguments"].get("grpo")
    if given is None or params.model.backend != "unsloth":
        return not_applicable("only Unsloth's GRPO changes the batch")
    size, group = given["per_device_train_batch_size"], given["num_generations"]
    if size < group:
        why = f"Unsloth will train on {group} completions a micro-batch instead of {size}"
        return warned(size, f"{why}: lower grpo.gradient_accumulation_steps", group)
    return passed(size, "a micro-batch holds whole groups", group)
