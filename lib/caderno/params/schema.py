"""Walks the sections' classes and the values in them: flat keys, descriptions, differences, tables.

It reads no files and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from caderno.params.sections import Params
from caderno.params.training_sections import Section

if TYPE_CHECKING:
    from rich.table import Table


def fields_under(path: tuple[str | int, ...]) -> Mapping[str, FieldInfo]:
    """Fields of the section at a path; empty where the path leads to no section."""
    holder: Any = Params
    for part in path:
        if isinstance(part, int):  # a place in a list of sections: `_holder` has named the section
            continue
        if get_origin(holder) is dict:
            holder = get_args(holder)[1]
        elif _is_section(holder) and part in holder.model_fields:
            holder = _holder(holder.model_fields[part].annotation)
        else:
            return {}
    return holder.model_fields if _is_section(holder) else {}


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _holder(annotation: Any) -> Any:
    """The section in `Section | None`; any other annotation as it is."""
    if get_origin(annotation) is dict:
        return annotation
    return next((part for part in get_args(annotation) if _is_section(part)), annotation)


def description(path: tuple[str | int, ...]) -> str:
    """What the sections say of a key (its unit and source); of its nearest holder for entries of a mapping."""
    for length in range(len(path), 0, -1):
        field = fields_under(path[: length - 1]).get(str(path[length - 1]))
        if field is not None:
            return field.description or ""
    return ""


def known_keys() -> Iterator[str]:
    """Every dotted key of the schema, sections included; entries of mappings are left out."""

    def walk(path: tuple[str, ...]) -> Iterator[str]:
        for name in fields_under(path):
            yield ".".join((*path, name))
            yield from walk((*path, name))

    yield from walk(())


def flatten(params: Params) -> dict[str, Any]:
    """Dotted key -> value of every leaf; a section that is None is a leaf."""

    def walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if isinstance(value, Section):
            value = {name: getattr(value, name) for name in type(value).model_fields}
        if not isinstance(value, dict):
            yield ".".join(path), value
            return
        for name, below in value.items():
            yield from walk(below, (*path, name))

    return dict(walk(params, ()))


def difference(a: Params, b: Params) -> list[tuple[str, Any, Any]]:
    """(dotted key, value in a, value in b) wherever they differ; None where one of them has no such key."""
    left, right = flatten(a), flatten(b)
    rows = ((key, left.get(key), right.get(key)) for key in dict.fromkeys([*left, *right]))
    return [(key, before, after) for key, before, after in rows if before != after]


def table(params: Params) -> list[tuple[str, Any, str]]:
    """(dotted key, value, description with unit and source) rows, section by section."""
    return [(key, value, description(tuple(key.split(".")))) for key, value in flatten(params).items()]


def rich_table(params: Params) -> Table:
    """The same rows for a person, a rule between sections."""
    from rich.table import Table
    from rich.text import Text

    view = Table("parameter", "value", "what it is", title=params.name)
    section = ""
    for key, value, text in table(params):
        head = key.split(".")[0] if "." in key else ""
        if head != section:
            view.add_section()
        section = head
        view.add_row(*map(Text, (key, shown(value), text)))  # Text: a list in brackets is not markup
    return view


def shown(value: Any) -> str:
    """A value as YAML would write it, near enough, in at most 60 characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        text = f"[{', '.join(str(item) for item in value)}]"
    else:
        text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
