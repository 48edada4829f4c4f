"""Which weights a stage starts from or judges: the newest of its run's passed stages, else the parameters' model.

It loads them through `caderno.models`, once they are known to be what was saved; how a stage that trains ends is
`closing`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno import generation, models, runs
from caderno.errors import BadInput
from caderno.generation import Engine
from caderno.models import Policy
from caderno.training import closing
from caderno.training.closing import keep

if TYPE_CHECKING:
    from caderno.params.sections import ModelParams
    from caderno.runs import Stage

__all__ = ["START", "TRAINED", "arms", "engine", "keep", "model_of", "start", "trained"]

START = "start"  # the arm of the parameters' own model
TRAINED = ("pretrain", "sft", "grpo")


def trained(stage: Stage) -> list[str]:
    """The earlier stages of this run that leave weights behind, oldest first."""
    return [name for name in TRAINED if name in runs.parents(stage.name, stage.params)]


def model_of(stage: Stage, arm: str) -> ModelParams:
    """The model section that names an arm's weights: a stage of this run, or START."""
    if arm == START:
        return stage.params.model
    return generation.plain(stage.params.model, stage.parent(arm) / "model")


def start(stage: Stage, *, for_training: bool = False) -> Policy:
    """The newest weights of the run, with fresh adapters where LoRA is asked for and training follows."""
    arm = (trained(stage) or [START])[-1]
    _unchanged(stage, arm)
    policy = models.load(model_of(stage, arm), for_training=for_training)
    stage.ledger(policy.info["ledger"])
    if for_training and stage.params.model.lora:
        policy = models.with_lora(policy, stage.params.model.lora)
    return policy


def engine(stage: Stage, arm: str | None = None) -> Engine:
    """A generation engine over an arm's weights; the newest where none is named."""
    arm = arm or (trained(stage) or [START])[-1]
    _unchanged(stage, arm)
    named = model_of(stage, arm)
    # vLLM reads finished weights itself; an adapter or init weights must be put in place first.
    by_name = stage.params.engine.name == "vllm" and not (named.adapter or named.init)
    return generation.open_engine(named.name if by_name else models.load(named), stage.params.engine, named)


def _unchanged(stage: Stage, arm: str) -> None:
    """Weights that an earlier stage saved are still what it saved; the parameters' own model has no such record."""
    if arm != START:
        closing.require_unchanged(stage, stage.parent(arm))


def arms(stage: Stage) -> tuple[str, str]:
    """What validation compares: the last two of start, sft, grpo that this run has."""
    found = [START, *trained(stage)]
    if len(found) < 2:
        raise BadInput(
            f"no stage before {stage.name} trains anything", expected=f"one of {', '.join(TRAINED)} in stages",
            where="stages", mend="A validation compares two arms: name what trains the second.",
        )  # fmt: skip
    return found[-2], found[-1]
