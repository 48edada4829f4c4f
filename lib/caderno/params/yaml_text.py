"""Reads YAML into plain data with the line of every key, and reads numbers as people write them (5e-7, 1e5).

It knows nothing of parameters: which keys exist and what they hold is for `caderno.params.sections`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from caderno.errors import BadInput
from caderno.params.layers import Layer, Place, kind

LineToPlace = Callable[[int], Place]


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's floats; a subclass, so that nobody else's YAML changes."""


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes whatever text `_Loader` would read as a number."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)[eE][-+]?[0-9]+$"),
        list("-+.0123456789"),
    )


def read(path: Path) -> Layer:
    """The mapping a file holds.

    Raises:
        BadInput: the file is missing, unreadable, empty, not UTF-8, not YAML, not a mapping, or has a key twice.
    """
    place = str(path)
    data, places = parse(_text(path), partial(Place, place))
    if data is None:
        raise BadInput("the file is empty", expected="a mapping of parameters", where=place)
    if not isinstance(data, dict):
        got = f"the top level is {kind(data)}"
        raise BadInput(got, expected="a mapping (lines of `key: value`)", where=place)
    return Layer(data, {"": Place(place), **places})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput("no such file", expected="a parameter file (YAML)", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 text ({error.reason} at byte {error.start})", where=str(path)) from None
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read ({error})", expected="a parameter file (YAML)", where=str(path)) from None


def parse(text: str, at: LineToPlace) -> tuple[Any, dict[str, Place]]:
    """Plain data of one YAML document and the place of each dotted key in it; `at(line)` gives a line's place.

    Raises:
        BadInput: the place of what is not YAML, of a key that is there twice, or of a key that is not text.
    """
    places: dict[str, Place] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, places
        _note_places(node, (), at, places, frozenset())
        return loader.construct_document(node), places
    except yaml.YAMLError as error:
        raise _not_yaml(error, at) from None
    except RecursionError:
        raise BadInput("nested too deeply to read", expected="sections and keys", where=str(at(1))) from None


def _not_yaml(error: yaml.YAMLError, at: LineToPlace) -> BadInput:
    mark = getattr(error, "problem_mark", None)
    place = at(mark.line + 1 if mark else 1)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return BadInput(f"not YAML: {problem}", where=str(place), mend="Check indentation, colons and quotes there.")


def _note_places(
    node: yaml.Node, path: tuple, at: LineToPlace, places: dict[str, Place], above: frozenset[int]
) -> None:
    """Record the line of each key below `node`, refusing keys that YAML itself would let pass."""
    if id(node) in above:
        raise BadInput(f"{'.'.join(path)} contains itself", where=str(at(node.start_mark.line + 1)))
    above |= {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            _note_places(child, (*path, str(position)), at, {}, above)
    if not isinstance(node, yaml.MappingNode):
        return
    here: dict[str, int] = {}
    for key, child in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        _refuse_bad_key(key, path, at, here)
        here[key.value] = key.start_mark.line + 1
        places[".".join((*path, key.value))] = at(here[key.value])
        _note_places(child, (*path, key.value), at, places, above)


def _refuse_bad_key(key: yaml.Node, path: tuple, at: LineToPlace, here: dict[str, int]) -> None:
    place = str(at(key.start_mark.line + 1))
    if key.tag != "tag:yaml.org,2002:str":
        word = f"`{key.value}`" if isinstance(key, yaml.ScalarNode) else "a collection"
        got = f"a key is {word}, which YAML does not read as text"
        raise BadInput(got, expected="a parameter's name", where=place, mend="Put it in quotes if you mean the word.")
    if key.value in here:
        got = f"the key {'.'.join((*path, key.value))} is there twice (first on line {here[key.value]})"
        raise BadInput(got, expected="each key once", where=place, mend="Delete one of the two.")


def dump(data: dict[str, Any]) -> str:
    """YAML text that `read` gives back unchanged, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
