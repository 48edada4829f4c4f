"""Bottleneck attention of one batch of [X; C; Z; Y]: where its rows are cut, and the two causal calls on the cuts.

It knows tensors alone: how a model comes to call it is `serving`'s, what is learnt by it `bottleneck`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Span = tuple[int, int, int, int]


class Layout:
    """One batch's cuts, made once a forward and shared by its layers.

    `plain` is set where no row has both a C to hide and a Y to hide it from: the mask is the causal one. `prefix` is
    the longest [X; C; Z] and `suffix` the longest [X; Z; Y]. Rows of equal lengths are cut by slices; others by
    indices. Padding reads places of its own row and nothing reads it. A plain class, because some wrappers of models
    copy dataclasses on the way to the layers, and `calls`, how many layers attended by it, must be this object's.

    `z_and_y_only`: nobody reads the states of X and C after the last layer, so that there they need not attend.
    """

    def __init__(
        self, spans: Sequence[Span], width: int, device: torch.device | str = "cpu", *, z_and_y_only: bool = False
    ):
        self.width, self.calls, self.z_and_y_only = width, 0, z_and_y_only
        self.plain = not any(c and y for _, c, _, y in spans)
        self.prefix = max(x + c + z for x, c, z, _ in spans)
        self.suffix = max(x + z + y for x, _, z, y in spans)
        self.only = spans[0] if len(set(spans)) == 1 and sum(spans[0]) == width else None
        if not self.plain and self.only is None:
            self._cut, self._join = self._places(spans, device)

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        dropout: float,
        scaling: float | None,
        last: bool = False,
    ) -> torch.Tensor:
        """(B, heads, T, D) to (B, T, heads, D); `last` in the last layer.

        [X; C; Z] attends to itself causally; then [X; Z; Y] does, with the same layer's keys and values, and Y's rows
        of it are kept. X's and Z's rows of the second call are computed for nothing: a square is what the fast causal
        kernels take, on the CPU and on GPUs (torch aligns the triangle of an oblong at its upper left). They cost less
        than the first call does. Z's keys and values come from states that saw C.
        """
        states = (query, key, value)
        if self.plain:
            return causal(*states, dropout, scaling).transpose(1, 2).contiguous()
        before = [state[:, :, : self.prefix] for state in states]
        unread = sum(self.only[:2]) if last and self.z_and_y_only and self.only else 0
        first = causal(*before, dropout, scaling) if not unread else _rest(*before, unread, dropout, scaling)
        return self._together(first, causal(*map(self._second, states), dropout, scaling))

    def _second(self, states: torch.Tensor) -> torch.Tensor:
        """[X; Z; Y] of every row: (B, heads, T, D) to (B, heads, suffix, D)."""
        import torch

        if self.only is not None:
            x, c, _, _ = self.only
            return torch.cat((states[:, :, :x], states[:, :, x + c :]), 2)
        batch, heads, width, size = states.shape
        flat = states.transpose(1, 2).reshape(batch * width, heads, size)
        return flat.index_select(0, self._cut).view(batch, self.suffix, heads, size).transpose(1, 2)

    def _together(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Y's rows of the second result below the first: (B, T, heads, D)."""
        import torch

        first, second = first.transpose(1, 2), second.transpose(1, 2)
        if self.only is not None:
            return torch.cat((first, second[:, self.only[0] + self.only[2] :]), 1)
        batch, _, heads, size = first.shape
        flat = torch.cat((first.reshape(-1, heads, size), second.reshape(-1, heads, size)))
        return flat.index_select(0, self._join).view(batch, self.width, heads, size)

    def _places(self, spans: Sequence[Span], device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
        """Where [X; Z; Y] stands in the batch laid out flat, and where the batch stands in both results so laid out."""
        import torch

        cut: list[int] = []
        join: list[int] = []
        for row, (x, c, z, y) in enumerate(spans):
            start, above = row * self.width, row * self.prefix
            below = len(spans) * self.prefix + row * self.suffix
            cut += [*range(start, start + x), *range(start + x + c, start + x + c + z + y)]
            cut += [start] * (self.suffix - x - z - y)
            join += [*range(above, above + x + c + z), *range(below + x + z, below + x + z + y)]
            join += [above] * (self.width - x - c - z - y)
        return torch.tensor(cut, device=device), torch.tensor(join, device=device)


def causal(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float = 0.0, scaling: float | None = None
) -> torch.Tensor:
    """Causal attention of states over themselves, (B, heads, T, D), by the kernel that keeps no scores."""
    import torch.nn.functional as F
    from transformers.integrations.sdpa_attention import repeat_kv, use_gqa_in_sdpa

    shared = query.shape[1] // key.shape[1]
    grouped = shared > 1 and use_gqa_in_sdpa(None, key, value)
    if shared > 1 and not grouped:
        key, value = repeat_kv(key, shared), repeat_kv(value, shared)
    return F.scaled_dot_product_attention(
        query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped
    )


def _rest(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, unread: int, dropout: float, scaling: float | None
) -> torch.Tensor:
    """As `causal` from place `unread` on, zeros before: by a mask of the few rows that are left.

    Query heads that share a key head are stacked as rows of one, so that no key or value is copied.
    """
    import torch
    import torch.nn.functional as F

    batch, heads, length, size = query.shape
    count, shared = length - unread, heads // key.shape[1]
    if not count:
        return torch.zeros_like(query)
    mask = torch.ones(count, length, dtype=torch.bool, device=query.device).tril(unread).repeat(shared, 1)
    rows = query[:, :, unread:].reshape(batch, key.shape[1], shared * count, size)
    rest = F.scaled_dot_product_attention(rows, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling)
    return F.pad(rest.reshape(batch, heads, count, rest.shape[-1]), (0, 0, unread, 0))
