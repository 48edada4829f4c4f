"""A randomly initialised Qwen3 model of a named architecture and a tokenizer of bytes, written to a folder.

Nothing is downloaded and nothing is learnt: the text that such a model writes has no meaning.
"""

from __future__ import annotations

import argparse
import time

from gpu_probes.base import ARCHITECTURES, GIB, TRAIN_TOKENS, Outcome


def config_of(architecture: str):
    """The transformers configuration of a Qwen3 decoder with tied embeddings."""
    from transformers import Qwen3Config

    hidden, layers, width, heads, kv_heads, head_dim, vocabulary = ARCHITECTURES[architecture]
    return Qwen3Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        intermediate_size=width,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        vocab_size=vocabulary,
        max_position_embeddings=2 * TRAIN_TOKENS,
        tie_word_embeddings=True,
        eos_token_id=256,
        pad_token_id=257,
    )


def byte_tokenizer():
    """256 byte tokens, an end of turn and padding: every text has ids below 258."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_end|>", "<|endoftext|>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def weights(options: argparse.Namespace) -> Outcome:
    """Write random bfloat16 weights of the architecture and the tokenizer, for the probes after it."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    started = time.monotonic()
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config_of(options.architecture), dtype=torch.bfloat16)
    model.save_pretrained(options.folder)
    byte_tokenizer().save_pretrained(options.folder)
    size = sum(file.stat().st_size for file in options.folder.glob("*.safetensors"))
    remark = f"{model.num_parameters() / 1e6:,.1f} M parameters, tied"
    return {"time_s": time.monotonic() - started, "disk_gib": size / GIB}, remark
