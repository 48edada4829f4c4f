"""What the checkout and the installation hold: pins, versions, notebooks' contracts, parameter files' text.

It parses and compares nothing: guards do. Without a checkout (an installed package alone) there are no pins or
notebooks, and they are None.
"""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput
from caderno.guards.secret_text import find_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caderno.params import Params

PIN = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*)==([0-9][a-z0-9.!]*)")
# Known to be asked about even where no lock names them.
ALWAYS = tuple("torch transformers trl peft accelerate datasets vllm unsloth jupyterlab jupyter-server".split())
UNSLOTH_STAMP = re.compile(r'\A"""\n(\S+)\n(\S+)\n(\S+)\n(\S+)\n__UNSLOTH_VERSIONING__')


def checkout() -> Path | None:
    """The checkout's root, None where the package is installed without one."""
    from caderno import runs

    try:
        return runs.checkout()
    except BadInput:
        return None


def pins(root: Path | None) -> dict[str, str] | None:
    """{package: version} of the lock that belongs to this machine: the GPU set's where vLLM or Unsloth is installed."""
    gpu = any(_version(name) for name in ("vllm", "unsloth"))
    lock = root / "requirements" / ("gpu.txt" if gpu else "cpu.txt") if root else None
    return dict(PIN.findall(lock.read_text(encoding="utf-8"))) if lock and lock.is_file() else None


def installed(names: Iterable[str]) -> dict[str, str | None]:
    """{package: version} without the build's label (+cpu); None for what is not installed."""
    return {name: _version(name) for name in sorted({*names, *ALWAYS})}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def notebooks(root: Path | None, stages: Iterable[str]) -> dict[str, dict[str, Any]] | None:
    """{stage: {"file", "missing": [...]}} of what papermill needs of a stage's notebook; None without a checkout."""
    from caderno import runs

    folder = root / "notebooks" if root else None
    if folder is None or not folder.is_dir():
        return None
    return {stage: _contract(folder / runs.notebook_name(stage)) for stage in stages}


def _contract(path: Path) -> dict[str, Any]:
    """What a notebook lacks: its file, a cell tagged parameters that sets both names, a kernel's language."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", [])]
        kernel = book["metadata"].get("kernelspec", {})
    except (OSError, ValueError, KeyError) as error:
        return {"file": path.name, "missing": [f"a notebook that can be read ({type(error).__name__})"]}
    source = "".join(line for cell in cells for line in cell["source"])
    missing = [] if len(cells) == 1 else [f"one cell tagged parameters (it has {len(cells)})"]
    missing += [name for name in ("params_file", "run_dir") if not re.search(rf"(?m)^{name} *=", source)]
    missing += [] if kernel.get("language") or kernel.get("name") else ["a kernelspec"]
    return {"file": path.name, "missing": missing}


def secrets(params: Params, files: Iterable[str | Path]) -> list[str]:
    """What looks like a secret in the parameter files, comments included, or in a resolved value."""
    from caderno import params as parameters

    found = [f"{path}: {one}" for path in files for one in find_secrets(Path(path).read_text(encoding="utf-8"))]
    flat = parameters.flatten(params)
    values = {key: value for key, value in flat.items() if isinstance(value, str) and key != "model.revision"}
    return found + [f"{key}: {one}" for key, value in values.items() for one in find_secrets(value)]


def unsloth_stamps(folder: Path) -> dict[str, tuple[str, str]] | None:
    """{file: (transformers, trl)} that Unsloth's compiled code in `folder` was made for; None without such a cache."""
    cache = folder / "unsloth_compiled_cache"
    if not cache.is_dir():
        return None
    found = {}
    for path in sorted(cache.glob("*.py")):
        with path.open(encoding="utf-8", errors="replace") as file:
            stamp = UNSLOTH_STAMP.match(file.read(400))
        if stamp:
            found[path.name] = (stamp[3], stamp[4])
    return found
