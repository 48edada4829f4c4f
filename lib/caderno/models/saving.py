"""A model directory written whole or not at all, and read back before anybody trusts it.

It merges nothing (`adapters.merge` comes first) and pushes nothing anywhere.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from caderno.errors import BadInput
from caderno.models import checks
from caderno.models.source import missing_files, shards

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from caderno.models import Policy


def save(policy: Policy, directory: str | Path) -> Policy:
    """See `caderno.models.save`. An earlier directory of that name is replaced once the new one has been checked."""
    directory = Path(directory)
    checks.require_tie(policy.model, str(directory))
    _require_room(policy.model, directory)
    fresh = directory.with_name(directory.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    policy.model.save_pretrained(fresh)
    policy.tokenizer.save_pretrained(fresh)
    require_saved(policy.model, fresh)
    shutil.rmtree(directory, ignore_errors=True)
    fresh.replace(directory)
    return policy


def _require_room(model: PreTrainedModel, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    need = sum(p.numel() * p.element_size() for p in model.parameters())
    free = shutil.disk_usage(directory.parent).free
    if need > free:
        raise BadInput(
            f"the model takes {need / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are free",
            expected="room for the weights",
            where=str(directory),
            mend="Free some space, or move the runs elsewhere with CADERNO_RUNS.",
        )


def require_saved(model: PreTrainedModel, directory: Path) -> None:
    """Reopen the files: every tensor there with its shape, and the tie as it is in memory. Raises BadInput."""
    missing = missing_files(directory)
    wrong = [] if missing else _differences(model, directory)
    if missing or wrong:
        raise BadInput(
            f"what was written is not the model: {checks.named(missing + wrong)}",
            expected="every tensor in its shape, and the tie kept",
            where=str(directory),
            mend="The earlier directory, if there was one, is untouched.",
        )


def _differences(model: PreTrainedModel, directory: Path) -> list[str]:
    written = _shapes(directory)
    tied = checks.is_tied(model)
    copies = set(getattr(model, "all_tied_weights_keys", None) or {}) if tied else set()
    expected = {key: list(value.shape) for key, value in model.state_dict().items() if key not in copies}
    wrong = [f"{key} is {written.get(key)}" for key, shape in expected.items() if written.get(key) != shape]
    # A second copy of a tied tensor is how a loose head is born: whoever reloads it may train or drop it.
    wrong += [f"{key} written beside what it is tied to" for key in copies & written.keys()]
    if json.loads((directory / "config.json").read_text()).get("tie_word_embeddings", False) != tied:
        wrong.append(f"tie_word_embeddings is not {tied}")
    return wrong


def _shapes(directory: Path) -> dict[str, list[int]]:
    from safetensors import safe_open

    index = directory / "model.safetensors.index.json"
    shapes = {}
    for file in shards(index) if index.exists() else [directory / "model.safetensors"]:
        with safe_open(file, framework="pt") as weights:
            shapes |= {key: weights.get_slice(key).get_shape() for key in weights.keys()}  # noqa: SIM118
    return shapes
