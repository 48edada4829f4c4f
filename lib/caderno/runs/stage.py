"""One stage of a run, opened in its notebook: where it writes, how it ends.

It writes what it is given. What is worth writing is for the notebook; who starts the notebook is for `pipeline`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from caderno import params as parameters
from caderno.errors import BadInput, GuardRefused
from caderno.params.sections import GuardParams, Params
from caderno.runs.files import json_line, read_json, whole_lines, write_json, write_jsonl
from caderno.runs.inputs import inputs_hash
from caderno.runs.manifest import create_or_open
from caderno.runs.paths import STAGE_DIRECTORIES, checkout, resolve, run_directory, run_path, stage_directory
from caderno.runs.signals import StopHandlers
from caderno.runs.status import HEARTBEAT_S, begin, finish, read_status

_open: dict[Path, Stage] = {}  # the stages open in this process, for a cell that is run again


def open_stage(name: str, params_file: str | Path, run_dir: str | Path | None = None) -> Stage:
    """Opens a stage, creating the run where nobody has: `run_dir` None is `runs/<name>`.

    Relative paths are taken from the root of the checkout, so that a notebook finds the same files whether it is run
    cell by cell or by the runner. Opened again in the same process, the stage goes on.

    Raises:
        BadInput: unknown stage, wrong parameters, the run of another file, no room, or a stage that is being run.
    """
    stage_directory(Path(), name)  # an unknown name is refused before anything is read
    params = parameters.load(resolve(params_file))
    directory = run_path(run_dir) if run_dir else run_directory(params)
    manifest = create_or_open(directory, params, resolve(params_file))
    stage = Stage(name, params, directory, manifest)
    stage.start(inputs_hash(name, params, checkout() / "notebooks"))
    return stage


def newest_complete_checkpoint(directory: Path) -> Path | None:
    """The newest `checkpoint-N` that was written to its end: `trainer_state.json`, which is written last, is there,
    and the sentinel of an interrupted save is not. None where there is none.
    """
    found = {
        int(path.name.partition("-")[2]): path
        for path in directory.glob("checkpoint-*")
        if path.name.partition("-")[2].isdigit()
        and (path / "trainer_state.json").is_file()
        and not (path / "checkpoint-is-incomplete.txt").exists()
    }
    return found[max(found)] if found else None


class Stage:
    """An open stage. Made by `open_stage`."""

    def __init__(self, name: str, params: Params, run_dir: Path, manifest: dict[str, Any]):
        self.name, self.params, self.run_dir, self.manifest = name, params, run_dir, manifest
        self.directory = stage_directory(run_dir, name)
        self.status: dict[str, Any] = {}
        self._signals = StopHandlers(self._interrupted)
        self._closed = threading.Event()
        self._at_close: list[Callable[[], Any]] = []
        self._metrics_begun = False
        self._wall_start_s = time.monotonic()

    def start(self, inputs: str) -> None:
        """Claims the directory, sets the signal handlers and starts the heartbeat."""
        if previous := _open.pop(self.directory, None):
            previous._release()
            self._at_close = previous._at_close
        self.status = begin(self.directory, inputs, reopen=True)
        _open[self.directory] = self
        self._signals.install()
        threading.Thread(target=self._beat, name=f"heartbeat-{self.name}", daemon=True).start()

    # What it reads

    def parent(self, name: str) -> Path:
        """Directory of an earlier stage of this run.

        Raises:
            BadInput: that stage has not passed.
        """
        directory = stage_directory(self.run_dir, name)
        state = read_status(directory)["state"]
        if state != "passed":
            raise BadInput(
                f"{self.name} starts from {name}, which is {state}", expected="a passed stage", where=str(directory),
                mend=f"Run {STAGE_DIRECTORIES[name]} first.",
            )  # fmt: skip
        return directory

    # What it writes

    def metrics(self, step: int, **values: Any) -> None:
        """Appends one line to `metrics.jsonl`, with `wall_s`, seconds of work in this stage so far.

        The first line since the stage was opened starts the file anew, unless `resume_step` has been called.
        """
        if not self._metrics_begun:
            self.resume_step(0)
        row = {"step": step, "wall_s": round(time.monotonic() - self._wall_start_s, 3), **values}
        with (self.directory / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json_line(row))

    def resume_step(self, step: int) -> None:
        """Cuts `metrics.jsonl` back to the step of the checkpoint the work goes on from; 0 starts afresh.

        `wall_s` goes on from the last line that is kept.
        """
        path = self.directory / "metrics.jsonl"
        kept = [row for row in whole_lines(path) if row["step"] <= step] if step > 0 else []
        write_jsonl(path, kept)
        self._wall_start_s = time.monotonic() - (kept[-1]["wall_s"] if kept else 0.0)
        self._metrics_begun = True

    def expect_steps(self, total: int) -> None:
        """Says how many steps there will be, for the progress that people see."""
        self._update(total_steps=total)

    def result(self, values: dict[str, Any]) -> None:
        """The headline numbers; each call replaces them."""
        write_json(self.directory / "result.json", values)

    def samples(self, rows: list[dict[str, Any]]) -> None:
        """Prompts, completions and scores, one a line; each call replaces them."""
        write_jsonl(self.directory / "samples.jsonl", rows)

    def ledger(self, rows: list[dict[str, Any]]) -> None:
        """What was requested and what the libraries really did. A later row on the same thing replaces the earlier."""
        kept = {row["what"]: row for row in read_json(self.directory / "ledger.json", [])}
        for row in rows:
            kept[row["what"]] = {**row, "same": row["requested"] == row["effective"]}
        write_json(self.directory / "ledger.json", list(kept.values()))

    def guards(self, verdicts: list[dict[str, Any]]) -> None:
        """Verdicts; a later one of the same guard at the same step replaces the earlier."""
        add_verdicts(self.directory, verdicts)

    def figure(self, name: str, figure: Any) -> Path:
        """Saves a matplotlib figure as `figures/<name>.png` and returns the path."""
        path = self.directory / "figures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, bbox_inches="tight")
        return path

    # How it ends

    @property
    def watched(self) -> bool:
        """Whether a person runs the cells (bars are for them) rather than the runner (a line every N steps)."""
        return "CADERNO_RUNNER" not in os.environ

    @property
    def stop_requested(self) -> bool:
        """Whether a signal has asked, inside `graceful`, to save and stop."""
        return self._signals.requested is not None

    def graceful(self) -> AbstractContextManager[None]:
        """A block in which a first SIGTERM or SIGINT only sets `stop_requested`; a second one raises.

        Raises:
            Interrupted: on leaving the block, if a signal came: what was saved is for the next attempt.
        """
        return self._signals.graceful()

    def at_close(self, action: Callable[[], Any]) -> None:
        """Has `action` called when the stage closes, however its gate decides."""
        if action not in self._at_close:  # a cell that is run again
            self._at_close.append(action)

    def close(self) -> None:
        """The gate: passed, or gated by a verdict that `guards.stop_on` names.

        Raises:
            GuardRefused: gated.
        """
        for action in self._at_close:
            action()
        self._at_close = []
        refused = refusing(self.directory, self.params.guards)
        reasons = told(refused)
        finish(self.directory, "gated" if refused else "passed", reasons or None)
        self._release()
        if refused:
            raise GuardRefused(
                f"{self.name} is gated: {reasons}", where=str(self.directory / "guards.json"),
                mend="Mend the cause and run again, or take the verdict out of guards.stop_on.",
            )  # fmt: skip

    def _interrupted(self, number: int) -> None:
        """Called by the handler, before it raises: the status is true from here on, whatever the cell does."""
        finish(self.directory, "interrupted", f"signal {number}")

    def _release(self) -> None:
        """Stops the heartbeat and gives the signals back."""
        self._closed.set()
        self._signals.restore()

    def _update(self, **values: Any) -> None:
        """Adds to the status of the running stage."""
        self.status = {**self.status, **values}
        write_json(self.directory / "status.json", self.status)

    def _beat(self) -> None:
        """Touches the status: another host that reads a shared disk has no other sign of life."""
        while not self._closed.wait(HEARTBEAT_S):
            with contextlib.suppress(FileNotFoundError):  # moved away by hand
                os.utime(self.directory / "status.json")


def add_verdicts(directory: Path, verdicts: Iterable[dict[str, Any]]) -> None:
    """Adds to a stage's guards.json; a later verdict of the same guard at the same step replaces the earlier."""
    kept = {(row["guard"], row.get("step")): row for row in read_json(directory / "guards.json", [])}
    kept |= {(row["guard"], row.get("step")): row for row in verdicts}
    write_json(directory / "guards.json", list(kept.values()))


def stops(verdict: dict[str, Any], spec: GuardParams) -> bool:
    """Whether a row of guards.json stops its stage: `guards.stop_on` names it, and no action says less."""
    return verdict["verdict"] in spec.stop_on and spec.action(verdict["guard"], verdict["verdict"]) == "stop"


def refusing(directory: Path, spec: GuardParams) -> list[dict[str, Any]]:
    """The verdicts of a stage's guards.json that stop it."""
    return [row for row in read_json(directory / "guards.json", []) if stops(row, spec)]


def told(verdicts: Iterable[dict[str, Any]]) -> str:
    """Verdicts in a line: what was measured, against what, and why."""
    return "; ".join(map(_told, verdicts))


def _told(verdict: dict[str, Any]) -> str:
    """A verdict in a line."""
    figures = f"measured {verdict.get('measured')}, threshold {verdict.get('threshold')} {verdict.get('unit') or ''}"
    return f"{verdict['guard']} {verdict['verdict']} ({figures.strip()}): {verdict.get('why')}"
