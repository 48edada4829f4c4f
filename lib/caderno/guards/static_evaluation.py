"""Static guards on what will be claimed: power, noise-aware stopping, calibration, coverage, budgets, provenance.

They need no data: sizes and temperatures decide. What rows have in common is the data guards' question.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned, worst
from caderno.guards.trials import WHY, is_trial

LEAST = (("patience", 5, "evaluations of patience"), ("batches", 16, "held-out batches"), ("epochs", 3, "epochs"))
CALIBRATION_COMPLETIONS = 64  # a ceiling share of 25 % is then known to about 11 points
TOKENS_PER_PARAMETER = 20
TEMPERATURE_NEAR = 0.1  # two temperatures this close draw nearly alike


def half_width(n: int, confidence: float) -> float:
    """Half of Wilson's interval for a share of 0.5 among n, the widest there is (Wilson, JASA 22, 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return z / (1 + z * z / n) * math.sqrt(0.25 / n + z * z / (4 * n * n))


@guard(
    "eval-power", stage="static", needs=("eval_power",), threshold="validation.smallest_effect",
    unit="half-width of a share's interval",
    source="arXiv:2411.00640", classes=("E1",),
)  # fmt: skip
def eval_power(facts: Facts) -> Finding:
    """The validation's interval is narrower than the gain that is to be claimed."""
    spec = facts["eval_power"]
    if not spec:
        return not_applicable("no validation, or only a trial of the code comes before it")
    width, effect = half_width(spec["n"], spec["confidence"]), spec["effect"]
    told = f"n = {spec['n']}: a share near 0.5 is known to {100 * width:.1f} points, at {spec['confidence']:.0%}"
    if width > effect:
        why = f"a gain of {100 * effect:g} points (validation.smallest_effect) would drown"
        return warned(width, f"{told}, and {why}", effect)
    return passed(width, f"{told}; paired on the same prompts mostly better, a single task worse", effect)


@guard(
    "early-stop", stage="static", needs=("early_stop",), threshold="one standard error", unit="reward",
    source="proposed, after a run that stopped on noise", classes=("E3",),
)  # fmt: skip
def early_stop(facts: Facts) -> Finding:
    """Early stopping can tell a gain from noise: delta, patience 5, 16 held-out batches, 3 epochs over fixed data."""
    spec = facts["early_stop"]
    if not spec:
        return not_applicable("no early stopping, or it could not fire before the last step")
    found = [_judge_delta(spec)]
    for name, least, what in LEAST:
        value = spec.get(name)
        if value is not None and value < least:
            found.append(failed(value, f"{value:g} {what} are fewer than {least}: it fires on noise", least))
    return worst(found)


def _judge_delta(spec: dict) -> Finding:
    """The gain that counts, against the noise of a difference of two evaluations on the same prompts."""
    delta = spec["delta"]
    if delta == "standard_error":
        why = "delta is the standard error that calibration measures"
        return passed(delta, why) if spec["measurable"] else failed(delta, f"{why}, and none does: it needs 2 samples")
    low, usual = spec["standard_error_low"], spec["standard_error"]
    noise = f"two evaluations differ by {low:.4f} of noise if a prompt's scores hardly vary, by {usual:.3f} usually"
    if delta < low:
        return failed(delta, f"a gain of {delta:g} cannot be seen: {noise}", low)
    if delta < usual:
        return warned(delta, f"a gain of {delta:g} may be noise: {noise}. standard_error measures it", usual)
    return passed(delta, noise, usual)


@guard(
    "calibration-match", stage="static", needs=("params",), threshold="as GRPO draws", unit="sampling",
    source="proposed", classes=("E2", "E4"),
)  # fmt: skip
def calibration_match(facts: Facts) -> Finding:
    """Calibration's training sampling is the sampling that GRPO will use: else it measures another policy."""
    params = facts["params"]
    if not {"calibration", "grpo"} <= set(params.stages) or is_trial(params, "grpo"):
        return not_applicable("no calibration before a GRPO stage that claims something")
    measured, used = params.calibration.training, params.grpo
    told = f"T = {measured.temperature:g}, top_p = {measured.top_p:g}, {measured.max_new_tokens} tokens"
    wanted = f"T = {used.temperature:g}, top_p = {used.top_p:g}, {used.max_completion_length} tokens"
    if (measured.temperature, measured.top_p) != (used.temperature, used.top_p):
        return failed(told, "calibration.training is not what GRPO draws: spread and ceiling differ", wanted)
    if measured.max_new_tokens != used.max_completion_length:
        return warned(told, "another ceiling than GRPO's: the share that meets it will differ", wanted)
    return passed(told, "calibration.training is what GRPO draws", wanted)


@guard(
    "calibration-size", stage="static", needs=("params",), threshold=CALIBRATION_COMPLETIONS, unit="completions",
    source="proposed", classes=("E1", "R3"),
)  # fmt: skip
def calibration_size(facts: Facts) -> Finding:
    """Calibration draws enough to know the share at the ceiling, and twice per prompt to know a group's spread."""
    params = facts["params"]
    if "calibration" not in params.stages or is_trial(params, "calibration"):
        return not_applicable(WHY if "calibration" in params.stages else "no calibration")
    spec = params.calibration
    drawn = spec.rows * spec.samples
    if spec.samples < 2:
        return warned(drawn, f"{spec.rows} prompts x {spec.samples} sample: no group has a spread to measure")
    if drawn < CALIBRATION_COMPLETIONS:
        return warned(drawn, f"a share among {drawn} is known to {100 * half_width(drawn, 0.95):.0f} points only")
    return passed(drawn, f"{spec.rows} prompts x {spec.samples} samples")


@guard(
    "eval-temperature", stage="static", needs=("params",), threshold="grpo.temperature", unit="temperature",
    source="EleutherAI/lm-evaluation-harness#1841", classes=("E2",),
)  # fmt: skip
def eval_temperature(facts: Facts) -> Finding:
    """Evaluations during training draw at the temperature that is trained, so that their curve is the training's."""
    params = facts["params"]
    if "grpo" not in params.stages or params.grpo.eval_steps is None:
        return not_applicable("no evaluation during GRPO")
    here, trained = params.grpo.eval_temperature, params.grpo.temperature
    if here != trained:
        why = f"trained at {trained:g}: what the curve shows, and early stopping decides on, is another policy"
        return warned(here, why, trained)
    return passed(here, "the same as in training", trained)


@guard(
    "deployment-probed", stage="static", needs=("params",), threshold=TEMPERATURE_NEAR, unit="temperature difference",
    source="proposed", classes=("E4",),
)  # fmt: skip
def deployment_probed(facts: Facts) -> Finding:
    """One of the validation's temperatures is the one that users will get."""
    params = facts["params"]
    if "validation" not in params.stages:
        return not_applicable("no validation")
    wanted = params.calibration.deployment.temperature
    nearest = min(params.validation.temperatures, key=lambda one: abs(one - wanted))
    gap = abs(nearest - wanted)
    told = f"deployed at {wanted:g} (calibration.deployment), validated at {nearest:g}"
    if gap > TEMPERATURE_NEAR + 1e-9:
        return warned(gap, f"{told}: a model may loop at one and not at the other")
    return passed(gap, told)


@guard(
    "coverage", stage="static", needs=("coverage",), threshold=1.0, unit="prompts met / prompts there are",
    source="huggingface/trl#3020", classes=("D5",),
)  # fmt: skip
def coverage(facts: Facts) -> Finding:
    """GRPO's steps meet every training prompt at least once, or the file says that it means fewer."""
    spec = facts["coverage"]
    if not spec:
        return not_applicable("no GRPO, or a trial of the code")
    share = spec["prompts"] / spec["rows"]
    told = f"{spec['prompts']} prompts of {spec['rows']}"
    if share < 1:
        every = math.ceil(spec["rows"] / spec["per_step"])
        state = f"`grpo.train_prompts: {spec['prompts']}` draws on that many and says so"
        return warned(share, f"{told}: not all the data. {state}; `grpo.max_steps: {every}` meets them all")
    return passed(share, told)


@guard(
    "data-budget", stage="static", needs=("data_budget",), threshold=TOKENS_PER_PARAMETER, unit="tokens per parameter",
    source="arXiv 2203.15556", classes=("D4",),
)  # fmt: skip
def data_budget(facts: Facts) -> Finding:
    """A model trained from nothing sees enough tokens for its size."""
    spec = facts["data_budget"]
    if not spec:
        return not_applicable("nothing is trained from scratch, or as a trial of the code only")
    share = spec["tokens"] / spec["parameters"]
    told = f"{spec['tokens']:,} tokens for {spec['parameters']:,} parameters"
    if share < TOKENS_PER_PARAMETER:
        wanted = TOKENS_PER_PARAMETER * spec["parameters"]
        return failed(share, f"{told}: the corpus is the limit. {wanted:,} tokens, or weights that have seen more")
    return passed(share, told)


@guard(
    "adapter-provenance", stage="static", needs=("params",), threshold="known", unit="training rows of the adapter",
    source="huggingface/open-r1#416", classes=("D1",),
)  # fmt: skip
def adapter_provenance(facts: Facts) -> Finding:
    """The rows that a given adapter was trained on are known, so that the hold-out can be compared with them."""
    params = facts["params"]
    if not params.model.adapter:
        return not_applicable("no adapter is given")
    if facts.get("adapter_run"):
        return passed("known", f"{params.model.adapter} comes from the run {facts['adapter_run']}")
    if not {"grpo", "sft", "validation"} & set(params.stages):
        return unknown(f"nothing says what {params.model.adapter} was trained on")
    why = f"nothing says which rows {params.model.adapter} was trained on: the hold-out may be among them"
    return warned("unknown", f"{why}, and every score on it too high. Train it here, or scan it with `caderno leaks`")
