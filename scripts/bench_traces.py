"""Benchmark of constrained traces: ours against `generate` with a loop over rows, and against `generate` left free.

All arms draw from the shipped model with an abstract vocabulary, from token ids to token ids; traces are not judged.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_lines import RATIO, Line, in_turn, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from caderno.abstract.vocabulary import AbstractVocabulary
    from caderno.generation import Engine
    from caderno.models import Policy
    from caderno.params.abstract_sections import TraceParams

    Arm = Callable[[int], float]

CODES, TRACES = 64, 4  # size of the codebook; traces of each prompt
QWEN3_ROWS = 151_936
# Rows of the embedding (None: the model's own), traces in a batch, codes. END comes by force: all arms draw as many.
CASES = ((None, 64, 16), (None, 64, 128), (None, 256, 16), (None, 256, 128), (QWEN3_ROWS, 64, 16))
LEAST_OVER_LOOP, LEAST_OF_FREE = 3.0, 0.9


class LoopOverRows:
    """The constraint by a loop over rows in Python that asks the tensors for numbers, the reproduction's way."""

    def __init__(self, vocabulary: AbstractVocabulary, spec: TraceParams) -> None:
        import torch

        self.vocabulary, self.spec = vocabulary, spec
        self.codes, self.later = torch.tensor(vocabulary.code_ids), torch.tensor(vocabulary.allowed_ids)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        masked = torch.full_like(scores, -torch.inf)
        for row in range(len(scores)):
            begins = (input_ids[row] == self.vocabulary.begin_id).nonzero()
            said = input_ids[row, int(begins[-1]) + 1 :]
            if bool((said == self.vocabulary.end_id).any()):
                masked[row] = scores[row]
            elif len(said) >= self.spec.max_codes:
                masked[row, self.vocabulary.end_id] = 0.0
            else:
                allowed = self.codes if len(said) < self.spec.min_codes else self.later
                masked[row, allowed] = scores[row, allowed]
        return masked


def tracing(repeats: int) -> list[Line]:
    """Tokens a second, for every size of batch and length; vLLM beside them where it can be imported."""
    from caderno.params.abstract_sections import TraceParams

    lines = []
    for rows, batch, length in CASES:
        policy, vocabulary = _policy(rows)
        spec, prompts = TraceParams(min_codes=length, max_codes=length), _prompts(policy, batch // TRACES)
        arms = [
            _ours(_engine(policy), prompts, vocabulary, spec),
            _generated(policy, prompts, vocabulary, spec, alone=False),
            _generated(policy, prompts, vocabulary, spec, alone=True),
        ]
        for arm in arms:
            arm(-1)  # the first call of each shape allocates
        what = f"{batch} traces of {length} codes" + (f", {rows:,} rows" if rows else "")
        lines += _lines(what, *in_turn(repeats, *arms))
    return lines + _by_vllm(repeats)


def _lines(what: str, ours: list[float], loop: list[float], free: list[float]) -> list[Line]:
    slow, unbound = "`generate`, Python loop over rows", "`generate(do_sample=True)`, free"
    over = [a / b for a, b in zip(ours, loop, strict=True)]
    of = [a / b for a, b in zip(ours, free, strict=True)]
    return [
        Line(what, "tokens/s", ours, slow, loop, RATIO),
        Line(f"{what}, times the loop's speed", "", over, at_least=LEAST_OVER_LOOP),
        Line(f"{what}, against no constraint", "tokens/s", ours, unbound, free, RATIO),
        Line(f"{what}, share of the free speed", "", of, at_least=LEAST_OF_FREE),
    ]


def _policy(rows: int | None = None) -> tuple[Policy, AbstractVocabulary]:
    """The shipped model with an abstract vocabulary; with `rows`, in an embedding as large as another model's."""
    from caderno import models
    from caderno.abstract import vocabulary
    from caderno.params.sections import ModelParams

    policy = models.load(ModelParams(name="tiny"))
    if rows:
        policy.model.resize_token_embeddings(rows, mean_resizing=False)
    return vocabulary.extend(policy, CODES, seed=0)


def _engine(policy: Policy) -> Engine:
    from caderno.generation.hf import HfEngine

    return HfEngine(policy.model, policy.tokenizer, policy.model.config.max_position_embeddings, batch_tokens=10**9)


def _prompts(policy: Policy, count: int) -> list[tuple[str, list[int]]]:
    """Ids of expressions of the chained arithmetic."""
    from caderno import data, evaluation
    from caderno.chat import encode

    found = evaluation.prompts(data.rows("arithmetic", "heldout", count, 0), policy.tokenizer, None)
    return [(prompt.row_id, encode(policy.tokenizer, prompt.text)) for prompt in found]


def _ours(engine: Engine, prompts: list, vocabulary: AbstractVocabulary, spec: TraceParams) -> Arm:
    """A seed per trace and renormalised log-probabilities included."""
    from caderno.abstract import traces

    def measure(repeat: int) -> float:
        kept: list[Any] = []
        draw = lambda: kept.append(traces.draw(engine, prompts, vocabulary, spec, run=f"{repeat}", samples=TRACES))  # noqa: E731
        took_s = seconds(draw)
        return sum(len(trace.codes) + 1 for trace in kept[0].traces) / took_s

    return measure


def _generated(policy: Policy, prompts: list, vocabulary: AbstractVocabulary, spec: TraceParams, *, alone: bool) -> Arm:
    """transformers' own sampling of as many tokens, one seed for the batch, no log-probabilities; `alone`: free."""
    import torch

    from caderno.generation.hf import padded

    repeated = [[*ids, vocabulary.begin_id] for _, ids in prompts for _ in range(TRACES)]
    stops = [] if alone else [vocabulary.end_id]

    def drawn() -> int:
        ids, mask = padded(repeated, policy.tokenizer.pad_token_id, policy.model.device)
        loop = None if alone else [LoopOverRows(vocabulary, spec)]
        out = policy.model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=spec.max_codes + 1, do_sample=True, temperature=1.0,
            top_k=0, top_p=1.0, logits_processor=loop, pad_token_id=policy.tokenizer.pad_token_id,
            eos_token_id=stops or [policy.model.config.vocab_size],  # free: none that it could draw
        )  # fmt: skip
        return sum(len(row) for row in out[:, ids.shape[1] :].tolist())

    def measure(repeat: int) -> float:
        torch.manual_seed(repeat + 1)
        kept: list[int] = []
        took_s = seconds(lambda: kept.append(drawn()))
        return kept[0] / took_s

    return measure


def _by_vllm(repeats: int) -> list[Line]:
    """Ours by either engine; no line where vLLM cannot be imported."""
    if importlib.util.find_spec("vllm") is None:
        return []
    from caderno import models
    from caderno.generation import open_engine
    from caderno.params.abstract_sections import TraceParams
    from caderno.params.sections import EngineParams, ModelParams

    lines = []
    policy, vocabulary = _policy()
    with tempfile.TemporaryDirectory(prefix="caderno-bench-") as place:
        models.save(policy, Path(place) / "model")
        params = ModelParams(name=str(Path(place) / "model"), max_length=policy.model.config.max_position_embeddings)
        engine = open_engine(params.name, EngineParams(name="vllm"), params)
        for batch, length in ((batch, length) for rows, batch, length in CASES if rows is None):
            spec, prompts = TraceParams(min_codes=length, max_codes=length), _prompts(policy, batch // TRACES)
            arms = [_ours(one, prompts, vocabulary, spec) for one in (engine, _engine(policy))]
            for arm in arms:
                arm(-1)
            by_vllm, by_hf = in_turn(repeats, *arms)
            lines.append(
                Line(
                    f"{batch} traces of {length} codes by vLLM",
                    "tokens/s",
                    by_vllm,
                    "by transformers, ours",
                    by_hf,
                    RATIO,
                )
            )
        engine.close()
    return lines
