"""Static guards on GRPO's rollouts and rewards: groups, noise, sampling, ceilings, and which alarms can ring at all.

What rewards and lengths really are is measured by the data, probe and running guards.
"""

from __future__ import annotations

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, warned
from caderno.guards.trials import WHY, is_trial
from caderno.params import Params

GROUP_SIZES = (4, 16)
CEILING_OVER_BUDGET = 4
NO_GRPO = "no GRPO stage"


@guard(
    "group-noise", stage="static", needs=("params",), threshold=0, unit="standard deviation of the noise",
    source="NVIDIA-NeMo/RL#4161", classes=("L2",),
)  # fmt: skip
def group_noise(facts: Facts) -> Finding:
    """No noise is added to equal rewards: group scaling would make a random gradient of full strength of it."""
    if "grpo" not in facts["params"].stages:
        return not_applicable(NO_GRPO)
    sigma, scale = facts["params"].grpo.zero_advantage_noise, facts["params"].grpo.scale_rewards
    if not sigma:
        return passed(0.0, "groups of equal rewards have advantage 0 and stay out of the gradient")
    if scale == "none":
        return warned(sigma, "unscaled, the noise is small beside real advantages, but frac_reward_zero_std stays 0")
    why = f"scale_rewards {scale} divides by the noise's own spread: mean |advantage| 0.73 against 0.80 of a real group"
    return failed(sigma, f"{why} (sigma 0.005, groups of 4), and frac_reward_zero_std can no longer be read")


@guard(
    "group-size", stage="static", needs=("params",), threshold="4 to 16", unit="completions per prompt",
    source="proposed", classes=("L1", "L2"),
)  # fmt: skip
def group_size(facts: Facts) -> Finding:
    """A group is large enough for its mean to be a baseline, and not so large that it only costs."""
    if "grpo" not in facts["params"].stages:
        return not_applicable(NO_GRPO)
    size, (low, high) = facts["params"].grpo.group_size, GROUP_SIZES
    if size < low:
        return warned(size, f"each completion is compared with the mean of {size - 1} others and itself")
    if size > high:
        return warned(size, "larger groups mostly cost: more prompts a step tell more")
    return passed(size, "the useful range")


@guard(
    "prompts-per-step", stage="static", needs=("params",), threshold=2, unit="prompts per optimizer step",
    source="proposed", classes=("L2",),
)  # fmt: skip
def prompts_per_step(facts: Facts) -> Finding:
    """A gradient comes from more than one prompt."""
    params = facts["params"]
    if "grpo" not in params.stages or is_trial(params, "grpo"):
        return not_applicable(WHY if "grpo" in params.stages else NO_GRPO)
    prompts = params.grpo.prompts_per_step
    if prompts < 2:
        return warned(prompts, f"each step follows one prompt of one of {len(params.tasks)} tasks, the next another")
    return passed(prompts, "a step averages over prompts")


@guard(
    "composite-reward", stage="static", needs=("params",), threshold=1, unit="tasks in one reward",
    source="proposed", classes=("W4",),
)  # fmt: skip
def composite_reward(facts: Facts) -> Finding:
    """Each task has a reward curve of its own, so that one that gets worse is not hidden by another."""
    params = facts["params"]
    if "grpo" not in params.stages:
        return not_applicable(NO_GRPO)
    if params.rewards.composite and len(params.tasks) > 1:
        return warned(len(params.tasks), "rewards.composite: which task improves cannot be seen in the curves")
    return passed(1, "one reward function per task")


@guard(
    "sampling-bias", stage="static", needs=("params", "arguments"), threshold=1.0, unit="top_p of the rollouts",
    source="huggingface/trl#6789, huggingface/trl#7269", classes=("R2",),
)  # fmt: skip
def sampling_bias(facts: Facts) -> Finding:
    """Rollouts are drawn from the whole distribution, so that sampler and trainer mean the same probabilities."""
    given = facts["arguments"].get("grpo")
    if given is None:
        return not_applicable(NO_GRPO)
    whole = {"top_p": (1,), "top_k": (0, None), "min_p": (0, None), "repetition_penalty": (1,)}
    names = [f"{name} {given[name]}" for name, values in whole.items() if given.get(name, values[0]) not in values]
    if names:
        why = f"{', '.join(names)}: the sampler renormalises what is left, the trainer does not"
        return warned(given.get("top_p", 1.0), f"{why}, and every importance ratio is off")
    return passed(1.0, "the whole distribution")


@guard(
    "completion-ceiling", stage="static", needs=("params", "think_budgets"), threshold=CEILING_OVER_BUDGET,
    unit="ceiling / largest think budget", source="proposed", classes=("R3",),
)  # fmt: skip
def completion_ceiling(facts: Facts) -> Finding:
    """The ceiling leaves room for the thought that is paid for and an answer, and not for one that never ends."""
    budgets, params = facts["think_budgets"], facts["params"]
    if not budgets or is_trial(params, "grpo"):
        return not_applicable(WHY if budgets else "no think budget is in force")
    ceiling, (task, budget) = params.grpo.max_completion_length, max(budgets.items(), key=lambda item: item[1])
    share = ceiling / budget
    told = f"grpo.max_completion_length {ceiling}, and {task} may think {budget} tokens"
    if share <= 1:
        return warned(share, f"{told}: a thought is cut before it costs anything, and no answer fits behind it", 1)
    if share > CEILING_OVER_BUDGET and params.chat.hard_think_rollouts:
        return passed(share, f"{told}, after which it is ended by force")
    if share > CEILING_OVER_BUDGET:
        return warned(share, f"{told}: a thought that does not end needs a budget, not room, and each costs the whole")
    return passed(share, told)


@guard(
    "entropy-monitor", stage="static", needs=("params",), threshold="logged", unit="the policy's entropy",
    source="unslothai/unsloth-zoo, rl_replacements.py", classes=("L3", "L4"),
)  # fmt: skip
def entropy_monitor(facts: Facts) -> Finding:
    """The entropy that a monitor watches is really logged, and somebody watches it."""
    params = facts["params"]
    if "grpo" not in params.stages:
        return not_applicable(NO_GRPO)
    blind, asked = params.model.backend == "unsloth", params.grpo.entropy_monitor
    if blind and asked:
        return failed("not logged", "grpo.entropy_monitor watches a metric that Unsloth's trainer does not log")
    if blind:
        return warned("not logged", "Unsloth's trainer logs no entropy: nothing sees the policy narrow")
    if not asked:
        return warned("logged", "grpo.entropy_monitor is off: nothing acts on a policy that narrows")
    return passed("logged", "TRL logs it, and the monitor reads it")


def vacuous_rules(params: Params) -> dict[str, str]:
    """{metric: why it says nothing} of GRPO's log under this configuration."""
    spec, found = params.grpo, {}
    if spec.updates_per_rollout == 1:
        found["clip_ratio"] = "0 by construction: each rollout gets one update, so the ratio is 1"
    if spec.kl_coef == 0:
        found["kl"] = "not logged at kl_coef 0"
    else:
        found["loss"] = "may rise while all is well: it carries the KL term"
    if params.model.backend == "unsloth":
        found["entropy"] = "not logged under Unsloth"
    if spec.zero_advantage_noise:
        found["frac_reward_zero_std"] = "held at 0 by the reward noise"
    return found


@guard(
    "rule-validity", stage="static", needs=("params",), threshold=1, unit="measures that can see the policy move",
    source="huggingface/trl#3120, huggingface/trl#3452", classes=("L3", "L5"),
)  # fmt: skip
def rule_validity(facts: Facts) -> Finding:
    """Which measures of the log will say nothing under this configuration, and whether one is left that does."""
    params = facts["params"]
    if "grpo" not in params.stages:
        return not_applicable(NO_GRPO)
    vacuous = vacuous_rules(params)
    left = [name for name in ("kl", "entropy") if name not in vacuous]
    told = "; ".join(f"{name}: {why}" for name, why in vacuous.items())
    if not left:
        return warned(0, f"nothing in the log will say whether the policy moves. {told}")
    return passed(len(left), f"read {' and '.join(left)}. Not {told}" if told else f"read {' and '.join(left)}")
