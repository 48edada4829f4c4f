"""What each component of each task brought to the reward, at the start and at the end of a training.

It reads logged lines alone: means of components and weights in force, as the reward functions log them.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from caderno.rewards.schedule import PARTS

if TYPE_CHECKING:
    from caderno.params import Params

ENDS = 10  # logged steps at each end


def contributions(logged: Sequence[dict], params: Params) -> list[dict]:
    """One entry per task and component: weight, mean and contribution = weight x mean, first and last.

    A component's weight is its task's weight times the stage's (or `rewards.think_efficiency`), means of the steps they
    are told for: the first and the last ten logged steps that met the task, or half of them each where there are fewer
    than twenty. A task that no step met has no entry. The contributions of a task add up to the mean reward of its
    completions, as far as the weights stay the same within those steps.
    """
    found = []
    for task, spec in params.tasks.items():
        for component in (*PARTS, "think_efficiency"):
            key = f"parts/{task}/{component}"
            lines = [line for line in logged if line.get(key) is not None]
            if not lines:
                continue
            k = max(1, min(ENDS, len(lines) // 2))
            entry = {"task": task, "component": component, "steps": k}
            for end, part in (("first", lines[:k]), ("last", lines[-k:])):
                mean = fmean(line[key] for line in part)
                weight = spec.weight * fmean(_weight(line, component, params) for line in part)
                entry |= {f"weight_{end}": weight, f"mean_{end}": mean, f"contribution_{end}": weight * mean}
            found.append(entry)
    return found


def _weight(line: dict, component: str, params: Params) -> float:
    return params.rewards.think_efficiency if component == "think_efficiency" else line[f"weights/{component}"]
