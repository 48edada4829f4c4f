"""Logs with and without a fault, one dict a step, as a GRPO or SFT trainer of the tiny model would write them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

SETTINGS = {
    "method": "grpo", "num_iterations": 1, "gradient_accumulation_steps": 1, "beta": 0.04, "noise": 0.0,
    "num_generations": 8, "max_completion_length": 96, "use_vllm": True, "reward_range": 1.0,
    "logging_nan_inf_filter": False,
}  # fmt: skip


def grpo(steps: int = 120, seed: int = 0, **changed: Callable[[int], float]) -> list[dict[str, float]]:
    """A healthy GRPO log; `changed` gives a key's value by step instead ("/" written as "__")."""
    rng = random.Random(seed)
    log = []
    for step in range(1, steps + 1):
        log.append({
            "step": step, "loss": rng.gauss(0, 1e-3), "grad_norm": rng.uniform(0.5, 1.5),
            "reward": 0.6 + 0.15 * min(1, 2 * step / steps) + rng.gauss(0, 0.05), 
            "reward_std": rng.uniform(0.15, 0.25),
            "frac_reward_zero_std": rng.choice([0.0, 0.125, 0.25]), "entropy": 0.18 * math.exp(-step / steps),
            "kl": 0.002 + 0.002 * step / steps,
            "learning_rate": 1e-3 * min(step / 6, 1 - step / steps), "step_time": 0.4,
            "completions/mean_length": rng.uniform(40, 50), "completions/clipped_ratio": 0.0,
            "clip_ratio/region_mean": 0.0, "sampling/sampling_logp_difference/mean": 0.012,
            "parts/push/format": 0.98, "parts/push/task": 0.4 + 0.2 * step / steps + rng.gauss(0, 0.02),
        })  # fmt: skip
        if step % 10 == 0:
            log[-1]["eval_reward"] = 0.62 + 0.1 * step / steps + rng.gauss(0, 0.01)
        log[-1] |= {key.replace("__", "/"): value(step) for key, value in changed.items()}
    return log


def sft(steps: int = 120, seed: int = 0, **changed: Callable[[int], float]) -> list[dict[str, float]]:
    """A healthy SFT log, held-out loss every tenth step."""
    rng = random.Random(seed)
    log = []
    for step in range(1, steps + 1):
        log.append({
            "step": step, "loss": 0.5 + 2 * math.exp(-step / 30) + rng.gauss(0, 0.03), "grad_norm": rng.uniform(0.5, 1),
            "learning_rate": 5e-4 * min(step / 6, 1 + math.cos(math.pi * step / steps)), "step_time": 0.2,
        })  # fmt: skip
        if step % 10 == 0:
            log[-1]["eval_loss"] = 0.6 + 2 * math.exp(-step / 30) + rng.gauss(0, 0.02)
        log[-1] |= {key.replace("__", "/"): value(step) for key, value in changed.items()}
    return log


def facts(history: list[dict[str, float]], **settings: Any) -> dict[str, Any]:
    """What a running guard is given."""
    method = "grpo" if "reward" in history[0] else "sft"
    return {"history": history, "settings": SETTINGS | {"method": method} | settings}
