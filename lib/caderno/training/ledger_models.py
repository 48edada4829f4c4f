"""The ledger's rows about the model that was trained: kernels, precision, adapters, ties, vocabulary.

Read from modules and tensors where they say it; from the config only what no tensor holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from caderno.models.checks import is_tied

if TYPE_CHECKING:
    from transformers import Trainer

    from caderno.params import Params
    from caderno.params.sections import LoraParams, ModelParams


def inner(model: Any) -> Any:
    """The transformers model inside adapters."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def rows(trainer: Trainer, params: Params) -> list[dict[str, Any]]:
    """Every row about the trainer's model."""
    wrapped = trainer.accelerator.unwrap_model(trainer.model)
    model, asked = inner(wrapped), params.model
    pairs = {
        "model.attention": (asked.attention, model.config._attn_implementation),
        "model.dtype": (asked.dtype, _dtype(wrapped, asked)),
        "model.gradient_checkpointing": (asked.gradient_checkpointing, bool(model.is_gradient_checkpointing)),
        **_vocabulary(model, trainer.processing_class),
        **(_adapter(wrapped, asked.lora) if asked.lora else _whole(wrapped)),
    }
    return [{"what": what, "requested": wanted, "effective": held} for what, (wanted, held) in pairs.items()]


def _dtype(model: Any, asked: ModelParams) -> str:
    """The precision of the weights that were loaded; adapters have their own, and 4-bit weights compute in another."""
    if asked.load_in_4bit:
        quantization = inner(model).config.quantization_config
        return str(quantization.bnb_4bit_compute_dtype).removeprefix("torch.")
    own = ("lora_", "trainable_tokens_delta")  # an adapter's
    base = [p for name, p in model.named_parameters() if p.is_floating_point() and not any(o in name for o in own)]
    return "+".join(sorted({str(p.dtype).removeprefix("torch.") for p in base}))


def _vocabulary(model: Any, tokenizer: Any) -> dict[str, tuple[Any, Any]]:
    """One head or two, as the config says and as the tensors are; rows for every token. More rows are padding."""
    embedding_rows = model.get_input_embeddings().weight.shape[0]
    return {
        "tie_word_embeddings": (bool(model.config.tie_word_embeddings), is_tied(model)),
        "vocabulary, rows of the embedding": (model.config.vocab_size, embedding_rows),
        "vocabulary, tokens with a row": (len(tokenizer), min(len(tokenizer), embedding_rows)),
    }


def _whole(model: Any) -> dict[str, tuple[Any, Any]]:
    """No adapters were asked for: every weight trains."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {
        "adapted modules": (0, len(_adapted(model))),
        "trainable parameters": (sum(n for n, _ in sizes), sum(n for n, trains in sizes if trains)),
    }


def _adapter(model: Any, asked: LoraParams) -> dict[str, tuple[Any, Any]]:
    """Adapters by their tensors: which modules have one, of which rank and scale, and how many weights that makes."""
    found, wanted = _adapted(model), _wanted(model, asked.targets)
    made = sum(asked.rank * (one.in_features + one.out_features) for one in found.values())
    scale = asked.alpha / (asked.rank**0.5 if asked.rslora else asked.rank)
    return {
        "lora.targets": (_kinds(wanted), _kinds(found)),
        "lora.rank": (asked.rank, _one(one.lora_A["default"].weight.shape[0] for one in found.values())),
        "lora.scale": (scale, _one(one.scaling["default"] for one in found.values())),
        "adapted modules": (len(wanted), len(found)),
        "trainable parameters": (made, sum(p.numel() for p in model.parameters() if p.requires_grad)),
    }


def _wanted(model: Any, targets: str | tuple[str, ...]) -> list[str]:
    """Names of the linear modules that `targets` asks for: the last part of a name, a pattern, or all but the head."""
    head = model.get_output_embeddings()
    modules = {name: one for name, one in model.named_modules() if hasattr(one, "in_features") and "lora_" not in name}
    linear = {name.removesuffix(".base_layer") for name, one in modules.items() if one is not head}
    if targets == "all-linear":
        return sorted(linear)
    if isinstance(targets, str):  # PEFT matches such a pattern against the whole name
        return sorted(name for name in linear if re.fullmatch(targets, name.removeprefix("base_model.model.")))
    return sorted(name for name in linear if any(f".{name}".endswith(f".{target}") for target in targets))


def _kinds(names: Iterable[str]) -> list[str]:
    return sorted({name.rpartition(".")[2] for name in names})


def _adapted(model: Any) -> dict[str, Any]:
    """Modules that carry an adapter, by name."""
    return {name: one for name, one in model.named_modules() if hasattr(one, "lora_A") and len(one.lora_A)}


def _one(values: Any) -> Any:
    """The value that all share, or all of them."""
    found = sorted(set(values))
    return found[0] if len(found) == 1 else found
