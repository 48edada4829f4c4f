"""Figures of a run: training curves, calibration, validation before and after, and the README's picture.

Every function takes what the artifacts hold (a result dict, metrics or samples as lists of dicts) and returns a
Figure; none opens a window, touches pyplot's global state or estimates anything anew.
"""

from caderno.plots.abstract import panel as trace_panel
from caderno.plots.abstract_arms import accuracy_tokens, interventions
from caderno.plots.contributions import contributions
from caderno.plots.curves import losses, training_curves
from caderno.plots.groups import groups
from caderno.plots.hero import readme_hero
from caderno.plots.scores import calibration, score_distribution
from caderno.plots.style import Picture, style
from caderno.plots.validation import before_after

__all__ = [
    "Picture",
    "accuracy_tokens",
    "before_after",
    "calibration",
    "contributions",
    "groups",
    "interventions",
    "losses",
    "readme_hero",
    "score_distribution",
    "style",
    "trace_panel",
    "training_curves",
]
