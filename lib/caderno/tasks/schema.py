"""The ten fields of a review as a pydantic model, and when a field is right.

It validates and compares; what a field is worth is decided in `extraction`.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from caderno.shop.profile import PRAISES, PROBLEMS, REQUESTS, SENTIMENTS
from caderno.tasks.base import fold

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ReviewFields(BaseModel):
    """What a review says. Every field is required and no other is allowed; nothing is converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    produto: Text | None
    nota: Annotated[int, Field(ge=1, le=5)]  # stars
    sentimento: Literal[SENTIMENTS]
    problema: Literal[PROBLEMS]
    atraso_dias: Annotated[int, Field(ge=0)] | None  # days
    cidade: Text | None
    recomenda: bool | None
    pedido: Literal[REQUESTS]
    elogio: Literal[PRAISES]
    cliente: Text | None


ENUMERATIONS = {"sentimento": SENTIMENTS, "problema": PROBLEMS, "pedido": REQUESTS, "elogio": PRAISES}
NUMBERS = {"nota": (1, 5), "atraso_dias": (0, math.inf)}
_WHOLE = re.compile(r"\s*([0-9]{1,9})(?:[.,]0+)?\s*")
_SAID = {"true": True, "sim": True, "verdadeiro": True, "false": False, "nao": False, "falso": False}
_validate = ReviewFields.__pydantic_validator__.validate_python


def invalid(fields: dict[str, Any]) -> list[str]:
    """Names of the fields that are missing, of the wrong type, outside their enumeration, or unknown."""
    try:
        _validate(fields)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return list(dict.fromkeys(str(fault["loc"][0]) for fault in faults))
    return []


def right(field: str, said: Any, truth: Any) -> bool:
    """Whether a field says the truth, by its type; a value of the wrong type can be right and is still invalid.

    Numbers: equal as integers (4, 4.0, "4"; no tolerance: stars and days are counted). `recomenda`: true or false, or
    "sim" or "não". Everything else, enumerations too, is text: equal without regard to case, Portuguese accents and
    spacing. null is right only for null.
    """
    if said is None or truth is None:
        return said is truth
    if field in NUMBERS:
        return whole_number(said) == whole_number(truth)
    if field == "recomenda":
        return (_SAID.get(fold(said)) if isinstance(said, str) else said) is truth
    return isinstance(said, str) and fold(said) == fold(truth)


def whole_number(value: Any) -> int | None:
    """The integer that a value is or spells; None for every other value, true and false among them."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    found = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) if found else None


def can_judge(field: str, truth: Any) -> bool:
    """Whether a truth is one that an answer could state: a value of the field's kind, in its range or enumeration."""
    if truth is None:
        return field not in ENUMERATIONS and field != "nota"
    if field in NUMBERS:
        low, high = NUMBERS[field]
        return (count := whole_number(truth)) is not None and low <= count <= high
    if field == "recomenda":
        return isinstance(truth, bool)
    return isinstance(truth, str) and (
        fold(truth) in ENUMERATIONS[field] if field in ENUMERATIONS else bool(fold(truth))
    )
