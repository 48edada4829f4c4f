"""What a row is: its fields and types, and one error that lists every record of a file that is none.

Records of other projects become rows by their task's own `from_record`. What a completion of a row is worth is for
`caderno.tasks`, and which rows a run draws for `caderno.data.selection`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from caderno.data.columnar import ambiguous_null, with_json
from caderno.data.reading import Broken, in_arrow, records, unit
from caderno.errors import BadInput
from caderno.shop import SPLITS
from caderno.tasks import TASKS

REQUIRED = {"id": str, "task": str, "prompt": list, "gold": str}
OPTIONAL = {"split": str, "group": str, "entities": list, "facts": dict, "shop": dict, "reference": str}
NAMED = 20  # bad records an error lists one by one; the rest are counted


class Faults:
    """The bad records of one file, for one error."""

    def __init__(self, path: str | Path, expected: str):
        self.path, self.expected = path, expected
        self.first: list[str] = []
        self.by_reason: Counter[str] = Counter()
        self.seen = 0

    def add(self, number: int, broken: Broken) -> None:
        self.by_reason[broken.why] += 1
        if len(self.first) < NAMED:
            self.first.append(f"  {unit(self.path)} {number}: {broken}")

    def refuse(self) -> None:
        """Raise BadInput with the first bad records by number and all of them by reason, if there are any."""
        bad = self.by_reason.total()
        if not bad:
            return
        reasons = "; ".join(f"{count} x {why}" for why, count in self.by_reason.most_common())
        more = [f"  and {bad - NAMED} more"] if bad > NAMED else []
        raise BadInput(
            f"{bad} of {self.seen} records cannot be used ({reasons})", expected=self.expected, where=str(self.path),
            mend="`caderno rows` prints rows of the right form. Nothing was used. Bad:\n"
            + "\n".join([*self.first, *more]),
        )  # fmt: skip


def checked(path: str | Path, foreign: Collection[str] = ()) -> Iterator[tuple[int, dict]]:
    """(number, row) of each good row; at the end BadInput if any record was bad, so use nothing before the end.

    A record that is no row is given to `from_record` of the task it names, else of the one task of `foreign` (tasks in
    play) that has it. Ids that stand twice are bad records too.
    """
    faults = Faults(path, "id, task, prompt (chat messages), gold; optional " + ", ".join(OPTIONAL))
    arrow, what, first_of = in_arrow(path), unit(path), {}
    for number, record in records(path, as_stored=True):
        faults.seen += 1
        row = record if isinstance(record, Broken) else as_row(record, f"{path}, {what} {number}", foreign, arrow)
        if not isinstance(row, Broken) and first_of.setdefault(row["id"], number) != number:
            row = Broken("an id that stands earlier too", f"{row['id']!r}, {what} {first_of[row['id']]}")
        if isinstance(row, Broken):
            faults.add(number, row)
        else:
            yield number, row
    faults.refuse()


def read_rows(path: str | Path, foreign: Collection[str] = ()) -> list[dict]:
    """Every row of a file. Raises BadInput that lists all that are none."""
    return [row for _, row in checked(path, foreign)]


def as_row(record: dict, where: str, foreign: Collection[str] = (), arrow: bool = False) -> dict | Broken:
    """The record as a row, absent fields left out, or what keeps it from being one. `arrow`: unread, from columns."""
    if arrow:
        if fault := ambiguous_null(record):
            return fault
        record = with_json(record)
    if not (record.keys() >= REQUIRED.keys() and isinstance(record["prompt"], list)):
        record = _from_foreign(record, where, foreign)
    if isinstance(record, Broken):
        return record
    row = {key: value for key, value in record.items() if not (key in OPTIONAL and value in (None, ""))}
    return _wrong_type(row) or _wrong_value(row) or row


def _from_foreign(record: dict, where: str, foreign: Collection[str]) -> dict | Broken:
    """What the task's `from_record` makes of the record; the record itself where no task takes such."""
    able = [name for name in TASKS if hasattr(TASKS[name], "from_record")]
    takers = [record["task"]] if record.get("task") in able else [name for name in able if name in foreign]
    if record.get("task") and record["task"] not in takers:
        return record
    if len(takers) > 1:
        return Broken("no row, and several tasks take foreign records", f"{', '.join(takers)}: give each a `task`")
    if not takers and "prompt" not in record:
        return Broken("no prompt, and no task in play takes other records", f"fields {', '.join(list(record)[:4])}")
    if not takers:
        return record
    try:
        row = TASKS[takers[0]].from_record(record, where)
    except BadInput as error:
        why, _, detail = error.got.partition(" (")
        return Broken(why, " ".join(filter(None, (detail.removesuffix(")"), f"expected {error.expected}"))))
    # What a record says of its split stands; what it does not say is for `splitting`, by the declared shares.
    return {key: value for key, value in row.items() if key != "split"} | {
        key: record[key] for key in ("split", "group") if record.get(key)
    }


def _wrong_type(row: dict) -> Broken | None:
    for key, kind in (REQUIRED | OPTIONAL).items():
        if key in row and not isinstance(row[key], kind):
            return Broken(f"{key} is {_type(row[key])}, not {kind.__name__}")
        if key in REQUIRED and key not in row:
            return Broken(f"{key} is missing")
    return None


def _type(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _wrong_value(row: dict) -> Broken | None:
    if not row["id"] or not row["gold"]:
        return Broken(f"{'gold' if row['id'] else 'id'} is empty")
    if row["task"] not in TASKS:
        return Broken(f"task is none of {', '.join(TASKS)}", repr(row["task"]))
    if row.get("split", "train") not in SPLITS:
        return Broken(f"split is none of {', '.join(SPLITS)}", repr(row["split"]))
    if not all(isinstance(entity, str) for entity in row.get("entities", ())):
        return Broken("entities are not all text")
    if not encodable(row["gold"]) or not encodable(row.get("reference", "")):
        return Broken("gold or reference holds half a character (a lone surrogate)")
    return prompt_fault(row["prompt"])


def prompt_fault(prompt: list) -> Broken | None:
    """Why a list is no chat: None where it is one."""
    if not prompt:
        return Broken("prompt has no message")
    for message in prompt:
        if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
            return Broken("prompt is not a list of {role, content}")
        if not isinstance(message["role"], str) or not isinstance(message["content"], str):
            return Broken("a message's role or content is not text")
        if not encodable(message["content"]):
            return Broken("a message holds half a character (a lone surrogate)")
    return None


def encodable(text: str) -> bool:
    """Whether a text can be tokenized: JSON can hold half of a surrogate pair, UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
