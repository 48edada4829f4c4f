"""A Qwen3 from nothing, for pretraining: the architecture from parameters, the vocabulary from the tokenizer.

It trains nothing; only `pretrain` and tests should want random weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno.errors import BadInput
from caderno.models import Policy, checks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen3Config

    from caderno.params.training_sections import ArchitectureParams


def from_scratch(architecture: ArchitectureParams, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> Policy:
    """See `caderno.models.from_scratch`. The global random state is left as it was."""
    import torch
    from transformers import Qwen3ForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(qwen3_config(architecture, tokenizer))
    info = {"source": "scratch", "seed": seed, **checks.describe(model, tokenizer)}
    return Policy(model, tokenizer, info)


def qwen3_config(architecture: ArchitectureParams, tokenizer: PreTrainedTokenizerBase) -> Qwen3Config:
    """Transformers' config. Raises BadInput when the query heads cannot share the key-value heads evenly."""
    from transformers import Qwen3Config

    if architecture.heads % architecture.kv_heads:
        raise BadInput(
            f"{architecture.heads} heads over {architecture.kv_heads} kv heads",
            expected="heads divisible by kv_heads",
            where="pretrain.architecture",
        )
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
