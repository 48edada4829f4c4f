"""Task rows as token ids of prompt X, thought C and answer Y, from which every arm makes its [X; C; Z; Y].

Nothing is cut: rows that are too long, or have no thought, are named and left out. It draws no traces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caderno import chat, tasks, thinking
from caderno.abstract import sequences, traces
from caderno.abstract.sequences import Segments
from caderno.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from caderno.abstract.vocabulary import AbstractVocabulary
    from caderno.params.abstract_sections import TraceParams


@dataclass(frozen=True)
class Item:
    """One row. `x` is the prompt with thinking off, `x_thinking` with it on; `verbal` and `y` end with EOS.

    `c` is the thought without its tags; `step_ends` are the places in it after each of its verbal steps. `values` are
    what the task knows of the way to the answer, as code numbers; empty where it knows nothing.
    """

    row_id: str
    x: tuple[int, ...]
    x_thinking: tuple[int, ...]
    c: tuple[int, ...]
    step_ends: tuple[int, ...]
    verbal: tuple[int, ...]
    y: tuple[int, ...]
    values: tuple[int, ...]

    @property
    def step_lengths(self) -> list[int]:
        """Tokens of each verbal step."""
        return [end - start for start, end in zip((0, *self.step_ends), self.step_ends, strict=False)]

    def segments(self, z: Sequence[int] = (), *, thought: bool = False) -> Segments:
        """[X; Z; Y], with the thought C before Z where `thought`; `z` holds BEGIN and END."""
        return Segments(self.row_id, self.x, self.c if thought else (), tuple(z), self.y)

    def spoken(self) -> Segments:
        """[X; verbal thought and answer], for the verbal arm: one Y."""
        return Segments(self.row_id, self.x_thinking, (), (), self.verbal)


@dataclass(frozen=True)
class Encoded:
    """Items in the order of the rows, and why the other rows were left out: row id -> reason."""

    items: list[Item]
    left_out: dict[str, str]


def encode(rows: Iterable[dict], tokenizer: PreTrainedTokenizerBase, max_length: int, trace_tokens: int) -> Encoded:
    """Items of the rows; `trace_tokens` is the room that the longest trace with its delimiters takes.

    Raises:
        BadInput: no row is left.
    """
    items, left_out = [], {}
    for row in rows:
        item = encode_one(row, tokenizer)
        longest = max(len(item.x) + len(item.c) + trace_tokens + len(item.y), len(item.x_thinking) + len(item.verbal))
        if not item.c:
            left_out[row["id"]] = "its reference holds no thought"
        elif longest > max_length:
            left_out[row["id"]] = f"{longest} tokens"
        else:
            items.append(item)
    if not items:
        told = "; ".join(f"{row_id}: {why}" for row_id, why in [*left_out.items()][:3])
        raise BadInput(
            f"none of {len(left_out)} rows can be used ({told})", where="abstract chain-of-thought",
            expected=f"references with a thought, and at most {max_length} tokens of prompt, thought, trace and answer",
            mend="Raise model.max_length, or give rows whose reference thinks between <think> and </think>.",
        )  # fmt: skip
    return Encoded(items, left_out)


def encode_one(row: dict, tokenizer: PreTrainedTokenizerBase) -> Item:
    """One row, whatever its length."""
    switch = chat.switch(tokenizer)
    off, on = (
        chat.encode(tokenizer, chat.render(tokenizer, row["prompt"], enable_thinking=value if switch else None))
        for value in (False, True)
    )
    reference = tasks.reference(row)
    found = thinking.split(reference)
    thought = found.thought or ""
    end = (tokenizer.eos_token_id,)
    ids, ends = _with_steps(tokenizer, thought)
    return Item(
        row["id"], tuple(off), tuple(on), ids, ends, (*chat.encode(tokenizer, reference), *end),
        (*chat.encode(tokenizer, found.answer), *end), tuple(row.get("facts", {}).get("values", ())),
    )  # fmt: skip


def split_steps(thought: str) -> list[int]:
    """Places in a thought after each verbal step: lines where it has several, else clauses ended by `;`, or sentences.

    The paper splits a thought into steps without saying how; this is ours.
    """
    length = len(thought.rstrip())
    for mark in (r"\n+", r";\s*", r"(?<=[.!?])\s+"):
        ends = [match.end() for match in re.finditer(mark, thought) if match.end() < length]
        if ends:
            return [*ends, len(thought)]
    return [len(thought)] if thought else []


def _with_steps(tokenizer: PreTrainedTokenizerBase, thought: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The thought's ids, and the place after the last token of each step; steps without a token are dropped."""
    encoded = tokenizer(thought, add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in encoded["offset_mapping"]]
    ends = [sum(start < place for start in starts) for place in split_steps(thought)]
    return tuple(encoded["input_ids"]), tuple(sorted({end for end in ends if end}))


def traced(vocabulary: AbstractVocabulary, codes: Iterable[int]) -> tuple[int, ...]:
    """Z of codes: BEGIN, the codes, END."""
    return (vocabulary.begin_id, *codes, vocabulary.end_id)


def disjoint(items: Sequence[Item], sizes: Sequence[int]) -> list[list[Item]]:
    """Consecutive parts of these sizes: no row in two of them.

    Raises:
        BadInput: fewer items than the sizes sum to.
    """
    if sum(sizes) > len(items):
        raise BadInput(
            f"{len(items)} rows for phases of {', '.join(map(str, sizes))}", expected=f"at least {sum(sizes)}",
            where="data.train_rows", mend="Phases take fresh rows: raise data.train_rows, or lower the phases' rows.",
        )  # fmt: skip
    parts, start = [], 0
    for size in sizes:
        parts.append(list(items[start : start + size]))
        start += size
    return parts


def examples(item: Item, vocabulary: AbstractVocabulary, bounds: TraceParams) -> list[Segments]:
    """The item as phase A, phase B and the verbal arm see it, with a trace drawn at random as in the first round."""
    [drawn] = traces.random_traces({item.row_id: item.step_lengths}, vocabulary, bounds, seed=0)
    z = traced(vocabulary, drawn.codes)
    return [item.segments(z, thought=True), item.segments(z), item.spoken()]


def shown(row: Segments, tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, bool]]:
    """(token text, whether there is loss) of every token, for `chat.show_mask`."""
    return [
        (tokenizer.decode([token]), label != sequences.IGNORED)
        for token, label in zip(row.tokens, sequences.labels(row), strict=True)
    ]
