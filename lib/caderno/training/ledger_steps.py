"""The ledger's rows about steps: the optimizer that steps, the schedule that moves its rate, the rates in the log.

Read from the optimizer and the scheduler themselves; the arguments' words for them are not trusted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from caderno.guards.static_schedule import rate

if TYPE_CHECKING:
    from transformers import Trainer

DIGITS = 6  # significant ones of a learning rate: the last bits depend on the order of multiplications
# transformers names the function that makes the rate; the word in the parameters is in that name.
SCHEDULES = {
    "_get_constant_lambda": "constant",
    "_get_constant_schedule_with_warmup_lr_lambda": "constant_with_warmup",
    "_get_linear_schedule_with_warmup_lr_lambda": "linear",
    "_get_cosine_schedule_with_warmup_lr_lambda": "cosine",
}


def asked_schedule(total_steps: int, spec: Any) -> dict[str, Any]:
    """The schedule that `spec` (params.sft or grpo) asks for over so many steps, as `static_schedule` takes it."""
    return {
        "kind": spec.schedule, "peak": spec.learning_rate, "total_steps": total_steps,
        "warmup_steps": math.ceil(total_steps * spec.warmup_share),
    }  # fmt: skip


def _row(what: str, requested: Any, effective: Any) -> dict[str, Any]:
    return {"what": what, "requested": requested, "effective": effective}


def rows(trainer: Trainer, spec: Any) -> list[dict[str, Any]]:
    """The optimizer that steps and the scheduler that moves. `spec` is params.sft or params.grpo."""
    schedule = asked_schedule(trainer.state.max_steps, spec)
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)  # accelerate wraps it
    peaks = sorted({group.get("initial_lr", group["lr"]) for group in optimizer.param_groups})
    kind, warmup = _scheduler(trainer.lr_scheduler)
    return [
        _row("optimizer", "AdamW", type(optimizer).__name__),
        _row("learning_rate", schedule["peak"], peaks[0] if len(peaks) == 1 else peaks),
        _row("lr_scheduler_type", schedule["kind"], kind),
        _row("warm-up, steps", schedule["warmup_steps"], warmup),
        *_logged_rates(trainer.state.log_history, schedule),
    ]


def _scheduler(scheduler: Any) -> tuple[str, int | None]:
    """What really makes the rate, and how long it warms up (None where that cannot be read)."""
    inner = getattr(scheduler, "scheduler", scheduler)  # accelerate wraps it
    makers = getattr(inner, "lr_lambdas", None)
    if not makers:
        return type(inner).__name__, None
    function = getattr(makers[0], "func", makers[0])  # a partial of transformers' function
    name = getattr(function, "__name__", type(function).__name__)
    return SCHEDULES.get(name, name), getattr(makers[0], "keywords", {}).get("num_warmup_steps", 0)


def _logged_rates(log: list[dict[str, Any]], schedule: dict[str, Any]) -> list[dict[str, Any]]:
    """The rates of the first and the last logged step; step s is taken at the rate after s - 1 moves."""
    lines = [line for line in log if "learning_rate" in line and line["step"] > 0]
    ends = {"first": lines[0], "last": lines[-1]} if lines else {}
    return [
        _row(
            f"learning_rate, {end} logged", _rounded(rate(schedule, line["step"] - 1)), _rounded(line["learning_rate"])
        )
        for end, line in ends.items()
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def decay(trainer: Trainer) -> float | list[float]:
    """The decay of the weights that decay at all: norms and biases are left out by transformers."""
    groups = getattr(trainer.optimizer, "optimizer", trainer.optimizer).param_groups
    found = sorted({group["weight_decay"] for group in groups if group["params"]} - {0.0})
    return found[0] if len(found) == 1 else found or 0.0
