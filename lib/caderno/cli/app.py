"""The commands about runs: run, status, params, writeup; the others are registered here from their own modules.

Each command only turns arguments into one call of the library and its answer into text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import caderno
from caderno.cli import advising, auditing, judging, leaking, preflighting, replaying, tracing

app = typer.Typer(
    help="Check, calibrate, train, validate and write up a small language model, from one parameter file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help and plain usage errors: quick to start, and one can grep them
    pretty_exceptions_enable=False,
)
ParamsFile = Annotated[str, typer.Argument(metavar="PARAMS", help="Parameter file (YAML).")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value; may be repeated.")
]
Name = Annotated[str | None, typer.Option(help="Name of the run: its directory under runs/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"caderno {caderno.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Check, calibrate, train, validate and write up a small language model, from one parameter file."""


@app.command()
def run(
    params_file: ParamsFile,
    overrides: Overrides = None,
    name: Name = None,
    from_stage: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="Leave out the stages before this one.")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="STAGE", help="Run this stage alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the stages of a parameter file; the same command again goes on where it stopped.

    Stages that have passed with the same inputs are skipped. Exit: 0 done, 2 bad parameters, 3 a guard refused,
    4 a stage failed, 130 or 143 interrupted.
    """
    from caderno import pipeline
    from caderno.errors import Interrupted

    try:
        run_dir = pipeline.run(params_file, overrides or [], name, from_stage, only, _view(as_json))
    except Interrupted as interruption:  # a KeyboardInterrupt: typer would make 130 of every one
        print(f"{interruption}.".capitalize(), file=sys.stderr)
        raise typer.Exit(interruption.exit_code) from None
    if as_json:
        _print_json(_run_as_dict(run_dir))


def _view(as_json: bool) -> Any:
    """What makes the view: the usual one, or lines on the error stream where standard output is for JSON."""
    from rich.console import Console

    from caderno.pipeline.view import LineView, choose

    return (lambda run_dir, params: LineView(run_dir, params, Console(stderr=True))) if as_json else choose


@app.command()
def status(
    which: Annotated[str, typer.Argument(metavar="[RUN|all]", help="Name or directory; none: the newest run.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show how far a run is: stage, state, step, time to go, last reward and loss."""
    from caderno import runs

    chosen = runs.all_runs() if which in ("", "all") else [runs.find_run(which)]
    chosen = chosen if which else chosen[:1]
    if as_json:
        _print_json([_run_as_dict(run_dir) for run_dir in chosen] if which == "all" else _only(chosen))
    elif not chosen:
        print(f"No runs in {runs.root()}.")
    else:
        _print_tables(chosen)


def _only(chosen: list[Path]) -> Any:
    return _run_as_dict(chosen[0]) if chosen else None


def _run_as_dict(run_dir: Path) -> dict[str, Any]:
    from caderno import params, pipeline

    rows = pipeline.stage_rows(run_dir, params.load(run_dir / "params.yaml"))
    return {"run": run_dir.name, "directory": str(run_dir), "stages": [row.as_dict() for row in rows]}


def _print_tables(chosen: list[Path]) -> None:
    """One table per run, and under it why a stage stands where it stands."""
    from rich.console import Console

    from caderno import params, pipeline
    from caderno.pipeline.view import table

    console = Console()
    for run_dir in chosen:
        rows = pipeline.stage_rows(run_dir, params.load(run_dir / "params.yaml"))
        console.print(table(str(run_dir), rows))
        for row in rows:
            if row.error:
                print(f"{row.stage} {row.state}: {row.error}")


@app.command("params")
def show_params(params_file: ParamsFile, overrides: Overrides = None, name: Name = None, as_json: AsJson = False):
    """Show a parameter file resolved: parents merged, overrides applied, every value with what it means."""
    from rich.console import Console

    from caderno import params, runs

    named = [f"name={json.dumps(name)}"] if name else []
    resolved = params.load(runs.given(params_file), [*(overrides or []), *named])
    if as_json:
        _print_json(resolved.model_dump(mode="json"))
    else:
        Console().print(params.rich_table(resolved))


@app.command()
def writeup(
    which: Annotated[str, typer.Argument(metavar="RUN", help="Name or directory of the run.")],
    as_json: AsJson = False,
) -> None:
    """Write the story of a run again, from its files alone; what people wrote in it stays."""
    from caderno import params, runs
    from caderno import writeup as story

    run_dir = runs.find_run(which)
    path = story.write(run_dir, params.load(run_dir / "params.yaml").writeup.directory)
    _print_json({"path": str(path)}) if as_json else print(path)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


for command in (
    judging.rows, judging.score, auditing.lengths, auditing.coverage, leaking.leaks, preflighting.preflight,
    replaying.replay, tracing.traces, advising.compare, advising.estimate, advising.advise, advising.budget,
):  # fmt: skip
    app.command()(command)
