"""The `caderno` command: argument parsing, exit codes, and errors as one paragraph.

The commands' work is done by the library; each imports what it needs when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from caderno.errors import CadernoError


def main(arguments: Sequence[str] | None = None) -> None:
    """Console entry. Leaves with 0 done, 2 bad parameters or usage, 3 refused by a guard, 4 failed, 130 or 143
    interrupted; with `--debug`, wherever it stands, an error keeps its traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    from caderno.cli.app import app

    try:
        app([argument for argument in given if argument != "--debug"], prog_name="caderno")
    except CadernoError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        # Not one of ours: a defect, or a machine in trouble. The paragraph says how to see more.
        print(f"{type(error).__name__}: {error}. The same command with --debug shows where.", file=sys.stderr)
        sys.exit(CadernoError.exit_code)
