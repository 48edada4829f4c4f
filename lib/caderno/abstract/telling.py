"""A stage's result read back for pictures and the write-up: its best arm, and the arms as points.

It computes nothing and loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_INTERVAL = (("accuracy", "value"), ("low", "low"), ("high", "high"))  # a picture's name, an estimate's


def points(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arms as `plots.accuracy_tokens` draws them, and the best one's with random codes in place of its trace."""
    found = [
        {
            "name": line["arm"], **{key: line["accuracy"][old] for key, old in _INTERVAL}, "n": line["accuracy"]["n"],
            "tokens_z": line["tokens_c"] + line["tokens_z"], "tokens_y": line["tokens_y"],
        }
        for line in result["arms"]
    ]  # fmt: skip
    if not (line := best(result)):
        return found
    random = next(one for one in line["interventions"] if one["name"] == "randomised")
    mine = next(one for one in found if one["name"] == line["arm"])
    return [*found, mine | {"name": "random z", **{key: random[key] for key in ("accuracy", "low", "high", "n")}}]


def best(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """The most accurate arm that writes its own traces, but for oracle codes and the coin's; None where none does."""
    mine = [line for line in result["arms"] if "interventions" in line and line["arm"] not in ("oracle", "random_rl")]
    return max(mine, key=lambda line: line["accuracy"]["value"], default=None)
