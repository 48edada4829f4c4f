"""Rows of [X; C; Z; Y] (prompt, thought, abstract trace, answer) and the batches that are made of them.

It neither builds rows from tasks nor cuts any: whoever makes rows leaves out those that are too long, by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caderno.errors import BadInput

if TYPE_CHECKING:
    import torch

IGNORED = -100  # a label without loss, as in torch and transformers
LOSS_ON = ("z", "y")


@dataclass(frozen=True)
class Segments:
    """One row, in token ids. `z` holds BEGIN, the codes and END; `y` ends with EOS; `c` and `z` may be empty.

    `weight` multiplies the row's loss: 1 for a row that stands for itself, a share where rows are candidates.

    Raises:
        BadInput: no prompt (nothing would predict the first token), or a weight that is negative or not a number.
    """

    row_id: str
    x: tuple[int, ...]
    c: tuple[int, ...]
    z: tuple[int, ...]
    y: tuple[int, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.x:
            raise BadInput("x is empty", expected="at least one token of prompt", where=f"row {self.row_id}")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise BadInput(f"weight is {self.weight}", expected="0 or more", where=f"row {self.row_id}")

    @property
    def spans(self) -> tuple[int, int, int, int]:
        """Lengths of x, c, z and y in tokens."""
        return len(self.x), len(self.c), len(self.z), len(self.y)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The whole row."""
        return (*self.x, *self.c, *self.z, *self.y)

    def __len__(self) -> int:
        return sum(self.spans)


def labels(row: Segments, loss_on: Sequence[str] = LOSS_ON) -> list[int]:
    """The row's tokens where there is loss, IGNORED elsewhere; as long as the row.

    No loss on X and C; none on z's first token, BEGIN, which is given at inference. Without z, y's first token has none
    where there is a c: the state that would predict it is c's own last, and y is not to see c.
    """
    x, c, z, y = row.spans
    found = [IGNORED] * len(row)
    if "z" in loss_on:
        found[x + c + 1 : x + c + z] = row.z[1:]
    if "y" in loss_on:
        found[x + c + z :] = row.y
        if c and y and not z:
            found[x + c] = IGNORED
    return found


def collate(rows: Sequence[Segments], pad_id: int, *, loss_on: Sequence[str] = LOSS_ON) -> dict[str, torch.Tensor]:
    """A batch, padded on the right to its longest row.

    Returns input_ids, attention_mask and labels (B, T) int64, spans (B, 4) int64 (lengths of x, c, z, y) and weights
    (B,) float32. Positions are the model's default, 0 to T - 1.

    Raises:
        BadInput: no rows, a segment that can carry no loss, or a row that has no token with loss.
    """
    import torch

    _check(rows, loss_on)
    width = max(map(len, rows))
    wanted = [labels(row, loss_on) for row in rows]
    for row, one in zip(rows, wanted, strict=True):
        if all(label == IGNORED for label in one):
            raise BadInput(
                f"lengths of x, c, z, y are {row.spans}: no token has loss",
                expected=f"tokens to learn in {' or '.join(loss_on)}",
                where=f"row {row.row_id}",
            )
    return {
        "input_ids": torch.tensor([_padded(row.tokens, width, pad_id) for row in rows]),
        "attention_mask": torch.tensor([_padded([1] * len(row), width, 0) for row in rows]),
        "labels": torch.tensor([_padded(one, width, IGNORED) for one in wanted]),
        "spans": torch.tensor([row.spans for row in rows]),
        "weights": torch.tensor([row.weight for row in rows], dtype=torch.float32),
    }


def segment_ids(row: Segments) -> Iterator[int]:
    """0, 1, 2, 3 for the tokens of x, c, z, y, in order."""
    for number, length in enumerate(row.spans):
        yield from [number] * length


def _check(rows: Sequence[Segments], loss_on: Sequence[str]) -> None:
    if not rows:
        raise BadInput("there are no rows", expected="at least one", where="collate")
    if not loss_on or set(loss_on) - set(LOSS_ON):
        raise BadInput(f"loss_on is {list(loss_on)}", expected="some of z, y", where="collate")


def _padded(values: Sequence[int], width: int, filler: int) -> list[int]:
    return [*values, *[filler] * (width - len(values))]
