"""Running guards on what every Trainer logs: finite numbers, a loss that lives, a rate that falls, steps in order.

They judge a log as far as it has come; reading one and acting on a verdict is done elsewhere.
"""

from __future__ import annotations

import itertools
import math
from statistics import median

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned
from caderno.guards.histories import is_rl, points, trend, values

IDENTICAL = 3  # equal losses in a row
FAST = 0.1  # of the median step time
WATCHED = ("loss", "grad_norm", "reward", "eval_loss", "eval_reward", "kl", "entropy")


@guard(
    "nan-unmask", stage="running", needs=("history",), threshold=0, unit="values that are not finite",
    source="huggingface/trl#6702", classes=("O3", "O4", "W3"),
)  # fmt: skip
def nan_unmask(facts: Facts) -> Finding:
    """Loss, gradient and reward are finite; the first that is not ends the run."""
    bad = [
        (entry.get("step"), key) for entry in facts["history"] for key in WATCHED
        if isinstance(entry.get(key), float) and not math.isfinite(entry[key])
    ]  # fmt: skip
    if bad:
        step, key = bad[0]
        return failed(len(bad), f"{key} is not finite at step {step}: every step after it trains on nothing")
    if facts.get("settings", {}).get("logging_nan_inf_filter"):
        return unknown("logging_nan_inf_filter is on: a NaN loss would be logged as the last finite one")
    return passed(0, f"{len(facts['history'])} logged steps")


@guard(
    "constant-loss", stage="running", needs=("history",), threshold=IDENTICAL, unit="identical losses in a row",
    source="huggingface/transformers#26635", classes=("D3",),
)  # fmt: skip
def constant_loss(facts: Facts) -> Finding:
    """A training loss that does not change at all is a placeholder, not a loss."""
    history = facts["history"]
    losses = values(history, "loss")
    if is_rl(history, facts.get("settings", {})):
        return not_applicable("with one update a rollout the loss of RL is about 0 by construction: judge by reward")
    if len(losses) < IDENTICAL:
        return unknown(f"{len(losses)} losses in this log, {IDENTICAL} are needed")
    run = longest = 1
    for before, after in itertools.pairwise(losses):
        run = run + 1 if before == after else 1
        longest = max(longest, run)
    if longest >= IDENTICAL:
        return failed(longest, f"{longest} losses in a row are exactly equal: does the data loader give anything?")
    return passed(longest, f"{len(losses)} losses, no {IDENTICAL} in a row equal")


@guard(
    "step-time", stage="running", needs=("history",), threshold=FAST, unit="of the median step time",
    source="proposed", classes=("D3",),
)  # fmt: skip
def step_time(facts: Facts) -> Finding:
    """No step is impossibly fast: one that is did no work."""
    times = step_seconds(facts["history"])
    if len(times) < 10:
        return unknown(f"{len(times)} step times in this log, 10 are needed")
    usual, latest = median(times), times[-IDENTICAL:]
    share = max(latest) / usual if usual else 0.0
    if share < FAST:
        return failed(
            round(share, 3), f"the last {IDENTICAL} steps took {max(latest):.3g} s, the median is {usual:.3g} s"
        )
    return passed(round(share, 3), f"median {usual:.3g} s over {len(times)} steps")


def step_seconds(history) -> list[float]:
    """Seconds a step: `step_time` where it is logged, else from the wall clock of consecutive steps."""
    if logged := values(history, "step_time"):
        return logged
    clock = list(points(history, "wall_s"))
    pairs = itertools.pairwise(clock)
    return [(t1 - t0) / (s1 - s0) for (s0, t0), (s1, t1) in pairs if s1 > s0 and t1 >= t0]


@guard(
    "loss-rise", stage="running", needs=("history",), threshold=0, unit="loss per step, slope",
    source="proposed", classes=("O6",),
)  # fmt: skip
def loss_rise(facts: Facts) -> Finding:
    """The training loss of SFT or pretraining does not rise."""
    history, settings = facts["history"], facts.get("settings", {})
    if is_rl(history, settings):
        beta = settings.get("beta")
        why = f"beta is {beta}: the KL term makes the loss rise" if beta else "the loss of RL is no measure of quality"
        return not_applicable(f"{why}; judge by reward")
    found = points(history, "loss", 50)
    if len(found) < 20:
        return unknown(f"{len(found)} losses in this log, 20 are needed")
    line = trend(found)
    if line.rises and line.end > 1.1 * max(line.start, 1e-9):
        return warned(line.slope, f"from {line.start:.3g} to {line.end:.3g} over the last {line.n} logged steps")
    return passed(line.slope, f"{line.start:.3g} to {line.end:.3g} over the last {line.n} logged steps")


@guard(
    "validation-turn", stage="running", needs=("history",), threshold=2, unit="standard deviations above the best",
    source="proposed", classes=("D4", "E3"),
)  # fmt: skip
def validation_turn(facts: Facts) -> Finding:
    """The held-out loss does not turn up for good while the training loss falls."""
    found = points(facts["history"], "eval_loss")
    if is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable("the held-out measure of RL is eval_reward")
    if len(found) < 6:
        return unknown(f"{len(found)} held-out losses in this log, 6 are needed")
    best = min(range(len(found)), key=lambda place: found[place][1])
    after = found[best:]
    if len(after) < 5:
        return passed(0.0, f"best {found[best][1]:.4g} at step {found[best][0]:g}, {len(after) - 1} evaluations ago")
    line = trend(after)
    noise = _noise([value for _, value in found])
    above = (line.end - found[best][1]) / noise if noise else math.inf
    if line.rises and above > 2:
        return warned(round(above, 1), f"best {found[best][1]:.4g} at step {found[best][0]:g}, now {line.end:.4g}")
    return passed(round(above, 1), f"{line.end:.4g} against the best of {found[best][1]:.4g}: within the noise")


def _noise(found: list[float]) -> float:
    """Standard deviation of an evaluation about its own course: from second differences, which no trend moves."""
    second = [a - 2 * b + c for a, b, c in zip(found, found[1:], found[2:], strict=False)]
    return math.sqrt(sum(d * d for d in second) / (6 * len(second)))


@guard(
    "schedule-watch", stage="running", needs=("history",), threshold=0.01, unit="rise after the peak, share of it",
    source="huggingface/accelerate#2926", classes=("O1",),
)  # fmt: skip
def schedule_watch(facts: Facts) -> Finding:
    """The logged learning rate never rises again after its peak has been left."""
    found = points(facts["history"], "learning_rate")
    if len(found) < 5:
        return unknown(f"{len(found)} learning rates in this log, 5 are needed")
    peak = max(rate for _, rate in found)
    if not peak:
        return failed(0.0, "the learning rate is 0 throughout")
    rise, where = _rise_after_fall(found, peak)
    if rise > 0.01 * peak:
        why = f"it falls and rises again, until step {where:g} by {rise / peak:.0%} of the peak {peak:.3g}"
        return failed(round(rise / peak, 3), f"{why}; does the scheduler advance once per process?")
    return passed(round(rise / peak, 3), f"peak {peak:.3g}, now {found[-1][1]:.3g}")


def _rise_after_fall(found: list[tuple[float, float]], peak: float) -> tuple[float, float]:
    """The largest rise above what the rate has fallen to, and its step. A warm-up rises and has not fallen yet."""
    top, lowest, rise, where = 0.0, None, 0.0, 0.0
    for step, rate in found:
        top = max(top, rate)
        if lowest is None and rate < top - 0.01 * peak:
            lowest = rate
        if lowest is not None:
            lowest = min(lowest, rate)
            if rate - lowest > rise:
                rise, where = rate - lowest, step
    return rise, where


@guard(
    "step-order", stage="running", needs=("history",), threshold=0, unit="steps that go backwards",
    source="wandb/wandb#9449", classes=("N7",),
)  # fmt: skip
def step_order(facts: Facts) -> Finding:
    """Steps only go forward: a tracker drops what is logged for a step behind the last."""
    steps = [entry["step"] for entry in facts["history"] if "step" in entry]
    if len(steps) < 2:
        return unknown("this log has no step numbers")
    back = [(a, b) for a, b in itertools.pairwise(steps) if b < a]
    if back:
        return warned(len(back), f"after step {back[0][0]:g} comes {back[0][1]:g}: resumed without its counter?")
    return passed(0, f"{len(steps)} entries in order")
