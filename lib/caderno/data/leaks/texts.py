"""What is compared of a record, whoever wrote it: what the user said, what was answered, whom it is about.

It opens no file. System prompts are left out: rows share them by design.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from caderno.errors import BadInput

Names = tuple[str, ...]  # columns that make one text together
# The first that holds something counts.
PROMPTS: tuple[Names, ...] = (
    ("prompt",), ("messages",), ("conversations",), ("context", "question"), ("question",), ("problem",),
    ("instruction", "input"), ("instruction",), ("input",), ("query",), ("text",),
)  # fmt: skip
COMPLETIONS: tuple[Names, ...] = (
    ("reference",), ("gold",), ("answer",), ("solution",), ("output",), ("response",), ("completion",), ("chosen",),
)  # fmt: skip
GROUPS: tuple[Names, ...] = (("group",),)
SIDES = {"prompt": PROMPTS, "completion": COMPLETIONS, "group": GROUPS}
LEFT_OUT = {"system", "developer"}
ANSWERING = {"assistant", "gpt", "model", "bot", "chatgpt"}


class Texts(NamedTuple):
    """One record. `prompt` is empty only where the record holds no text at all."""

    prompt: str
    completion: str
    entities: Sequence[str]


@dataclass
class Reader:
    """Reads the texts out of records of one file. `columns` replaces the names looked for: side -> alternatives."""

    where: str
    columns: Mapping[str, tuple[Names, ...]] = field(default_factory=dict)
    _layouts: dict[Names, dict[str, list[Names]]] = field(default_factory=dict)

    def read(self, number: int, record: Mapping[str, Any]) -> Texts:
        """The texts of a record. Raises BadInput where no column that could hold any is there."""
        keys = tuple(record)
        layout = self._layouts.get(keys)
        if layout is None:
            layout = self._layouts[keys] = self._layout(number, keys)
        prompt, answered = _first(record, layout["prompt"])
        completion, said = _first(record, layout["completion"])
        column = said or completion
        # a column beside a conversation may hold its last turn again, or the bare result
        completion = answered if column in answered else f"{answered}\n{column}".strip()
        entities = _entities(record, layout["group"])
        return Texts(prompt, completion, entities) if prompt else Texts(completion, "", entities)

    def _layout(self, number: int, keys: Names) -> dict[str, list[Names]]:
        there = set(keys)
        sides = SIDES | dict(self.columns)
        layout = {side: [names for names in wanted if there.issuperset(names)] for side, wanted in sides.items()}
        for side in self.columns:
            if not layout[side]:
                raise BadInput(
                    f"none of the columns given for the {side} is there", where=f"{self.where}, row {number}",
                    expected=" or ".join("+".join(names) for names in self.columns[side]),
                    mend=f"There are: {', '.join(keys)}.",
                )  # fmt: skip
        if not layout["prompt"] and not layout["completion"]:
            raise BadInput(
                f"no column with a known name among {', '.join(keys) or 'none'}", where=f"{self.where}, row {number}",
                expected=", ".join(dict.fromkeys(name for names in PROMPTS + COMPLETIONS for name in names)),
                mend="Name the columns: --columns prompt=NAME --columns completion=NAME.",
            )  # fmt: skip
        return layout


def columns_of(given: Sequence[str]) -> dict[str, tuple[Names, ...]]:
    """`prompt=title+body|question` as alternatives of columns to join. Raises BadInput for anything else."""
    found = {}
    for text in given:
        side, _, names = text.partition("=")
        wanted = tuple(tuple(one.split("+")) for one in names.split("|"))
        if side not in SIDES or not all(name for one in wanted for name in one):
            raise BadInput(
                f"--columns {text}", expected=f"SIDE=NAME with SIDE one of {', '.join(SIDES)}",
                mend="NAME+NAME joins two columns, NAME|NAME takes the one that is there.",
            )  # fmt: skip
        found[side] = wanted
    return found


def _first(record: Mapping[str, Any], alternatives: list[Names]) -> tuple[str, str]:
    """(what was asked, what was answered) of the first alternative that holds anything."""
    for names in alternatives:
        if len(names) == 1 and isinstance(value := record[names[0]], str):
            if value.strip():
                return value, ""
            continue
        pairs = [_asked_and_answered(record[name]) for name in names]
        asked, answered = ("\n".join(part for part in side if part) for side in zip(*pairs, strict=True))
        if asked.strip() or answered.strip():
            return asked, answered
    return "", ""


def _asked_and_answered(value: Any) -> tuple[str, str]:
    """A cell as text; the turns of a conversation apart by who speaks."""
    if value is None:
        return "", ""
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, list) or not value or not all(isinstance(turn, dict) for turn in value):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str), ""
    asked, answered = [], []
    for turn in value:
        role = str(turn.get("role") or turn.get("from") or "user").lower()
        if role not in LEFT_OUT:
            said = turn.get("content", turn.get("value"))
            (answered if role in ANSWERING else asked).append(_said(said))
    return "\n".join(asked), "\n".join(answered)


def _said(content: Any) -> str:
    """A turn's text; of one in parts, those that are text."""
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and part.get("text"))
    return "" if content is None else str(content)


def _entities(record: Mapping[str, Any], groups: list[Names]) -> list[str]:
    """Names of what the record is about, and its group."""
    value = record.get("entities")
    found = [value] if isinstance(value, str) else [str(one) for one in value or ()]
    for names in groups:
        values = [record[name] for name in names]
        if None not in values and "" not in values:
            found.append(f"group {' '.join(map(str, values))}")
            break
    return found
