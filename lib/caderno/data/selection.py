"""Rows of one task and split, or of several: from a shop, from a file, or generated without either.

Reading and checking a file are `reading`'s and `schema`'s; a file is read to its end before any row of it is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from caderno import shop as shops
from caderno.data.reading import located
from caderno.data.schema import checked
from caderno.data.splitting import default_shares, with_split
from caderno.errors import BadInput
from caderno.tasks import task

if TYPE_CHECKING:
    from caderno.shop import Shop

Places = Mapping[tuple[str, str], int]  # (task, split) -> rows


def open_shop(split: str, seed: int, *, path: str | None = None, profile: str = "small", orders: int = 2000) -> Shop:
    """One split of the shop: Olist's files when a directory is given, else generated, once for the process.

    The scorers ask for the same shop by its source: do not write to it.
    """
    if split not in shops.SPLITS:
        raise BadInput(f"unknown split {split!r}", expected=f"one of {', '.join(shops.SPLITS)}", where="split")
    if path is not None:
        return shops.load_olist(located(path), split)
    return shops.rebuild({"source": "shop", "seed": seed, "split": split, "orders": orders, "profile": profile})


def rows(
    task_name: str, split: str, n: int, seed: int, data_path: str | None = None, profile: str = "small",
    orders: int = 2000, split_shares: Mapping[str, float] | None = None,
) -> list[dict]:  # fmt: skip
    """n rows of one task and split.

    `data_path` is a directory of Olist files, or whatever `reading.stream` reads: then the first n such rows of it.
    """
    chosen = task(task_name)
    if n < 1:
        raise BadInput(f"n = {n}", expected="at least 1 row", where="rows")
    if split not in shops.SPLITS:
        raise BadInput(f"unknown split {split!r}", expected=f"one of {', '.join(shops.SPLITS)}", where="split")
    if data_path is not None and not is_olist(data_path):
        wanted = {(task_name, split): n}
        found, counts = select(data_path, wanted, {task_name}, split_shares or default_shares())
        require_enough(counts, wanted, data_path)
        return found[task_name, split]
    if not needs_shop(task_name):
        return generated(task_name, split, n, seed, profile)
    return chosen.rows(open_shop(split, seed, path=data_path, profile=profile, orders=max(orders, 2 * n)), n, seed)


def needs_shop(task_name: str) -> bool:
    """Whether a task's rows are drawn from a shop's tables."""
    return task(task_name).NEEDS_SHOP


def generates(task_name: str) -> bool:
    """Whether a task makes rows out of nothing: it needs no shop, and takes no records of a file."""
    return not needs_shop(task_name) and not hasattr(task(task_name), "from_record")


def generated(task_name: str, split: str, n: int, seed: int, profile: str) -> list[dict]:
    """n rows of a task that needs no shop. Raises BadInput where they can only come from a file."""
    vocabulary = {"profile": profile} if generates(task_name) else {}
    return task(task_name).rows(split, n, seed, **vocabulary)


def is_olist(path: str) -> bool:
    """Whether a path is a directory of shop files rather than a saved data set, a file or a name."""
    there = Path(located(path))
    return there.is_dir() and not any((there / name).exists() for name in ("state.json", "dataset_dict.json"))


def select(
    path: str, wanted: Places, tasks: Collection[str], shares: Mapping[str, float]
) -> tuple[dict[tuple[str, str], list[dict]], Counter]:
    """The first rows of each wanted (task, split) in the file's order, and how many rows of each the file has.

    Every record is checked, wanted or not. `tasks` are those that foreign records may belong to.
    """
    found: dict[tuple[str, str], list[dict]] = {place: [] for place in wanted}
    counts: Counter[tuple[str, str]] = Counter()
    for _, unsplit in checked(path, tasks):
        row = with_split(unsplit, shares)
        place = row["task"], row["split"]
        counts[place] += 1
        if counts[place] <= wanted.get(place, 0):
            found[place].append(row)
    return found, counts


def require_enough(counts: Mapping[tuple[str, str], int], wanted: Places, path: str) -> None:
    """Raise BadInput with what is lacking and what there is, unless the file has all that is wanted."""
    lacking = {place: n for place, n in wanted.items() if counts.get(place, 0) < n}
    if lacking:
        short = ", ".join(f"{counts.get(p, 0)} rows of {p[0]} in split {p[1]}" for p in lacking)
        raise BadInput(
            f"{short}; it has {told(counts)}", where=path,
            expected=", ".join(f"at least {n}" for n in lacking.values()),
            mend="Ask for fewer rows, or change data.proportions or data.split_shares.",
        )  # fmt: skip


def told(counts: Mapping[tuple[str, str], int]) -> str:
    """Rows by task and split in words: "math 303 train, 98 heldout, 99 test (61/20/20 %)"."""
    parts = []
    for name in dict.fromkeys(name for name, _ in counts):
        mine = [counts.get((name, split), 0) for split in shops.SPLITS]
        total = sum(mine)
        numbers = ", ".join(f"{n:,} {split}" for n, split in zip(mine, shops.SPLITS, strict=True))
        parts.append(f"{name} {numbers} ({'/'.join(f'{n / total:.0%}'.rstrip('%') for n in mine)} %)")
    return "; ".join(parts) or "none"
