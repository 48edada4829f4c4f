"""Gathers what the data guards judge of tokenizer and template: ends, switch, round trip, tokens on each path.

How training and rollouts render is theirs to say: those paths are handed in (`caderno.training.probing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from caderno import chat, evaluation

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from caderno.params import Params

ROWS = 64
# Of generation_config.json: what says which tokens end, pad or begin, and where the file came from.
NO_SAMPLING = ("transformers_version", "_from_model_config", "use_cache", "cache_", "output_", "return_")


def switch(tokenizer: PreTrainedTokenizerBase, params: Params) -> dict[str, Any]:
    """Whether the template has a thinking switch. Asked first: a switch it does not know can render nothing."""
    return {"switch": {"has": chat.switch(tokenizer), "asked": params.chat.enable_thinking}}


def gather(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict], params: Params,
    paths: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The facts on the template. `paths`: {name: {row id: prompt text}} of texts tokenized with special tokens."""
    rows = rows[:ROWS]
    prompts = {one.row_id: one.text for one in evaluation.prompts(rows, tokenizer, params.chat.enable_thinking)}
    changed = {row: how for row, text in prompts.items() if (how := chat.round_trip(tokenizer, text))}
    return {
        "round_trip": {"n": len(prompts), "changed": changed},
        "ends": ends(model, tokenizer),
        "generation_config": {"file": of_file(model), "deployment": _deployment(params)},
        "renders": {"bos": tokenizer.bos_token, "paths": renders(tokenizer, rows, prompts, params, paths or {})},
    }


def ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """The turn's last token and who names which ends."""
    end = chat.turn_end_id(tokenizer)
    text = None if end is None else tokenizer.convert_ids_to_tokens(end)
    return {"turn_end": end, "text": text, "sources": chat.eos_sources(model, tokenizer)}


def of_file(model: PreTrainedModel) -> dict[str, Any]:
    """What generation_config.json says of sampling and lengths, as far as it says anything."""
    held = model.generation_config.to_diff_dict() if getattr(model, "generation_config", None) else {}
    return {
        key: value
        for key, value in held.items()
        if value not in (None, False) and not key.startswith(NO_SAMPLING) and not key.endswith("token_id")
    }


def _deployment(params: Params) -> dict[str, Any]:
    """Greedy is temperature 0 here and do_sample false there."""
    return params.calibration.deployment.model_dump()


def renders(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict], prompts: Mapping[str, str], params: Params,
    paths: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, list[str]]]:  # fmt: skip
    """{path: {row id: tokens}}: the given ones, evaluation's, and what a server makes of the messages."""
    asked = params.chat.enable_thinking
    switches = {} if asked is None else {"enable_thinking": asked}
    served = {
        row["id"]: tokenizer.apply_chat_template(
            row["prompt"], tokenize=True, add_generation_prompt=True, return_dict=False, **switches
        )
        for row in rows
    }
    by_ids = {
        **{name: {row: tokenizer(text)["input_ids"] for row, text in texts.items()} for name, texts in paths.items()},
        "evaluation": {row: chat.encode(tokenizer, text) for row, text in prompts.items()},
        "serving": served,
    }
    return {
        name: {row: tokenizer.convert_ids_to_tokens(ids) for row, ids in found.items()}
        for name, found in by_ids.items()
    }
