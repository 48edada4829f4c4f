"""Gives a row without a split one by the hash of its group, and checks that splits have nothing in common.

A row's split depends on that row and on the declared shares alone, never on other rows or on a seed: adding rows moves
no old one, and two runs with different seeds do not test on what the other trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from caderno.errors import BadInput
from caderno.params.sections import DataParams
from caderno.tasks.base import fold


def default_shares() -> dict[str, float]:
    """The shares of the splits where no parameter file says otherwise."""
    return DataParams().split_shares.model_dump()


def group_of(row: dict) -> str:
    """What must stay in one split: the row's `group`, else its first entity, else its folded prompt.

    The prompt is what is not of the system, without case, accents and extra spaces. Rows that share any entity would
    make better groups still (connected components), but one new row can join two old components that stand in two
    splits, and then old rows would have to move.
    """
    if "group" in row:
        return row["group"]
    if row.get("entities"):
        return row["entities"][0]
    return "prompt " + fold(" ".join(m["content"] for m in row["prompt"] if m["role"] != "system"))


def split_of(group: str, shares: Mapping[str, float]) -> str:
    """The split of a group: where its SHA-256, read as a fraction, falls among the cumulated shares."""
    place = int.from_bytes(hashlib.sha256(group.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
    edge = 0.0
    for split, share in shares.items():
        edge += share
        if place < edge:
            return split
    return split  # shares that add up to a hair less than 1


def with_split(row: dict, shares: Mapping[str, float]) -> dict:
    """The row with the split it declares, else with its group's."""
    return row if "split" in row else row | {"split": split_of(group_of(row), shares)}


def require_disjoint(splits: Mapping[str, list[dict]]) -> None:
    """Raise BadInput when two splits share an id, a declared group, an entity or a prompt."""
    seen: dict[str, tuple[str, str]] = {}
    for split, found in splits.items():
        for row in found:
            groups = (f"group {row['group']}",) if "group" in row else ()
            for key in (f"id {row['id']}", f"prompt {row['prompt']}", *groups, *row.get("entities", ())):
                first, other = seen.setdefault(key, (split, row["id"]))
                if first != split:
                    raise BadInput(
                        f"{key[:120]} stands in {first} ({other}) and in {split} ({row['id']})",
                        expected="splits with no group, entity or prompt in common", where="data",
                        mend="Give the rows of one entity to one split: the same `split`, or the same `group`. Under "
                        "`entities` keep only what must not stand in two splits.",
                    )  # fmt: skip
