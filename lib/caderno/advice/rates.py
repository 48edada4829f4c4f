"""Learning rates that somebody measured or ships, each with its source, and the range they span for a model.

No number here was tuned on the user's task: the range is where to begin a sweep. What a source measured elsewhere
(another task, another size) is listed and left out of the range.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from caderno.advice.architecture import TINY, Architecture

Method = Literal["lora", "full"]
Task = Literal["sft", "grpo"]
FORMULA_BASE = 5e-5  # full fine-tuning at hidden size 2,000
LORA_OVER_FULL = 10.0
EXPONENTS = {"qwen": 0.0775, "llama": 0.781}
MEASURED_HIDDEN = (2048, 8192)  # hidden sizes of the models behind the formula
BLOG = "LoRA Without Regret (Thinking Machines Lab, 2025)"
COOKBOOK = "thinking-machines-lab/tinker-cookbook"
TRL_SFT, TRL_GRPO = 2e-5, 1e-6  # defaults of SFTConfig and GRPOConfig, 1.14.2; a test compares them with TRL


@dataclass(frozen=True)
class Rate:
    """A rate (low = high where the source gives one), who says so, and whether the range counts it."""

    low: float
    high: float
    source: str
    counted: bool
    remark: str = ""


@dataclass(frozen=True)
class RateAdvice:
    """The span of the counted sources, all sources, and what to beware of."""

    low: float
    high: float
    rates: tuple[Rate, ...]
    warnings: tuple[str, ...]


def formula(hidden_size: int, exponent: float, *, lora: bool) -> float:
    """5e-5 x (10 with LoRA) x (2000 / hidden)^exponent: fitted to SFT sweeps. At hidden 2560: 4.9e-4 (0.0775, Qwen's
    exponent) and 4.1e-4 (0.781, Llama's) with LoRA.
    """
    return FORMULA_BASE * (LORA_OVER_FULL if lora else 1.0) * (2000 / hidden_size) ** exponent


def learning_rates(model: Architecture, method: Method, task: Task) -> RateAdvice:
    """Every source's rate for this model, method and task; the range spans those that measured this task and method."""
    known = {
        ("sft", "lora"): _sft_lora, ("sft", "full"): _sft_full,
        ("grpo", "lora"): _grpo_lora, ("grpo", "full"): _grpo_full,
    }  # fmt: skip
    rates = known[task, method](model)
    if own := _own(method, task) if model.name == TINY else []:
        rates = [*(replace(rate, counted=False) for rate in rates), *own]  # it has been tried here, at this very size
    counted = [rate for rate in rates if rate.counted]
    low, high = min(rate.low for rate in counted), max(rate.high for rate in counted)
    return RateAdvice(low, high, tuple(rates), tuple(_warnings(model, method, task)))


def own_exponent(model: Architecture) -> str | None:
    """Whose exponent the family's name calls for: "qwen", "llama", or None."""
    return next((name for name in EXPONENTS if model.family.startswith(name)), None)


def shown(rate: float) -> str:
    """4.9e-4, 1e-5."""
    mantissa, exponent = f"{rate:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _formulas(model: Architecture, *, lora: bool, counted: bool, remark: str) -> list[Rate]:
    """One rate per exponent. Both count: they are two fits to the same sweeps, and the family decides little."""
    own = own_exponent(model)
    found = []
    for name, exponent in EXPONENTS.items():
        rate = formula(model.hidden_size, exponent, lora=lora)
        times = f"5e-5 x {LORA_OVER_FULL:g}" if lora else "5e-5"
        whose = f"{name}'s exponent" + (", this family's" if name == own else "")
        source = f"{times} x (2000 / {model.hidden_size})^{exponent}, {whose}: {BLOG}; {COOKBOOK}"
        found.append(Rate(rate, rate, source, counted, remark))
    return found


def _sft_lora(model: Architecture) -> list[Rate]:
    sweep = f"{COOKBOOK}, SFT sweep over its models (tulu3, batch 128, 780 steps): 3e-4 or 1e-3 for nearly all"
    ten_times = f"10 x TRL's default for SFT ({shown(TRL_SFT)}); the factor: {BLOG}"
    rates = _formulas(model, lora=True, counted=True, remark="fitted to SFT")
    rates.append(Rate(3e-4, 1e-3, sweep, True, "a coarse grid; large models at the lower end"))
    return [*rates, Rate(10 * TRL_SFT, 10 * TRL_SFT, ten_times, True)]


def _sft_full(model: Architecture) -> list[Rate]:
    rates = _formulas(model, lora=False, counted=True, remark="fitted to SFT")
    return [*rates, Rate(TRL_SFT, TRL_SFT, "TRL's default for SFT", True)]


def _grpo_lora(model: Architecture) -> list[Rate]:
    ten_times = f"10 x TRL's default for GRPO ({shown(TRL_GRPO)}); TRL's guide to LoRA Without Regret (SmolLM3-3B)"
    loop = f"{COOKBOOK}, recipes/rl_loop.py (Llama-3.1-8B, rank 32, groups of 16)"
    guide = "TRL's guide to LoRA Without Regret, its Python example (Qwen3-0.6B, rank 1)"
    return [
        Rate(10 * TRL_GRPO, 10 * TRL_GRPO, ten_times, True),
        Rate(4e-5, 4e-5, loop, True),
        Rate(5e-5, 5e-5, guide, True),
        *_formulas(model, lora=True, counted=False, remark="fitted to SFT: an upper bound for RL, not a start"),
    ]


def _grpo_full(model: Architecture) -> list[Rate]:
    tenth = f"a tenth of the LoRA rate of {COOKBOOK}, recipes/rl_loop.py; the factor: {BLOG}"
    return [
        Rate(TRL_GRPO, TRL_GRPO, "TRL's default for GRPO", True),
        Rate(4e-5 / LORA_OVER_FULL, 4e-5 / LORA_OVER_FULL, tenth, True, "derived, measured by nobody"),
        *_formulas(model, lora=False, counted=False, remark="fitted to SFT: too high for RL"),
    ]


def _own(method: Method, task: Task) -> list[Rate]:
    """What this workspace's demo trains the tiny model with; every weight, since it has no adapter."""
    from caderno import params
    from caderno.runs import checkout

    file = checkout() / "params" / "demo.yaml"
    if method != "full" or not file.is_file():
        return []
    rate = getattr(params.load(file), task).learning_rate
    source = "params/demo.yaml, chosen on held-out rows of the demo; half of it as the lower end (proposed)"
    return [Rate(rate / 2, rate, source, True, "tried with this very model")]


def _warnings(model: Architecture, method: Method, task: Task) -> list[str]:
    found = []
    low, high = MEASURED_HIDDEN
    if not low <= model.hidden_size <= high:
        found.append(
            f"hidden size {model.hidden_size} is outside {low} to {high}, where the formula was fitted: sweep over a "
            "decade or more"
        )
    if own_exponent(model) is None:
        found.append(f"family {model.family!r} is neither Qwen's nor Llama's: both exponents are guesses for it")
    if method == "lora":
        found.append("the rates hold for alpha / rank scaling with alpha 32; another alpha moves the best rate with it")
    if task == "grpo" and method == "lora":
        found.append(f"{shown(TRL_GRPO)}, TRL's default, is meant for full fine-tuning: LoRA hardly moves at it")
    return found
