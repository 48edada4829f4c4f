"""What must hold of any loaded model, whoever loaded it: every weight present, ties kept, tokenizer and context fit.

It changes nothing; it describes the model or raises BadInput.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from caderno.params.sections import ModelParams

FIELDS = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "rope_theta",
    "tie_word_embeddings",
)


def architecture(config: PretrainedConfig) -> dict[str, Any]:
    """The fields that decide whether weights fit and mean the same."""
    rope = getattr(config, "rope_parameters", None) or {}
    values = {name: getattr(config, name, None) for name in FIELDS}
    values["rope_theta"] = rope.get("rope_theta", values["rope_theta"])
    return values


def is_tied(model: PreTrainedModel) -> bool:
    """Whether the head and the embedding are one tensor."""
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def named(keys: set[str] | list[str], limit: int = 6) -> str:
    """The first keys and how many more there are."""
    keys = sorted(keys)
    more = f" and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more


def require_complete(model: PreTrainedModel, found: dict[str, Any], where: str) -> None:
    """`found` is transformers' loading info. A missing weight would have been drawn at random, and a layer's weight
    that the model has no place for (Qwen3's q_norm under a Llama config) makes another function of the rest.
    """
    pairs = found["mismatched_keys"]
    shapes = [f"{key} is {list(got)} in the file, {list(want)} in the model" for key, got, want in pairs]
    groups = {
        "missing weights": found["missing_keys"],
        "wrong shapes": shapes,
        "weights of layers that config.json has no place for": unused_in_layers(model, found["unexpected_keys"]),
        "errors": found["error_msgs"],
    }
    problems = [f"{what}: {named(list(keys))}" for what, keys in groups.items() if keys]
    if problems:
        raise BadInput(
            "; ".join(problems),
            expected="a file for every weight that config.json describes",
            where=where,
            mend="Nothing is initialised at random in their place: copy the weights again, or correct config.json.",
        )


def unused_in_layers(model: PreTrainedModel, unexpected: set[str]) -> list[str]:
    """Unexpected keys inside the decoder; what lies outside it (a value head, a vision tower) may be left out."""
    return [key for key in unexpected if key.startswith(f"{model.base_model_prefix}.")]


def require_tie(model: PreTrainedModel, where: str) -> None:
    """A config that ties and a head of its own: the head would be trained here and lost by engines that tie."""
    if model.config.tie_word_embeddings and not is_tied(model):
        raise BadInput(
            "config.json ties the head to the embedding, and the weights hold a different lm_head",
            expected="one tensor for both, or tie_word_embeddings: false",
            where=where,
            mend="If the head was trained separately, set tie_word_embeddings to false in config.json; "
            "otherwise remove lm_head.weight from the file.",
        )


def require_fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, where: str) -> None:
    """Every token needs an embedding row. More rows than tokens is padding, and usual."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise BadInput(
            f"the tokenizer has {len(tokenizer)} tokens and the model {rows} embedding rows",
            expected="at least one row per token",
            where=where,
            mend="This tokenizer belongs to another model, or tokens were added without resizing.",
        )


def context_tokens(config: PretrainedConfig, requested: int | None = None) -> int:
    """Longest prompt plus completion, tokens. Raises BadInput when more is asked than the model was built for."""
    longest = getattr(config, "max_position_embeddings", None) or requested
    if requested and longest and requested > longest:
        raise BadInput(
            f"model.max_length is {requested}, and the model's positions end at {longest}",
            expected=f"at most {longest}",
            where="model.max_length",
            mend="Lower it, or take a model with a longer context.",
        )
    return requested or longest


def describe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> dict:
    """What this model is, for `Policy.info`."""
    from caderno.models import trainable_parameters

    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trainable": trainable_parameters(model),
        "vocabulary": len(tokenizer),
        "context_tokens": context_tokens(model.config, max_length),
        "tied": is_tied(model),
        "architecture": architecture(model.config),
    }


def ledger(model: PreTrainedModel, requested: ModelParams) -> list[dict[str, Any]]:
    """Requested against effective, read back from the model itself."""
    dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in model.parameters() if p.is_floating_point()})
    effective = {
        "model.dtype": (requested.dtype, "+".join(dtypes)),
        "model.attention": (requested.attention, model.config._attn_implementation),
        "model.load_in_4bit": (requested.load_in_4bit, bool(getattr(model, "is_loaded_in_4bit", False))),
        "model.gradient_checkpointing": (requested.gradient_checkpointing, bool(model.is_gradient_checkpointing)),
        "model.revision": (requested.revision, getattr(model.config, "_commit_hash", None)),
        "model.max_length": (requested.max_length, context_tokens(model.config, requested.max_length)),
    }
    return [{"what": what, "requested": asked, "effective": got} for what, (asked, got) in effective.items()]
