"""The noise of an evaluation: how far its mean moves when nothing has been learnt.

It measures from repeated samples of the same prompts; what a stopping rule does with that noise is in `stopping`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from caderno.errors import BadInput
from caderno.stats.intervals import codes, finite, same_length


@dataclass(frozen=True)
class Noise:
    """Standard errors of one evaluation's mean: drawn again on its own prompts, and on other prompts of the kind.

    `same_prompts` is what makes an evaluation curve jitter; `other_prompts` is what stands between the evaluation and
    the truth. `n` is the number of prompts the figures were measured on.
    """

    same_prompts: float
    other_prompts: float
    n: int


def evaluation_noise(scores: Sequence[float], groups: Sequence[Hashable], *, prompts: int, samples: int = 1) -> Noise:
    """Noise of an evaluation of `prompts` prompts with `samples` completions each, from scores of a calibration.

    `groups` names the prompt of each score; a prompt needs at least two. With v the mean variance of a prompt's scores
    and b the variance between prompts (moments of the one-way layout): same = sqrt(v / (prompts samples)),
    other = sqrt((b + v / samples) / prompts). A difference of two evaluations on the same prompts has sqrt(2) same.
    """
    array = finite(scores, "the noise of an evaluation")
    labels = codes(same_length(groups, array, "groups"))
    sizes = np.bincount(labels)
    if (sizes < 2).any() or len(sizes) < 2:
        raise BadInput(
            f"{int((sizes < 2).sum())} of {len(sizes)} prompts have one score", expected="two prompts, two scores each",
            where="evaluation_noise", mend="Draw at least two completions a prompt (calibration.samples).",
        )  # fmt: skip
    means = np.bincount(labels, weights=array) / sizes
    within = float(np.mean(np.bincount(labels, weights=(array - means[labels]) ** 2) / (sizes - 1)))
    between = max(0.0, float(means.var(ddof=1)) - within * float(np.mean(1 / sizes)))
    return Noise(
        float(np.sqrt(within / (prompts * samples))), float(np.sqrt((between + within / samples) / prompts)), len(sizes)
    )
