"""The command `replay`: the running guards over a log that any trainer wrote.

What a log holds and what a guard makes of it is decided in `guards`; this only reads, calls and prints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from caderno.cli import verdict_table


def replay(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="trainer_state.json, metrics.jsonl, W&B export (CSV, JSON).")
    ],
    params_file: Annotated[
        str | None, typer.Option("--params", metavar="FILE", help="Parameter file of the run; else the run's own.")
    ] = None,
    stage: Annotated[str, typer.Option(help="Which stage the log is of: grpo, sft or pretrain.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One verdict a line, as in guards.json.")] = False,
) -> None:
    """Judge a finished or running log by the running guards, and say when each would have fired.

    A log without parameters is judged by what it holds; what cannot be told is unknown. Exit: 0 judged, 2 bad input.
    """
    from caderno.guards.facts_logs import read_log
    from caderno.guards.replay import replay as judge

    history = read_log(log)
    source, settings = _settings(Path(log), params_file, stage)
    verdicts = judge(history, settings)
    if as_json:
        for verdict in verdicts:
            print(json.dumps(verdict.as_dict(), ensure_ascii=False))
    else:
        verdict_table.show(f"{log}: {len(history)} logged steps, {source}", verdicts)


def _settings(log: Path, params_file: str | None, stage: str) -> tuple[str, dict[str, Any]]:
    """Where the settings come from, and what they are; nothing where there are none."""
    from caderno import params, runs
    from caderno.guards.facts_logs import settings_of

    own = log.resolve().parent.parent / "params.yaml"
    path = runs.given(params_file) if params_file else own if own.is_file() else None
    if path is None:
        return "no parameters", {"method": stage} if stage else {}
    named = stage or log.resolve().parent.name.partition("-")[2] or "grpo"
    return f"parameters of {path}", settings_of(params.load(path), named if named in ("sft", "pretrain") else "grpo")
