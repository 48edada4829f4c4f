"""The child's side: take over the pipes, prepare the service, give up rights, answer requests until the pipe closes.

It is a second wall, not a virtual machine: it stops what goes through the kernel's limits (files, sockets, memory, CPU
time), and leaves it to the service to refuse what it should not run. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from caderno.workers import wire

ADDRESS_SPACE_BYTES = 4 << 30
SPARE_CPU_S = 5  # beyond the deadline: a backstop for the parent's own clock, never what ends a request in time
OPEN_FILES_AT_MOST = 256
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def main(service: str, parent_pid: int) -> None:
    """Serve `service` (a module path) to the parent over stdin and stdout. Returns when the parent closes the pipe."""
    die_with(parent_pid)
    requests, replies = take_over_pipes()
    module = importlib.import_module(service)
    module.prepare()
    give_up_rights()
    wire.write_all(replies, wire.encode({"ready": os.getpid()}, wire.MAX_REPLY_BYTES))
    while (message := wire.read_frame(requests)) is not None:
        allow_cpu(message["deadline_s"])
        wire.write_all(replies, answer(module.handle, message["request"]))


def die_with(parent_pid: int) -> None:
    """Be killed by the kernel when the parent is gone.

    The kernel ties this to the *thread* that started the child, so the parent starts all children from one thread that
    lives as long as it does. A parent that died before this call is told by its pid.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_PDEATHSIG, signal.SIGKILL), (PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
    if os.getppid() != parent_pid:
        os._exit(1)


def take_over_pipes() -> tuple[int, int]:
    """(requests, replies): the pipes under new numbers, with nothing on 0 and 1 that a library's print could spoil."""
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    os.set_blocking(2, False)  # a full pipe of warnings must not stall a request
    return requests, replies


def give_up_rights() -> None:
    """No file can grow, no core is dumped, memory is bounded, and no file or socket can be opened any more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    _limit_files(OPEN_FILES_AT_MOST, OPEN_FILES_AT_MOST)
    _lock_files()


@contextlib.contextmanager
def files_allowed() -> Iterator[None]:
    """Lift the lock on opening files while a service opens its own; never around what a request brought."""
    _limit_files(OPEN_FILES_AT_MOST, OPEN_FILES_AT_MOST)
    try:
        yield
    finally:
        _lock_files()


def _lock_files() -> None:
    """The limit is the lowest number not in use: every open(), socket() or dup() would get that one, and fails."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    _limit_files(lowest, OPEN_FILES_AT_MOST)


def _limit_files(soft: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def allow_cpu(deadline_s: float) -> None:
    """CPU seconds that this request may use before the kernel ends the process, should nobody else do so."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + deadline_s) + SPARE_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def answer(handle: Callable[[dict], dict], request: dict) -> bytes:
    """The frame of the service's reply, or of the exception that stood in its place."""
    try:
        return wire.encode({"value": handle(request)}, wire.MAX_REPLY_BYTES)
    except Exception as error:
        return wire.encode(_described(error), wire.MAX_REPLY_BYTES)


def _described(error: Exception) -> dict[str, Any]:
    where = "".join(traceback.format_tb(error.__traceback__))[-2000:]
    return {"error": type(error).__name__, "message": str(error)[:2000], "where": where}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
