"""How long the rows of a whole corpus are in a model's own tokens, rendered by its own template, and what limits cut.

Every row is measured, never a sample: the longest decides whether a run dies hours in. It loads a tokenizer and no
weights, and leaves nothing out itself; that is done, and told, by `caderno.training`.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from caderno import chat, runs
from caderno.data.items import Item
from caderno.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from caderno.params import Params

QUANTILES = (50, 90, 95, 99, 100)
LONGEST = 5
BATCH_ROWS = 512
NO_COMPLETION = -1


def tokenizer_of(name: str, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of 'tiny', a directory (weights need not be there) or a hub id. Raises BadInput as models do."""
    from caderno.models.loading import load_tokenizer
    from caderno.models.source import TOKENIZER_FILES, Source, resolve

    path = runs.given(name)
    alone = path.is_dir() and any((path / file).exists() for file in TOKENIZER_FILES)
    return load_tokenizer(Source(str(path), local_files_only=True) if alone else resolve(name, revision, where="model"))


@dataclass
class Lengths:
    """Tokens of every item, 16 bytes each, in the order they came; `completion` is -1 where there is none.

    `total` counts prompt and completion tokenized together, and the end of the turn: what SFT trains on.
    """

    prompt: array = field(default_factory=lambda: array("i"))
    total: array = field(default_factory=lambda: array("i"))
    completion: array = field(default_factory=lambda: array("i"))
    group: array = field(default_factory=lambda: array("i"))
    groups: dict[tuple[str, str], int] = field(default_factory=dict)  # (task, split) -> code
    longest: list[tuple] = field(default_factory=list)

    def add(self, item: Item, prompt: int, total: int) -> None:
        completion = total - prompt if item.completion is not None else NO_COMPLETION
        self.prompt.append(prompt)
        self.total.append(total)
        self.completion.append(completion)
        self.group.append(self.groups.setdefault((item.task, item.split), len(self.groups)))
        entry = (total, -len(self.total), item.id, item.number, item.task, item.split, prompt, completion)
        (heapq.heappush if len(self.longest) < LONGEST else heapq.heappushpop)(self.longest, entry)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tokens of prompt, of the whole, of the completion. (N,) int32 each."""
        return tuple(np.frombuffer(one, dtype=np.int32) for one in (self.prompt, self.total, self.completion))

    def longest_first(self) -> list[dict[str, Any]]:
        """The items with most tokens in all; of equals, the first that came."""
        names = ("total", "id", "number", "task", "split", "prompt", "completion")
        rows = [dict(zip(names, (total, *rest), strict=True)) for total, _, *rest in sorted(self.longest, reverse=True)]
        return [row | {"completion": None} if row["completion"] == NO_COMPLETION else row for row in rows]

    def members(self) -> dict[str, np.ndarray]:
        """Masks over the items: "all", then each task and each split that is named. (N,) bool each."""
        codes = np.frombuffer(self.group, dtype=np.int32)
        found = {"all": np.ones(len(codes), dtype=bool)}
        for place, word in enumerate(("", "split ")):
            for name in dict.fromkeys(key[place] for key in self.groups):
                mine = [code for key, code in self.groups.items() if key[place] == name]
                found |= {word + name: np.isin(codes, mine)} if name else {}
        return found


def measure(found: Iterable[Item], tokenizer: PreTrainedTokenizerBase, enable_thinking: bool | None = None) -> Lengths:
    """The lengths of all items. Memory does not grow with the texts. Raises BadInput where the template refuses."""
    lengths = Lengths()
    for batch in _batches(iter(found)):
        prompts = [_rendered(item, tokenizer, enable_thinking) for item in batch]
        wholes = [
            _for_trainer(tokenizer, text) + item.completion if item.completion is not None else None
            for item, text in zip(batch, prompts, strict=True)
        ]
        in_prompt = _counts(tokenizer, prompts, special=False)
        in_whole = iter(_counts(tokenizer, [text for text in wholes if text is not None], special=True))
        for item, tokens, whole in zip(batch, in_prompt, wholes, strict=True):
            lengths.add(item, tokens, tokens if whole is None else next(in_whole) + 1)  # 1: the end of the turn
    return lengths


def _batches(found: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(found, BATCH_ROWS)):
        yield batch


def _rendered(item: Item, tokenizer: PreTrainedTokenizerBase, enable_thinking: bool | None) -> str:
    if isinstance(item.prompt, str):
        return item.prompt
    try:
        return chat.render(tokenizer, item.prompt, enable_thinking=enable_thinking)
    except BadInput as error:
        raise BadInput(
            error.got, expected=error.expected, where=f"record {item.number} ({item.id})", mend=error.mend
        ) from error


def _for_trainer(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    # chat.for_trainer tokenizes the prompt once more, which only a tokenizer with a BOS makes worth its time
    return text if tokenizer.bos_token_id is None else chat.for_trainer(tokenizer, text)


def _counts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, special: bool) -> list[int]:
    """Tokens of each text; `special` adds what trainers add when they tokenize."""
    if not texts:
        return []
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=special, verbose=False)["input_ids"]]


@dataclass(frozen=True)
class Limit:
    """A length that leaves rows out or cuts them: `of` more than `tokens` tokens."""

    key: str  # sft, grpo, ceiling
    tokens: int
    words: str

    def over(self, lengths: Lengths) -> tuple[np.ndarray, np.ndarray]:
        """Masks (N,) bool: the items it applies to, and those of them it leaves out."""
        prompt, total, completion = lengths.arrays()
        has = completion != NO_COMPLETION
        if self.key == "grpo":
            return np.ones_like(has), prompt > self.tokens
        return has, has & ((total if self.key == "sft" else completion) > self.tokens)


def limits(limit: int | None, max_completion: int | None) -> list[Limit]:
    """What a context of `limit` tokens and completions of at most `max_completion` leave out or cut."""
    if limit is not None and max_completion is not None and max_completion >= limit:
        raise BadInput(
            f"completions of {max_completion} tokens within {limit}", expected="fewer", where="max_completion",
            mend="The limit holds the prompt too.",
        )  # fmt: skip
    found = []
    if limit is not None:
        found.append(Limit("sft", limit, f"prompt and completion over {limit:,} tokens: left out of SFT"))
    if limit is not None and max_completion is not None:
        words = f"prompt over {limit - max_completion:,} tokens, no room for {max_completion:,}: left out of GRPO"
        found.append(Limit("grpo", limit - max_completion, words))
    if max_completion is not None:
        words = f"reference over {max_completion:,} tokens: a completion like it would be cut"
        found.append(Limit("ceiling", max_completion, words))
    return found


def limits_of(params: Params) -> list[Limit]:
    """The limits of a run's training stages."""
    context, ceiling = params.model.max_length, params.grpo.max_completion_length
    found = limits(params.sft.max_length or context, None) if "sft" in params.stages else []
    return found + (limits(context, ceiling)[1:] if "grpo" in params.stages else [])


def report(lengths: Lengths, given: Sequence[Limit] = ()) -> dict[str, Any]:
    """Plain JSON: "groups" with n and quantiles of prompt, completion and total tokens for "all", each task and each
    split; "longest": the items with most tokens; "limits": what each leaves out, by group.

    A quantile is a length that occurs: at least so many per cent of the items are no longer. None where nothing is.
    """
    members = lengths.members()
    kinds = dict(zip(("prompt", "total", "completion"), lengths.arrays(), strict=True))
    groups = []
    for name, mask in members.items():
        told = {kind: _quantiles(values[mask & (values != NO_COMPLETION)]) for kind, values in kinds.items()}
        groups.append({"group": name, "n": int(mask.sum()), **{k: told[k] for k in ("prompt", "completion", "total")}})
    return {
        "groups": groups,
        "longest": lengths.longest_first(),
        "limits": [_left_out(lengths, one, members) for one in given],
    }


def _quantiles(values: np.ndarray) -> dict[str, Any] | None:
    if not len(values):
        return None
    found = np.percentile(values, QUANTILES, method="inverted_cdf")
    return {"n": len(values)} | {f"p{q}" if q < 100 else "max": int(v) for q, v in zip(QUANTILES, found, strict=True)}


def _left_out(lengths: Lengths, limit: Limit, members: dict[str, np.ndarray]) -> dict[str, Any]:
    applies, out = limit.over(lengths)
    groups = [
        {"group": name, "n": int((out & mask).sum()), "of": int((applies & mask).sum())}
        for name, mask in members.items()
    ]
    for group in groups:
        group["share"] = group["n"] / group["of"] if group["of"] else None
    return {"key": limit.key, "tokens": limit.tokens, "words": limit.words, "groups": groups}
