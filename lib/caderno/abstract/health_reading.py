"""Reads traces from anywhere: rows with `trace`, a list of token ids or of strings, and optional id, prompt and seed.

It measures nothing and mends nothing: a row that is not of this form is refused with its line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caderno.abstract.health_flat import Token
from caderno.data import reading
from caderno.errors import BadInput

EXPECTED = "`trace`: a list of token ids (whole numbers from 0) or a list of strings, [] where it is empty"


@dataclass
class Traces:
    """What a file holds, one entry per row in its order; `prompts` and `seeds` have None where a row has none."""

    traces: list[list[Token]] = field(default_factory=list)
    prompts: list[Hashable] = field(default_factory=list)
    seeds: list[Hashable] = field(default_factory=list)
    dropped: int = 0  # tokens left out by `drop`


def read(path: str | Path, drop: Collection[str] = ()) -> Traces:
    """The traces of a JSONL file (or any other format of `caderno.data.reading`), without the tokens in `drop`.

    A prompt is known by `prompt` (text, messages or token ids), and by `id` where no row has one: rows of one prompt
    are samples of it. Raises BadInput at the first row of another form, with its line.
    """
    found, ids = Traces(), []
    known: dict[Token, Token] = {}
    first: tuple[type, str] | None = None
    left_out = {str(token) for token in drop}
    unit = reading.unit(path)
    for number, row in reading.stream(path):
        where = f"{path}, {unit} {number}"
        trace = _trace(row, where)
        if trace:
            first = first or (type(trace[0]), f"{unit} {number}")
            _one_kind(type(trace[0]), *first, where)
        kept = [token for token in trace if str(token) not in left_out] if left_out else trace
        found.dropped += len(trace) - len(kept)
        # one object per token, however often it is met: a file of millions of codes stays small
        found.traces.append([known.setdefault(token, token) for token in kept])
        found.prompts.append(_key(row.get("prompt")))
        found.seeds.append(_seed(row.get("seed"), where))
        ids.append(_key(row.get("id")))
    if all(one is None for one in found.prompts):
        found.prompts = ids
    return found


def _trace(row: dict[str, Any], where: str) -> list[Token]:
    """The row's trace. Raises BadInput for anything but a list of ids or of strings."""
    if "trace" not in row:
        fields = ", ".join(sorted(row)[:12]) or "none"
        raise BadInput(
            f"no `trace` (fields: {fields})", expected=EXPECTED, where=where, mend="Rename the field that holds it."
        )
    trace = row["trace"]
    if isinstance(trace, str):
        raise BadInput(
            f"`trace` is one text, {_shown(trace)}", expected=EXPECTED, where=where,
            mend="Split it as its tokenizer does: how many codes a text holds is not for this command to guess.",
        )  # fmt: skip
    if not isinstance(trace, list):
        raise BadInput(f"`trace` is {_shown(trace)}", expected=EXPECTED, where=where)
    for place, token in enumerate(trace, 1):
        if why := _fault(token, trace[0]):
            raise BadInput(f"item {place} of `trace` is {_shown(token)}: {why}", expected=EXPECTED, where=where)
    return trace


def _fault(token: Any, first: Any) -> str:
    """Why this is no token of this trace, or ""."""
    if isinstance(token, bool) or not isinstance(token, int | str):
        return "neither a token id nor a string"
    if isinstance(token, str) and not (token.isascii() or _is_text(token)):
        return "half of a character (a lone surrogate)"
    if token == "":
        return "an empty string is no token"
    if isinstance(token, int) and token < 0:
        return "-100 marks what has no loss, it is no token" if token == -100 else "token ids begin at 0"
    if type(token) is not type(first):
        return "ids and strings in one trace"
    return ""


def _is_text(token: str) -> bool:
    try:
        token.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _one_kind(kind: type, first: type, at: str, where: str) -> None:
    """Ids on one row and strings on another are two alphabets: nothing could be compared."""
    if kind is not first:
        words = {int: "token ids", str: "strings"}
        raise BadInput(
            f"{words[kind]} here, {words[first]} on {at}", expected="one kind in the whole file", where=where,
            mend="Write all traces as ids, or all as strings.",
        )  # fmt: skip


def _key(value: Any) -> Hashable:
    """A short stand-in for a prompt or an id of any JSON kind; None for none."""
    if value is None:
        return None
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _seed(value: Any, where: str) -> Hashable:
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    raise BadInput(f"`seed` is {_shown(value)}", expected="a whole number, a string or null", where=where)


def _shown(value: Any) -> str:
    text = json.dumps(value)  # ASCII: it is printed
    return text if len(text) <= 60 else f"{text[:57]}..."
