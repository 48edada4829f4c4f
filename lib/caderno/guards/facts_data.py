"""Gathers what the data guards judge of rows: label masks, lengths, leaks, and whether each row can be judged.

It needs rows and a tokenizer, no weights; how every path renders a prompt is gathered in `facts_data_templates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from caderno import chat, lengths, tasks
from caderno.data import leaks
from caderno.data.items import items_of
from caderno.errors import BadInput
from caderno.guards.facts_static_model import directory
from caderno.guards.trials import is_trial

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from caderno.params import Params

MASKED_ROWS = 512  # rows whose mask is made, evenly spread; and as many of the longest as below
LONGEST_ROWS = 32
JUDGED_ROWS = 200
NEAR_SHARE, PAIRS = 0.5, 1000  # of a row's n-grams in one training row; pairs listed


def gather(splits: Mapping[str, list[dict]], tokenizer: PreTrainedTokenizerBase, params: Params) -> dict[str, Any]:
    """The facts on a run's rows."""
    return {
        "masks": masks(spread(splits["train"]), tokenizer, params),
        "lengths": of_lengths(splits, tokenizer, params),
        "leaks": of_leaks(splits),
        "ancestors": of_ancestors(splits, params),
        "judgeable": judgeable([row for rows in splits.values() for row in rows]),
    }


def spread(rows: Sequence[dict], n: int = MASKED_ROWS) -> list[dict]:
    """At most n rows, evenly spread, and the longest."""
    step = max(1, -(-len(rows) // n))
    longest = sorted(rows, key=lambda row: -len(str(row["prompt"])) - len(tasks.reference(row)))[:LONGEST_ROWS]
    return list({row["id"]: row for row in (*rows[::step], *longest)}.values())


def masks(
    rows: Iterable[dict], tokenizer: PreTrainedTokenizerBase, params: Params, cut_at: int | None = None
) -> list[dict[str, Any]]:  # fmt: skip
    """{"id", "tokens", "supervised", "ended", "merged"} of each row as SFT masks it; [] where nothing is supervised.

    `cut_at` is where a trainer truncates on the right; ours leaves long rows out and cuts none.
    """
    if "sft" not in params.stages:
        return []
    found = []
    for row in rows:
        try:
            example = chat.loss_mask_example(
                tokenizer, row["prompt"], tasks.reference(row), params.chat.enable_thinking
            )[:cut_at]
        except BadInput as error:
            found.append({"id": row["id"], "tokens": 1, "supervised": 0, "ended": False, "merged": error.got})
            continue
        ended = example[-1] == (tokenizer.decode([tokenizer.eos_token_id]), True)
        supervised = sum(flag for _, flag in example)
        found.append({"id": row["id"], "tokens": len(example), "supervised": supervised, "ended": ended})
    return found


def of_lengths(splits: Mapping[str, list[dict]], tokenizer: PreTrainedTokenizerBase, params: Params) -> dict[str, Any]:
    """Every row of every split, measured, against the context and what the training stages leave out."""
    found = list(items_of(splits))
    measured = lengths.measure(found, tokenizer, params.chat.enable_thinking)
    prompt, _, completion = measured.arrays()
    room = params.model.max_length - _longest_completion(params)
    evaluated = [place for place, item in enumerate(found) if item.split != "train"]
    longest = max(range(len(found)), key=lambda place: prompt[place], default=None)
    told = {
        "rows": len(found), "room": room, "references_over": None,
        "longest": None if longest is None else int(prompt[longest]),
        "id": None if longest is None else found[longest].id,
        "evaluated_over": {"ids": [found[p].id for p in evaluated if prompt[p] > room], "of": len(evaluated)},
    }  # fmt: skip
    train = measured.members().get("split train")
    limits = [] if train is None else [one for one in lengths.limits_of(params) if one.key in ("sft", "grpo")]
    told["left_out"] = [_left_out(measured, limit, train) for limit in limits]
    if "grpo" in params.stages and not is_trial(params, "grpo"):
        ceiling, has = params.grpo.max_completion_length, completion != lengths.NO_COMPLETION
        over = int((has & (completion > ceiling)).sum())
        told["references_over"] = {"n": over, "of": int(has.sum()), "tokens": ceiling}
    return told


def _longest_completion(params: Params) -> int:
    """Tokens of the longest completion that a stage on held-out or test rows may draw."""
    asked = {
        "calibration": max(params.calibration.training.max_new_tokens, params.calibration.deployment.max_new_tokens),
        "grpo": params.grpo.max_completion_length,
        "validation": params.validation.max_new_tokens,
    }
    return max((tokens for stage, tokens in asked.items() if stage in params.stages), default=0)


def _left_out(measured: lengths.Lengths, limit: lengths.Limit, train: Any) -> dict[str, Any]:
    applies, out = limit.over(measured)
    n, of = int((out & train).sum()), int((applies & train).sum())
    return {"stage": limit.key, "tokens": limit.tokens, "n": n, "of": of}


def of_leaks(splits: Mapping[str, list[dict]]) -> dict[str, Any]:
    """A scan of the held-out and test rows against the training rows; see `caderno.data.leaks.scan`."""
    evaluated = [_source(name, rows) for name, rows in splits.items() if name != "train" and rows]
    return leaks.scan([_source("train", splits["train"])], evaluated, leaks.Options(min_share=NEAR_SHARE, pairs=PAIRS))


def _source(name: str, rows: list[dict]) -> leaks.Source:
    return leaks.Source(name, "split", lambda: enumerate(rows, 1))


def of_ancestors(splits: Mapping[str, list[dict]], params: Params) -> dict[str, Any]:
    """The same against what the starting weights were trained on: runs on this machine, and theirs in turn."""
    names = [params.model.adapter, params.model.init]
    if "pretrain" not in params.stages:
        names.insert(0, params.model.name)
    sources = [source for name in names if name for source in _trained_on(name)]
    if not sources:
        return {"train": []}
    evaluated = [_source(name, rows) for name, rows in splits.items() if name != "train" and rows]
    return leaks.scan(sources, evaluated, leaks.Options(min_share=NEAR_SHARE, pairs=PAIRS))


def _trained_on(name: str) -> list[leaks.Source]:
    """The training rows behind weights; one source without rows, and the reason, where they are not known."""
    found = directory(name)
    run = next((one for one in (found, *found.parents) if (one / "run.json").is_file()), None) if found else None
    if run is None:
        why = "generated documents, no rows" if name == "tiny" else "what it was trained on is not recorded here"
        return [leaks.Source(name, "weights", None, why)]
    try:
        return leaks.training(str(run))
    except BadInput as error:
        return [leaks.Source(str(run), "weights", None, error.got)]


def judgeable(rows: Sequence[dict], n: int = JUDGED_ROWS) -> dict[str, Any]:
    """Which of n rows, spread over all, have no score even for their own reference."""
    tried = list(rows[:: max(1, -(-len(rows) // n))])
    scores = tasks.score_many(tried, [tasks.reference(row) for row in tried])
    none = [row for row, score in zip(tried, scores, strict=True) if score is None]
    judged = {row["task"] for row, score in zip(tried, scores, strict=True) if score is not None}
    return {
        "rows": len(rows), "n": len(tried), "none": [row["id"] for row in none],
        "whole_tasks": sorted({row["task"] for row in none} - judged),
    }  # fmt: skip
