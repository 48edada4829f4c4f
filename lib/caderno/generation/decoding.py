"""One token a step over a cache without copying it: heads that share keys folded into one call, room reserved.

transformers' own repeats keys and values for every head, and copies the cache to append to it. Models whose attention
is not sdpa, and layers whose cache is of another kind than the usual one, keep what they have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel

NAME = "caderno_decoding"


def attention(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor | None, scaling: float | None = None, **more: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Query (B, H, T, D) over keys (B, H/G, S, D) -> (B, T, H, D); more than one token is sdpa's as usual.

    The G heads that share a key become G queries of it; a mask (B, 1, 1, S) is the same for all of them.
    """
    rows, heads, tokens, width = query.shape
    per_head = attention_mask is not None and attention_mask.shape[1] != 1
    if tokens > 1 or heads == key.shape[1] or per_head or more.get("position_bias") is not None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **more)
    folded = query.reshape(rows, key.shape[1], heads // key.shape[1], width)
    out = torch.nn.functional.scaled_dot_product_attention(folded, key, value, attention_mask, scale=scaling)
    return out.reshape(rows, 1, heads, -1), None


class ReservedLayer(DynamicLayer):
    """A layer's cache in a buffer that has room for what is to come; what it returns is a view of it."""

    def __init__(self, layer: DynamicLayer, owners: torch.Tensor, room: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.keys.dtype, layer.keys.device, True
        self.buffers = [_reserved(states, owners, room) for states in (layer.keys, layer.values)]
        self._show(layer.keys.shape[-2])

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **more: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (B, H, T, D) put behind those there are; returns all of them."""
        start = self.keys.shape[-2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : start + states.shape[-2]] = states
        self._show(start + key_states.shape[-2])
        return self.keys, self.values

    def _show(self, length: int) -> None:
        self.keys, self.values = (buffer[:, :, :length] for buffer in self.buffers)


def _reserved(states: torch.Tensor, owners: torch.Tensor, room: int) -> torch.Tensor:
    """States (U, H, S, D) of unique prompts -> (B, H, S + room, D), row b those of owners[b]."""
    rows, (_, heads, length, width) = len(owners), states.shape
    buffer = states.new_empty(rows, heads, length + room, width)
    buffer[:, :, :length] = states[owners]
    return buffer


def branch(cache: Cache, owners: torch.Tensor, room: int) -> None:
    """The cache of unique prompts made one of rows, row b having prompt owners[b], with room for `room` tokens."""
    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[place] = ReservedLayer(layer, owners, room)
        else:
            layer.batch_select_indices(owners)


@contextmanager
def folded(model: PreTrainedModel) -> Iterator[None]:
    """The model attending so; what it had is put back."""
    own = model.config._attn_implementation
    if own != "sdpa" or not model._supports_attention_backend:
        yield
        return
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(own)
