"""Running guards on rewards: groups that differ, completions that end, a reward that means what it says.

They judge a log as far as it has come; reading one and acting on a verdict is done elsewhere.
"""

from __future__ import annotations

from statistics import fmean

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned
from caderno.guards.histories import NOT_RL, is_rl, keys, points, trend, values
from caderno.guards.progress import EFFECT, LEAST, LONG_WINDOW, progress, rewards

WINDOW = 10


@guard(
    "group-variance", stage="running", needs=("history",), threshold=0.5, unit="share of groups with equal rewards",
    source="huggingface/trl#3857", classes=("L1",),
)  # fmt: skip
def group_variance(facts: Facts) -> Finding:
    """Most groups have rewards that differ: equal ones have advantage 0 and teach nothing."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    if facts.get("settings", {}).get("noise"):
        return not_applicable("noise is added to equal rewards: frac_reward_zero_std stays 0 and says nothing")
    found = values(facts["history"], "frac_reward_zero_std", WINDOW)
    if len(found) < WINDOW:
        return unknown(f"{len(found)} values of frac_reward_zero_std in this log, {WINDOW} are needed")
    low, mean = min(found), fmean(found)
    if low > 0.9:
        return failed(round(mean, 3), f"above 0.9 for {WINDOW} logged steps: there is no gradient left")
    if low > 0.5:
        return warned(round(mean, 3), f"above 0.5 for {WINDOW} logged steps: most of the rollouts are wasted")
    return passed(round(mean, 3), f"mean of the last {WINDOW} logged steps")


@guard(
    "reward-spread", stage="running", needs=("history",), threshold=0.05, unit="reward_std as a share of the range",
    source="proposed", classes=("L1", "L2"),
)  # fmt: skip
def reward_spread(facts: Facts) -> Finding:
    """Rewards are spread by more than a small share of the range they can take."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    settings = facts.get("settings", {})
    found = values(facts["history"], "reward_std", WINDOW)
    if len(found) < WINDOW:
        return unknown(f"{len(found)} values of reward_std in this log, {WINDOW} are needed")
    if settings.get("noise"):
        return not_applicable("noise is added to the rewards: their spread is not the policy's")
    if not (reach := settings.get("reward_range")):
        return not_applicable(f"reward_std is {fmean(found):.3g}, and it means nothing without the reward's range")
    share = fmean(found) / reach
    if max(found) / reach < 0.05:
        return warned(round(share, 3), f"under 0.05 of the range for {WINDOW} logged steps: collapse or saturation")
    return passed(round(share, 3), f"reward_std {fmean(found):.3g} over a range of {reach:g}")


@guard(
    "ceiling-watch", stage="running", needs=("history",), threshold=0.25, unit="share of completions cut",
    source="huggingface/trl#5697", classes=("R3", "R4"),
)  # fmt: skip
def ceiling_watch(facts: Facts) -> Finding:
    """Completions end by themselves: one that meets the ceiling is cut before its answer."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    history, limit = facts["history"], facts.get("settings", {}).get("max_completion_length")
    cut, lengths = (values(history, f"completions/{key}", WINDOW) for key in ("clipped_ratio", "mean_length"))
    if len(cut) < WINDOW and len(lengths) < WINDOW:
        return unknown(f"neither cut completions nor lengths of {WINDOW} steps in this log")
    if cut and min(cut) >= 0.9:
        return failed(round(fmean(cut), 3), f"at least 0.9 for {len(cut)} logged steps: no answer is ever judged")
    if len(set(lengths)) == 1 and len(lengths) == WINDOW:
        why = f"the mean length is exactly {lengths[0]:g} tokens {WINDOW} times: that is a ceiling"
        return failed(1.0, why)
    if cut and fmean(cut) > 0.25:
        return warned(round(fmean(cut), 3), f"mean of the last {len(cut)} logged steps")
    if limit and lengths and fmean(lengths) > 0.8 * limit:
        return warned(round(fmean(lengths) / limit, 3), f"mean length {fmean(lengths):.0f} of {limit} tokens")
    if not cut and not limit:
        return unknown(f"mean length {fmean(lengths):.0f} tokens, and the ceiling is not in this log")
    return passed(round(fmean(cut), 3) if cut else 0.0, f"the last {len(cut or lengths)} logged steps")


@guard(
    "reward-drop", stage="running", needs=("history",), threshold=0.2, unit="of the reward, over 50 steps",
    source="jjyaoao/HelloAgents#108", classes=("O6",),
)  # fmt: skip
def reward_drop(facts: Facts) -> Finding:
    """The reward does not fall by a fifth within fifty steps."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    found = rewards(facts["history"], LONG_WINDOW)
    if len(found) < WINDOW:
        return unknown(f"{len(found)} rewards in this log, {WINDOW} are needed")
    line = trend(found)
    drop = (line.start - line.end) / abs(line.start) if line.start else 0.0
    if line.falls and drop > 0.2:
        return failed(round(drop, 3), f"from {line.start:.3g} to {line.end:.3g} over {line.n} logged steps")
    return passed(round(drop, 3), f"{line.start:.3g} to {line.end:.3g} over the last {line.n} logged steps")


@guard(
    "format-dominates", stage="running", needs=("history",), threshold=0.95, unit="format reward",
    source="huggingface/open-r1#255", classes=("W4",),
)  # fmt: skip
def format_dominates(facts: Facts) -> Finding:
    """Once the format is learnt the task itself improves too."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    history = facts["history"]
    pairs = _format_and_task(keys(history[-LONG_WINDOW:]))
    if not pairs:
        return unknown("no format and task rewards of their own in this log")
    stuck, seen = [], 0
    for name, (form, task) in pairs.items():
        shape, work = values(history, form, LONG_WINDOW), points(history, task, LONG_WINDOW)
        if len(work) < LONG_WINDOW or len(shape) < LONG_WINDOW:
            continue
        seen += 1
        line = trend(work)
        if fmean(shape) > 0.95 and line.falls:
            stuck.append(f"{name}: format {fmean(shape):.2f}, task {line.start:.2f} to {line.end:.2f}")
    if stuck:
        return warned(len(stuck), "; ".join(stuck))
    if not seen:
        return unknown(f"fewer than {LONG_WINDOW} logged steps with both rewards")
    return passed(0, f"{seen} pairs of format and task over {LONG_WINDOW} logged steps")


def _format_and_task(found: set[str]) -> dict[str, tuple[str, str]]:
    """{name: (key of the format reward, key of the task reward)}: ours (parts/<task>/...), or TRL's functions."""
    ours = {k.split("/")[1]: k.rpartition("/")[0] for k in found if k.startswith("parts/") and k.endswith("/format")}
    pairs = {name: (f"{stem}/format", f"{stem}/task") for name, stem in ours.items() if f"{stem}/task" in found}
    means = sorted(key for key in found if key.startswith("rewards/") and key.endswith("/mean"))
    shapes = [key for key in means if "format" in key]
    for key in means if shapes else ():
        if any(word in key for word in ("accuracy", "correct", "task")):
            pairs[key.split("/")[1]] = (shapes[0], key)
    return pairs


@guard(
    "independent-measure", stage="running", needs=("history",), threshold=0, unit="slope of eval_reward per step",
    source="Liuziyu77/Visual-RFT#176", classes=("W2",),
)  # fmt: skip
def independent_measure(facts: Facts) -> Finding:
    """While the training reward rises the held-out measure does not fall."""
    if not is_rl(facts["history"], facts.get("settings", {})):
        return not_applicable(NOT_RL)
    held = points(facts["history"], "eval_reward", 12)
    trained = [point for point in rewards(facts["history"]) if held and point[0] >= held[0][0]]
    if len(held) < 5 or len(trained) < WINDOW:
        return unknown(
            f"{len(held)} evaluations and {len(trained)} training rewards in this log; 5 and {WINDOW} needed"
        )
    up, down = trend(trained, 0.95), trend(held, 0.95)
    if up.rises and down.falls:
        why = f"training reward {up.start:.3g} to {up.end:.3g}, held-out {down.start:.3g} to {down.end:.3g}"
        return warned(down.slope, f"{why}: the reward is being gamed, or the training prompts learnt by heart")
    return passed(down.slope, f"held-out {down.start:.3g} to {down.end:.3g} over {down.n} evaluations")


@guard(
    "reward-progress", stage="running", needs=("history",), threshold="validation.smallest_effect",
    unit="of the reward's range, by the end", source="proposed", classes=("L3", "O6"),
)  # fmt: skip
def reward_progress(facts: Facts) -> Finding:
    """After a hundred logged steps a rise of the reward that matters is not ruled out."""
    history, settings = facts["history"], facts.get("settings", {})
    if not is_rl(history, settings):
        return not_applicable(NOT_RL)
    if (n := len(rewards(history))) < LEAST:
        return unknown(f"{n} rewards in this log under its present weights, {LEAST} are needed")
    found = progress(history, settings)
    limit = settings.get("smallest_effect", EFFECT)
    if found.state == "risen":
        return passed(found.line.slope, found.told, limit)
    if found.state == "ceiling":
        return not_applicable(found.told)
    if found.state == "untold":
        return unknown(found.told)
    return warned(found.line.slope, found.told, limit)
