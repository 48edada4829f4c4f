"""A model's sizes from its own config.json: parameters, the matrices an adapter sits on, heads, vocabulary, bytes.

It reads JSON and, for the tokenizer's size, tokenizer.json; no weights, no transformers. What the config does not tell
is None, never a guess: parameters are counted only for the dense decoders whose layout is known here.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from caderno.errors import BadInput

TINY = "tiny"
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")  # gated MLP, RMSNorm before attention and MLP and at the end
MOST_GPUS = 16
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Architecture:
    """Sizes as the config states them. `linears` are (name, inputs, outputs) of one layer's matrices."""

    name: str
    family: str
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    tied: bool
    attention_bias: bool
    mlp_bias: bool
    context_tokens: int | None
    tokenizer_size: int | None  # ids the tokenizer can produce; None where there is no tokenizer.json

    @property
    def linears(self) -> tuple[tuple[str, int, int], ...]:
        h, q, kv, mlp = (
            self.hidden_size, self.heads * self.head_dim, self.kv_heads * self.head_dim, self.intermediate_size,
        )  # fmt: skip
        return (
            ("q_proj", h, q), ("k_proj", h, kv), ("v_proj", h, kv), ("o_proj", q, h),
            ("gate_proj", h, mlp), ("up_proj", h, mlp), ("down_proj", mlp, h),
        )  # fmt: skip

    @property
    def parameters(self) -> int | None:
        """Exact for the families above; None for others. Tied embeddings count once."""
        if self.family not in FAMILIES:
            return None
        norms = 2 * self.hidden_size + (2 * self.head_dim if self.family == "qwen3" else 0)
        layer = sum(a * b for _, a, b in self.linears) + norms + self._biases
        return self.embedding_parameters + self.layers * layer + self.hidden_size

    @property
    def embedding_parameters(self) -> int:
        """Embedding, and the head where it is a matrix of its own."""
        return self.vocab_size * self.hidden_size * (1 if self.tied else 2)

    @property
    def _biases(self) -> int:
        """Per layer. Qwen2 has biases on q, k, v always; `attention_bias` adds them on q, k, v and o."""
        sizes = {name: outputs for name, _, outputs in self.linears}
        attention = ("q_proj", "k_proj", "v_proj", "o_proj") if self.attention_bias else ()
        attention = ("q_proj", "k_proj", "v_proj") if self.family == "qwen2" else attention
        mlp = ("gate_proj", "up_proj", "down_proj") if self.mlp_bias else ()
        return sum(sizes[name] for name in (*attention, *mlp))

    def lora_parameters(self, rank: int) -> int | None:
        """Of an adapter on every linear layer but the head (PEFT's all-linear): rank x (inputs + outputs) each."""
        if self.family not in FAMILIES:
            return None
        return rank * self.layers * sum(inputs + outputs for _, inputs, outputs in self.linears)

    @property
    def spare_rows(self) -> int | None:
        """Rows of the embedding that no token uses; negative where the tokenizer does not fit the model."""
        return None if self.tokenizer_size is None else self.vocab_size - self.tokenizer_size

    @property
    def tensor_parallel_sizes(self) -> tuple[int, ...]:
        """Numbers of GPUs, up to 16, that vLLM can split this model over.

        They divide the heads and the MLP's width; key-value heads are split or, beyond their number, copied.
        """
        return tuple(
            size
            for size in range(1, MOST_GPUS + 1)
            if self.heads % size == 0
            and self.intermediate_size % size == 0
            and (self.kv_heads % size == 0 or size % self.kv_heads == 0)
        )

    def kv_cache_bytes(self, tokens: int, dtype: str = "bfloat16") -> int:
        """Keys and values of one sequence: 2 x layers x kv heads x head size x tokens x bytes."""
        return 2 * self.layers * self.kv_heads * self.head_dim * tokens * BYTES[dtype]


def read_architecture(name: str) -> Architecture:
    """The architecture of 'tiny', a directory, a config.json, or a hub id (its cached config, else a download).

    Raises BadInput where there is no config, it cannot be read, or it is not that of a decoder with attention heads.
    """
    path = config_path(name)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"not JSON ({error})", expected="a model's config.json", where=str(path)) from error
    if not isinstance(config, dict):
        raise BadInput("not a JSON object", expected="a model's config.json", where=str(path))
    return from_config(config, name, tokenizer_size(path.with_name("tokenizer.json")), str(path))


def from_config(config: dict[str, Any], name: str, tokens: int | None = None, where: str = "") -> Architecture:
    """The architecture a config states. Multimodal configs keep the decoder's under `text_config`."""
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    needed = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    missing = [key for key in needed if not isinstance(text.get(key), int) or text[key] < 1]
    if missing:
        raise BadInput(
            f"no {', '.join(missing)}", expected="the config.json of a decoder (Llama, Qwen, Mistral ...)",
            where=where or name, mend="An adapter's directory has none of its own: name its base.",
        )  # fmt: skip
    mixture = any(text.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts"))
    family = str(text.get("model_type", "unknown")) + ("+experts" if mixture else "")
    heads, hidden = text["num_attention_heads"], text["hidden_size"]
    return Architecture(
        name=name, family=family, hidden_size=hidden, layers=text["num_hidden_layers"], heads=heads,
        kv_heads=text.get("num_key_value_heads") or heads, head_dim=text.get("head_dim") or hidden // heads,
        intermediate_size=text["intermediate_size"], vocab_size=text["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
        attention_bias=bool(text.get("attention_bias", False)), mlp_bias=bool(text.get("mlp_bias", False)),
        context_tokens=text.get("max_position_embeddings"), tokenizer_size=tokens,
    )  # fmt: skip


def tokenizer_size(path: Path) -> int | None:
    """Largest id of a tokenizer.json plus one, added tokens included; None where there is no such file."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = found["model"]["vocab"]
        plain = len(vocabulary) - 1 if isinstance(vocabulary, list) else max(vocabulary.values())
        added = [token["id"] for token in found.get("added_tokens", [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"cannot be read ({error})", expected="a tokenizer.json", where=str(path)) from error
    return max([plain, *added]) + 1


def config_path(name: str) -> Path:
    """Where a model's config.json is. Raises BadInput naming what was looked for."""
    from caderno import runs

    if name == TINY:
        return Path(str(resources.files("caderno") / "tiny_base" / "config.json"))
    given = runs.given(name)
    if given.is_file():
        return given
    if given.is_dir():
        if (given / "config.json").is_file():
            return given / "config.json"
        raise BadInput("no config.json in it", expected="a model's directory", where=str(given))
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    """The hub's config.json, and its tokenizer.json beside it; from the cache alone where the hub is not to be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    from caderno.models import source

    found = source.resolve(name, where="MODEL")  # BadInput where it is neither a path, nor cached, nor reachable
    path = Path(hf_hub_download(name, "config.json", local_files_only=found.local_files_only))
    with contextlib.suppress(EntryNotFoundError):  # some have none: then the spare rows are unknown, and told so
        hf_hub_download(name, "tokenizer.json", local_files_only=found.local_files_only)
    return path
