"""Three prompts that tests of generation share, and what they compare of completions; it asserts nothing."""

from __future__ import annotations

from caderno.generation import Prompt

PROMPTS = [
    Prompt("a", "<|im_start|>user\nqual produto chegou atrasado?<|im_end|>\n<|im_start|>assistant\n"),
    Prompt("b", "<|im_start|>user\ntotal 12<|im_end|>\n<|im_start|>assistant\n<think>\n"),
    Prompt("c", "<|im_start|>user\ngostei da loja, recomenda a entrega por cidade?<|im_end|>\n<|im_start|>assistant\n"),
]


def ids_of(completions) -> list[list[int]]:
    return [c.token_ids for c in completions]
