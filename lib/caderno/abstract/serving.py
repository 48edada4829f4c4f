"""How a decoder comes to attend by a batch's layout: registration with transformers, and who is refused.

It leaves a model without a layout as it was under sdpa; what the layouts compute is `layout`'s and `flex`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from caderno.errors import BadInput

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NAME = "caderno_bottleneck"  # of the attention, among transformers' own
WHERE = "bottleneck attention"
MORE = ("sliding_window", "softcap", "s_aux", "position_bias", "head_mask")  # what a layer may ask for beside


class Attends(Protocol):
    """What layers are given: it attends, and counts how many of them did."""

    calls: int

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float, scaling: float | None,
        last: bool,
    ) -> torch.Tensor: ...  # fmt: skip


def attach(model: torch.nn.Module) -> PreTrainedModel:
    """Makes the model's layers attend by the layout that a call brings as `bottleneck=`, and as sdpa without one.

    It stays so, because gradient checkpointing runs the layers again during the backward pass; nothing of it is saved
    with the model. Returns the model inside wrappers (DDP, PEFT).

    Raises:
        BadInput: transformers' attention interface does not serve this model, or some of its layers do not attend to
            everything before them.
    """
    bare = unwrapped(model)
    if bare.config._attn_implementation != NAME:
        _check_model(bare)
        _register()
        bare.set_attn_implementation(NAME)
    return bare


def unwrapped(model: torch.nn.Module) -> PreTrainedModel:
    """The transformers model inside DDP, compiled modules and PEFT."""
    while True:
        if hasattr(model, "get_base_model"):
            model = model.get_base_model()
        elif (inner := getattr(model, "module", None) or getattr(model, "_orig_mod", None)) is not None:
            model = inner
        else:
            return model


def attention(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any,
    dropout: float = 0.0, scaling: float | None = None, bottleneck: Attends | None = None, **kwargs: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """One layer's attention, as transformers calls it: query (B, heads, T, D), result (B, T, heads, D)."""
    if bottleneck is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    asked = [name for name in MORE if kwargs.get(name) is not None]
    if asked or not getattr(module, "is_causal", True) or query.shape[2] != key.shape[2]:
        got = f"a layer attends with {', '.join(asked)}" if asked else "a layer is not causal or has a cache"
        raise BadInput(got, expected="causal attention to everything before a token", where=WHERE)
    bottleneck.calls += 1
    return bottleneck.attend(query, key, value, dropout, scaling, _is_last(module)), None


def check_calls(model: PreTrainedModel, layout: Attends) -> None:
    """Raises BadInput where a layer did not attend by the layout: through it Y would see C, and nothing would tell."""
    layers = model.config.get_text_config().num_hidden_layers
    if layout.calls != layers:
        raise BadInput(
            f"{layout.calls} of {layers} layers of {type(model).__name__} attended by the layout",
            expected="all of them",
            where=WHERE,
            mend="Take a decoder whose layers all go through transformers' AttentionInterface.",
        )


def _is_last(module: torch.nn.Module) -> bool:
    """Whether this is the last layer's attention; where a model does not number its layers, none is said to be."""
    layers = getattr(getattr(module, "config", None), "num_hidden_layers", None)
    return layers is not None and getattr(module, "layer_idx", None) == layers - 1


def _check_model(model: PreTrainedModel) -> None:
    """Raises BadInput where the configuration already says that the mask could not be kept."""
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is None and getattr(config, "sliding_window", None) is not None:
        kinds = ["sliding_attention"]
    other = sorted(set(kinds or ()) - {"full_attention"})
    if other:
        raise _refused(model, f"has layers of {', '.join(other)}", "full attention in every layer")
    if model.config.is_encoder_decoder:
        raise _refused(model, "is an encoder-decoder", "a decoder")
    if not (model._supports_attention_backend and model._can_set_attn_implementation()):
        raise _refused(model, "is not served by transformers' AttentionInterface", "a model that is")


def _refused(model: PreTrainedModel, got: str, expected: str) -> BadInput:
    mend = "Qwen3, Llama, Mistral without a window, Gemma and Granite are known to be served."
    return BadInput(f"{type(model).__name__} {got}", expected=expected, where=WHERE, mend=mend)


def _register() -> None:
    """Gives transformers the attention, and for calls without a layout the masks of sdpa."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
