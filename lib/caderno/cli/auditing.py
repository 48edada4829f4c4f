"""The commands that look at data before it is trained on: `lengths` counts tokens, `coverage` what a run's steps meet.

What is counted is decided in `caderno.lengths` and `caderno.data`; these only read arguments and print.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caderno.errors import BadInput

if TYPE_CHECKING:
    from caderno.params import Params

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value; may be repeated.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KINDS = ("prompt", "completion", "total")
COLUMNS = {"50 %": "p50", "90 %": "p90", "95 %": "p95", "99 %": "p99", "max": "max"}


def lengths(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Rows in any format, a parameter file, or a run.")],
    model: Annotated[
        str | None, typer.Option(help="tiny, a directory or a hub id; only its tokenizer is read.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Tokens of prompt and completion together.")] = None,
    max_completion: Annotated[int | None, typer.Option(min=1, help="Tokens a completion may have.")] = None,
    task: Annotated[str | None, typer.Option(help="The task that records which are no rows belong to.")] = None,
    thinking: Annotated[
        bool | None, typer.Option("--thinking/--no-thinking", help="The template's thinking switch.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count the tokens of every row, never of a sample: quantiles, the longest, and what a limit would leave out.

    Of a parameter file or a run: the rows of its three splits, its model, its limits. Exit: 0, whatever the lengths.
    """
    from caderno import lengths as measuring
    from caderno import tasks
    from caderno.data.items import items, items_of
    from caderno.data.reading import unit

    if task is not None:
        tasks.task(task)
    params = _params(file)
    if params is None:
        if model is None:
            raise BadInput("no model", expected="--model: tiny, a directory or a hub id", where=f"lengths {file}")
        tokenizer, found, given = measuring.tokenizer_of(model), items(file, task), []
    else:
        from caderno import data

        model = model or params.model.name
        tokenizer = measuring.tokenizer_of(model, params.model.revision if model == params.model.name else None)
        found, given = items_of(data.build(params)), measuring.limits_of(params)
        thinking = params.chat.enable_thinking if thinking is None else thinking
    given = measuring.limits(limit, max_completion) or given
    what = unit(file) if params is None else "row"
    report = measuring.report(measuring.measure(found, tokenizer, thinking), given)
    report = {"file": file, "model": model, "unit": what} | report
    _print_json(report) if as_json else _print_lengths(report)


def _params(file: str) -> Params | None:
    """The parameters that FILE stands for, or None where it is a file of rows."""
    from caderno import params, runs

    if file.lower().endswith((".yaml", ".yml")):
        return params.load(runs.given(file))
    for directory in (runs.given(file), runs.root() / file):
        if (directory / "run.json").is_file():
            return params.load(directory / "params.yaml")
    return None


def _print_lengths(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    view = Table("rows", "n", "tokens of", *COLUMNS, title=f"{report['file']}, tokens of {report['model']}")
    n = report["groups"][0]["n"]
    for group in report["groups"]:
        if group["group"] != "all" and group["n"] == n:
            continue  # the only task, the only split: the same lines again
        for kind in KINDS:
            if (told := group[kind]) is not None:
                head = (group["group"], f"{group['n']:,}") if kind == "prompt" else ("", "")
                # n of the completions where not every row has one
                name = kind if told["n"] == group["n"] else f"{kind} ({told['n']:,})"
                view.add_row(*head, name, *(f"{told[key]:,}" for key in COLUMNS.values()))
        view.add_section()
    console.print(view)
    longest = Table(title="The longest, by prompt and completion together")
    for name in ("id", report["unit"], "task", "split", *KINDS):
        longest.add_column(name, overflow="fold")  # an id that is cut names no row
    for row in report["longest"]:
        counts = ("–" if row[kind] is None else f"{row[kind]:,}" for kind in KINDS)
        longest.add_row(row["id"], f"{row['number']:,}", row["task"], row["split"], *counts)
    console.print(longest)
    for limit in report["limits"]:
        console.print(_limit_in_words(limit), highlight=False, soft_wrap=True)


def _limit_in_words(limit: dict[str, Any]) -> str:
    """ "prompt and completion over 256 tokens: left out of SFT: 12 of 500 (2.4 %): push 0, extraction 12"."""
    whole, *parts = limit["groups"]
    if not whole["of"]:
        return f"{limit['words']}: no row has a completion"
    by_group = ", ".join(f"{part['group']} {part['n']:,}" for part in parts if part["n"] and part["of"] < whole["of"])
    text = f"{limit['words']}: {whole['n']:,} of {whole['of']:,} rows ({whole['share']:.1%})"
    return f"{text}: {by_group}" if by_group else text


def coverage(
    params_file: Annotated[str, typer.Argument(metavar="PARAMS", help="Parameter file (YAML).")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Compare the steps of SFT and GRPO with the rows there are: the share that is seen, repeats, steps for all.

    No model is loaded; a file of rows is read, a shop's rows are counted from the parameters. Exit: 0.
    """
    from caderno import data, params, runs

    found = data.coverage(params.load(runs.given(params_file), overrides or []))
    _print_json(found) if as_json else _print_coverage(found)


def _print_coverage(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    rows = Table("task", "train", "heldout", "test", title="Rows a run draws (of those in its file)")
    for line in found["splits"]:
        of = line["file"]
        counts = (f"{line[s]:,}" + (f" of {of[s]:,}" if of else "") for s in ("train", "heldout", "test"))
        rows.add_row(line["task"], *counts)
    console.print(rows)
    if short := [
        f"{line['task']} {s}" for line in found["splits"] for s in line["file"] or () if line["file"][s] < line[s]
    ]:
        console.print(f"The file has too few rows of {', '.join(short)}: a run is refused.", soft_wrap=True)
    for stage in found["stages"]:
        view = Table("task", "rows", "draws", "distinct", title=f"{stage['stage']}: expected by task")
        for line in stage["by_task"]:
            view.add_row(line["task"], *(f"{line[key]:,.0f}" for key in ("rows", "draws", "distinct")))
        console.print(view)
        console.print(stage["words"], highlight=False, soft_wrap=True)
    if not found["stages"]:
        console.print("Neither sft nor grpo is among the stages.")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
