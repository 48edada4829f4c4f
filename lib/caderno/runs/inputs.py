"""What a stage depends on, as one hash: its parameters, its notebook's code, its parents, the data's files.

It hashes and compares; what to do about a change is for `status.begin` and the runner.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import caderno
from caderno.errors import BadInput
from caderno.params.sections import STAGES, Params
from caderno.runs.paths import is_hub_name, notebook_name, resolve

# Which stages' weights a stage starts from or judges. Preflight and calibration hand nothing on: they are gates.
PARENTS = {
    "preflight": (),
    "pretrain": (),
    "calibration": ("pretrain", "sft"),
    "sft": ("pretrain",),
    "grpo": ("pretrain", "sft"),
    "validation": ("pretrain", "sft", "grpo"),
    "abstract_cot": ("pretrain", "sft", "grpo"),
}
PRIVATE = {"pretrain", "calibration", "sft", "grpo", "validation", "abstract"}  # sections that only their own stage reads
SECTION = {"abstract_cot": "abstract"}  # where a stage's section has another name
INERT = {"name", "description", "hardware", "stages", "tracking", "writeup"}  # change no figure
WHOLE_FILE_LIMIT = 256 * 2**20  # above, size and time stand for the content: hashing 8 GB of weights costs a minute


def parents(stage: str, params: Params) -> tuple[str, ...]:
    """The stages of this run that `stage` builds on: those of `PARENTS` that come before it.

    A stage run by hand that the file does not list stands where the canonical order puts it.
    """
    listed = params.stages if stage in params.stages else STAGES
    earlier = set(listed[: listed.index(stage)]) & set(params.stages)
    return tuple(parent for parent in PARENTS[stage] if parent in earlier)


def inputs_hash(stage: str, params: Params, notebooks: Path) -> str:
    """SHA-256 (hex) over everything that can change what `stage` finds.

    Preflight judges the whole file, so it sees every section; the others do not see the sections private to another
    stage: a new learning rate for GRPO leaves a finished SFT as it is.
    """
    hidden = INERT | (set() if stage == "preflight" else PRIVATE - {SECTION.get(stage, stage)})
    content = {
        "parameters": params.model_dump(mode="json", exclude=hidden),
        "notebook": code(notebooks / notebook_name(stage)),
        "parents": {parent: inputs_hash(parent, params, notebooks) for parent in parents(stage, params)},
        "files": file_hashes(params, weights=stage != "pretrain"),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def code(notebook: Path) -> list[str]:
    """Sources of a notebook's code cells; outputs and prose change nothing. Empty where there is no such file."""
    if not notebook.exists():
        return []
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def file_hashes(params: Params, *, weights: bool = True) -> dict[str, Any]:
    """Fingerprints of the data and of the weights that are local files; a hub id is its own name and revision.

    Pretraining starts from no weights: the base it rebuilds must not be among its own inputs.
    """
    paths = {"data": _required(params.data.path, "data.path")}
    for key in ("name", "adapter", "init") if weights else ():
        paths[f"model.{key}"] = _weights(getattr(params.model, key))
    return {key: fingerprint(path) for key, path in paths.items() if path is not None}


def _required(path: str | None, key: str) -> Path | None:
    """The path of a parameter, which must exist; a name on the hub is its own fingerprint.

    Raises:
        BadInput: it does not.
    """
    if path is None:
        return None
    if not resolve(path).exists():
        if is_hub_name(path):
            return None
        raise BadInput(
            f"{resolve(path)} does not exist", where=key, expected="a file or a directory",
            mend="Relative paths are taken from the root of the checkout.",
        )  # fmt: skip
    return resolve(path)


def _weights(name: str | None) -> Path | None:
    """The local files behind a model's name, if it has any."""
    if name == "tiny":
        name = str(Path(caderno.__file__).parent / "tiny_base")
    return resolve(name) if name and resolve(name).exists() else None


def fingerprint(path: Path) -> dict[str, str]:
    """Hash of a file, or of each file in a directory and in those in it (the splits of a saved data set), by name.

    Not of what lies deeper: neither data nor weights do, and somebody's mistaken "/" must not be read to its end.
    """
    if path.is_file():
        return {path.name: _file_hash(path)}
    below = (
        [path, *(one for one in path.iterdir() if one.is_dir())] if (path / "dataset_dict.json").exists() else [path]
    )
    files = sorted(file for directory in below for file in directory.iterdir() if file.is_file())
    return {str(file.relative_to(path)): _file_hash(file) for file in files}


def _file_hash(path: Path) -> str:
    """Hash of one file's content; of its size and time where it is very large."""
    stat = path.stat()
    return _cached_hash(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _cached_hash(path: Path, size_bytes: int, modified_ns: int) -> str:
    """As `_file_hash`, once per state of the file: every stage of a run asks."""
    if size_bytes > WHOLE_FILE_LIMIT:
        return f"{size_bytes} bytes of {modified_ns}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
