"""One `generate` over transformers and vLLM: the same fields, one seed per request, nothing cut.

It renders no messages (`caderno.chat`) and scores no completions; training rollouts are the trainer's own.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from caderno.chat import encode
from caderno.errors import BadInput
from caderno.generation import budgets
from caderno.generation.constraint import Constraint
from caderno.thinking import THINK_CLOSE, THINK_OPEN

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from caderno.models import Policy
    from caderno.params.sections import EngineParams, ModelParams, SamplingParams


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn. `stop_ids` end a completion beside the model's own end tokens."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 96
    samples: int = 1
    seed: int = 0
    logprobs: bool = True
    stop_ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, params: SamplingParams, **more: Any) -> Sampling:
        """From a parameter section; `more` sets samples, seed, logprobs."""
        return cls(**params.model_dump(), **more)


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt and the row it belongs to.

    After `thinking_token_budget` tokens of thought, those that the prompt holds included, `</think>` is forced; None:
    a thought may take as long as the completion. With a `constraint` the text ends with BEGIN.
    """

    row_id: str
    text: str
    thinking_token_budget: int | None = None
    constraint: Constraint | None = None


@dataclass(frozen=True)
class Request:
    """One completion to draw."""

    row_id: str
    sample: int
    prompt_ids: list[int]
    seed: int
    thinking_token_budget: int | None = None
    constraint: Constraint | None = None

    def only_trace(self, sampling: Sampling) -> bool:
        """Whether nothing is wanted after the trace."""
        return self.constraint is not None and self.constraint.end_id in sampling.stop_ids


@dataclass(frozen=True)
class Completion:
    """What came back. `token_ids` end with the stop token when `finish_reason` is "stop"; padding is never in them.

    `logprobs` are nats of each token under the raw distribution (temperature 1, nothing filtered); None if not asked.
    A trace's are renormalised over what its constraint allowed, 0 for an END that was forced.
    `forced` are the places in `token_ids` of a `</think>` that stands where the thinking budget was spent.
    """

    row_id: str
    sample: int
    text: str
    token_ids: list[int]
    logprobs: list[float] | None
    finish_reason: str
    seed: int
    forced: tuple[int, ...] = ()


class Engine(Protocol):
    """Who draws: `HfEngine` or `VllmEngine`. `context_tokens` bounds prompt and completion together."""

    tokenizer: PreTrainedTokenizerBase
    context_tokens: int
    special_ids: frozenset[int]

    def complete(self, requests: list[Request], sampling: Sampling, *, progress: bool) -> list[Completion]:
        """A completion per request, in order."""
        ...

    def close(self) -> None:
        """Give memory back."""
        ...


def generate(
    engine: Engine, prompts: list[Prompt], sampling: Sampling, *, run: str, progress: bool = False
) -> list[Completion]:
    """`sampling.samples` completions of every prompt, in the order prompts x samples.

    `run` enters every seed, so that two runs draw differently and one run repeats itself. Raises BadInput naming rows
    whose prompt leaves no room for the completion, for row ids that occur twice (they would share their noise), and
    for thinking budgets that this tokenizer or `max_new_tokens` cannot keep.
    """
    _require_distinct(prompts)
    budgets.require(engine.tokenizer, [prompt.thinking_token_budget for prompt in prompts], sampling.max_new_tokens)
    _require_traces(prompts, sampling)
    encoded = [encode(engine.tokenizer, prompt.text) for prompt in prompts]
    _require_room(prompts, encoded, engine.context_tokens, sampling.max_new_tokens)
    requests = [
        Request(p.row_id, sample, ids, seed, p.thinking_token_budget, p.constraint)
        for p, ids in zip(prompts, encoded, strict=True)
        for sample in range(sampling.samples)
        for seed in [request_seed(run, p.row_id, sample, sampling.seed)]
    ]
    return engine.complete(requests, sampling, progress=progress) if requests else []


def request_seed(run: str, row_id: str, sample: int, seed: int = 0) -> int:
    """63 bits of a hash, one stream per request: an engine-wide seed gives every prompt the same noise."""
    digest = hashlib.sha256(json.dumps([run, row_id, sample, seed]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def open_engine(source: Policy | str | Path, engine: EngineParams, model: ModelParams) -> Engine:
    """The engine `engine.name` says, over a policy in memory or a model by name ('tiny', directory, hub id).

    A name stands for itself: `model` gives dtype, attention and `max_length` (the context limit), not an adapter or
    `init` to apply again. Raises BadInput when vLLM is asked for and not installed.
    """
    from caderno import models

    if engine.name == "vllm":
        from caderno.generation.vllm import open_vllm

        return open_vllm(source, engine, model)
    from caderno.generation.hf import HfEngine
    from caderno.models.checks import context_tokens

    policy = source if isinstance(source, models.Policy) else models.load(plain(model, source))
    context = context_tokens(policy.model.config, model.max_length)
    return HfEngine(policy.model, policy.tokenizer, context, engine.batch_tokens)


def plain(model: ModelParams, name: str | Path) -> ModelParams:
    """`model` pointed at finished weights: what made them is not done twice."""
    revision = model.revision if str(name) == model.name else None
    finished = {"name": str(name), "revision": revision, "adapter": None, "init": None, "lora": None}
    return model.model_copy(update=finished)


def special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids that do not belong in a text: special tokens, except thinking tags where a tokenizer calls them special."""
    return frozenset(tokenizer.all_special_ids) - {
        budgets.token_id(tokenizer, tag) for tag in (THINK_OPEN, THINK_CLOSE)
    }


def completion(
    request: Request, token_ids: list[int], logprobs: list[float] | None, stopped: bool, engine: Engine
) -> Completion:
    """The one way from tokens to a completion, so that both engines give the same text."""
    text = engine.tokenizer.decode([i for i in token_ids if i not in engine.special_ids], skip_special_tokens=False)
    reason, forced = "stop" if stopped else "length", budgets.forced(request, token_ids, engine.tokenizer)
    return Completion(request.row_id, request.sample, text, token_ids, logprobs, reason, request.seed, forced)


def _require_distinct(prompts: list[Prompt]) -> None:
    twice = [row_id for row_id, count in Counter(prompt.row_id for prompt in prompts).items() if count > 1]
    if twice:
        raise BadInput(
            f"{len(twice)} row ids occur more than once, {', '.join(map(repr, twice[:5]))} among them",
            expected="one prompt per row id, since seeds derive from it",
            where="prompts",
            mend="Ask for several completions with samples, not by repeating the row.",
        )


def _require_traces(prompts: list[Prompt], sampling: Sampling) -> None:
    """A trace with its END, and a token of answer where one is wanted, has to fit; it bears no thinking budget."""
    for prompt in (prompt for prompt in prompts if prompt.constraint is not None):
        least = prompt.constraint.max_codes + 1 + (prompt.constraint.end_id not in sampling.stop_ids)
        if least > sampling.max_new_tokens or prompt.thinking_token_budget is not None:
            budget = "" if prompt.thinking_token_budget is None else " and a thinking budget"
            raise BadInput(
                f"row {prompt.row_id} has up to {prompt.constraint.max_codes} codes{budget} in a completion of "
                f"{sampling.max_new_tokens} tokens",
                expected=f"{least} tokens or more, and no thinking budget beside a constraint", where="prompts",
                mend="Raise max_new_tokens or lower max_codes.",
            )  # fmt: skip


def _require_room(prompts: list[Prompt], encoded: list[list[int]], context: int, max_new_tokens: int) -> None:
    room = context - max_new_tokens
    long = [(prompt.row_id, len(ids)) for prompt, ids in zip(prompts, encoded, strict=True) if len(ids) > room]
    empty = [prompt.row_id for prompt, ids in zip(prompts, encoded, strict=True) if not ids]
    if not long and not empty:
        return
    rows = ", ".join(f"{row_id} ({length} tokens)" for row_id, length in [*long, *((r, 0) for r in empty)][:5])
    raise BadInput(
        f"{len(long) + len(empty)} of {len(prompts)} prompts do not fit, {rows} first",
        expected=f"1 to {room} tokens: {context} of context less {max_new_tokens} of completion",
        where="prompts",
        mend="Leave these rows out, raise model.max_length, or lower max_new_tokens; prompts are never cut.",
    )
