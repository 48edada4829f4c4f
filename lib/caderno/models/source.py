"""Where a model's files are: the shipped model, a directory, or the hub; and whether they are all there.

It opens no weights and imports no transformers (unsloth must come first).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from caderno import runs
from caderno.errors import BadInput

TINY = "tiny"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class Source:
    """What `from_pretrained` is given: a directory or hub id, a revision, and whether only the cache can be asked."""

    name: str
    revision: str | None = None
    local_files_only: bool = False

    @property
    def arguments(self) -> dict[str, str | bool | None]:
        """Keyword arguments every `from_pretrained` understands."""
        return {"revision": self.revision, "local_files_only": self.local_files_only}


def resolve(name: str, revision: str | None = None, *, where: str = "model.name") -> Source:
    """The source `name` stands for. Raises BadInput naming what is missing, or that the hub cannot be reached."""
    if name == TINY:
        return _directory(Path(str(resources.files("caderno") / "tiny_base")), where)
    path = runs.given(name)
    if path.exists():
        return _directory(path, where)
    if names_files(name):
        raise BadInput(
            f"there is no directory {name!r}",
            expected="'tiny', a model directory, or a hub id such as 'Qwen/Qwen3-0.6B'",
            where=where,
            mend="Check the path; a relative one starts from where the command was run, else from the checkout.",
        )
    return _hub(name, revision, where)


def names_files(name: str) -> bool:
    """Whether a model's name stands for files on this machine rather than for a hub id."""
    looks_like_path = name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name
    return name == TINY or looks_like_path or runs.given(name).exists()


def _directory(path: Path, where: str) -> Source:
    missing = missing_files(path)
    if not missing:
        return Source(str(path), local_files_only=True)
    adapter = (path / "adapter_config.json").exists()
    raise BadInput(
        f"{str(path)!r} is not a model: missing {', '.join(missing)}",
        expected="a directory with config.json, safetensors weights and a tokenizer",
        where=where,
        mend="It holds an adapter: name it under model.adapter and its base under model.name."
        if adapter
        else "Point to the directory that save_pretrained wrote.",
    )


def missing_files(path: Path) -> list[str]:
    """What a model directory lacks, in words; empty when it is complete."""
    if not path.is_dir():
        return ["a directory (this is a file)"]
    missing = [] if (path / "config.json").exists() else ["config.json"]
    missing += _missing_weights(path)
    if not any((path / name).exists() for name in TOKENIZER_FILES):
        missing.append("a tokenizer (tokenizer.json)")
    return missing


def _missing_weights(path: Path) -> list[str]:
    index = path / "model.safetensors.index.json"
    if (path / "model.safetensors").exists():
        return []
    if index.exists():
        return [file.name for file in shards(index) if not file.exists()]
    if any(path.glob("*.bin")):
        return ["safetensors weights (*.bin files are pickles, which can run code, and are not read)"]
    return ["weights (model.safetensors)"]


def shards(index: Path) -> list[Path]:
    """The weight files an index names. Raises BadInput when the index cannot be read."""
    try:
        return [index.parent / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    except (ValueError, KeyError, AttributeError) as error:
        raise BadInput(
            f"the index of the weights cannot be read ({error})",
            expected='JSON with a "weight_map"',
            where=str(index),
            mend="Copy or download the directory again.",
        ) from error


def _hub(name: str, revision: str | None, where: str) -> Source:
    """One quick question to the hub, so that a wrong name costs no minute of retries."""
    import httpx
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().model_info(name, revision=revision, timeout=10)
        return Source(name, revision)
    except (HFValidationError, HfHubHTTPError) as error:
        raise _refused(name, revision, where, error) from error
    except (httpx.HTTPError, OSError) as error:  # OSError: HF_HUB_OFFLINE is set
        if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
            return Source(name, revision, local_files_only=True)
        raise BadInput(
            f"{name!r} is no directory here, is not in the hub's cache, and the hub cannot be reached "
            f"({str(error).split('. ')[0].rstrip('.')})",
            expected="'tiny', a model directory, or a hub id that is cached or reachable",
            where=where,
            mend="Download it where there is a network and give its directory; with the cache filled, set "
            "HF_HUB_OFFLINE=1.",
        ) from error


def _refused(name: str, revision: str | None, where: str, error: Exception) -> BadInput:
    """The hub answered, and the answer is no: unknown, gated, or without that revision."""
    asked = f"{name!r} at revision {revision!r}" if revision else repr(name)
    return BadInput(
        f"the hub does not give {asked}: {str(error).strip().splitlines()[0].rstrip('.')}",
        expected="'tiny', a model directory, or the id of a model you may read",
        where=where,
        mend="Check the spelling; for a private or gated model log in with `hf auth login`.",
    )
