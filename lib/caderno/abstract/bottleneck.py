"""The loss on Z and Y of rows [X; C; Z; Y] in which Y does not see C, with logits only where there is loss.

Exact and with no mask in memory (see `layout`). It neither draws traces nor takes optimizer steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from caderno.abstract.layout import Layout
from caderno.abstract.sequences import IGNORED
from caderno.abstract.serving import WHERE, Attends, attach, check_calls
from caderno.errors import BadInput

if TYPE_CHECKING:
    import torch

Batch = Mapping[str, Any]  # of `sequences.collate`, or of `flex.pack`
IN_Z = 2  # number of Z in a packed batch's segments


class TokenNll(NamedTuple):
    """Negative log-likelihoods in nats (N,) float32, and for each the row and the place of the token it is of (N,)."""

    nll: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor


def hidden_states(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """The last layer's states (B, T, H), as the head gets them; those of padding mean nothing. Raises as `attach`."""
    import torch

    return _run(model, batch, torch.zeros(1, dtype=torch.long, device=batch["labels"].device))[0]  # of X: all is read


def token_nll(model: torch.nn.Module, batch: Batch) -> TokenNll:
    """-log p of every token with a label, given what it may see. Logits are made for these tokens alone.

    Raises:
        BadInput: the model is refused (see `serving.attach`), or no token of the batch has a label.
    """
    import torch.nn.functional as F

    labels = batch["labels"]
    rows, before = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)  # a token is predicted one place before it
    if not len(rows):
        raise BadInput("no token of the batch has a label", expected="at least one", where=WHERE)
    logits = _run(model, batch, rows * labels.shape[1] + before)[1]
    places = before + 1
    return TokenNll(F.cross_entropy(logits.float(), labels[rows, places], reduction="none"), rows, places)


def loss(
    model: torch.nn.Module, batch: Batch, weight_z: float = 1.0, denominator: torch.Tensor | float | None = None
) -> dict[str, Any]:
    """The mean over the tokens with loss, in nats; each counts by its row's weight, Z's by `weight_z` as well.

    Returns loss (differentiable), loss_z and loss_y (means of their own, NaN where there is no such token), tokens_z
    and tokens_y. `denominator` stands in place of the batch's own: with micro-batches, the sum of theirs; with
    processes whose gradients are averaged, the sum of theirs divided by how many they are.

    Raises:
        BadInput: as `token_nll`, or the weights leave nothing to learn.
    """
    nll, rows, places = token_nll(model, batch)
    in_z, weights = _in_z(batch, rows, places), _weights(batch, rows, places)
    scale = weights * (in_z * weight_z + ~in_z)
    total = scale.sum() if denominator is None else denominator
    if not total > 0:
        raise BadInput(f"the weights of the loss sum to {float(total):g}", expected="more than 0", where=WHERE)
    z, y = ((nll.detach() * weights * part).sum() / (weights * part).sum() for part in (in_z, ~in_z))
    counts = {"tokens_z": int(in_z.sum()), "tokens_y": int((~in_z).sum())}
    return {"loss": (nll * scale).sum() / total, "loss_z": z, "loss_y": y, **counts}


def denominator(batch: Batch, weight_z: float = 1.0) -> torch.Tensor:
    """What `loss` divides by: the sum of the weights of all tokens with loss, a scalar."""
    rows, places = (batch["labels"] != IGNORED).nonzero(as_tuple=True)
    in_z = _in_z(batch, rows, places)
    return (_weights(batch, rows, places) * (in_z * weight_z + ~in_z)).sum()


def _in_z(batch: Batch, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Which of these tokens, all of them with loss, are z's: (N,) bool."""
    if "segments" in batch:
        return batch["segments"][rows, places] == IN_Z
    return places < batch["spans"][rows, :3].sum(1)


def _weights(batch: Batch, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The weights of the rows that these tokens are of (N,); a packed row holds several, with a weight a token."""
    weights = batch["weights"]
    return weights[rows, places] if weights.dim() == 2 else weights[rows]


def _run(model: torch.nn.Module, batch: Batch, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """States (B, T, H), and logits (N, V) at `wanted` (N,), places in the batch laid out flat.

    The whole model is called, wrappers included, so that gradients are synchronised and the head's own scaling is
    kept: what the head is given is narrowed on its way in.
    """
    bare, (layout, inputs) = attach(model), _inputs(batch, wanted)
    kept: list[torch.Tensor] = []

    def narrowed(_: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        kept.append(given[0])
        return given[0].flatten(0, 1)[wanted][None], *given[1:]

    hook = bare.get_output_embeddings().register_forward_pre_hook(narrowed)
    try:
        logits = model(**inputs, use_cache=False, bottleneck=layout).logits
    finally:
        hook.remove()
    check_calls(bare, layout)
    return kept[0], logits[0]


def _inputs(batch: Batch, wanted: torch.Tensor) -> tuple[Attends, dict[str, Any]]:
    """The layout, and what the model is called with.

    The 2-D mask is left out, for a mask of T × T would be made of it: padding is on the right, where causal attention
    does not look.
    """
    name = "inputs_embeds" if "inputs_embeds" in batch else "input_ids"
    inputs = {name: batch[name]}
    if "packed" in batch:
        packed = batch["packed"]
        packed.calls = 0
        return packed, {**inputs, "attention_mask": packed.mask, "position_ids": batch["position_ids"]}
    spans, width = batch["spans"], batch["labels"].shape[1]
    after_c = bool((wanted % width >= spans[wanted // width, :2].sum(1)).all())
    return Layout([tuple(span) for span in spans.tolist()], width, spans.device, z_and_y_only=after_c), inputs
