"""Runs the cells of one stage's notebook as a plain script: what a notebook without a kernel would cost.

It takes the .py of the pair, the parameter file and the run directory, and changes nothing else in it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def script(text: str, params_file: str, run_dir: str) -> str:
    """The notebook's source with its two parameters replaced, as papermill would inject them."""
    for name, value in (("params_file", params_file), ("run_dir", run_dir)):
        text, found = re.subn(rf"(?m)^{name} = .*$", lambda _, line=f"{name} = {value!r}": line, text)
        if found != 1:
            raise ValueError(f"{found} lines set {name}; expected one, in the cell tagged parameters")
    return text


if __name__ == "__main__":
    notebook, params_file, run_dir = sys.argv[1:]
    text = script(Path(notebook).read_text(encoding="utf-8"), params_file, run_dir)
    exec(compile(text, notebook, "exec"), {"__name__": "__main__"})
