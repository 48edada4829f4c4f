"""Entropy of a table of counts in bits, as it stands and with its bias mended.

It knows nothing of traces; intervals are the caller's, who knows what is independent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def miller_madow(counts: Counts) -> float | None:
    """Entropy in bits of a table of counts, the plug-in estimate with Miller and Madow's (K - 1) / 2N added.

    Miller (1955), Note on the bias of information estimates. At most log2 of N; None for no counts at all.
    """
    met = counts[counts > 0]
    n = int(met.sum())
    if n == 0:
        return None
    return float(min(plug_in(met) + (len(met) - 1) / (2 * n * np.log(2)), np.log2(n)))


def plug_in(counts: Counts) -> float:
    """Entropy in bits of the observed frequencies; too low by about (K - 1) / 2N nats."""
    met = counts[counts > 0]
    share = met / met.sum()
    return float(abs(-(share * np.log2(share)).sum()))
