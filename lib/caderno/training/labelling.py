"""The labels that the real SFT trainer makes of a few rows: rendered, tokenized, masked and collated by TRL itself.

What `caderno.chat` says of a mask is our account of it; this is what the loss is taken over. Nothing is trained here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from caderno import chat, tasks
from caderno.errors import BadInput
from caderno.guards import facts_data
from caderno.training import sft

if TYPE_CHECKING:
    from trl import SFTTrainer

    from caderno.models import Policy
    from caderno.params import Params

ROWS = 32  # evenly spread over those that SFT trains on, and as many of the longest as `facts_data.spread` adds
IGNORED = -100  # the label that the loss leaves out


def labels(
    policy: Policy, rows: Sequence[dict], params: Params, make: Callable[..., SFTTrainer] = sft.trainer
) -> dict[str, Any]:
    """{"rows": [{"id", "tokens", "supervised", "ended", "differs"}]} of every row that the trainer's loader gives.

    `differs`: what is supervised is not the completion and its end. {} without SFT; {"unknown": why} where no row fits.
    `make` stands in for the trainer in tests.
    """
    if "sft" not in params.stages:
        return {}
    chosen = facts_data.spread(rows[: params.data.sft_rows], ROWS)
    untracked = params.model_copy(update={"tracking": params.tracking.model_copy(update={"mode": "disabled"})})
    with tempfile.TemporaryDirectory(prefix="caderno-probe-") as directory:
        stage = SimpleNamespace(params=untracked, ledger=lambda rows: None, directory=Path(directory), watched=False)
        try:
            train = sft.dataset(chosen, policy, stage)
        except BadInput as error:
            return {"unknown": error.got}
        found = list(_collated(make(policy, train, train.select(range(1)), stage)))
    wanted = {tuple(ids): (row["id"], said) for row in chosen for ids, said in [_expected(policy, row, params)]}
    eos = policy.tokenizer.eos_token_id
    return {"rows": [_judgeable(ids, kept, wanted, eos, place) for place, (ids, kept) in enumerate(found)]}


def _collated(trainer: SFTTrainer) -> Iterator[tuple[list[int], list[int]]]:
    """(tokens, labels) of each row of the training loader, without its padding."""
    for batch in trainer.get_train_dataloader():
        real = batch["attention_mask"].bool()
        for ids, kept, mask in zip(batch["input_ids"], batch["labels"], real, strict=True):
            yield ids[mask].tolist(), kept[mask].tolist()


def _expected(policy: Policy, row: dict, params: Params) -> tuple[list[int], list[int]]:
    """Tokens of a row, and those of them that are to be supervised, by `caderno.chat`."""
    tokenizer, completion = policy.tokenizer, tasks.reference(row)
    prompt = chat.render(tokenizer, row["prompt"], enable_thinking=params.chat.enable_thinking)
    ending = "" if completion.endswith(tokenizer.eos_token) else tokenizer.eos_token
    before, ids = chat.encode(tokenizer, prompt), chat.encode(tokenizer, prompt + completion + ending)
    return ids, ids[len(before) :]


def _judgeable(ids: list[int], kept: list[int], wanted: dict, eos: int, place: int) -> dict[str, Any]:
    """What the guard judges of one row; one whose tokens are none of ours has its place in the loader for a name."""
    learnt = [label for label in kept if label != IGNORED]
    name, said = wanted.get(tuple(ids), (f"row {place} of the loader, whose tokens are not those we render", None))
    ended = bool(learnt) and learnt[-1] == eos
    return {"id": name, "tokens": len(ids), "supervised": len(learnt), "ended": ended, "differs": learnt != said}
