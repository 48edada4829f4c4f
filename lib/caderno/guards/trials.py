"""Whether a stage is a trial of the code: a step or two, which shows that it runs and claims nothing.

Rules about noise, coverage and budgets mean nothing there, and guards say so instead of warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caderno.params import Params

TRIAL_STEPS = 10  # optimizer steps below which nobody expects anything to be learned
TRIAL_TOKENS = 10_000  # the same for pretraining, whose steps follow from its tokens
WHY = f"a trial of the code: fewer than {TRIAL_STEPS} steps claim nothing"


def is_trial(params: Params, stage: str) -> bool:
    """Whether that stage only shows that it runs. Stages that train nothing are trials where all that train are."""
    if stage == "pretrain":
        return params.pretrain.tokens < TRIAL_TOKENS
    if stage in ("sft", "grpo"):
        steps = getattr(params, stage).max_steps
        return steps is not None and steps < TRIAL_STEPS
    training = [one for one in params.stages if one in ("pretrain", "sft", "grpo")]
    return bool(training) and all(is_trial(params, one) for one in training)
