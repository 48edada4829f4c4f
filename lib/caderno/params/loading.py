"""Resolves a parameter file: its parents, then `key.sub=value` overrides, then the typed sections.

It opens nothing but parameter files: whether a model or a data path exists is found out by whoever loads them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from caderno.errors import BadInput
from caderno.params.explain import explain
from caderno.params.layers import Layer, Place, value_at
from caderno.params.sections import Params


def load(path: str | Path, overrides: Sequence[str] = ()) -> Params:
    """The parameters a file and its overrides resolve to.

    Raises:
        BadInput: a file, a key, a value or a combination is wrong; the message names the file and the line.
    """
    layer = _resolved(Path(path), overrides)
    try:
        return Params.model_validate(layer.data)
    except ValidationError as error:
        raise explain(error, layer) from error


def resolve(path: str | Path, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, Place]]:
    """Plain merged data, not yet validated, and the place each dotted key came from.

    Raises:
        BadInput: a file or an override cannot be read.
    """
    layer = _resolved(Path(path), overrides)
    return layer.data, layer.places


def to_yaml(params: Params) -> str:
    """Every parameter as YAML; a file with this text loads to the same parameters."""
    from caderno.params.yaml_text import dump

    return dump(params.model_dump(mode="json"))


def default_name(path: Path) -> str:
    """The file's stem after the folders below the nearest `params`: params/tucano2/v3.yaml -> tucano2-v3."""
    folders = path.absolute().parent.parts
    depth = folders[::-1].index("params") if "params" in folders else 0
    return "-".join([*folders[len(folders) - depth :], path.stem])


def _resolved(path: Path, overrides: Sequence[str]) -> Layer:
    layer = _with_parents(path, ())
    if "name" not in layer.data:
        named = Layer({"name": default_name(path)}, {"name": Place(f"{path} (name, taken from the file's)")})
        layer = named.over(layer)
    for text in overrides:
        layer = _override(text, layer.data).over(layer)
    return layer


def _with_parents(path: Path, chain: tuple[Path, ...]) -> Layer:
    """A file over its parent over the parent's parent; `chain` holds the files that led here."""
    # here rather than above: PyYAML is a sixth of this package's import time, and importing should be free
    from caderno.params.yaml_text import read

    layer = read(path)
    if "extends" not in layer.data:
        return layer
    data = {key: value for key, value in layer.data.items() if key != "extends"}
    parent = _parent(path, layer, (*chain, path))
    base = _with_parents(parent, (*chain, path))
    # a name belongs to one file: inherited, it would send two runs into one directory
    base.data.pop("name", None)
    return Layer(data, layer.places).over(base)


def _parent(path: Path, layer: Layer, chain: tuple[Path, ...]) -> Path:
    """The file that `extends` names, relative to the file that says so."""
    where, wanted = str(layer.places["extends"]), layer.data["extends"]
    if not isinstance(wanted, str) or not wanted:
        raise BadInput(f"extends is {wanted!r}", expected="one file's path, relative to this file", where=where)
    parent = Path(os.path.normpath(path.parent / wanted))
    if not parent.is_file():
        raise BadInput(f"extends {wanted}, but {parent} is not a file", expected="a parameter file", where=where)
    if any(parent.resolve() == seen.resolve() for seen in chain):
        story = " -> ".join(str(seen) for seen in (*chain, parent))
        raise BadInput(f"extends goes in a circle: {story}", expected="a chain that ends", where=where)
    return parent


def _override(text: str, data: dict[str, Any]) -> Layer:
    """`key.sub=value` as a layer; the value is read as YAML, with the numbers of the files."""
    from caderno.params.yaml_text import parse

    where = f"--set {text}"
    key, equals, written = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise BadInput("not an override", expected="key.sub=value, such as grpo.max_steps=20", where=where)
    value, _ = parse(written, lambda line: Place(where))
    for part in reversed(path[1:]):
        value = {part: value}
    return Layer({path[0]: value}, _override_places(path, Place(where), data))


def _override_places(path: tuple[str, ...], place: Place, data: dict[str, Any]) -> dict[str, Place]:
    """The place of the key itself and of the sections it brings into being, not of those that files wrote."""
    prefixes = (path[:length] for length in range(1, len(path)))
    created = [prefix for prefix in prefixes if not isinstance(value_at(data, prefix), dict)]
    return {".".join(prefix): place for prefix in (*created, path)}
