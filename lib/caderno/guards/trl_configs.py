"""Asks the installed TRL, in a process of its own, whether it takes the arguments that a training will give it.

It starts the process early and reads it late, so that the other facts are gathered meanwhile; it judges nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import Any

DEADLINE_S = 60.0  # importing transformers from a cold disk; a warm one takes two seconds


class Asked:
    """A process that is importing TRL; ask it once, then close it. Use as a context manager."""

    def __init__(self) -> None:
        # one thread: nothing here computes, and thread pools cost start-up time
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "caderno.guards.trl_configs_child"], text=True, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process where it still runs: the parameters were wrong, or somebody interrupted."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe and not pipe.closed:
                with contextlib.suppress(BrokenPipeError):  # what was never sent need not arrive
                    pipe.close()

    def ask(self, stages: dict[str, dict[str, Any]], processes: int) -> None:
        """Hands over the arguments; returns at once."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died: `answer` tells what of
            json.dump({"stages": stages, "processes": processes}, self._process.stdin)
            self._process.stdin.flush()

    def answer(self, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """{stage: {"error", "changed", "warnings"}}, or {"unknown": why} where no answer came."""
        try:
            out, error = self._process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            return {"unknown": f"TRL's configurations took longer than {deadline_s:g} s to import"}
        if self._process.returncode:
            last = (error.strip().splitlines() or [f"exit {self._process.returncode}"])[-1]
            return {"unknown": f"TRL's configurations could not be imported: {last}"}
        return json.loads(out)
