"""Runs the chosen stages in order: skips what has passed, stops at what does not, and ends with the write-up.

How a notebook is executed is in `kernel`; what may start is decided in `plan`.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from caderno import params as parameters
from caderno import runs
from caderno.errors import BadInput, CadernoError, GuardRefused, Interrupted, StageFailed
from caderno.params.sections import Params
from caderno.pipeline import after
from caderno.pipeline import plan as planning
from caderno.pipeline import view as views
from caderno.pipeline.kernel import CellError, KernelDied, StopSignals, execute
from caderno.pipeline.plan import Plan

GRACE_S = 30.0  # what a preempted machine is given; CADERNO_GRACE_S changes it


def run(
    params_file: str | Path,
    overrides: Sequence[str] = (),
    name: str | None = None,
    from_stage: str | None = None,
    only: str | None = None,
    view: Callable[[Path, Params], views.View] = views.choose,
    *,
    notebooks: Path | None = None,
    grace_s: float | None = None,
) -> Path:
    """Runs the stages of a parameter file and returns the run's directory.

    The stages before `from_stage`, or other than `only`, are taken as they are. `grace_s` is how long a stage may take
    to save after a signal; `view` makes what a person sees.

    Raises:
        BadInput: parameters, run directory, notebooks or choice are wrong (nothing was started), or a cell said so.
        GuardRefused: a stage is gated.
        StageFailed: a cell or the kernel failed, or the write-up.
        Interrupted: SIGINT or SIGTERM; the same command goes on.
    """
    source = runs.given(params_file)
    # As JSON: a name such as 1e3 must not be read as a number.
    params = parameters.load(source, [*overrides, *([f"name={json.dumps(name)}"] if name else [])])
    plan = planning.make(params, from_stage, only, notebooks or runs.checkout() / "notebooks")
    runs.require_room(plan.run_dir)
    with runs.locked(plan.run_dir):
        runs.create_or_open(plan.run_dir, params, source)
        plan.check_parents()
        shown = view(plan.run_dir, params)
        with shown, StopSignals(_grace_s(grace_s), shown.note) as signals:
            for stage in plan.stages:
                _run_or_skip(plan, stage, signals, shown)
            _write_up(plan, None, shown)
    return plan.run_dir


def _grace_s(given_s: float | None) -> float:
    """Seconds between asking a stage to stop and killing it."""
    return given_s if given_s is not None else float(os.environ.get("CADERNO_GRACE_S") or GRACE_S)


def _run_or_skip(plan: Plan, stage: str, signals: StopSignals, view: views.View) -> None:
    """One stage, unless it has passed with the same inputs."""
    directory = plan.directory(stage)
    if plan.current(stage):
        view.note(f"{directory.name}: passed before with the same inputs, skipped")
        return
    status = runs.begin(directory, plan.inputs[stage])
    view.note(f"{directory.name}: starts" + (f", attempt {status['attempt']}" if status["attempt"] > 1 else ""))
    try:
        _run_stage(plan, stage, signals)
    except CadernoError as error:
        view.note(f"{directory.name}: {runs.read_status(directory)['state']}")
        _write_up(plan, error, view)
        raise
    took_s = runs.seconds_between(status["started"])
    view.note(f"{directory.name}: passed in {views.clock(took_s)}")


def _run_stage(plan: Plan, stage: str, signals: StopSignals) -> None:
    """Executes a stage's notebook and turns whatever comes of it into a status and an error."""
    directory = plan.directory(stage)
    output = directory / "notebook.ipynb"
    values = {"params_file": str(plan.run_dir / "params.yaml"), "run_dir": str(plan.run_dir)}
    try:
        execute(plan.notebooks / runs.notebook_name(stage), output, values, signals)
    except (CellError, KernelDied) as error:
        if signals.requested is not None:
            _end(directory, "interrupted", f"signal {signals.requested}")
            raise Interrupted(signals.requested) from None
        raise _translated(error, directory, output) from None
    except Interrupted as error:  # before there was a kernel
        _end(directory, "interrupted", f"signal {error.signal_number}")
        raise
    except Exception as error:  # papermill's own trouble: a full disk, a notebook it cannot write
        _end(directory, "failed", f"{type(error).__name__}: {error}")
        raise StageFailed(f"{type(error).__name__}: {error}", where=directory.name, mend=_executed(output)) from error
    finally:
        after.judge(directory, output)
    state = runs.read_status(directory)["state"]
    if state != "passed":
        _end(directory, "failed", "the notebook ended without closing its stage")
        raise StageFailed("the notebook ended without closing its stage", expected="stage.close()", where=str(output))
    after.gate(directory, output, plan.params.guards)
    if signals.requested is not None:
        raise Interrupted(signals.requested)


def _end(directory: Path, state: str, error: str) -> None:
    """Writes the status, unless the stage itself has written how it ended (its reason is the better one)."""
    # The file, not `read_status`: what that deduces from a dead process must be written down as well.
    if runs.read_json(directory / "status.json")["state"] != state:
        runs.finish(directory, state, error)


def _translated(error: CellError | KernelDied, directory: Path, output: Path) -> BaseException:
    """The error a person gets for what a notebook raised; writes the status that goes with it."""
    if isinstance(error, KernelDied):
        _end(directory, "failed", str(error))
        return StageFailed(str(error), where=directory.name, mend=f"{_executed(output)} Run the same command to go on.")
    if error.name in ("Interrupted", "KeyboardInterrupt"):
        number = re.search(r"signal (\d+)", error.value)
        _end(directory, "interrupted", str(error))
        return Interrupted(int(number.group(1)) if number else signal.SIGINT)
    if error.name == "GuardRefused":
        _end(directory, "gated", error.value)
        return GuardRefused(error.value.rstrip("."), mend=_executed(output))
    _end(directory, "failed", str(error))
    if error.name == "BadInput":
        return BadInput(error.value.rstrip("."), where=directory.name, mend=_executed(output))
    where = f"{directory.name}, cell [{error.cell}]"
    return StageFailed(str(error), where=where, mend=f"{_executed(output)} The traceback ends:\n\n{error.tail}")


def _executed(output: Path) -> str:
    return f"The executed notebook is {output}."


def _write_up(plan: Plan, after: CadernoError | None, view: views.View) -> None:
    """Tells the story of the run, however it ended.

    Raises:
        StageFailed: it could not be told; what went before is part of the message.
    """
    from caderno import writeup

    try:
        # Bad input is no story to publish: it stays with the run.
        published = None if isinstance(after, BadInput) else plan.params.writeup.directory
        path = writeup.write(plan.run_dir, published)
    except Exception as error:
        before = f"{after} Besides, " if after else ""
        raise StageFailed(
            f"{before}the write-up failed: {type(error).__name__}: {error}", where=str(plan.run_dir)
        ) from error
    view.note(f"write-up: {path}")
