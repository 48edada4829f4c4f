"""Errors that say what was got, what was expected, where, and how to mend it.

It formats and classifies; it neither logs nor exits: the command line turns `exit_code` into the process's own.
"""

from __future__ import annotations


class CadernoError(Exception):
    """Base of every error meant for a person. `exit_code` is what the command line leaves with."""

    exit_code = 4

    def __init__(self, got: str, *, expected: str = "", where: str = "", mend: str = ""):
        self.got, self.expected, self.where, self.mend = got, expected, where, mend
        super().__init__(self._paragraph())

    def _paragraph(self) -> str:
        """One paragraph: place, what was found, what was expected, what to do."""
        text = f"{self.where}: {self.got}" if self.where else self.got
        if self.expected:
            text += f"; expected {self.expected}"
        return f"{text}. {self.mend}" if self.mend else f"{text}."


class BadInput(CadernoError, ValueError):
    """A parameter, a file or an argument is wrong: nothing was started and nothing was written."""

    exit_code = 2


class GuardRefused(CadernoError, RuntimeError):
    """A guard's verdict stops the run before it costs more."""

    exit_code = 3


class StageFailed(CadernoError, RuntimeError):
    """A stage raised; its executed notebook and its status keep the reason."""

    exit_code = 4


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM reached the stage. Not an `Exception`, so that no library swallows it."""

    def __init__(self, signal_number: int):
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
        super().__init__(f"interrupted by signal {signal_number}; run the same command again to go on")
