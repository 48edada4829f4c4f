"""Which weights a task's components have at a moment of training, by the schedule that the parameters declare.

It applies them to nothing; that the schedule covers the training is checked when the parameters are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno.tasks import WEIGHTS

if TYPE_CHECKING:
    from transformers import TrainerState

    from caderno.params.reward_sections import RewardParams

PARTS = tuple(WEIGHTS)  # format, partial, task: the components of every task's score


def stage_weights(rewards: RewardParams, progress: float) -> dict[str, float]:
    """Weights of format, partial and task at a share of training done, in [0, 1]; without stages the total's own.

    A stage holds while the share is below its `until`; the last one holds to the end.
    """
    if not rewards.staged:
        return dict(WEIGHTS)
    stage = next((stage for stage in rewards.stages if progress < stage.until), rewards.stages[-1])
    return {part: getattr(stage, part) for part in PARTS}


def progress(state: TrainerState) -> float:
    """Share of the optimizer steps that are done."""
    return state.global_step / max(1, state.max_steps)
