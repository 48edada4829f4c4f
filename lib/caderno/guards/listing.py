"""How guards name rows and tensors: the first few, how many more, and of how many. It judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3


def listed(names: Sequence[str], of: int) -> str:
    """`a, b, c and 4 more (of 90)`."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more} (of {of})"
