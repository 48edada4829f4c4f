"""A Qwen3 from nothing, for pretraining: the architecture from parameters, the vocabulary from the tokenizer.

It trains nothing; only `pretrain` and tests should want random weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno.models import Policy, checks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen3Config

    from caderno.params.training_sections import ArchitectureParams


def from_scratch(architecture: ArchitectureParams, tokenizer: PreTrainedTokenizerBase, *, seed: int | None) -> Policy:
    """See `caderno.models.from_scratch`."""
    import torch
    from transformers import Qwen3ForCausalLM

    config = qwen3_config(architecture, tokenizer)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    info = {"source": "scratch", "seed": seed, **checks.describe(model, tokenizer)}
    return Policy(model, tokenizer, info)


def qwen3_config(architecture: ArchitectureParams, tokenizer: PreTrainedTokenizerBase) -> Qwen3Config:
    """Transformers' config: tied embeddings, float32, end and padding as the tokenizer has them."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=architecture.hidden_size,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.kv_heads,
        head_dim=architecture.head_dim,
        intermediate_size=architecture.intermediate_size,
        max_position_embeddings=architecture.max_position,
        rope_parameters={"rope_type": "default", "rope_theta": architecture.rope_theta},
        tie_word_embeddings=True,
        dtype="float32",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
