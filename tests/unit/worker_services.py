"""A service for the tests of workers: what a child may do, and faults planted in what it is asked.

Faults at the start are modules of their own, written by the tests that want them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

from caderno.workers.child import files_allowed


def prepare() -> None:
    sys.stdout.write("a library that greets")


def handle(request: dict) -> dict:
    return globals()[f"do_{request['do']}"](**{name: value for name, value in request.items() if name != "do"})


def do_echo(value):
    return {"value": value, "pid": os.getpid()}


def do_sleep(seconds):
    time.sleep(seconds)
    return {}


def do_spin():
    while True:
        pass


def do_environment():
    return {"names": sorted(os.environ), "cwd": str(Path.cwd()), "argv": sys.argv[2:]}


def do_open(tmp):
    """What each way to open something says."""
    ways = {
        "read": lambda: Path("/etc/hostname").read_text(),
        "write": lambda: (Path(tmp) / "x").write_text("x"),
        "socket": socket.socket,
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "pipe": os.pipe,
        "dup": lambda: os.dup(2),
        "memory": lambda: os.memfd_create("x"),
        "run": lambda: subprocess.run(["true"], check=True),
    }
    return {name: attempt(way) for name, way in ways.items()}


def do_service_open(tmp):
    """A service's own file, a file it may not let grow, and the lock afterwards."""
    with files_allowed():
        kept = os.open("/etc/hostname", os.O_RDONLY)
        written = attempt(lambda: (Path(tmp) / "x").write_text("x"))
    return {"kept": len(os.read(kept, 1)) == 1, "written": written, "after": attempt(Path("/etc/hostname").open)}


def attempt(way) -> str:
    try:
        way()
    except OSError as error:
        return type(error).__name__ + f" {error.errno}"
    return "done"


def do_limits():
    names = ("RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NOFILE")
    return {name: list(resource.getrlimit(getattr(resource, name))) for name in names} | {"session": os.getsid(0)}


def do_memory(bytes):
    return {"size": len(bytearray(bytes))}


def do_fail(text):
    raise LookupError(text)


def do_leave(code):
    print("last words", file=sys.stderr, flush=True)
    os._exit(code)


def do_crash():
    ctypes.string_at(0)
    return {}


def do_big(bytes):
    return {"text": "x" * bytes}


def do_chatter(bytes):
    """Far more on both outputs than a pipe holds."""
    sys.stdout.write("x" * bytes)
    for _ in range(bytes // 1000):
        os.write(1, b"x" * 1000)
        try:
            os.write(2, b"y" * 1000)
        except BlockingIOError:
            break
    return {"done": True}
