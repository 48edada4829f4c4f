"""Work in named steps, each in a directory of its own: done once, skipped when done, gone on with when interrupted.

A step whose inputs have changed is done anew. What a step does is its caller's; half-done work is the work's own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caderno.runs import read_json, write_json

INPUTS, DONE = "inputs.json", "done.json"
Result = dict[str, Any]


def once(directory: Path, inputs: dict[str, Any], work: Callable[[Path], Result]) -> Result:
    """`work(directory)`'s result, from `done.json` where it was done with these inputs before.

    An earlier attempt with other inputs is removed; one with the same that did not come to its end is left for `work`
    to go on with. `inputs` are JSON; the result gains `inputs`, their hash, which the next step can name as its own.
    """
    digest = fingerprint(inputs)
    if read_json(directory / INPUTS, None) != digest:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        write_json(directory / INPUTS, digest)
    if (done := read_json(directory / DONE, None)) is not None:
        return done
    result = {**work(directory), "inputs": digest}
    write_json(directory / DONE, result)
    return result


def fingerprint(inputs: dict[str, Any]) -> str:
    """SHA-256 (hex) of JSON."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
