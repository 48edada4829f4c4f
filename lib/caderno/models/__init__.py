"""Models and tokenizers by one call, whatever their origin, with what was asked checked against what was got.

It neither trains nor generates, and it never fills a gap with random weights: a weight that is not in the file is an
error. Importing it loads no torch; unsloth is imported here only, and before trl.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from caderno.params.sections import LoraParams, ModelParams
    from caderno.params.training_sections import ArchitectureParams


@dataclass(frozen=True)
class Policy:
    """A model with its tokenizer.

    `info` is JSON: parameters, trainable, vocabulary, context_tokens, tied, architecture, and under "ledger" rows
    {"what", "requested", "effective"} for what a library may have changed.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    info: dict[str, Any] = field(default_factory=dict)


def load(model: ModelParams, *, for_training: bool = False) -> Policy:
    """The model and tokenizer that `model` names, its adapter merged, its `init` weights in place.

    With `for_training` it is left in training mode on the CPU, where a trainer takes it from there, with gradient
    checkpointing as asked; adapters to be trained come from `with_lora`. Otherwise it is in evaluation mode, on the
    GPU where there is one. Raises BadInput for anything missing, mismatched, truncated, unreachable or unavailable
    on this machine.
    """
    from caderno.models import loading

    return loading.load(model, for_training=for_training)


def with_lora(policy: Policy, lora: LoraParams, trainable_rows: Sequence[int] = ()) -> Policy:
    """The policy with fresh trainable low-rank adapters around a frozen base; the base is wrapped, not copied.

    Of the embedding, and of a head of its own, the rows of the token ids `trainable_rows` train as well; ties are kept.
    """
    from caderno.models import adapters

    return adapters.with_lora(policy, lora, trainable_rows)


def init_from(target: Any, path: str | Path, *, tokenizer: PreTrainedTokenizerBase | None = None) -> PreTrainedModel:
    """Exactly the weights at `path` in `target`, a model (changed in place) or a config; see `caderno.models.init`."""
    from caderno.models import init

    return init.init_from(target, path, tokenizer=tokenizer)


def from_scratch(
    architecture: ArchitectureParams, tokenizer: PreTrainedTokenizerBase, *, seed: int | None = None
) -> Policy:
    """A randomly initialised Qwen3 with tied embeddings and one embedding row per token of `tokenizer`.

    With a seed torch's global random state stays as it was; without one the weights are drawn from it.
    """
    from caderno.models import scratch

    return scratch.from_scratch(architecture, tokenizer, seed=seed)


def save(policy: Policy, directory: str | Path) -> Policy:
    """Write weights, config and tokenizer to `directory`, adapters merged, and check what was written.

    Returns the policy as saved: with adapters it replaces the one given, whose model is consumed by the merge.
    """
    from caderno.models import adapters, saving

    return saving.save(adapters.merge(policy), directory)


def trainable_parameters(model: PreTrainedModel) -> int:
    """How many weights receive gradients."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
