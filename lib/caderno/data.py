"""Rows for a run: three splits of the tasks in play, from the generated shop, Olist's files or JSONL.

It renders nothing: prompts stay chat messages until `caderno.chat`. Splits that share an entity are an error, not a
warning: a test split is only worth its name when nothing in it was trained on.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from caderno import runs
from caderno import shop as shops
from caderno.errors import BadInput
from caderno.tasks import GENERIC_SYSTEM_PROMPT, task

if TYPE_CHECKING:
    from caderno.params import Params
    from caderno.shop import Shop

REQUIRED = {"id": str, "task": str, "split": str, "prompt": list, "gold": str}


def open_shop(split: str, seed: int, *, path: str | None = None, profile: str = "small", orders: int = 2000) -> Shop:
    """One split of the shop: Olist's files when a directory is given, else generated."""
    if split not in shops.SPLITS:
        raise BadInput(f"unknown split {split!r}", expected=f"one of {', '.join(shops.SPLITS)}", where="split")
    if path is not None:
        return shops.load_olist(path, split)
    return shops.generate(seed, split, orders, profile)


def rows(
    task_name: str, split: str, n: int, seed: int, data_path: str | None = None, profile: str = "small",
    orders: int = 2000,
) -> list[dict]:  # fmt: skip
    """n rows of one task and split. `data_path` is a directory of Olist files or a JSONL file of rows."""
    chosen = task(task_name)
    if n < 1:
        raise BadInput(f"n = {n}", expected="at least 1 row", where="rows")
    if data_path is not None and not Path(data_path).is_dir():
        found = [row for row in read_rows(data_path) if row["task"] == task_name and row["split"] == split]
        return _enough(found, n, f"{data_path}, task {task_name}, split {split}")
    source = open_shop(split, seed, path=data_path, profile=profile, orders=max(orders, 2 * n))
    return chosen.rows(source, n, seed)


def _enough(found: list[dict], n: int, where: str) -> list[dict]:
    if len(found) < n:
        raise BadInput(f"{len(found)} rows", expected=f"at least {n}", where=where, mend="Ask for fewer rows.")
    return found[:n]


def read_jsonl(path: str | Path) -> list[dict]:
    """The objects of a JSON-lines file. BadInput names the first line that is not one; an empty file is an error."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"cannot be read ({error})", expected="a JSON-lines file in UTF-8", where=str(path),
            mend="Check the path and the encoding.",
        ) from error  # fmt: skip
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            found.append(_object(line, f"{path}, line {number}"))
    if not found:
        raise BadInput("no rows", expected="one JSON object a line", where=str(path), mend="The file is empty.")
    return found


def _object(line: str, where: str) -> dict:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadInput(
            f"not JSON ({error})", expected="one JSON object a line", where=where, mend="Mend or remove that line."
        ) from error
    if not isinstance(value, dict):
        raise BadInput(f"a JSON {type(value).__name__}", expected="an object", where=where)
    return value


def read_rows(path: str | Path) -> list[dict]:
    """Rows from JSONL, each with id, task, split, prompt, gold. Every bad row is counted, the first is named."""
    found = read_jsonl(path)
    bad = {i: why for i, row in enumerate(found, 1) if (why := _fault(row))}
    if bad:
        first, why = next(iter(bad.items()))
        raise BadInput(
            f"{why} ({len(bad)} bad rows in all)", expected="id, task, split, prompt (chat messages), gold",
            where=f"{path}, row {first}", mend="`caderno rows` prints rows of the right form.",
        )  # fmt: skip
    repeated = [i for i, count in Counter(row["id"] for row in found).items() if count > 1]
    if repeated:
        raise BadInput(f"id {repeated[0]!r} stands more than once", expected="distinct ids", where=str(path))
    return found


def _fault(row: dict) -> str | None:
    for key, kind in REQUIRED.items():
        if not isinstance(row.get(key), kind):
            return f"{key} is {type(row.get(key)).__name__}, not {kind.__name__}"
    if not all(isinstance(m, dict) and {"role", "content"} <= m.keys() for m in row["prompt"]):
        return "prompt is not a list of {role, content}"
    return None


def build(params: Params) -> dict[str, list[dict]]:
    """The three splits of a run, tasks in the declared proportions and shuffled together, entities disjoint."""
    spec = params.data
    sizes = {"train": spec.train_rows, "heldout": spec.heldout_rows, "test": spec.test_rows}
    splits = {split: _split(params, split, n) for split, n in sizes.items()}
    require_disjoint(splits)
    return splits


def _split(params: Params, split: str, n: int) -> list[dict]:
    spec = params.data
    path = str(runs.given(spec.path)) if spec.path else None
    counts = shares(n, {name: spec.proportions.get(name, 0.0) for name in params.tasks})
    if spec.source == "jsonl":
        found = [row for row in read_rows(path) if row["split"] == split and row["task"] in params.tasks]
        return _with_system_prompts(_enough(found, n, f"{path}, split {split}"), params)
    source = open_shop(split, params.seed, path=path, profile=spec.profile, orders=spec.orders)
    drawn = [row for name, count in counts.items() if count for row in task(name).rows(source, count, params.seed)]
    random.Random(f"order {split} {params.seed}").shuffle(drawn)
    return _with_system_prompts(drawn, params)


def _with_system_prompts(found: list[dict], params: Params) -> list[dict]:
    """The rows with one generic system prompt where the parameters ask for it."""
    generic = {"role": "system", "content": GENERIC_SYSTEM_PROMPT}
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
    dealt = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda x: dealt[x] - exact[x])[: n - sum(dealt.values())]:
        dealt[name] += 1
    return dealt


def require_disjoint(splits: Mapping[str, list[dict]]) -> None:
    """Raise BadInput when two splits share an id, an entity or a prompt."""
    seen: dict[str, tuple[str, str]] = {}
    for split, found in splits.items():
        for row in found:
            for key in (f"id {row['id']}", f"prompt {row['prompt']}", *row.get("entities", ())):
                first, other = seen.setdefault(key, (split, row["id"]))
                if first != split:
                    raise BadInput(
                        f"{key[:120]} stands in {first} ({other}) and in {split} ({row['id']})",
                        expected="splits with no entity in common", where="data",
                        mend="Give the rows of one entity to one split.",
                    )  # fmt: skip
