"""What the tests of bottleneck attention share: small random decoders, random rows, and the dense 4-D mask as judge."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
import transformers

from caderno.abstract.sequences import IGNORED, Segments, segment_ids

VOCABULARY = 61
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48, "max_position_embeddings": 256,
    "tie_word_embeddings": True, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
C, Y = 1, 3


def decoder(kind: str = "Qwen3", seed: int = 0, attention: str = "sdpa", **changes) -> transformers.PreTrainedModel:
    """A random decoder whose states differ enough for a fault to show."""
    more = {"Granite": {"logits_scaling": 3.0, "embedding_multiplier": 2.0}, "Mistral": {"sliding_window": None}}
    shape = {"initializer_range": 0.2, **SHAPE, **more.get(kind, {}), **changes}
    config = getattr(transformers, f"{kind}Config")(**shape)
    torch.manual_seed(seed)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


def row(lengths: Sequence[int], seed: int = 0, weight: float = 1.0) -> Segments:
    """Random tokens in segments of these lengths."""
    rng = random.Random(seed)
    drawn = [tuple(rng.randrange(3, VOCABULARY) for _ in range(n)) for n in lengths]
    return Segments(f"row {seed}", *drawn, weight=weight)


def rows(shapes: Sequence[Sequence[int]], seed: int = 0) -> list[Segments]:
    return [row(shape, seed * 1000 + number) for number, shape in enumerate(shapes)]


def random_shapes(seed: int) -> list[tuple[int, ...]]:
    """One to five rows; C and Z are empty in a quarter of the rows each."""
    rng = random.Random(seed)

    def maybe(n: int) -> int:
        return 0 if rng.random() < 0.25 else rng.randint(2, n)

    return [(rng.randint(1, 9), maybe(30), maybe(8), rng.randint(2, 12)) for _ in range(rng.randint(1, 5))]


def dense_mask(segments: Sequence[Segments], width: int) -> torch.Tensor:
    """What each token may see, (B, 1, T, T) bool, by the definition: causal, and Y blind to C. Padding sees itself."""
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    found = []
    for one in segments:
        of = torch.tensor([*segment_ids(one), *[-1] * (width - len(one))])
        hidden = (of[:, None] == Y) & (of[None] == C)
        real = (of >= 0)[None] | torch.eye(width, dtype=torch.bool)
        found.append(causal & real & ~hidden)
    return torch.stack(found)[:, None]


def dense_logits(model: torch.nn.Module, batch: dict, segments: Sequence[Segments]) -> torch.Tensor:
    """Logits (B, T, V) under the dense mask, with transformers' own sdpa."""
    name = "inputs_embeds" if "inputs_embeds" in batch else "input_ids"
    mask = dense_mask(segments, batch["labels"].shape[1])
    return model(**{name: batch[name]}, attention_mask=mask, use_cache=False).logits


def dense_loss(model: torch.nn.Module, batch: dict, segments: Sequence[Segments]) -> torch.Tensor:
    """Mean cross-entropy of all tokens with a label, row weights aside."""
    logits = dense_logits(model, batch, segments)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED)


def gradients(model: torch.nn.Module, value: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradient of every parameter that has one; the model's own are cleared."""
    model.zero_grad(set_to_none=True)
    value.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def apart(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """Largest difference between two sets of gradients of the same parameters."""
    assert first.keys() == second.keys() and first
    return max(float((first[name] - second[name]).abs().max()) for name in first)
