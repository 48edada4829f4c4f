"""The run's manifest, `run.json`: where the run comes from, with what it was made, and whose directory it is.

It records; it does not judge versions or hardware (guards do). Each opening of the run that found something changed
adds a line to `openings`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caderno import params as parameters
from caderno.errors import BadInput
from caderno.params.sections import Params
from caderno.runs.files import read_json, write_json, write_text
from caderno.runs.paths import checkout, require_room
from caderno.runs.provenance import git_output, opening
from caderno.runs.status import now


def create_or_open(run_dir: Path, params: Params, params_file: Path) -> dict[str, Any]:
    """Opens the run directory, creating it where it does not exist, and returns the manifest.

    The resolved parameters are written to `params.yaml`, which is also what every stage reads: opened with that very
    file, nothing is written. The same parameter file with changed values is fine.

    Raises:
        BadInput: no room, not writable, not a run, or the run of another parameter file. Nothing is written then.
    """
    manifest = read_json(run_dir / "run.json")
    if manifest is not None and params_file.resolve() == (run_dir / "params.yaml").resolve():
        return manifest
    _check_owner(run_dir, manifest, params_file)
    require_room(run_dir)
    current = opening(params)
    try:
        if manifest is None:
            manifest = _new(run_dir, params, params_file)
        last = manifest["openings"][-1] if manifest["openings"] else {}
        if {**last, "at": None} != {**current, "at": None}:
            manifest["openings"].append(current)
            _save_diff(run_dir, current)
            write_text(run_dir / "params.yaml", parameters.to_yaml(params))
            write_json(run_dir / "run.json", manifest)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        raise BadInput(str(error), where=str(run_dir), mend="Make room, or set CADERNO_RUNS.") from error
    return manifest


@contextlib.contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Keeps a second runner out of the run while this one works; the system lets go when the process ends.

    Raises:
        BadInput: another runner has it.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(str(error), where=str(run_dir), expected="a directory", mend="Set CADERNO_RUNS.") from error
    handle = os.open(run_dir, os.O_RDONLY)
    try:
        _lock(handle, run_dir)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, run_dir: Path) -> None:
    """Takes the lock or refuses."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BadInput(
            "another runner is at work in this run", where=str(run_dir), expected="one at a time",
            mend="`caderno status` shows it; to run beside it, give --name.",
        ) from error  # fmt: skip


def owner_name(params_file: Path) -> str:
    """How the manifest calls a parameter file: relative to the checkout where it lies in it, so that both can move."""
    path = params_file.resolve()
    return str(path.relative_to(checkout())) if path.is_relative_to(checkout()) else str(path)


def _check_owner(run_dir: Path, manifest: dict[str, Any] | None, params_file: Path) -> None:
    """A directory belongs to one parameter file."""
    if manifest is None:
        if run_dir.exists() and any(run_dir.iterdir()):
            raise BadInput(
                "a directory that is not empty and not a run", where=str(run_dir), expected="a run, or nothing",
                mend="Move it away, or give the run another name with --name.",
            )  # fmt: skip
    elif manifest["params_file"] != owner_name(params_file):
        raise BadInput(
            f"the directory is the run of {manifest['params_file']}", where=str(run_dir),
            expected=f"a run of {owner_name(params_file)}", mend="Give this run a name of its own with --name.",
        )  # fmt: skip


def _new(run_dir: Path, params: Params, params_file: Path) -> dict[str, Any]:
    """A manifest as of the run's creation."""
    created = now()
    unique = hashlib.sha256(f"{run_dir.resolve()} {created}".encode()).hexdigest()[:8]
    return {
        "name": run_dir.name,
        "created": created,
        "params_file": owner_name(params_file),
        "parent": params.writeup.parent,
        "tracking_id": f"{run_dir.name}-{unique}",
        "openings": [],
    }


def _save_diff(run_dir: Path, current: dict[str, Any]) -> None:
    """Keeps the uncommitted changes that the run was opened with; named by content, so none replaces another."""
    git = current["git"]
    if git and git["diff"]:
        write_text(run_dir / git["diff"], git_output("diff", "HEAD"))
