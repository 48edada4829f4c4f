"""Exact weights from a file into an architecture, or an error that names what differs.

It never initialises anything at random and never loads part of a file; it reads safetensors only, since a pickle can
run code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput
from caderno.models import checks
from caderno.models.source import TOKENIZER_FILES, shards

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    State = dict[str, Tensor]


def init_from(
    target: PreTrainedModel | PretrainedConfig,
    path: str | Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PreTrainedModel:
    """`target` with the weights at `path`, a model directory or a safetensors file, and no others.

    A model is filled in place; a config is built first. Raises BadInput naming every config field that differs, the
    keys that are missing, unknown or of another shape, a truncated or non-finite file, a head that differs from the
    embedding it is tied to, or a vocabulary that is not the tokenizer's.
    """
    path = Path(path).expanduser()
    files = _weight_files(path)
    _require_same_config(getattr(target, "config", target), path)
    if tokenizer is not None:
        _require_same_vocabulary(tokenizer, path)
    model = target if hasattr(target, "state_dict") else _build(target)
    state = _untie(_read(files), model, path)
    _require_same_weights(model, state, path)
    model.load_state_dict(state, strict=False)  # strictness is above: tied keys are one entry here
    model.tie_weights()
    checks.require_tie(model, str(path))
    if tokenizer is not None:
        checks.require_fit(model, tokenizer, str(path))
    return model


def _weight_files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix == ".safetensors":
        return [path]
    index = path / "model.safetensors.index.json"
    found = shards(index) if index.exists() else [path / "model.safetensors"]
    missing = [file.name for file in found if not file.exists()]
    if not missing:
        return found
    raise BadInput(
        f"no weights: {', '.join(missing)} missing in {str(path)!r}"
        if path.is_dir()
        else f"no weights at {str(path)!r}",
        expected="a directory with model.safetensors, or a .safetensors file",
        where="model.init",
        mend="Leave model.init empty to keep the model's own weights.",
    )


def _require_same_config(expected: PretrainedConfig, path: Path) -> None:
    """Compare architectures before shapes: `rope_theta` or the number of heads can differ and every shape still fit."""
    from transformers import AutoConfig

    if not (path / "config.json").exists():
        return
    try:
        found = checks.architecture(AutoConfig.from_pretrained(path, local_files_only=True))
    except (OSError, ValueError) as error:
        raise BadInput(f"config.json cannot be read ({error})", expected="a model's config", where=str(path)) from error
    wanted = checks.architecture(expected)
    differing = [
        f"{name} is {found[name]} there, {wanted[name]} here" for name in wanted if found[name] != wanted[name]
    ]
    if differing:
        raise BadInput(
            "another architecture: " + "; ".join(differing),
            expected="the architecture of model.name",
            where=f"model.init {path}",
            mend="Give that directory as model.name, and its architecture is read from it.",
        )


def _require_same_vocabulary(tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """Equal sizes are not enough: a row must stand for the same token."""
    from transformers import AutoTokenizer

    if not any((path / name).exists() for name in TOKENIZER_FILES):
        return
    theirs, ours = AutoTokenizer.from_pretrained(path, local_files_only=True).get_vocab(), tokenizer.get_vocab()
    differing = sorted(token for token in theirs.keys() | ours.keys() if theirs.get(token) != ours.get(token))
    if differing:
        first = differing[0]
        raise BadInput(
            f"{len(differing)} tokens differ between the two tokenizers, {first!r} for one: "
            f"id {theirs.get(first)} there, {ours.get(first)} here",
            expected="the same vocabulary",
            where=f"model.init {path}",
            mend="Weights and tokenizer must come from the same model.",
        )


def _build(config: PretrainedConfig) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    attention = {"attn_implementation": config._attn_implementation} if config._attn_implementation else {}
    return AutoModelForCausalLM.from_config(config, dtype=config.dtype, **attention)


def _read(files: list[Path]) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: State = {}
    for file in files:
        try:
            state |= load_file(file)
        except (SafetensorError, OSError) as error:
            raise BadInput(
                f"the weights cannot be read ({str(error).rstrip('.')})",
                expected="a complete safetensors file",
                where=str(file),
                mend="It is truncated or corrupt: copy it again.",
            ) from error
    broken = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise BadInput(
            f"values are not finite in {checks.named(broken)}", expected="numbers", where=str(files[0].parent)
        )
    return state


def _untie(state: State, model: PreTrainedModel, path: Path) -> State:
    """One entry per tied tensor. Raises BadInput when the two entries of a file are not the same tensor."""
    import torch

    for copy, original in (getattr(model, "all_tied_weights_keys", None) or {}).items():
        if copy not in state:
            continue
        loose = state.pop(copy)
        if not torch.equal(state.setdefault(original, loose), loose):
            raise BadInput(
                f"{copy} differs from {original}, and this architecture ties them",
                expected="one tensor for both",
                where=f"model.init {path}",
                mend="Set tie_word_embeddings to false if the head is its own.",
            )
    return state


def _require_same_weights(model: PreTrainedModel, state: State, path: Path) -> None:
    expected: dict[str, Any] = dict(model.state_dict())
    for copy in getattr(model, "all_tied_weights_keys", None) or {}:
        expected.pop(copy, None)
    shapes = [
        f"{key} is {list(state[key].shape)} there, {list(expected[key].shape)} here"
        for key in expected.keys() & state.keys()
        if state[key].shape != expected[key].shape
    ]
    groups = {
        "missing": expected.keys() - state.keys(),
        "unknown": state.keys() - expected.keys(),
        "of another shape": shapes,
    }
    problems = [f"{what}: {checks.named(list(keys))}" for what, keys in groups.items() if keys]
    if problems:
        raise BadInput(
            "the weights do not fit: " + "; ".join(problems),
            expected="every weight of the architecture, and no other",
            where=f"model.init {path}",
            mend="Nothing was initialised at random in their place.",
        )
