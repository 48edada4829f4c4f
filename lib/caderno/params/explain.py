"""Turns pydantic's errors into one paragraph: the place, what was got, what was expected, the nearest valid key.

It raises nothing and reads no files; the first error is told in full, the others by their keys.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import ValidationError

from caderno.errors import BadInput
from caderno.params.layers import Layer, Place, has, kind, value_at
from caderno.params.schema import description, fields_under, known_keys, shown

KeyPath = tuple[str | int, ...]

# pydantic's error types in a person's words; {braces} are filled from the error's own context
_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
    "too_short": "at least {min_length} of them",
    "string_pattern_mismatch": "letters, digits, '.', '_' and '-' only, the first a letter or digit",
}


def explain(error: ValidationError, layer: Layer) -> BadInput:
    """The error to raise for a layer that does not validate."""
    problems: dict[KeyPath, list[dict[str, Any]]] = {}
    for detail in error.errors(include_url=False):
        problems.setdefault(_path(detail, layer.data), []).append(detail)
    # a misspelt key also leaves the right one missing: the spelling is the cause, so it is told first
    (path, details), *others = sorted(problems.items(), key=lambda item: not _is_unknown(item[1][0]))
    got, expected, mend = _tell(path, details, layer.data)
    if others:
        keys = ", ".join(_dotted(key) for key, _ in others)
        mend = f"{mend} {len(others)} more to mend: {keys}.".strip()
    keys = [_dotted((*details[0]["loc"], key)) for key in details[0].get("ctx", {}).get("keys", ())]
    place = _place_of_conflict(keys, layer.places) if keys else _place(path, layer.places)
    return BadInput(got, expected=expected, where=str(place), mend=mend)


def _path(detail: dict[str, Any], data: Any) -> KeyPath:
    """pydantic's location without the names of union members, so that it leads into the data."""
    path: KeyPath = ()
    for part in detail["loc"]:
        if not has(value_at(data, path) if path else data, part):
            break
        path = (*path, part)
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path


def _dotted(path: KeyPath) -> str:
    """grpo.max_steps, stages[1]"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _place(path: KeyPath, places: dict[str, Place]) -> Place:
    """Where the value, or the nearest section around it, was written."""
    keys = (_dotted(path[:length]) for length in range(len(path), -1, -1))
    return next(places[key] for key in keys if key in places)


def _place_of_conflict(keys: list[str], places: dict[str, Place]) -> Place:
    """Of several keys that do not go together: the one on the command line, else the first that is written."""
    written = [places[key] for key in keys if key in places]
    return min(written, key=lambda place: place.line is not None, default=_place(tuple(keys[0].split(".")), places))


def _is_unknown(detail: dict[str, Any]) -> bool:
    return detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)


def _tell(path: KeyPath, details: list[dict[str, Any]], data: Any) -> tuple[str, str, str]:
    """(got, expected, mend) of the error at one key; several details are the members of a union."""
    detail, key = details[0], _dotted(path)
    if detail["type"] == "conflict":
        return detail["ctx"]["got"], detail["ctx"]["expected"], detail["ctx"]["mend"]
    if _is_unknown(detail):
        return _tell_unknown(path, detail)
    about = description(path)
    if detail["type"] == "missing":
        return f"{key} is missing", f"a value for it ({about})", ""
    expected = " or ".join(dict.fromkeys(_expected(one) for one in details))
    return (
        f"{key} is {_got(value_at(data, path))}",
        f"{expected} ({about})" if about else expected,
        _hint(path, details),
    )


def _expected(detail: dict[str, Any]) -> str:
    template = _EXPECTED.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else detail["msg"]


def _got(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return f"a mapping ({', '.join(map(str, value))})"
    return f"{shown(value)} ({kind(value)})"


def _hint(path: KeyPath, details: list[dict[str, Any]]) -> str:
    """A correction for a word that is nearly right, or for text that YAML took for something else."""
    got = details[0]["input"]
    words = [word for one in details for word in _words(one)]
    near = _nearest(got, words, 0.5) if isinstance(got, str) else ""
    if near:
        return f"Did you mean {near!r}?"
    wants_text = any(one["type"] in ("string_type", "literal_error") for one in details)
    if wants_text and isinstance(got, bool):
        return "YAML reads on, off, yes and no as true and false: put a word in quotes."
    return "Put it in quotes if it is meant as text." if wants_text and isinstance(got, int | float) else ""


def _words(detail: dict[str, Any]) -> list[str]:
    """The words a literal allows, read from pydantic's own message."""
    return re.findall(r"'([^']*)'", detail.get("ctx", {}).get("expected", ""))


def _tell_unknown(path: KeyPath, detail: dict[str, Any]) -> tuple[str, str, str]:
    """An unknown key, with the nearest valid one beside it, or the same name in another section."""
    *section, name = path
    valid = _words(detail) or list(fields_under(tuple(section)))
    where = f"a key of {_dotted(tuple(section))}" if section else "a key at the top level"
    elsewhere = [key for key in known_keys() if key.endswith(f".{name}")]
    near = _nearest(name, valid, 0.75) or ("" if elsewhere else _nearest(name, valid, 0.5))
    if near:
        mend = f"The nearest valid key is {_dotted((*section, near))}."
    elif elsewhere:
        mend = f"The valid key of that name is {' or '.join(elsewhere)}."
    else:
        mend = f"Valid are {', '.join(valid)}."
    return f"unknown key {_dotted(path)}", where, mend


def _nearest(word: Any, words: list[str], cutoff: float) -> str:
    return next(iter(difflib.get_close_matches(str(word), words, n=1, cutoff=cutoff)), "")
