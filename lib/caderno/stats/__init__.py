"""Statistics for evaluations: intervals, paired tests, bootstrap, power, several seeds, stopping rules and their noise.

It holds no formula that scipy or statsmodels has already and never looks at a file: callers bring the numbers, one
per prompt, or samples with the prompt each belongs to.
"""

from caderno.stats.bootstrap import bootstrap_interval, paired_bootstrap
from caderno.stats.intervals import Estimate, mean_interval, proportion_interval, reading
from caderno.stats.noise import Noise, evaluation_noise
from caderno.stats.pairs import Paired, holm, paired_difference, proportions_difference
from caderno.stats.power import (
    detectable_mean,
    detectable_paired_share,
    detectable_share,
    mean_power,
    n_for_mean,
    n_for_paired_share,
    n_for_share,
    paired_share_power,
    share_power,
)
from caderno.stats.seeds import OverSeeds, over_seeds, seeds_difference
from caderno.stats.stopping import DeclineStop, delta_for, false_stop_rate

__all__ = [
    "DeclineStop",
    "Estimate",
    "Noise",
    "OverSeeds",
    "Paired",
    "bootstrap_interval",
    "delta_for",
    "detectable_mean",
    "detectable_paired_share",
    "detectable_share",
    "evaluation_noise",
    "false_stop_rate",
    "holm",
    "mean_interval",
    "mean_power",
    "n_for_mean",
    "n_for_paired_share",
    "n_for_share",
    "over_seeds",
    "paired_bootstrap",
    "paired_difference",
    "paired_share_power",
    "proportion_interval",
    "proportions_difference",
    "reading",
    "seeds_difference",
    "share_power",
]
