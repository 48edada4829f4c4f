"""The three splits of a run: each split's rows dealt to the tasks by the declared proportions.

Where one task's rows come from is `selection`'s business; splits with anything in common are refused here, always.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from caderno.data.reading import located
from caderno.data.selection import generated, generates, needs_shop, open_shop, require_enough, select
from caderno.data.splitting import require_disjoint
from caderno.errors import BadInput
from caderno.tasks import GENERIC_SYSTEM_PROMPT, task

if TYPE_CHECKING:
    from caderno.params import Params

FILES = ("files", "jsonl")  # data.source; the second is the first's older name
Rows = list[dict]


def build(params: Params) -> dict[str, Rows]:
    """The three splits of a run, tasks in the declared proportions and shuffled together, nothing in common."""
    drawn = _from_file(params) if params.data.source in FILES else _from_shop(params)
    splits = {split: _shuffled(found, split, params) for split, found in drawn.items()}
    require_disjoint(splits)
    return splits


def rows_of(params: Params) -> dict[str, int]:
    """How many rows each split of a run has."""
    spec = params.data
    return {"train": spec.train_rows, "heldout": spec.heldout_rows, "test": spec.test_rows}


def dealt(params: Params) -> dict[tuple[str, str], int]:
    """How many rows of each (task, split) a run draws; those of which it draws none are left out."""
    named = params.data.proportions.keys() & params.tasks
    weights = {name: params.data.proportions.get(name, 0.0) if named else 1.0 for name in params.tasks}
    return {
        (name, split): count
        for split, n in rows_of(params).items()
        for name, count in shares(n, weights).items()
        if count
    }


def _from_shop(params: Params) -> dict[str, Rows]:
    """Rows by split from generated shops or Olist's, and of the tasks that need none from their own generators."""
    wanted, spec = dealt(params), params.data
    drawn: dict[str, Rows] = {split: [] for split in rows_of(params)}
    for split, found in drawn.items():
        mine = {name: count for (name, of), count in wanted.items() if of == split}
        shop = None
        if any(needs_shop(name) for name in mine):
            shop = open_shop(split, params.seed, path=spec.path, profile=spec.profile, orders=spec.orders)
        for name, count in mine.items():
            if needs_shop(name):
                found += task(name).rows(shop, count, params.seed)
            else:
                found += generated(name, split, count, params.seed, spec.profile)
    return drawn


def _from_file(params: Params) -> dict[str, Rows]:
    """Rows by split from a file; a task of which it has none and that needs no shop is generated."""
    wanted, spec = dealt(params), params.data
    found, counts = select(located(spec.path), wanted, params.tasks, spec.split_shares.model_dump())
    in_file = {name for name, _ in counts}
    made = {name for name, _ in wanted if name not in in_file and generates(name)}
    require_enough(counts, {place: n for place, n in wanted.items() if place[0] not in made}, spec.path)
    for (name, split), count in wanted.items():
        if name in made:
            found[name, split] = generated(name, split, count, params.seed, spec.profile)
    return {split: [row for (_, of), rows in found.items() if of == split for row in rows] for split in rows_of(params)}


def _shuffled(found: Rows, split: str, params: Params) -> Rows:
    """The rows in an order that is the seed's, with one generic system prompt where the parameters ask for it."""
    generic = {"role": "system", "content": GENERIC_SYSTEM_PROMPT}
    random.Random(f"order {split} {params.seed}").shuffle(found)
    return [
        row | {"prompt": [generic, *(m for m in row["prompt"] if m["role"] != "system")]}
        if params.tasks[row["task"]].system_prompt == "generic"
        else row
        for row in found
    ]


def shares(n: int, proportions: Mapping[str, float]) -> dict[str, int]:
    """n rows dealt to the tasks by largest remainder; they sum to n."""
    total = sum(proportions.values())
    if total <= 0:
        raise BadInput("no task in play has a proportion above 0", where="data.proportions")
    exact = {name: n * weight / total for name, weight in proportions.items()}
    found = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda x: found[x] - exact[x])[: n - sum(found.values())]:
        found[name] += 1
    return found
