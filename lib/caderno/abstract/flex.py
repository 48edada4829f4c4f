"""Several rows [X; C; Z; Y] in one sequence, under a FlexAttention block mask by document and segment: for GPUs.

On a CPU FlexAttention has no backward pass, and here no kernel of its own either: there it is for checking the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from caderno.abstract.sequences import IGNORED, LOSS_ON, Segments, labels, segment_ids
from caderno.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch.nn.attention.flex_attention import BlockMask

NOTHING = -1  # document and segment of padding
C, Y = 1, 3


class Packed:
    """The block mask of a packed batch, as the layers are given it."""

    def __init__(self, mask: BlockMask):
        self.mask, self.calls = mask, 0

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        dropout: float,
        scaling: float | None,
        last: bool = False,
    ) -> torch.Tensor:
        """(B, heads, T, D) to (B, T, heads, D). Raises BadInput for dropout, which FlexAttention lacks."""
        if dropout:
            raise BadInput(f"attention dropout is {dropout}", expected="0 with packed rows", where="packed rows")
        more = {"block_mask": self.mask, "scale": scaling, "enable_gqa": query.shape[1] != key.shape[1]}
        return _flex(query)(query, key, value, **more).transpose(1, 2).contiguous()


def pack(
    rows: Sequence[Segments], pad_id: int, length: int, *, loss_on: Sequence[str] = LOSS_ON, device: Any = "cpu"
) -> dict[str, Any]:
    """A batch of sequences of `length` tokens, each of several rows, longest rows first, each put where it first fits.

    Returns input_ids, labels, position_ids (from 0 in every row), segments (0 to 3) and documents (-1 in padding), all
    (B, length); weights (B, length), of each token's row; and `packed`, the mask. `bottleneck` takes it like any batch.

    Raises:
        BadInput: there are no rows, or one is longer than `length`.
    """
    import torch

    bins = fitted(rows, length)
    columns = [_columns(one, pad_id, length, loss_on) for one in bins]
    batch = {name: torch.tensor([one[name] for one in columns], device=device) for name in columns[0]}
    return {**batch, "packed": Packed(block_mask(batch["segments"], batch["documents"]))}


def fitted(rows: Sequence[Segments], length: int) -> list[list[Segments]]:
    """The rows in bins of at most `length` tokens: first fit, longest first. Raises BadInput as `pack`."""
    if not rows:
        raise BadInput("there are no rows", expected="at least one", where="packed rows")
    bins: list[tuple[int, list[Segments]]] = []
    for row in sorted(rows, key=len, reverse=True):
        if len(row) > length:
            raise BadInput(f"{len(row)} tokens", expected=f"at most {length}", where=f"row {row.row_id}")
        place = next((n for n, (used, _) in enumerate(bins) if used + len(row) <= length), len(bins))
        used, inside = bins[place] if place < len(bins) else (0, [])
        bins[place : place + 1] = [(used + len(row), [*inside, row])]
    return [inside for _, inside in bins]


def block_mask(segments: torch.Tensor, documents: torch.Tensor) -> BlockMask:
    """The mask of segments and documents (B, T): causal inside a row, and Y blind to C; blocks of 128 × 128.

    Padding is a document of its own, so that no row of the mask is empty. Made once a batch and shared by its layers; a
    bool of T × T exists while it is made.
    """
    from torch.nn.attention.flex_attention import create_block_mask

    def seen(row, _head, query, key):
        inside = (query >= key) & (documents[row, query] == documents[row, key])
        return inside & ~((segments[row, query] == Y) & (segments[row, key] == C))

    batch, length = segments.shape
    return create_block_mask(seen, batch, None, length, length, device=segments.device)


def _columns(rows: Sequence[Segments], pad_id: int, length: int, loss_on: Sequence[str]) -> dict[str, list]:
    """One packed sequence, by column."""
    columns = {
        "input_ids": [token for row in rows for token in row.tokens],
        "labels": [label for row in rows for label in labels(row, loss_on)],
        "position_ids": [place for row in rows for place in range(len(row))],
        "segments": [number for row in rows for number in segment_ids(row)],
        "documents": [number for number, row in enumerate(rows) for _ in range(len(row))],
        "weights": [float(row.weight) for row in rows for _ in range(len(row))],
    }
    fillers = {"input_ids": pad_id, "labels": IGNORED, "position_ids": 0, "segments": NOTHING, "documents": NOTHING}
    missing = length - len(columns["labels"])
    return {name: values + [fillers.get(name, 0.0)] * missing for name, values in columns.items()}


def _flex(query: torch.Tensor) -> Any:
    """FlexAttention: compiled on a GPU, where that is what makes it sparse; as it is on a CPU."""
    from torch.nn.attention.flex_attention import flex_attention
    from transformers.integrations.flex_attention import compile_friendly_flex_attention

    return flex_attention if query.device.type == "cpu" else compile_friendly_flex_attention
