"""Advice before money is spent: rates and ranks from a model's own config, time and cost from a probe, data budgets.

Everything it says has an n, an interval or a source; it trains nothing and imports no torch.
"""

from caderno.advice.amounts import Budget, budget, of_params
from caderno.advice.architecture import Architecture, read_architecture
from caderno.advice.estimate import Forecast, forecast
from caderno.advice.probe import Probe, read_probe
from caderno.advice.rates import Rate, RateAdvice, learning_rates
from caderno.advice.training import advise

__all__ = [
    "Architecture",
    "Budget",
    "Forecast",
    "Probe",
    "Rate",
    "RateAdvice",
    "advise",
    "budget",
    "forecast",
    "learning_rates",
    "of_params",
    "read_architecture",
    "read_probe",
]
