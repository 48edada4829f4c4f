"""Where things are: the checkout, the runs, a run's stage directories.

It finds and checks directories; what is written into them is for `manifest` and `stage`.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
from pathlib import Path

from caderno.errors import BadInput
from caderno.params.sections import Params

STAGE_DIRECTORIES = {
    "preflight": "00-preflight",
    "pretrain": "05-pretrain",
    "calibration": "10-calibration",
    "sft": "20-sft",
    "grpo": "30-grpo",
    "validation": "40-validation",
    "abstract_cot": "50-abstract-cot",
}
NEED_GIB = 1.0
# owner/name[@revision][:config][:split], as in openai/gsm8k:main:train
HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?(:(?P<config>[^:]*))?(:(?P<split>[^:]+))?")
DATA_ENDINGS = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".gz")


def checkout() -> Path:
    """Root of the checkout: the first directory with a `pyproject.toml` above this package, else above the cwd.

    Raises:
        BadInput: neither has one.
    """
    for start in (Path(__file__).resolve().parent, Path.cwd()):
        for directory in (start, *start.parents):
            if (directory / "pyproject.toml").is_file():
                return directory
    raise BadInput("no checkout found", expected="a pyproject.toml above the working directory", where=str(Path.cwd()))


def resolve(path: str | Path) -> Path:
    """An absolute path; a relative one is taken from the root of the checkout, wherever the process stands."""
    path = Path(path).expanduser()
    return path.resolve() if path.is_absolute() else (checkout() / path).resolve()


def given(path: str | Path) -> Path:
    """A path as a person typed it: from the working directory where it exists there, else from the checkout."""
    here = Path(path).expanduser()
    return here.resolve() if here.exists() else resolve(here)


def root() -> Path:
    """The directory of all runs: `CADERNO_RUNS`, or `runs/` of the checkout."""
    return resolve(os.environ.get("CADERNO_RUNS") or "runs")


def run_path(run_dir: str | Path) -> Path:
    """A run's directory as a notebook names it: `runs/demo` follows `CADERNO_RUNS`, wherever that has moved `runs/`."""
    path = Path(run_dir)
    return root().joinpath(*path.parts[1:]) if path.parts[:1] == ("runs",) else resolve(path)


def run_directory(params: Params) -> Path:
    """The directory of the run that `params` names."""
    return root() / params.name


def all_runs() -> list[Path]:
    """Every run under `root()`, the last touched first."""
    manifests = sorted(root().glob("*/run.json"), key=lambda path: path.parent.stat().st_mtime, reverse=True)
    return [path.parent for path in manifests]


def find_run(run: str | Path) -> Path:
    """The directory of a run, by its path or its name.

    Raises:
        BadInput: there is none; the nearest name is given.
    """
    for directory in (Path(run).expanduser().resolve(), root() / run):
        if (directory / "run.json").is_file():
            return directory
    near = difflib.get_close_matches(str(run), [path.name for path in all_runs()], n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise BadInput(
        f"no run {str(run)!r}", expected="the name or the directory of a run", where=str(root()),
        mend=f"{hint}`caderno status all` lists the runs.",
    )  # fmt: skip


def stage_directory(run_dir: Path, stage: str) -> Path:
    """Where `stage` keeps its files.

    Raises:
        BadInput: the stage is not known.
    """
    if stage not in STAGE_DIRECTORIES:
        near = difflib.get_close_matches(stage, STAGE_DIRECTORIES, n=1, cutoff=0.0)[0]
        raise BadInput(
            f"unknown stage {stage!r}", expected=", ".join(STAGE_DIRECTORIES), mend=f"Did you mean {near!r}?"
        )
    return run_dir / STAGE_DIRECTORIES[stage]


def notebook_name(stage: str) -> str:
    """File name of a stage's notebook: `20_sft.ipynb` for `sft`."""
    return STAGE_DIRECTORIES[stage].replace("-", "_") + ".ipynb"


def require_room(directory: Path, need_gib: float = NEED_GIB) -> None:
    """Refuses to start where the disk has no room; checked on the nearest directory that exists.

    Raises:
        BadInput: less than `need_gib` free, or the directory cannot be written.
    """
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free_gib = shutil.disk_usage(existing).free / 2**30
    mend = "Free some, or point CADERNO_RUNS to another disk."
    if free_gib < need_gib:
        raise BadInput(
            f"{free_gib:.2f} GiB free on the disk", expected=f"{need_gib:g} GiB", where=str(directory), mend=mend
        )
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise BadInput(f"{existing} cannot be written", expected="a writable directory", mend=mend)


def is_hub_name(path: str) -> bool:
    """Whether a data path that is not on this machine names a data set of the hub: no file's ending says otherwise."""
    return HUB_NAME.fullmatch(path) is not None and not path.lower().endswith(DATA_ENDINGS)
