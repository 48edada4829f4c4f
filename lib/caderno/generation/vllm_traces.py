"""Completions that begin with a trace, by vLLM: one call for the traces, one for what follows their END.

The trace is constrained inside vLLM's sampler; an END that is forced costs no token there and is put down here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput
from caderno.generation import Completion, Request, Sampling, completion
from caderno.generation.constraint import Constraint, answer_seed, trace_logprobs

if TYPE_CHECKING:
    from vllm import SamplingParams

    from caderno.generation.vllm import VllmEngine

LOGPROB_IDS = 128  # vLLM returns log-probabilities of this many named ids at most
Traced = tuple[list[int], list[float] | None]


def complete(engine: VllmEngine, requests: list[Request], sampling: Sampling, progress: bool) -> list[Completion]:
    """A completion per request, in order; every request has a constraint.

    Raises BadInput where log-probabilities of more codes than vLLM can name are asked for.
    """
    traced = traces(engine, requests, sampling, progress)
    done: dict[int, Completion] = {}
    for request, (ids, logprobs) in zip(requests, traced, strict=True):
        if request.only_trace(sampling):
            done[id(request)] = completion(request, ids, logprobs, True, engine)
    asking = [(request, trace) for request, trace in zip(requests, traced, strict=True) if id(request) not in done]
    answers = _answers(engine, asking, sampling, progress)
    for (request, (ids, logprobs)), answer in zip(asking, answers, strict=True):
        whole = None if logprobs is None else logprobs + answer.logprobs
        done[id(request)] = completion(request, ids + answer.token_ids, whole, answer.finish_reason == "stop", engine)
    return [done[id(request)] for request in requests]


def traces(engine: VllmEngine, requests: list[Request], sampling: Sampling, progress: bool) -> list[Traced]:
    """(ids up to END, renormalised log-probabilities) per request. Equal prompts share vLLM's cache of prefixes."""
    _require_nameable(requests, sampling)
    outputs = engine.llm.generate(
        [{"prompt_token_ids": request.prompt_ids} for request in requests],
        [_sampling(request, sampling) for request in requests],
        use_tqdm=progress,
    )
    drawn = (output.outputs[0] for output in outputs)
    return [_traced(request.constraint, one) for request, one in zip(requests, drawn, strict=True)]


def _sampling(request: Request, sampling: Sampling) -> SamplingParams:
    from vllm import SamplingParams

    constraint = request.constraint
    return SamplingParams(
        temperature=sampling.temperature, top_p=sampling.top_p, top_k=sampling.top_k, seed=request.seed,
        allowed_token_ids=list(constraint.allowed_ids), stop_token_ids=[constraint.end_id],
        min_tokens=constraint.min_codes, max_tokens=constraint.max_codes,
        logprob_token_ids=list(constraint.allowed_ids) if sampling.logprobs else None, detokenize=False,
    )  # fmt: skip


def _traced(constraint: Constraint, drawn: Any) -> Traced:
    """What vLLM drew, END put down where it was forced, raw log-probabilities renormalised."""
    import torch

    ids = list(drawn.token_ids)
    forced = [] if ids and ids[-1] == constraint.end_id else [constraint.end_id]
    if drawn.logprobs is None:
        return ids + forced, None
    columns = torch.tensor([[step[i].logprob for i in constraint.allowed_ids] for step in drawn.logprobs])  # (T, A)
    allowed = trace_logprobs(columns, torch.arange(len(ids)) < constraint.min_codes)
    chosen = [constraint.allowed_ids.index(token) for token in ids]
    return ids + forced, allowed[range(len(ids)), chosen].tolist() + [0.0] * len(forced)


def _answers(
    engine: VllmEngine, asking: list[tuple[Request, Traced]], sampling: Sampling, progress: bool
) -> list[Completion]:
    """What follows each trace, free, from another stream of noise, in what room the trace has left."""
    requests = [
        replace(request, prompt_ids=request.prompt_ids + ids, seed=answer_seed(request.seed), constraint=None)
        for request, (ids, _) in asking
    ]
    room = [replace(sampling, max_new_tokens=sampling.max_new_tokens - len(ids)) for _, (ids, _) in asking]
    return engine.free(requests, room, progress) if requests else []


def _require_nameable(requests: list[Request], sampling: Sampling) -> None:
    most = max(len(request.constraint.allowed_ids) for request in requests)
    if sampling.logprobs and most > LOGPROB_IDS:
        raise BadInput(
            f"log-probabilities of {most - 1} codes by vLLM", expected=f"{LOGPROB_IDS - 1} codes at most",
            where="engine.name: vllm", mend="Ask for no log-probabilities, or set engine.name to hf.",
        )  # fmt: skip
