"""What a record holds to be measured: a prompt and, where there is one, the completion that follows it.

Rows are the usual case; files of other tools are read as far as they say which text is which. Nothing is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from caderno import tasks
from caderno.data.reading import Broken, records, unit
from caderno.data.schema import Faults, as_row, encodable, prompt_fault

EXPECTED = "rows, or {messages} or {prompt, completion} of other projects, or what --task takes"


class Item(NamedTuple):
    """What is measured of a record. A prompt that is text is taken for rendered; messages are rendered here."""

    number: int  # as in the file
    id: str
    task: str
    split: str
    prompt: list[dict[str, str]] | str
    completion: str | None


def items(path: str, task: str | None = None) -> Iterator[Item]:
    """What a file holds to be measured. At the end BadInput that lists every record with nothing to measure, if any.

    A record is a row, `{messages}` whose last message is the assistant's, `{prompt, completion}`, or whatever
    `from_record` of `task` takes; a completion may be absent.
    """
    faults, what = Faults(path, EXPECTED), unit(path)
    for number, record in records(path):
        faults.seen += 1
        found = record if isinstance(record, Broken) else _item(number, record, f"{path}, {what} {number}", task)
        if isinstance(found, Broken):
            faults.add(number, found)
        else:
            yield found
    faults.refuse()


def _item(number: int, record: dict, where: str, task: str | None) -> Item | Broken:
    prompt, completion = record.get("prompt"), _completion(record)
    if isinstance(record.get("messages"), list):
        *prompt, last = record["messages"] or [None]
        if not isinstance(last, dict) or last.get("role") != "assistant" or not isinstance(last.get("content"), str):
            return Broken("messages do not end with the assistant's")
        completion = last["content"]
    elif not isinstance(prompt, list) and (task or not isinstance(prompt, str)):
        row = as_row(record, where, [task] if task else ())
        if isinstance(row, Broken):
            return row
        record, prompt, completion = row, row["prompt"], tasks.reference(row)
    fault = prompt_fault(prompt) if isinstance(prompt, list) else None
    if not encodable(completion or "") or not encodable(prompt if isinstance(prompt, str) else ""):
        fault = Broken("a text holds half a character (a lone surrogate)")
    name, split = (str(record.get(key) or "") for key in ("task", "split"))
    return fault or Item(number, str(record.get("id", number)), name, split, prompt, completion)


def _completion(record: dict) -> str | None:
    """The text that follows the prompt: what a model wrote, else the whole reference, else the gold."""
    if isinstance(record.get("completion"), str):
        return record["completion"]
    found = (record.get(key) for key in ("reference", "gold"))
    return next((text for text in found if isinstance(text, str) and text), None)


def items_of(splits: Mapping[str, list[dict]]) -> Iterator[Item]:
    """The rows of a run's splits; a row's number is its place in its split."""
    for split, rows in splits.items():
        for number, row in enumerate(rows, 1):
            yield Item(number, row["id"], row["task"], split, row["prompt"], tasks.reference(row))
