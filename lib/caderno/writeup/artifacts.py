"""Reads what a run left behind into one record: manifest, parameters, and per stage its status and files.

It computes nothing. Files that are not there are None or empty; files that cannot be read are errors that name them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from caderno import params as parameters
from caderno.errors import BadInput
from caderno.params.sections import Params
from caderno.runs.files import read_json
from caderno.runs.paths import STAGE_DIRECTORIES
from caderno.runs.status import read_status

STATES = ("pending", "running", "passed", "gated", "failed", "interrupted")


@dataclass(frozen=True)
class StageRecord:
    """One stage of a run, there or not."""

    name: str
    directory: Path
    planned: bool
    status: dict[str, Any]

    @property
    def folder(self) -> str:
        """The directory's name, as sources are cited: "30-grpo"."""
        return self.directory.name

    @property
    def state(self) -> str:
        """The status's state; a stage without a status is "not run"."""
        return "not run" if self.status["state"] == "pending" else self.status["state"]

    @property
    def absence(self) -> str:
        """How to begin a sentence on what this stage has not written: "Failed", "Not run", "Not part of this run"."""
        return self.state.capitalize() if self.planned or self.state != "not run" else "Not part of this run"

    @property
    def caution(self) -> str:
        """A sentence to stand before figures of a stage that has not passed; "" for one that has."""
        return "" if self.state == "passed" else f"This stage is **{self.state}**: its figures may be partial.\n"

    @cached_property
    def result(self) -> dict[str, Any] | None:
        return read_json(self.directory / "result.json")

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        return read_lines(self.directory / "metrics.jsonl")

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        return read_lines(self.directory / "samples.jsonl")

    @cached_property
    def guards(self) -> list[dict[str, Any]]:
        return read_json(self.directory / "guards.json", [])

    @cached_property
    def ledger(self) -> list[dict[str, Any]]:
        return read_json(self.directory / "ledger.json", [])

    @property
    def set_aside(self) -> list[str]:
        """Directories of earlier tries under other inputs, such as "30-grpo~1": kept, and not told here."""
        return sorted(path.name for path in self.directory.parent.glob(f"{self.folder}~*"))


@dataclass(frozen=True)
class RunRecord:
    """A run directory as it stands."""

    run_dir: Path
    manifest: dict[str, Any]
    params: Params
    stages: dict[str, StageRecord]

    @property
    def name(self) -> str:
        return self.manifest["name"]

    @property
    def date(self) -> str:
        """The day the run began, UTC: 2026-08-01."""
        return self.manifest["created"][:10]

    @property
    def opening(self) -> dict[str, Any]:
        """What the run was last opened with (code, versions, hardware); empty before its first opening."""
        return self.manifest["openings"][-1] if self.manifest.get("openings") else {}

    @property
    def told(self) -> list[StageRecord]:
        """Stages to tell of, in order: the planned ones and any other that has run."""
        return [stage for stage in self.stages.values() if stage.planned or stage.state != "not run"]

    @property
    def open_stage(self) -> StageRecord | None:
        """Where the run stands: the first planned stage that was begun and has not passed, else the first not run."""
        unpassed = [stage for stage in self.told if stage.planned and stage.state != "passed"]
        return next((stage for stage in unpassed if stage.state != "not run"), next(iter(unpassed), None))


def read_run(run_dir: Path) -> RunRecord:
    """The record of a run.

    Raises:
        BadInput: no run.json or params.yaml, one without a key it needs, or a status that is none.
    """
    manifest, params_file = read_json(run_dir / "run.json"), run_dir / "params.yaml"
    if manifest is None or not params_file.is_file():
        missing = "run.json" if manifest is None else "params.yaml"
        mend = "Name a run's directory; `caderno run PARAMS` makes one."
        raise BadInput(f"no {missing}", expected="a run directory", where=str(run_dir), mend=mend)
    for key in ("name", "created", "params_file"):
        if not isinstance(manifest.get(key), str):
            raise BadInput(f"no {key}", expected="a run's manifest", where=str(run_dir / "run.json"))
    params = parameters.load(params_file)
    stages = {name: _stage(run_dir / folder, name, params) for name, folder in STAGE_DIRECTORIES.items()}
    order = [*params.stages, *(name for name in STAGE_DIRECTORIES if name not in params.stages)]
    return RunRecord(run_dir, manifest, params, {name: stages[name] for name in order})


def _stage(directory: Path, name: str, params: Params) -> StageRecord:
    with understood(directory / "status.json"):
        status = read_status(directory)
        if status["state"] not in STATES:
            raise BadInput(f"state {status['state']!r}", expected=", ".join(STATES), where=str(directory))
    return StageRecord(name, directory, name in params.stages, status)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Objects of a JSON-lines file, none where there is no file. A last line without its end was cut by a kill and is
    left out, as everywhere; any other line that is not JSON raises BadInput with its number."""
    if not path.exists():
        return []
    found = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise BadInput(f"not JSON ({error})", expected="one object a line", where=f"{path}:{number}") from error
    return found


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Within it, an artifact that lacks a key is an error about the artifact, not a traceback."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        got = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        mend = "Was it written by another version? Run the stage again."
        raise BadInput(got, expected="the artifact its stage writes", where=str(path), mend=mend) from error
