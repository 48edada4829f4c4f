"""The tasks' scores as TRL reward functions: one per task, in stages, with a price on thought beyond a budget.

What a completion is worth is the tasks' own business; nothing here reads an answer.
"""

from caderno.rewards.contributions import contributions
from caderno.rewards.efficiency import hard_think_budgets, think_budget_tokens, think_efficiency
from caderno.rewards.functions import Judge
from caderno.rewards.judging import judged, judged_many
from caderno.rewards.schedule import PARTS, stage_weights

__all__ = [
    "PARTS",
    "Judge",
    "contributions",
    "hard_think_budgets",
    "judged",
    "judged_many",
    "stage_weights",
    "think_budget_tokens",
    "think_efficiency",
]
