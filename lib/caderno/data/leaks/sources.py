"""Which rows a name stands for: a file, a run, a parameter file; and every ancestor that a run's weights came from.

It compares nothing. An ancestor whose rows cannot be had is a source without rows, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from caderno import params as parameters
from caderno import runs, shop
from caderno.errors import BadInput
from caderno.params import Params
from caderno.runs.inputs import file_hashes
from caderno.runs.paths import run_path

Records = Iterable[tuple[int, dict[str, Any]]]
GENERATED = "pretrained on generated documents, which are no rows"
WEIGHTS = ("name", "adapter", "init")  # parameters of the model that may lead to another run


@dataclass(frozen=True)
class Source:
    """A set of rows. `relation`: how it came into the scan. Without `records`, `why` says why its rows are unknown."""

    name: str
    relation: str
    records: Callable[[], Records] | None
    why: str = ""


@dataclass(frozen=True)
class Recipe:
    """What rows can be built from again: a run's own parameters, or a parameter file."""

    name: str
    file: Path
    run_dir: Path | None

    def params(self) -> Params:
        return parameters.load(self.file)


def training(train: str, ancestors: Iterable[str] = ()) -> list[Source]:
    """The training set, its ancestors by the runs' own records, and those given by hand, each with theirs.

    Raises:
        BadInput: the training set, or an ancestor given by hand, cannot be had.
    """
    _built.cache_clear()  # files may have changed since an earlier scan of this process
    found: list[Source] = []
    seen: set[str] = set()
    for given, relation in [(train, "TRAIN"), *((one, "--ancestor") for one in ancestors)]:
        recipe, split = _meant(given)
        found += _named(given, recipe, (split or "train",) if recipe else (split,), relation)
        found += _ancestors(recipe, recipe.params(), seen) if recipe else []
    return found


def evaluation(names: Iterable[str]) -> list[Source]:
    """The evaluation sets; a run or a parameter file gives its held-out and its test rows. Raises BadInput."""
    found: dict[str, Source] = {}
    for given in names:
        recipe, split = _meant(given)
        for source in _named(given, recipe, (split,) if split or not recipe else ("heldout", "test"), "EVAL"):
            found.setdefault(source.name, source)
    return list(found.values())


def evaluated_by_itself(given: str) -> str | None:
    """The name of the run or parameter file that is meant, which has evaluation rows of its own; None for a file."""
    recipe, _ = _meant(given)
    return recipe and recipe.name


def _meant(given: str) -> tuple[Recipe | None, str | None]:
    """The run or parameter file that a name stands for, if it is one, and the split after its colon."""
    head, _, tail = given.rpartition(":")
    split = tail if head and tail in shop.SPLITS and not runs.given(given).exists() else None
    name = head if split else given
    path = runs.given(name)
    if path.suffix in (".yaml", ".yml"):
        return Recipe(name, path, None), split
    for directory in (path, runs.root() / name, run_path(name)):
        if (directory / "run.json").is_file():
            return Recipe(name, directory / "params.yaml", directory), split
    # the split of a name on the hub belongs to the name
    return None, split if split and path.exists() else None


def _named(given: str, recipe: Recipe | None, splits: tuple[str | None, ...], relation: str) -> list[Source]:
    """The sources of a name that somebody typed."""
    if recipe is None:
        return [Source(given, relation, lambda: _of_file(given, splits[0]))]
    _require_same_data(recipe)
    _built(recipe.file)
    return [_source(recipe, str(split), relation) for split in splits]


def _of_file(given: str, split: str | None) -> Records:
    """A file's records, of one split where one is asked for."""
    from caderno.data import reading

    if split is None:
        return reading.stream(given)
    return _of_split(reading.stream(given.removesuffix(f":{split}")), split, given)


def _of_split(records: Records, split: str, where: str) -> Records:
    empty = True
    for number, record in records:
        if record.get("split") == split:
            empty = False
            yield number, record
    if empty:
        raise BadInput(f"no row has split {split!r}", expected="rows with that split", where=where)


def _source(recipe: Recipe, split: str, relation: str) -> Source:
    def records() -> Records:
        return enumerate(_built(recipe.file)[split], 1)

    return Source(f"{recipe.name}:{split}", relation, records)


@lru_cache(maxsize=4)
def _built(file: Path) -> dict[str, list[dict]]:
    """The three splits that a parameter file stands for."""
    from caderno import data

    return data.build(parameters.load(file))


def _require_same_data(recipe: Recipe) -> None:
    """Refuse a run whose data file is no longer the one it read: the rows would be others."""
    manifest = runs.read_json(recipe.run_dir / "run.json") if recipe.run_dir else None
    if not manifest or not manifest["openings"]:
        return
    recorded = manifest["openings"][-1].get("hashes", {}).get("files", {}).get("data")
    if recorded is not None and recorded != file_hashes(recipe.params(), weights=False).get("data"):
        raise BadInput(
            "the data has changed since the run", expected="the data that the run read", where=str(recipe.run_dir),
            mend="Put it back, or scan the parameter file in place of the run.",
        )  # fmt: skip


def _ancestors(recipe: Recipe, params: Params, seen: set[str]) -> Iterator[Source]:
    """Where the weights of a run came from, and where those came from in turn; each once, so that circles end."""
    seen.add(str(recipe.run_dir or recipe.file))
    if "pretrain" in params.stages:
        yield Source(recipe.name, "its pretraining", None, GENERATED)
    for relation, name in _references(recipe, params):
        parent = _recipe_of(name)
        place = str(parent.run_dir or parent.file) if parent else name
        if place in seen:
            continue
        seen.add(place)
        if parent is None:
            yield Source(name, relation, None, _unknown(name))
            continue
        yield _rebuilt(parent, relation)
        try:
            above = parent.params()
        except BadInput:
            continue  # it has just been named as unknown, and why
        yield from _ancestors(parent, above, seen)


def _references(recipe: Recipe, params: Params) -> Iterator[tuple[str, str]]:
    """(relation, name) of everything that a run says it starts from."""
    for key in WEIGHTS:
        # a run that pretrains starts from nothing
        if (name := getattr(params.model, key)) and not (key == "name" and "pretrain" in params.stages):
            yield f"model.{key}", name
    manifest = runs.read_json(recipe.run_dir / "run.json") if recipe.run_dir else {}
    if parent := manifest.get("parent") or params.writeup.parent:
        yield "parent run", parent


def _recipe_of(name: str) -> Recipe | None:
    """The run that a path lies in, or the parameter file that it is."""
    for path in (run_path(name), runs.given(name)):
        if path.suffix in (".yaml", ".yml"):
            return Recipe(name, path, None)
        for directory in (path, *path.parents):
            if (directory / "run.json").is_file():
                return Recipe(directory.name, directory / "params.yaml", directory)
    return None


def _rebuilt(recipe: Recipe, relation: str) -> Source:
    """An ancestor's training rows, or the reason why they cannot be built."""
    try:
        _require_same_data(recipe)
        _built(recipe.file)
    except BadInput as error:
        return Source(recipe.name, relation, None, str(error))
    return _source(recipe, "train", relation)


def _unknown(name: str) -> str:
    """Why nothing is known of weights that no run here made."""
    if name == "tiny":
        return f"the shipped base; {GENERATED}"
    if runs.given(name).exists():
        return "weights that no run here made: what they were trained on is not recorded"
    return "not a run on this machine: what it was trained on is not recorded here"
