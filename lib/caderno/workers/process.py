"""One child as the parent sees it: started with a bare environment, asked over pipes, killed when it is late.

It keeps no pool and starts no thread; `pool` does.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from caderno.workers import wire

START_S = 120.0  # imports on a busy machine; no part of any request's deadline
TAIL_BYTES = 4000
# -I reads no PYTHON* variable and no user's site; -B, because the child may write nothing.
FLAGS = ("-I", "-B")
BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    "from caderno.workers.child import main; main(sys.argv[2], int(sys.argv[3]))"
)
# Nothing of the trainer's environment passes but where shared libraries lie, without which some Pythons do not start.
ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "OMP_NUM_THREADS": "1", "PATH": os.defpath}
KEPT = ("LD_LIBRARY_PATH",)


class DeadlineMissed(TimeoutError):
    """The child had not answered at its deadline and was killed."""


class WorkerDied(RuntimeError):
    """The child ended under a request: how it ended, and the last it wrote to its standard error."""


class StartFailed(WorkerDied):
    """There is no child to ask: it could not be started, was not ready in time, or its pool is closed."""


class Child:
    """A process that serves one service."""

    def __init__(self, service: str):
        path = [str(Path(entry).absolute()) for entry in sys.path if isinstance(entry, str)]
        environment = ENVIRONMENT | {name: os.environ[name] for name in KEPT if name in os.environ}
        self.service = service
        self.tail = b""
        self.process = subprocess.Popen(
            [sys.executable, *FLAGS, "-c", BOOTSTRAP, json.dumps(path), service, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal or a notebook is for the trainer alone
        )
        self._pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        self._write, self._read, self._errors = (pipe.fileno() for pipe in self._pipes)
        os.set_blocking(self._write, False)
        os.set_blocking(self._errors, False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_ready(self) -> None:
        """Wait until the service is prepared. Raises StartFailed with what the child wrote, late or dead."""
        try:
            self._receive(time.monotonic() + START_S)
        except DeadlineMissed as error:
            raise StartFailed(f"{self.service} was not ready after {START_S:g} s{self._said()}") from error
        except WorkerDied as error:
            raise StartFailed(str(error)) from error

    def ask(self, frame: bytes, deadline_s: float) -> Any:
        """The reply to a request's frame. Raises DeadlineMissed or WorkerDied; the child is of no use after either."""
        until = time.monotonic() + deadline_s
        self._send(frame, until)
        reply = self._receive(until)
        self._drain()
        return reply

    def _send(self, frame: bytes, until: float) -> None:
        view = memoryview(frame)
        while view:
            self._await(self._write, select.POLLOUT, until)
            try:
                view = view[os.write(self._write, view) :]
            except BrokenPipeError as error:
                raise self._death() from error

    def _receive(self, until: float) -> Any:
        length = int.from_bytes(self._take(wire.HEADER_BYTES, until), "big")
        if length > wire.MAX_REPLY_BYTES:
            raise WorkerDied(f"{self.service} announced a reply of {length} bytes")
        return json.loads(self._take(length, until))

    def _take(self, count: int, until: float) -> bytes:
        taken = bytearray()
        while len(taken) < count:
            self._await(self._read, select.POLLIN, until)
            part = os.read(self._read, count - len(taken))
            if not part:
                raise self._death()
            taken += part
        return bytes(taken)

    def _await(self, fd: int, event: int, until: float) -> None:
        # poll and not select: a trainer may well hold more than 1,024 files
        waiting = select.poll()
        waiting.register(fd, event)
        if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            raise DeadlineMissed(f"{self.service} missed its deadline")

    def _death(self) -> WorkerDied:
        self.kill()
        code = self.process.wait()
        how = f"was ended by signal {-code}" if code < 0 else f"left with code {code}"
        return WorkerDied(f"{self.service} {how}{self._said()}")

    def _said(self) -> str:
        self._drain()
        text = self.tail.decode(errors="replace").strip()
        return f"; its last words:\n{text}" if text else ""

    def _drain(self) -> None:
        """Take what stands in the error pipe, so that it never fills and its end is what is kept."""
        while True:
            try:
                part = os.read(self._errors, 65536)
            except BlockingIOError:
                return
            if not part:
                return
            self.tail = (self.tail + part)[-TAIL_BYTES:]

    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """Send SIGKILL; does not wait."""
        self.process.kill()

    def reap(self) -> None:
        """Kill, wait for the end, close the pipes."""
        self.process.kill()
        self.process.wait()
        self.close_pipes()

    def close_pipes(self) -> None:
        for pipe in self._pipes:
            pipe.close()

    def disown(self) -> None:
        """In a fork: close this copy of the pipes, so that the parent's end of them is the only one."""
        self.close_pipes()
        self.process.returncode = 0  # not this process's child: nothing to wait for, nothing to warn of
