"""The command `preflight`: the static guards over a parameter file, in seconds and without loading a model.

Facts are gathered and judged by `caderno.guards`; this turns verdicts into a table or JSON and an exit code.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caderno.cli import verdict_table

if TYPE_CHECKING:
    from collections.abc import Sequence


def preflight(
    params_file: Annotated[str, typer.Argument(metavar="PARAMS", help="Parameter file (YAML).")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as a JSON list.")] = False,
) -> None:
    """Check a parameter file before anything is rented: schedules, rates, stopping, disk, versions, secrets.

    Exit: 0 nothing that stops a run, 2 bad parameters, 3 a verdict is among the file's guards.stop_on.
    """
    from caderno.guards.trl_configs import Asked

    with Asked() as asked:  # importing TRL takes longest: it begins before the parameters are read
        from caderno import guards, params, runs
        from caderno.errors import GuardRefused
        from caderno.guards import facts_static

        path = runs.given(params_file)
        resolved = params.load(path, overrides or [])
        files = _files(path, overrides or [])
        facts = facts_static.gather(resolved, files=files, asked=asked)
        verdicts = sorted(guards.judge("static", facts), key=lambda one: guards.SEVERITY.index(one.verdict))
    if as_json:
        print(json.dumps([one.as_dict() for one in verdicts], indent=2, ensure_ascii=False))
    else:
        verdict_table.show(f"preflight {resolved.name}", verdicts)
    if refused := guards.stops(verdicts, resolved.guards.stop_on):
        raise GuardRefused(
            f"preflight refuses {resolved.name}: {', '.join(one.guard for one in refused)}",
            where=str(params_file), mend="Each verdict says why; guards.stop_on says which of them stop a run.",
        )  # fmt: skip


def _files(path: Any, overrides: Sequence[str]) -> list[str]:
    """The parameter files that the values came from, parents among them."""
    from caderno import params

    _, places = params.resolve(path, overrides)
    sources = {str(path), *(place.source for place in places.values() if place.line is not None)}
    return sorted(sources)
