"""What can be known of a model without loading it: its files, configuration, size, and what a checkpoint of it takes.

It asks no hub: a hub id is looked up in the local cache, and what is not there is None. It opens headers, not weights.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput

if TYPE_CHECKING:
    from caderno.params import Params
    from caderno.params.sections import ModelParams
    from caderno.params.training_sections import ArchitectureParams

TINY = Path(__file__).parent.parent / "tiny_base"
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
PICKLES = ("pytorch_model*.bin", "adapter_model.bin", "*.ckpt", "*.pt", "*.pth", "*.pkl")
# What a Trainer puts beside the weights of a checkpoint and `from_pretrained` never opens.
TRAINER_FILES = {"optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth", "training_args.bin"}


def given(name: str) -> Path | None:
    """A path as a person typed it; None where it is not here and there is no checkout to look in."""
    from caderno import runs

    try:
        return runs.given(name)
    except BadInput:
        return None


def directory(name: str, revision: str | None = None) -> Path | None:
    """Where a model's files are on this machine: the shipped one, a directory, the hub's cache; None where nowhere."""
    if name == "tiny":
        return TINY
    if (path := given(name)) and path.is_dir():
        return path
    cache = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"
    repository = Path(cache).expanduser() / f"models--{name.replace('/', '--')}"
    pointer = repository / "refs" / (revision or "main")
    commit = pointer.read_text().strip() if pointer.is_file() else revision or ""
    snapshot = repository / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None


def is_hub_id(name: str) -> bool:
    """Whether a name can only mean the hub: one slash at most, and no such directory here."""
    path = given(name)
    looks_like_path = name == "tiny" or name.startswith(("/", ".", "~")) or name.count("/") > 1
    return not looks_like_path and not (path and path.exists())


def model_facts(params: Params) -> dict[str, Any]:
    """{"directory", "config", "parameters"}; None for what is not on this machine."""
    found = directory(params.model.name, params.model.revision)
    config = _json(found / "config.json") if found else None
    return {
        "directory": str(found) if found else None,
        "config": config,
        "parameters": _stored_parameters(found) if found else None,
    }


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _stored_parameters(found: Path) -> int | None:
    """Numbers in the safetensors files, from their headers; None where there are none or one cannot be read."""
    files, total = sorted(found.glob("*.safetensors")), 0
    for path in files:
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(length))
        except (OSError, ValueError, struct.error):
            return None
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        total += sum(_product(shape) for shape in shapes)
    return total if files else None


def _product(shape: list[int]) -> int:
    product = 1
    for axis in shape:
        product *= axis
    return product


def linear_shapes(config: dict[str, Any]) -> dict[str, tuple[int, int]] | None:
    """(in, out) of a decoder layer's linear modules, in the naming of Llama and Qwen; None for another architecture."""
    try:
        hidden, heads, inner = (config[key] for key in ("hidden_size", "num_attention_heads", "intermediate_size"))
    except KeyError:
        return None
    head_dim = config.get("head_dim") or hidden // heads
    queries, keys = heads * head_dim, (config.get("num_key_value_heads") or heads) * head_dim
    return {
        "q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys), "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner), "up_proj": (hidden, inner), "down_proj": (inner, hidden),
    }  # fmt: skip


def adapter_parameters(model: ModelParams, config: dict[str, Any]) -> int | None:
    """Numbers in a LoRA adapter, rank x (in + out) a module; None where the targets are not plain module names."""
    shapes = linear_shapes(config)
    if model.lora is None or shapes is None or "num_hidden_layers" not in config:
        return None
    targets = model.lora.targets
    names = list(shapes) if targets == "all-linear" else [targets] if isinstance(targets, str) else list(targets)
    if not set(names) <= set(shapes):
        return None
    return config["num_hidden_layers"] * model.lora.rank * sum(sum(shapes[name]) for name in names)


def architecture_parameters(architecture: ArchitectureParams, vocabulary: int) -> int:
    """Numbers in a Qwen3 decoder with a tied head (arXiv 2505.09388): embeddings, linear modules, norms."""
    config = {
        "hidden_size": architecture.hidden_size, "num_attention_heads": architecture.heads,
        "num_key_value_heads": architecture.kv_heads, "head_dim": architecture.head_dim,
        "intermediate_size": architecture.intermediate_size,
    }  # fmt: skip
    shapes = linear_shapes(config)
    assert shapes is not None
    norms = 2 * architecture.hidden_size + 2 * architecture.head_dim  # two of the stream; queries' and keys'
    layer = sum(rows * columns for rows, columns in shapes.values()) + norms
    return vocabulary * architecture.hidden_size + architecture.layers * layer + architecture.hidden_size


def checkpoint_bytes(params: Params, model: dict[str, Any]) -> dict[str, dict[str, int]] | None:
    """{stage: {"checkpoint", "final"}} in bytes for the stages that train; None where the model's size is not known.

    A checkpoint holds the trained numbers and AdamW's two moments of each: in the weights' precision where all are
    trained, in float32 for an adapter (PEFT casts it). The final model is saved whole, adapters merged.
    """
    stages = [stage for stage in ("sft", "grpo") if stage in params.stages]
    width, total = BYTES[params.model.dtype], model.get("parameters")
    if stages and total is None:
        return None
    trained = total
    if params.model.lora:
        trained, width_trained = adapter_parameters(params.model, model.get("config") or {}), 4
    else:
        width_trained = width
    if stages and trained is None:
        return None
    return {stage: {"checkpoint": 3 * trained * width_trained, "final": total * width} for stage in stages}


def suspicious_files(params: Params) -> dict[str, dict[str, Any]]:
    """{name: {"pickles", "safetensors", "code"}} of the model's, adapter's and init's directories on this machine."""
    names = [name for name in (params.model.name, params.model.adapter, params.model.init) if name]
    found = {name: directory(name) for name in names}
    return {name: _listing(path) for name, path in found.items() if path}


def adapter_run(params: Params) -> str | None:
    """The run that an adapter lies in, whose manifest and parameters say what it was trained on; None where none."""
    found = directory(params.model.adapter) if params.model.adapter else None
    return next((str(one) for one in found.parents if (one / "run.json").is_file()), None) if found else None


def _listing(path: Path) -> dict[str, Any]:
    pickles = {file.name for pattern in PICKLES for file in path.glob(pattern)} - TRAINER_FILES
    configs = [_json(path / name) or {} for name in ("config.json", "tokenizer_config.json")]
    code = sorted(file.name for file in path.glob("*.py"))
    code += ["auto_map"] if any("auto_map" in config for config in configs) else []
    return {"pickles": sorted(pickles), "safetensors": any(path.glob("*.safetensors")), "code": code}
