"""Reads the one JSON object of an answer: in a fence or bare, with or without words around it.

What its fields mean is not known here; that is the task's schema.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from caderno.tasks import wording

# Ten short fields need some 300 characters; more is padding, and reading it would cost what the answer is not worth.
MAX_CHARACTERS = 4000


class NoObject(ValueError):
    """The answer is not exactly one JSON object; the message says what it is instead, in Portuguese."""


class _Repeated(dict):
    """An object that names some of its keys more than once; those keys are in `repeated` and in nothing else."""

    repeated: frozenset[str]


@dataclass(frozen=True)
class JsonAnswer:
    """`fields` without those named more than once, which are in `repeated`; `alone` where nothing else is said."""

    fields: dict
    repeated: frozenset[str]
    alone: bool


def read(answer: str) -> JsonAnswer:
    """The object of an answer (what follows `</think>`, stripped). Time is linear in the answer, and bounded.

    - It begins at the first `{`. A second object, equal or not, is a second answer, and then there is none.
    - JSON to the letter: no comments, single quotes or trailing commas, no NaN or Infinity.
    - 4.0 is the integer 4: JSON has one kind of number.
    - A key named twice is no key at all, whatever its values.
    - Around the object may stand a fence and words that only present it ("Segue o JSON:"); with other words it is not
      `alone`.

    Raises NoObject for no object, several, one that is cut or broken, and answers of over MAX_CHARACTERS.
    """
    if len(answer) > MAX_CHARACTERS:
        raise NoObject(f"resposta com mais de {MAX_CHARACTERS} caracteres")
    start = answer.find("{")
    if start < 0:
        raise NoObject("nenhum objeto JSON na resposta")
    try:
        found, end = _decoder.raw_decode(answer, start)
    except (ValueError, RecursionError) as error:
        raise NoObject("o objeto JSON não pode ser lido") from error
    before, after = answer[:start], answer[end:]
    if "{" in after:
        raise NoObject("mais de um objeto na resposta")
    around = f"{before} {after}"
    alone = not around.strip() or wording.only_presents(around)
    return JsonAnswer(found, getattr(found, "repeated", frozenset()), alone)


def _object(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    repeated = frozenset(name for name in names if names.count(name) > 1)
    kept = _Repeated((name, value) for name, value in found.items() if name not in repeated)
    kept.repeated = repeated
    return kept


def _float(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() else value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_refused)
