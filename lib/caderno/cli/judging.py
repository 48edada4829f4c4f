"""The commands about rows: `rows` prints them, `score` judges completions of them.

What a row is and what it is worth is decided in `tasks`; these only read, call and print.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caderno.errors import BadInput

if TYPE_CHECKING:
    from caderno.tasks import Score

Task = Annotated[str, typer.Argument(metavar="TASK", help="extraction, sql_qa, insights or push.")]


def rows(
    task: Task,
    split: Annotated[str, typer.Option(help="train, heldout or test.")] = "train",
    n: Annotated[int, typer.Option("-n", help="How many rows.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the shop and of the rows.")] = 0,
    data: Annotated[str | None, typer.Option(help="Directory of Olist files, or JSONL, for the generator.")] = None,
    profile: Annotated[str, typer.Option(help="small (closed vocabulary) or full.")] = "small",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines; they always are.")] = True,
) -> None:
    """Print rows of a task as JSON lines: id, task, split, prompt (chat messages), gold (a reference completion)."""
    from caderno import data as source

    for row in source.rows(task, split, n, seed, data_path=data, profile=profile):
        print(json.dumps(row, ensure_ascii=False))


def score(
    task: Task,
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSONL rows, each with a completion.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a row: id, score, parts, why.")] = False,
) -> None:
    """Score completions of a task's rows, in the order of the file."""
    from caderno import data as source
    from caderno import tasks

    module = tasks.task(task)
    found = source.read_jsonl(file)
    # Judged first, printed afterwards: a bad row 900 leaves no half answer.
    scores = [_judged(module, task, row, f"{file}, row {number}") for number, row in enumerate(found, 1)]
    if as_json:
        for row, judged in zip(found, scores, strict=True):
            line = {"id": row["id"], "score": judged.total, "parts": judged.parts, "why": judged.why}
            print(json.dumps(line, ensure_ascii=False))
    else:
        _print_means(task, scores)


def _judged(module: Any, task: str, row: dict[str, Any], where: str) -> Score:
    """The score of one row of the file.

    Raises:
        BadInput: it is not a row of this task with a completion.
    """
    for key in ("id", "completion"):
        if not isinstance(row.get(key), str):
            raise BadInput(
                f"{key} is {json.dumps(row.get(key))}", expected="a string", where=where,
                mend="`caderno rows` prints rows of the right form; add a completion to each.",
            )  # fmt: skip
    if row.get("task") != task:
        raise BadInput(f"a row of task {row.get('task')!r}", expected=f"task {task!r}", where=where)
    try:
        return module.score(row, row["completion"])
    except KeyError as error:
        raise BadInput(
            f"no {error} in the row", expected="the fields of `caderno rows`", where=where,
            mend="Keep every field of the row and add the completion.",
        ) from error  # fmt: skip


def _print_means(task: str, scores: list[Score]) -> None:
    """Mean and 95 % interval of the total and of each component, and the share fully correct."""
    from rich.console import Console
    from rich.table import Table

    from caderno import stats

    columns = {"score": [judged.total for judged in scores]}
    columns |= {part: [judged.parts[part] for judged in scores] for part in scores[0].parts}
    estimates = {name: stats.mean_interval(values) for name, values in columns.items()}
    correct = sum(judged.fully_correct for judged in scores)
    estimates["fully correct"] = stats.proportion_interval(correct, len(scores))
    view = Table("what", "mean", "95 % low", "high", "n", title=task, title_justify="left")
    for name, estimate in estimates.items():
        view.add_row(name, *map(_figure, (estimate.value, estimate.low, estimate.high)), str(estimate.n))
    Console().print(view)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
