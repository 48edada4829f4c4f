"""Running guards on the policy: entropy, KL, the clip ratio, and whether sampler and trainer still agree.

Each says when its measure means nothing: a clip ratio of 0 by construction is no news, nor is a KL that nobody logs.
"""

from __future__ import annotations

from statistics import fmean, median

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned
from caderno.guards.histories import EXCUSE, NOT_RL, first_values, is_rl, points, trend, values
from caderno.guards.progress import LONG_WINDOW, progress, rewards

WINDOW, FIRST = 10, 20


def updates_per_batch(settings) -> bool | None:
    """Whether a batch of rollouts gets more than one update, so that the ratio can leave 1; None: not known.

    TRL: old log-probabilities are kept only when gradient_accumulation_steps is no multiple of steps_per_generation x
    num_iterations.
    """
    iterations = settings.get("num_iterations")
    if iterations is None:
        return None
    accumulation = settings.get("gradient_accumulation_steps", 1)
    generation = settings.get("steps_per_generation") or accumulation
    return accumulation % (generation * iterations) != 0


@guard(
    "clip-ratio", stage="running", needs=("history",), threshold=0.3, unit="share of tokens clipped",
    source="huggingface/trl#3120", classes=("L3",),
)  # fmt: skip
def clip_ratio(facts: Facts) -> Finding:
    """Where the ratio can leave 1 at all, few tokens are clipped."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    found = values(facts["history"], "clip_ratio/region_mean", WINDOW)
    several = updates_per_batch(facts.get("settings", {}))
    if several is False:
        return not_applicable(
            "each batch of rollouts gets one update: the ratio is 1, and clip_ratio 0, by construction"
        )
    if not found:
        return unknown("no clip ratio in this log")
    if several is None and not any(found):
        return unknown(
            "clip_ratio is 0: with one update a rollout (the default) it is so by construction; not known here"
        )
    mean = fmean(found)
    if mean > 0.3:
        return warned(round(mean, 3), f"mean of the last {len(found)} logged steps: updates go far off policy")
    return passed(round(mean, 3), f"mean of the last {len(found)} logged steps")


@guard(
    "entropy-watch", stage="running", needs=("history",), threshold="0.5 to 2", unit="of the first 20 steps' median",
    source="rllm-org/rllm#116", classes=("L4",),
)  # fmt: skip
def entropy_watch(facts: Facts) -> Finding:
    """The policy's entropy does not explode, nor collapse without a gain in reward."""
    history, settings = facts["history"], facts.get("settings", {})
    if not is_rl(history, settings):
        return not_applicable(NOT_RL)
    early, late = first_values(history, "entropy", FIRST), values(history, "entropy", WINDOW)
    if not late:
        return unknown("this log holds no entropy (Unsloth's trainer drops it), and clip_ratio cannot stand in for it")
    if len(values(history, "entropy")) < FIRST + WINDOW:
        return unknown(f"{FIRST + WINDOW} logged entropies are needed")
    base, now = median(early), median(late)
    share = now / base if base else float("inf")
    told = f"median {base:.3g} nats at first, {now:.3g} over the last {WINDOW} logged steps"
    if share > 2:
        return warned(round(share, 3), f"{told}: the policy rambles, the rate may be too high")
    if share >= 0.5:
        return passed(round(share, 3), told)
    course = progress(history, settings)
    told = f"{told}; {course.told}"
    if course.state in ("risen", "ceiling"):
        return passed(round(share, 3), f"{told}: sharpening, not collapse")
    if course.state == "untold":
        return unknown(f"{told}. That may be sharpening or collapse")
    zero = values(history, "frac_reward_zero_std", WINDOW)
    if share < 0.2 and zero and fmean(zero) > 0.5:
        return failed(round(share, 3), f"{told}; {fmean(zero):.0%} of the groups have equal rewards: collapse")
    return warned(round(share, 3), f"{told}: exploration is lost, and nothing gained for it")


@guard(
    "kl-drift", stage="running", needs=("history",), threshold=0.01, unit="nats per token to the reference",
    source="proposed", classes=("L5",),
)  # fmt: skip
def kl_drift(facts: Facts) -> Finding:
    """The policy does not drift from its start while the reward falls."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    history, beta = facts["history"], facts.get("settings", {}).get("beta")
    found = values(history, "kl", WINDOW)
    if not found and beta == 0:
        return not_applicable("beta is 0: there is no reference, and no KL is measured")
    if not found:
        return unknown("no KL in this log, and beta is not known" if beta is None else "no KL in this log")
    kl, beside = fmean(found), rewards(history, LONG_WINDOW)
    if len(beside) < WINDOW:
        return unknown(f"{len(beside)} rewards beside it, {WINDOW} are needed")
    line = trend(beside)
    told = f"KL {kl:.3g}, reward {line.start:.3g} to {line.end:.3g}"
    if kl > 0.01 and line.falls and line.end < 0.95 * line.start:
        return warned(round(kl, 5), f"{told}: drift without gain")
    return passed(round(kl, 5), told)


@guard(
    "policy-moves", stage="running", needs=("history",), threshold=0.001, unit="nats per token to the reference",
    source="proposed", classes=("L3", "M5", "O6"),
)  # fmt: skip
def policy_moves(facts: Facts) -> Finding:
    """After fifty steps the policy has left its start: by KL, by entropy or by reward, never by the clip ratio."""
    history = facts["history"]
    if not is_rl(history, facts.get("settings", {})):
        return not_applicable(NOT_RL)
    found = rewards(history)
    if len(found) < LONG_WINDOW:
        return unknown(f"{len(found)} rewards in this log, {LONG_WINDOW} are needed")
    line, kl, entropy = trend(found, EXCUSE), values(history, "kl", WINDOW), points(history, "entropy")
    told = f"reward {line.start:.3g} to {line.end:.3g}" + (f", KL {fmean(kl):.3g}" if kl else ", no KL in this log")
    drift = trend(entropy, EXCUSE) if len(entropy) >= LONG_WINDOW else None
    moved = line.rises or line.falls or bool(drift and (drift.rises or drift.falls)) or bool(kl and fmean(kl) >= 0.001)
    measured = round(fmean(kl), 5) if kl else None
    if moved:
        return passed(measured, told)
    if not kl and not entropy:
        return unknown(f"{told}, no entropy either: the reward alone cannot tell a still policy from a slow one")
    return warned(measured, f"{told}: nothing says that it moves. Is the learning rate one for LoRA?")


@guard(
    "sampler-sync", stage="running", needs=("history",), threshold=0.1, unit="nats, mean |log-prob difference|",
    source="huggingface/trl#5312", classes=("R1", "K4"),
)  # fmt: skip
def sampler_sync(facts: Facts) -> Finding:
    """The engine that samples gives the log-probabilities that the trainer computes, after updates too."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    found = values(facts["history"], "sampling/sampling_logp_difference/mean", WINDOW)
    settings = facts.get("settings", {})
    if not found and settings.get("use_vllm") is False:
        return not_applicable("the trainer's own model samples")
    if not found:
        return unknown("no log-probability difference in this log")
    mean = fmean(found)
    if mean > 0.49:
        return failed(round(mean, 4), "as large as with stale weights (0.49 to 0.81); healthy is about 0.012")
    if mean > 0.1:
        return warned(round(mean, 4), "healthy is about 0.012")
    return passed(round(mean, 4), f"mean of the last {len(found)} logged steps")
