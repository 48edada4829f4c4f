"""Model directories for tests to damage, and the parameters that name them; it asserts nothing."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from caderno.params.sections import ModelParams

UP = "model.layers.1.mlp.up_proj.weight"
EMBED = "model.embed_tokens.weight"


def params(path: Path | str, **more) -> ModelParams:
    return ModelParams(name=str(path), **more)


def edit_weights(directory: Path, change) -> Path:
    state = load_file(directory / "model.safetensors")
    change(state)
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def edit_config(directory: Path, **changes) -> Path:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return directory


def truncate(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def loose_head(state) -> None:
    state["lm_head.weight"] = state[EMBED] + 0.5
