"""Gathers what the after-guards judge: saved weights opened again, their hashes, the merge, the executed notebook.

Checkpoints' optimizer states are pickles: they are never opened, and not judged. It changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno.guards.facts_probe_model import WHOLE_COPY
from caderno.guards.secret_text import find_secrets
from caderno.models.adapters import MERGE_TOLERANCE, probe_logits
from caderno.runs import newest_complete_checkpoint, read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor

    from caderno.models import Policy

RECORD = "weights.json"  # {file of model/: SHA-256}, beside the stage's other files
# What a browser may act on; `on...=` only as an attribute inside a tag.
ACTIVE = re.compile(
    r"<\s*(?:script|button|iframe|object|embed|form|input)\b|<[^<>]*\son[a-z]+\s*=|javascript:", re.IGNORECASE
)
SHOWN_AS_MARKUP = ("text/html", "text/markdown", "image/svg+xml", "application/javascript")
NO_TEXT = ("image/png", "image/jpeg", "application/pdf")
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


# Files of weights


def weights(directory: Path) -> dict[str, Any]:
    """{"files": [...], "incomplete": [...]} of a stage's `model/` and `checkpoints/`.

    Headers and sizes of every file; the final model and the newest checkpoint are read to the last number.
    """
    checkpoints = directory / "checkpoints"
    newest = newest_complete_checkpoint(checkpoints)
    found = [one for one in sorted(checkpoints.glob("checkpoint-*")) if one.is_dir()]
    cut = [one for one in found if _incomplete(one)]
    files = [
        reopened(file, directory, whole=home in (directory / "model", newest))
        for home in (directory / "model", *(one for one in found if one not in cut))
        for file in sorted(home.glob("*.safetensors"))
    ]
    return {"files": files, "incomplete": [one.name for one in cut]}


def _incomplete(checkpoint: Path) -> bool:
    """As `newest_complete_checkpoint` tells them: the state is written last, the sentinel is taken away last."""
    unfinished = (checkpoint / "checkpoint-is-incomplete.txt").exists()
    return unfinished or not (checkpoint / "trainer_state.json").is_file()


def reopened(file: Path, root: Path, *, whole: bool) -> dict[str, Any]:
    """A safetensors file as it is on the disk: bytes, tensors, what is wrong with it, which tensors are not finite."""
    told = {"path": str(file.relative_to(root)), "bytes": file.stat().st_size, "read": whole}
    try:
        tensors = _header(file)
        bad = _not_finite(file) if whole else []
    except (ValueError, OSError) as error:
        return told | {"tensors": 0, "error": str(error), "not_finite": []}
    return told | {"tensors": tensors, "error": None, "not_finite": bad}


def _header(file: Path) -> int:
    """How many tensors the header names. Raises ValueError where header and length of the file disagree."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError(f"{size} bytes, cut within its header")
        try:
            header = json.loads(stream.read(length))
        except ValueError as error:
            raise ValueError("its header is not JSON") from error
    header.pop("__metadata__", None)
    needed = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size != needed:
        raise ValueError(f"{size} bytes where its header needs {needed}")
    return len(header)


def _not_finite(file: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            return [name for name in opened.keys() if not _finite(opened.get_tensor(name))]  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"safetensors cannot open it ({error})") from error


def _finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point():
        return True
    # float8 has no isfinite of its own
    return bool((tensor if tensor.element_size() > 1 else tensor.float()).isfinite().all())


# Hashes


def hashes(model: Path) -> dict[str, str]:
    """{file name: SHA-256} of a model's weights, config and tokenizer."""
    names = [one for one in sorted(model.glob("*")) if one.suffix in (".safetensors", ".json", ".jinja")]
    return {one.name: _sha256(one) for one in names}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def record_hashes(directory: Path) -> None:
    """Writes down what a stage has just saved, for whoever opens it later."""
    write_json(directory / RECORD, hashes(directory / "model"))


def saved_hashes(directory: Path, *, saves: bool = True) -> dict[str, Any]:
    """What was recorded of a stage's `model/` and what is there now; `saves`: whether such a stage leaves weights."""
    recorded = read_json(directory / RECORD)
    if recorded is None:
        return {"recorded": None if saves else {}, "found": None}
    return {"recorded": recorded, "found": hashes(directory / "model")}


# The merge


def adapter_logits(policy: Policy) -> Tensor | None:
    """What the adapter answers in memory, before it is merged away; None without one."""
    if not hasattr(policy.model, "disable_adapter"):
        return None
    policy.model.eval()
    return probe_logits(policy.model)


def merged(before: Tensor | None, saved: Policy, model: Path) -> dict[str, Any]:
    """How far the logits of the saved files are from `before`; {} without an adapter.

    A small model is loaded again as whoever serves it would. Of a large one every tensor on the disk is compared with
    the merged model in memory, and that one is asked.
    """
    if before is None:
        return {}
    dtype = str(saved.model.dtype).removeprefix("torch.")
    told = {"dtype": dtype, "tolerance": MERGE_TOLERANCE[dtype]}
    if sum(p.numel() for p in saved.model.parameters()) <= WHOLE_COPY:
        return told | {"difference": _reloaded_difference(before, saved, model), "how": "loaded again from its files"}
    other = _other_tensors(saved, model)
    if other:
        return told | {"difference": float("nan"), "how": f"{other[0]} on the disk is not the tensor in memory"}
    difference = (probe_logits(saved.model) - before).abs().max().item()
    return told | {"difference": difference, "how": "merged in memory, and the same tensors on the disk"}


def _reloaded_difference(before: Tensor, saved: Policy, model: Path) -> float:
    from transformers import AutoModelForCausalLM

    again = AutoModelForCausalLM.from_pretrained(model, dtype=saved.model.dtype).eval().to(before.device)
    return (probe_logits(again) - before).abs().max().item()


def _other_tensors(saved: Policy, model: Path) -> list[str]:
    """Tensors of the files that are not, to the bit, those of the model."""
    import torch
    from safetensors import safe_open

    held, found = saved.model.state_dict(), []
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118
                mine = held.get(name)
                if mine is None or not torch.equal(opened.get_tensor(name), mine.cpu()):
                    found.append(name)
    return found


# The executed notebook


def notebook(path: Path) -> dict[str, Any]:
    """{"secrets", "active", "texts"} of a notebook: where, and of what kind. Secrets themselves are never returned."""
    content = json.loads(path.read_text(encoding="utf-8"))
    texts = list(_texts(content.get("metadata", {}), "the notebook's metadata"))
    active = []
    for number, cell in enumerate(content.get("cells", []), start=1):
        texts += _texts({key: value for key, value in cell.items() if key != "outputs"}, f"cell {number}")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            plain = {**output, "data": {kind: value for kind, value in data.items() if kind not in NO_TEXT}}
            texts += _texts(plain, f"an output of cell {number}")
            active += [f"{kind} in cell {number}" for kind, value in data.items() if _acts(kind, value)]
    secrets = [f"{where}: {found}" for where, text in texts for found in find_secrets(text)]
    return {"secrets": list(dict.fromkeys(secrets)), "active": active, "texts": len(texts)}


def _acts(kind: str, value: Any) -> bool:
    if kind == "application/javascript":
        return True
    return kind in SHOWN_AS_MARKUP and ACTIVE.search(_joined(value)) is not None


def _joined(value: str | list[str]) -> str:
    """nbformat writes long texts as lists of lines."""
    return value if isinstance(value, str) else "".join(value)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text under a JSON value, lines put together; a name and its value as one, as people write passwords."""
    if isinstance(value, str):
        yield where, COLOURS.sub("", value)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(f"{key}: {one}" if isinstance(one, str) else one, where)
    elif isinstance(value, Iterable):
        parts = list(value)
        if parts and all(isinstance(one, str) for one in parts):
            yield where, COLOURS.sub("", "".join(parts))
        else:
            for one in parts:
                yield from _texts(one, where)
