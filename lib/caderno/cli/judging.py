"""The commands about rows: `rows` prints them, `score` judges completions of them.

What a row is and what it is worth is decided in `tasks`; these only read, call and print.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caderno.errors import BadInput
from caderno.tasks import TASKS

if TYPE_CHECKING:
    from caderno.tasks import Score

Task = Annotated[str, typer.Argument(metavar="TASK", help=f"{', '.join(list(TASKS)[:-1])} or {list(TASKS)[-1]}.")]


def rows(
    task: Task,
    split: Annotated[str, typer.Option(help="train, heldout or test.")] = "train",
    n: Annotated[int, typer.Option("-n", help="How many rows.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the shop and of the rows.")] = 0,
    data: Annotated[
        str | None, typer.Option(help="File of rows or of foreign records (math), or directory of Olist files.")
    ] = None,
    profile: Annotated[str, typer.Option(help="small (closed vocabulary) or full.")] = "small",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines; they always are.")] = True,
) -> None:
    """Print rows of a task as JSON lines: id, task, split, prompt (chat messages), gold (the reference)."""
    from caderno import data as source

    for row in source.rows(task, split, n, seed, data_path=data, profile=profile):
        print(json.dumps(row, ensure_ascii=False))


def score(
    task: Task,
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSONL rows, each with a completion.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a row: id, score, parts, why.")] = False,
) -> None:
    """Score completions of a task's rows, in the order of the file. Rows that cannot be judged are counted, not 0."""
    from caderno import data as source
    from caderno import tasks

    module = tasks.task(task)
    found = [_row(module, task, one, f"{file}, row {number}") for number, one in enumerate(source.read_jsonl(file), 1)]
    # Judged first, printed afterwards: a bad row 900 leaves no half answer.
    scores = _scores(found, file)
    if as_json:
        for row, judged in zip(found, scores, strict=True):
            print(json.dumps(_line(row, judged), ensure_ascii=False))
    else:
        _print_means(task, scores)


def _row(module: Any, task: str, record: dict[str, Any], where: str) -> dict[str, Any]:
    """A row of the file with its completion; a record of another form is made a row where the task knows how.

    Raises:
        BadInput: it is not a row of this task with a completion.
    """
    if not isinstance(record.get("completion"), str):
        raise _unfit("completion", record, where)
    if record.get("task", task) != task:
        raise BadInput(f"a row of task {record['task']!r}", expected=f"task {task!r}", where=where)
    if "task" not in record and hasattr(module, "from_record"):
        record = module.from_record(record, where) | {"completion": record["completion"]}
    for key in ("id", "task"):
        if not isinstance(record.get(key), str):
            raise _unfit(key, record, where)
    return record


def _unfit(key: str, record: dict[str, Any], where: str) -> BadInput:
    return BadInput(
        f"{key} is {json.dumps(record.get(key))}", expected="a string", where=where,
        mend="`caderno rows` prints rows of the right form; add a completion to each.",
    )  # fmt: skip


def _scores(rows: list[dict[str, Any]], file: str) -> list[Score | None]:
    """Every row's score. Raises BadInput that names the row where one lacks a field its scorer needs."""
    from caderno import tasks

    try:
        return tasks.score_many(rows, [row["completion"] for row in rows])
    except KeyError as error:
        told = "".join(getattr(error, "__notes__", ()))
        raise BadInput(
            f"no {error} in the row ({told})", expected="the fields of `caderno rows`", where=file,
            mend="Keep every field of the row and add the completion.",
        ) from error  # fmt: skip


def _line(row: dict[str, Any], judged: Score | None) -> dict[str, Any]:
    """What --json prints of a row; score and parts are null where the row itself cannot be judged."""
    if judged is None:
        return {"id": row["id"], "score": None, "parts": None, "why": "a referência não pode ser julgada"}
    return {"id": row["id"], "score": judged.total, "parts": judged.parts, "why": judged.why}


def _print_means(task: str, scores: list[Score | None]) -> None:
    """Mean and 95 % interval of the total and of each component, the share fully correct, and what had no judge."""
    from rich.console import Console
    from rich.table import Table

    from caderno import stats

    known = [judged for judged in scores if judged is not None]
    estimates = {}
    if known:
        columns = {"score": [judged.total for judged in known]}
        columns |= {part: [judged.parts[part] for judged in known] for part in known[0].parts}
        estimates = {name: stats.mean_interval(values) for name, values in columns.items()}
        correct = sum(judged.fully_correct for judged in known)
        estimates["fully correct"] = stats.proportion_interval(correct, len(known))
    view = Table("what", "mean", "95 % low", "high", "n", title=task, title_justify="left")
    for name, estimate in estimates.items():
        view.add_row(name, *map(_figure, (estimate.value, estimate.low, estimate.high)), str(estimate.n))
    if len(known) < len(scores):
        view.add_row("could not be judged", "", "", "", str(len(scores) - len(known)))
    Console().print(view)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
