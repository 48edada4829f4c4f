"""Executes one notebook through papermill, in a kernel of this very interpreter, and passes signals on to it.

It knows neither stages nor statuses: it returns, or it raises `CellError` or `KernelDied`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, BinaryIO, Self

from caderno.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)
START_TIMEOUT_S = 120
OUTPUT_TIMEOUT_S = 60  # a cell may print more than nbclient's 4 s let it read
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class CellError(Exception):
    """A cell raised. `name` and `value` are the exception's, `tail` the last lines of its traceback."""

    def __init__(self, name: str, value: str, traceback: list[str], cell: int | None):
        self.name, self.value, self.cell = name, value, cell
        lines = ANSI.sub("", "\n".join(traceback)).rstrip().splitlines()
        self.tail = "\n".join(lines[-15:])
        super().__init__(f"{name}: {value}")


class KernelDied(Exception):
    """The kernel's process ended in the middle of a cell, or never came up."""


class StopSignals:
    """The runner's handlers. While a notebook runs, a signal asks its kernel to save and stop; otherwise it raises.

    The first and the second signal reach the kernel as SIGTERM (inside `stage.graceful` the first only asks); the
    third, or `grace_s` seconds after the first, kills it.
    """

    def __init__(self, grace_s: float, note: Callable[[str], None]):
        self.requested: int | None = None
        self._grace_s, self._note = grace_s, note
        self._kernel: subprocess.Popen[bytes] | None = None
        self._forwards = False
        self._count = 0
        self._timer: threading.Timer | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def forwarding(self) -> Iterator[None]:
        """Inside, signals go to the kernel."""
        self._forwards = True
        try:
            yield
        finally:
            self._forwards = False
            if self._timer:
                self._timer.cancel()

    def kernel_started(self, process: subprocess.Popen[bytes]) -> None:
        """Takes note of the kernel; a signal that came while it was being launched reaches it now."""
        self._kernel = process
        if self.requested is not None:
            self._send(signal.SIGTERM)

    def kernel_exit(self) -> str:
        """How the kernel's process ended, in words."""
        code = self._kernel.poll() if self._kernel else None
        if code is None:
            return "no exit code"
        if code < 0:
            hint = ", as when memory runs out" if -code == signal.SIGKILL else ""
            return f"killed by {signal.Signals(-code).name}{hint}"
        return f"exit code {code}"

    def kill(self) -> None:
        """Kills the kernel and whatever it started: it leads a process group of its own."""
        if self._kernel:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._kernel.pid, signal.SIGKILL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = self.requested or number
        if not self._forwards:
            raise Interrupted(number)
        self._count += 1
        if self._count >= 3:
            self.kill()
            return
        if self._timer is None:
            self._timer = threading.Timer(self._grace_s, self.kill)
            self._timer.daemon = True
            self._timer.start()
            self._note(f"{signal.Signals(number).name}: asked the stage to save and stop, for {self._grace_s:g} s")
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        if self._kernel and self._kernel.poll() is None:
            self._kernel.send_signal(number)


def execute(notebook: Path, output: Path, parameters: dict[str, str], signals: StopSignals) -> None:
    """Executes `notebook` in its own directory and writes it, with outputs, to `output` as it goes.

    Raises:
        CellError: a cell raised.
        KernelDied: the kernel's process is gone.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    # What these loggers say comes back as exceptions, or has been checked before.
    logging.getLogger("papermill").propagate = False
    logging.getLogger("papermill").addHandler(logging.NullHandler())
    log = output.with_name("kernel.log")
    try:
        with log.open("wb") as words, signals.forwarding():
            papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters=parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=START_TIMEOUT_S,
                cwd=str(notebook.parent),
                iopub_timeout=OUTPUT_TIMEOUT_S,
                kernel_manager_class=_manager(signals, words),
            )
    except papermill.PapermillExecutionError as error:
        raise CellError(error.ename, error.evalue, error.traceback, error.exec_count) from None
    except (DeadKernelError, RuntimeError) as error:  # RuntimeError: it died, or was silent, before it was ready
        signals.kill()
        reason = f"the kernel died ({signals.kernel_exit()})" if isinstance(error, DeadKernelError) else str(error)
        _mark(output, reason)
        raise KernelDied(f"{reason}{_last_words(log)}") from error
    finally:
        if not log.stat().st_size:
            log.unlink()


def _last_words(log: Path) -> str:
    """What the process itself printed last, outside any cell: the allocator's or the driver's complaint."""
    lines = log.read_text(errors="replace").split("\n")
    return "".join(f"; it said {line.strip()!r}" for line in [line for line in lines if line.strip()][-1:])


def _manager(signals: StopSignals, log: BinaryIO) -> type:
    """A kernel manager that needs no installed kernelspec: the kernel is `sys.executable`, and `signals` knows it.

    What the process prints outside cells goes to `log`, not through the table on the terminal.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            # Its warning that a socket of this same machine is not encrypted would be in every log.
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        async def start_kernel(self, **options: Any) -> None:
            # Nobody watches a bar in there, and its thousand redraws would all be stored in the notebook.
            environment = {"TQDM_DISABLE": "1", **os.environ, "CADERNO_RUNNER": str(os.getpid())}
            await super().start_kernel(env=environment, stdout=log, stderr=log, **options)
            signals.kernel_started(self.provisioner.process)

    return ThisInterpreter


def _mark(output: Path, reason: str) -> None:
    """Says in the executed notebook that its kernel died: papermill marks every cell as completed then."""
    import nbformat

    if not output.exists():
        return
    notebook = nbformat.read(output, as_version=4)
    notebook.metadata.setdefault("papermill", {})["exception"] = True
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"**Not completed:** {reason}."))
    nbformat.write(notebook, output)
