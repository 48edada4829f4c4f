"""What the KL of a GRPO is to: the policy as it starts, a frozen copy or itself with its fresh adapters disabled.

TRL's own choice is never taken. It computes no KL, and moves no reference while a training runs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from caderno.errors import BadInput
from caderno.guards.facts_probe_rollouts import evaluating

if TYPE_CHECKING:
    from trl import GRPOConfig, GRPOTrainer

    from caderno.models import Policy

NONE = "none"
COPY = "a frozen copy of the policy as it started"
DISABLED = "the policy with its adapters disabled"
T = TypeVar("T", bound="GRPOTrainer")


def made(make: Callable[..., T], policy: Policy, config: GRPOConfig, *, where: str) -> T:
    """The trainer `make(args=config)`, whose KL of weight `config.beta` is to `policy` as it is given here.

    TRL builds it at a weight of 0, and is given weight and reference afterwards. Left to itself it would load a
    reference by the policy's name, whatever was put in place in memory since, or keep a copy of the adapter, which a
    checkpoint saves beside the one in training and a resumed run then loads in its stead.
    Raises BadInput, which names `where`, for adapters that are not fresh.
    """
    weight = config.beta
    reference = _reference(policy, where) if weight else None
    config.beta = 0.0
    found = make(args=config)
    found.beta = found.args.beta = weight
    found.kept_reference = reference
    if reference is not None:
        found.ref_model = found.accelerator.prepare_model(reference, evaluation_mode=True)
    return found


@contextmanager
def shown(policy: Policy) -> Iterator[tuple[Any, str]]:
    """(model, what it is): what gives the reference's logits in a training of `policy` that has a KL.

    Raises BadInput as `made` does. The policy is as before afterwards, and a copy is dropped.
    """
    reference = _reference(policy, "the policy that is to be trained")
    if reference is not None:
        yield reference, COPY
        return
    with policy.model.disable_adapter():
        yield policy.model, DISABLED


def _reference(policy: Policy, where: str) -> Any | None:
    """A frozen copy of the policy; None where there are adapters to disable, which must be fresh."""
    if hasattr(policy.model, "peft_config"):
        _require_fresh(policy.model, where)
        return None
    return copy.deepcopy(policy.model).eval().requires_grad_(False)


def _require_fresh(model: Any, where: str) -> None:
    """Refuse adapters that change a logit, on fixed tokens and on those whose rows they train."""
    from caderno.models import adapters

    also = adapters.trained_rows(model)
    with evaluating(model):
        with_adapters = adapters.probe_logits(model, also)
        with model.disable_adapter():
            differs = (with_adapters - adapters.probe_logits(model, also)).abs().max().item()
    if differs:
        raise BadInput(
            f"the adapters change a logit by {differs:.3g} before the first step",
            expected="fresh adapters: disabled, they are the KL's reference", where=where,
            mend="Merge them and add fresh ones.",
        )  # fmt: skip


def rows(trainer: GRPOTrainer, weight: float, *, adapters: bool) -> list[dict[str, Any]]:
    """The ledger's rows on the KL: its weight and what it is to, as asked and as the trainer holds them."""
    asked = (DISABLED if adapters else COPY) if weight else NONE
    return [
        {"what": "beta", "requested": weight, "effective": trainer.beta},
        {"what": "reference of the KL", "requested": asked, "effective": held(trainer)},
    ]


def held(trainer: GRPOTrainer) -> str | None:
    """What TRL would take as the reference at the trainer's next step; None where it would find nothing."""
    if not trainer.beta:
        return NONE
    if trainer.ref_model is not None:
        model = trainer.accelerator.unwrap_model(trainer.ref_model)
        if model is not getattr(trainer, "kept_reference", None):
            return f"another model, {model.config._name_or_path or 'which has no name'}"
        return "a copy that is not frozen" if any(p.requires_grad for p in model.parameters()) else COPY
    adapters = getattr(trainer.accelerator.unwrap_model(trainer.model), "peft_config", {})
    if "ref" in adapters:
        return "a second adapter, ref"
    return DISABLED if adapters else None
