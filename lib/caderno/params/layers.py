"""Layers of parameters, each value with the place it came from, laid over one another.

It neither reads files nor knows what a key means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where a value was written: a file and the line of its key (from 1), or a command-line argument."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True)
class Layer:
    """Plain nested data and the place of every dotted key; the key "" stands for the whole."""

    data: dict[str, Any]
    places: dict[str, Place]

    def over(self, base: Layer) -> Layer:
        """This layer laid over `base`: mappings merge, scalars and lists replace."""
        return Layer(merge(base.data, self.data), {**base.places, **self.places})


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A new mapping: `over` wins, key by key where both hold mappings. Neither argument is changed."""
    merged = dict(base)
    for key, value in over.items():
        below = base.get(key)
        merged[key] = merge(below if isinstance(below, dict) else {}, value) if isinstance(value, dict) else value
    return merged


def value_at(data: Any, path: tuple[str | int, ...]) -> Any:
    """The value under a path of keys and list positions; None where the path leaves the data."""
    for part in path:
        if not has(data, part):
            return None
        data = data[part]
    return data


def has(data: Any, part: str | int) -> bool:
    """Whether `part` is a key or a position of `data`."""
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def kind(value: Any) -> str:
    """A value's type in a person's words."""
    names = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
