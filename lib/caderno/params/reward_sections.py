"""The parameter section of the rewards: staged weights and the price of thought.

Numbers only; how a score becomes a reward is `caderno.rewards`, and what a task may spend is in `sections`.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, model_validator

from caderno.params.checks import refuse_bad_stages
from caderno.params.training_sections import Section, Share


class RewardStageParams(Section):
    """The weights of a task's components up to a share of the training; they sum to 1."""

    until: Annotated[float, Field(gt=0, le=1)] = Field(description="share of training at which the next stage begins")
    format: Share = Field(description="weight of the form")
    partial: Share = Field(description="weight of partial credit")
    task: Share = Field(description="weight of the task itself")


class RewardParams(Section):
    """How a task's components become GRPO's reward."""

    staged: bool = Field(False, description="format -> partial -> task weights over training; False: the task's total")
    stages: tuple[RewardStageParams, ...] = Field(
        default_factory=lambda: (
            RewardStageParams(until=0.333, format=0.6, partial=0.3, task=0.1),
            RewardStageParams(until=0.666, format=0.2, partial=0.5, task=0.3),
            RewardStageParams(until=1, format=0.2, partial=0.4, task=0.4),
        ),
        description="weights in force until a share of training, where staged; the last until is 1",
        min_length=1,
    )
    think_efficiency: NonNegativeFloat = Field(0.0, description="weight of the think-budget reward; 0 is off")
    composite: bool = Field(False, description="one reward function for all tasks instead of one per task")

    @model_validator(mode="after")
    def _stages_cover_training(self) -> Self:
        """Each moment of training has one stage, and a stage's weights keep the reward between 0 and 1."""
        refuse_bad_stages(self.stages)
        return self
