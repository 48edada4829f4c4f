"""SIGTERM and SIGINT while a stage is open: raise `Interrupted`, or only take note of it.

It tells the stage; what the stage writes then is the stage's. The runner's own handlers are in `pipeline`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from caderno.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopHandlers:
    """Handlers for the time a stage is open. Outside the main thread Python allows none, and none are set."""

    def __init__(self, on_interrupt: Callable[[int], None]):
        self.requested: int | None = None
        self._on_interrupt = on_interrupt
        self._graceful = False
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Puts the handlers in place, keeping what was there."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}

    def restore(self) -> None:
        """Puts back what `install` found, unless somebody else has taken over since."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in self._before.items():
            # IPython sets SIGINT anew for every cell: a handler that is no longer ours is not ours to replace.
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)
        self._before = {}

    @contextlib.contextmanager
    def graceful(self) -> Iterator[None]:
        """Inside, a first signal sets `requested`; a second one raises. On leaving, a request that came raises.

        Raises:
            Interrupted: a signal came.
        """
        main = threading.current_thread() is threading.main_thread()
        # Set again here, for this cell: IPython's and a trainer's own handlers may have replaced ours.
        before = {number: signal.signal(number, self._handle) for number in SIGNALS} if main else {}
        self._graceful = True
        try:
            yield
        finally:
            self._graceful = False
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.requested is not None:
            self._raise(self.requested)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """What the operating system calls."""
        if self._graceful and self.requested is None:
            self.requested = number
            return
        self._raise(number)

    def _raise(self, number: int) -> None:
        """Tells the stage, then unwinds the cell."""
        self._on_interrupt(number)
        raise Interrupted(number)
