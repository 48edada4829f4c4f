"""Abstract traces: drawn under the constraint, K of them off one prefill, or at random by the paper's rule.

It judges no trace (`abstract.health` does) and draws no answer.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caderno.errors import BadInput
from caderno.generation import Request, Sampling, request_seed
from caderno.generation.constraint import Constraint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caderno.abstract.vocabulary import AbstractVocabulary
    from caderno.generation import Engine
    from caderno.params.abstract_sections import TraceParams


@dataclass(frozen=True)
class Trace:
    """`codes` are token ids without the delimiters; `logprobs` belong to the codes and then END, None if not asked.

    `forced_end`: the trace has as many codes as it may, and END followed by force.
    """

    row_id: str
    sample: int
    codes: tuple[int, ...]
    forced_end: bool
    seed: int
    logprobs: list[float] | None


@dataclass(frozen=True)
class Drawn:
    """Traces in the order rows x samples, and the rows that were too long: their prompt's tokens, BEGIN included."""

    traces: list[Trace]
    left_out: dict[str, int]


def constraint(vocabulary: AbstractVocabulary, spec: TraceParams) -> Constraint:
    """What a completion that begins with a trace has to keep to."""
    return Constraint(vocabulary.code_ids, vocabulary.end_id, spec.min_codes, spec.max_codes)


def draw(
    engine: Engine, prompts: Sequence[tuple[str, Sequence[int]]], vocabulary: AbstractVocabulary, spec: TraceParams,
    *, run: str, samples: int = 1, seed: int = 0, logprobs: bool = True, progress: bool = False,
) -> Drawn:  # fmt: skip
    """`samples` traces of every (row id, prompt ids); the prompt ends before BEGIN, which is appended here.

    Every trace has its own seed, of run, row, sample and `seed`. Rows whose prompt leaves no room for the longest trace
    are left out and named, never cut. Raises BadInput for row ids that occur twice and prompts that hold BEGIN already.
    """
    _require_sound(prompts, vocabulary)
    asked = constraint(vocabulary, spec)
    sampling = Sampling(
        spec.temperature, max_new_tokens=spec.max_codes + 1, samples=samples, seed=seed, logprobs=logprobs,
        stop_ids=(vocabulary.end_id,),
    )  # fmt: skip
    room = engine.context_tokens - sampling.max_new_tokens
    fitting = [(row_id, [*ids, vocabulary.begin_id]) for row_id, ids in prompts if len(ids) < room]
    left_out = {row_id: len(ids) + 1 for row_id, ids in prompts if len(ids) >= room}
    requests = [
        Request(row_id, sample, ids, request_seed(run, row_id, sample, seed), constraint=asked)
        for row_id, ids in fitting
        for sample in range(samples)
    ]
    drawn = engine.complete(requests, sampling, progress=progress) if requests else []
    return Drawn([_trace(c.row_id, c.sample, asked, c.token_ids, c.seed, c.logprobs) for c in drawn], left_out)


def random_traces(
    step_lengths: Mapping[str, Sequence[int]], vocabulary: AbstractVocabulary, spec: TraceParams, *, seed: int
) -> list[Trace]:
    """First-round traces by arXiv 2604.22709's rule: for a verbal step of l tokens rand(1, l/2) codes, each uniform.

    `step_lengths` has the tokens of every step of a row. The paper states no ceiling here: what is beyond
    `spec.max_codes` is left away, and a trace shorter than `spec.min_codes` is filled up. Raises BadInput for a step of
    no tokens.
    """
    asked = constraint(vocabulary, spec)
    return [_random_trace(row_id, lengths, asked, seed) for row_id, lengths in step_lengths.items()]


def _random_trace(row_id: str, lengths: Sequence[int], asked: Constraint, seed: int) -> Trace:
    if any(length < 1 for length in lengths):
        raise BadInput(f"row {row_id} has a step of {min(lengths)} tokens", expected="1 or more", where="step lengths")
    row_seed = request_seed("random traces", row_id, 0, seed)
    numbers = random.Random(row_seed)
    count = sum(numbers.randint(1, max(1, length // 2)) for length in lengths)
    codes = numbers.choices(asked.code_ids, k=min(max(count, asked.min_codes), asked.max_codes))
    return _trace(row_id, 0, asked, codes, row_seed, None)


def _trace(
    row_id: str, sample: int, asked: Constraint, token_ids: list[int], seed: int, logprobs: list[float] | None
) -> Trace:
    codes = asked.codes(token_ids)
    return Trace(row_id, sample, codes, len(codes) == asked.max_codes, seed, logprobs)


def _require_sound(prompts: Sequence[tuple[str, Sequence[int]]], vocabulary: AbstractVocabulary) -> None:
    twice = [row_id for row_id, count in Counter(row_id for row_id, _ in prompts).items() if count > 1]
    begun = [row_id for row_id, ids in prompts if len(ids) and ids[-1] == vocabulary.begin_id]
    if twice or begun:
        rows = ", ".join(map(repr, [*twice, *begun][:5]))
        raise BadInput(
            f"{len(twice)} row ids occur twice, {len(begun)} prompts end with BEGIN: {rows} first",
            expected="one prompt per row id, ending before BEGIN", where="traces",
            mend="Ask for several traces with samples; BEGIN is appended here.",
        )  # fmt: skip
