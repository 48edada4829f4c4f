"""Notebooks of a few cells that the real runner executes in tests. They train nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

OPEN = "from caderno import runs\nstage = runs.open_stage({stage!r}, params_file, run_dir)"
PARAMETERS = 'params_file = "nothing"\nrun_dir = "nothing"'


def write_notebook(directory: Path, stage: str, *cells: str, close: bool = True) -> Path:
    """A notebook that opens its stage, runs `cells` and closes the stage."""
    from caderno import runs

    v4 = nbformat.v4
    sources = [OPEN.format(stage=stage), *cells, *(["stage.close()"] if close else [])]
    parameters = v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    notebook = v4.new_notebook(cells=[parameters, *map(v4.new_code_cell, sources)])
    path = directory / runs.notebook_name(stage)
    directory.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def write_params(path: Path, **values: object) -> Path:
    """A parameter file (JSON is YAML) of a run called `fake`."""
    content = {
        "name": "fake",
        "stages": ["preflight", "sft"],
        "model": {"name": "tiny"},
        "tracking": {"mode": "disabled"},
        "writeup": {"directory": None},
        **values,
    }
    path.write_text(json.dumps(content))
    return path


def start_runner(params_file: Path, notebooks: Path, **environment: str) -> subprocess.Popen[str]:
    """The runner in a process of its own, leaving with the exit code of the command line."""
    program = (
        "import sys; from pathlib import Path; from caderno import pipeline, errors\n"
        f"try: pipeline.run({str(params_file)!r}, notebooks=Path({str(notebooks)!r}))\n"
        "except (errors.CadernoError, errors.Interrupted) as e: print(e, file=sys.stderr); sys.exit(e.exit_code)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Waits until `condition()` holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
