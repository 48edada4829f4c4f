"""Gathers what the probe guards judge of loaded weights: loss at step 0, layers, reference, merge, packing.

It puts back whatever it changes for a moment. What would cost another copy of a large model is left unknown, but for
the reference that the training itself will copy.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from caderno import chat, tasks
from caderno.errors import BadInput
from caderno.guards.facts_probe_rollouts import evaluating
from caderno.models.adapters import MERGE_TOLERANCE, probe_logits
from caderno.models.checks import is_tied

if TYPE_CHECKING:
    from caderno.models import Policy
    from caderno.params import Params

    Shown = Callable[[Policy], AbstractContextManager[tuple[Any, str]]]

ROWS = 8
WHOLE_COPY = 200_000_000  # parameters up to which a model is copied, saved and read back


def texts(policy: Policy, rows: Sequence[dict], params: Params) -> list[list[int]]:
    """Token ids of whole rows: prompt, reference and the end of the turn."""
    tokenizer, asked = policy.tokenizer, params.chat.enable_thinking
    prompts = [chat.render(tokenizer, row["prompt"], enable_thinking=asked) for row in rows]
    wholes = [text + tasks.reference(row) for text, row in zip(prompts, rows, strict=True)]
    return [[*chat.encode(tokenizer, text), tokenizer.eos_token_id] for text in wholes]


def init(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """Mean cross-entropy of whole rows before any step, nats per token."""
    import torch

    total, n = 0.0, 0
    with evaluating(policy.model) as model:
        for ids in texts(policy, rows[:ROWS], params):
            row = torch.tensor([ids], device=model.device)
            logits = model(input_ids=row).logits[0, :-1].float()  # (T - 1, V)
            total += torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum").item()
            n += len(ids) - 1
    vocabulary = policy.model.get_input_embeddings().weight.shape[0]
    return {"loss": total / n, "vocabulary": vocabulary, "tokens": n, "rows": len(rows[:ROWS])}


def layers(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """Standard deviation of every layer's output, and the same under transformers' plain attention."""
    inner = _inner(policy.model)
    ids = texts(policy, rows[:1], params)[0]
    found = {"std": layer_std(policy.model, ids), "how": "transformers' eager attention"}
    own = inner.config._attn_implementation
    try:
        inner.set_attn_implementation("eager")
    except (ValueError, NotImplementedError):  # an architecture without a plain form: the guard says unknown
        return found
    try:
        return found | {"reference": layer_std(policy.model, ids)}
    finally:
        inner.set_attn_implementation(own)


def layer_std(model: Any, ids: Sequence[int]) -> list[float]:
    """Standard deviation of the embedding's and each layer's output on one text."""
    import torch

    with evaluating(model):
        out = model(input_ids=torch.tensor([list(ids)], device=model.device), output_hidden_states=True)
    return [state.float().std().item() for state in out.hidden_states]


def _inner(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def reference(policy: Policy, params: Params, shown: Shown) -> dict[str, Any]:
    """KL between the policy and the reference that its training will take, nats per token; {} where there is none.

    `shown` gives that reference and says what it is: the training's own way of making one.
    """
    if "grpo" not in params.stages or params.grpo.kl_coef == 0:
        return {}
    try:
        with evaluating(policy.model) as model:
            mine = probe_logits(model)
            with shown(policy) as (other, how):
                return {"kl": kl(mine, probe_logits(other)), "how": how}
    except BadInput as error:  # a verdict, with the rest of the table
        return {"refused": error.got}


def kl(mine: Any, other: Any) -> float:
    """Mean KL(policy || reference) over positions, nats. Logits (1, T, V)."""
    p, q = mine.log_softmax(-1), other.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean().item()


def merge(policy: Policy) -> dict[str, Any]:
    """How far the logits move when the policy is saved, adapter merged, and read back.

    A small model is copied and really saved; of a large one only the merge is tried, in place.
    """
    model, inner = policy.model, _inner(policy.model)
    told = {"tied": is_tied(inner), "config_ties": bool(inner.config.tie_word_embeddings)}
    told |= {"tolerance": MERGE_TOLERANCE[str(model.dtype).removeprefix("torch.")]}
    with evaluating(model):
        if sum(p.numel() for p in model.parameters()) <= WHOLE_COPY:
            return told | {"difference": saved_difference(model), "how": "merged, saved and read back"}
        if not hasattr(model, "merge_adapter"):
            return told | {
                "unknown": "a large model without adapter: saving it to read it back is left to the stage's end"
            }
        before = probe_logits(model)
        model.merge_adapter()
        difference = (probe_logits(model) - before).abs().max().item()
        model.unmerge_adapter()
        return told | {"difference": difference, "how": "merged in place"}


def saved_difference(model: Any) -> float:
    """Largest change of a logit from the model as it is to its copy, merged, saved and loaded."""
    from transformers import AutoModelForCausalLM

    before, other = probe_logits(model), copy.deepcopy(model)
    if hasattr(other, "merge_and_unload"):
        other = other.merge_and_unload()
    with tempfile.TemporaryDirectory(prefix="caderno-probe-") as directory:
        other.save_pretrained(directory)
        again = AutoModelForCausalLM.from_pretrained(directory, dtype=model.dtype).eval().to(model.device)
    return (probe_logits(again) - before).abs().max().item()


def packing(params: Params, arguments: dict[str, dict[str, Any]], policy: Policy | None = None) -> dict[str, Any]:
    """Whether a trainer packs documents, and if so how far one changes the next one's logits."""
    if not any(given.get("packing") for given in arguments.values()):
        return {"used": False}
    return {"used": True, "leak": None if policy is None else packed_leak(policy)}


def packed_leak(policy: Policy, *, positions_restart: bool = True, tokens: int = 12) -> float:
    """Largest change of the second document's logits when the first one is another.

    transformers keeps documents apart where positions start again, with no mask and no cache, as in training.
    """
    import torch

    rows = policy.model.get_input_embeddings().weight.shape[0]
    generator = torch.Generator().manual_seed(0)
    first, other, second = (torch.randint(rows, (tokens,), generator=generator) for _ in range(3))
    places = torch.arange(tokens).repeat(2) if positions_restart else torch.arange(2 * tokens)
    with evaluating(policy.model) as model:
        found = [
            model(
                input_ids=torch.cat((one, second))[None].to(model.device),
                position_ids=places[None].to(model.device), use_cache=False,
            ).logits[0, tokens:].float()
            for one in (first, other)
        ]  # fmt: skip
    return (found[0] - found[1]).abs().max().item()
