"""Generation by transformers: batches by length within a token budget, and a stream of noise per request.

Sampling is `choosing`'s; the loop, the cache and the stopping are transformers' own `generate`, except for traces
alone, which `tracing` draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from caderno.generation import Completion, Request, Sampling, completion, special_ids

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

    from caderno.generation.choosing import Chooser
    from caderno.generation.constraint import Constraint


class HfEngine:
    """A model in memory, trained or not; the same object may be in training, and is put back as it was."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        context_tokens: int,
        batch_tokens: int = 16384,
    ) -> None:
        from caderno.chat import eos_ids

        self.model, self.tokenizer = model, tokenizer
        self.context_tokens, self.batch_tokens = context_tokens, batch_tokens
        self.eos_ids = eos_ids(model, tokenizer)
        self.special_ids = special_ids(tokenizer)
        # Padding is masked and never returned, so any id will do where a tokenizer has none.
        self.pad_id = self.eos_ids[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def complete(self, requests: list[Request], sampling: Sampling, *, progress: bool) -> list[Completion]:
        """A completion per request, in order. A request's tokens do not depend on the batch it sits in."""
        from tqdm.auto import tqdm

        done: dict[int, Completion] = {}
        with tqdm(total=len(requests), desc="generate", unit="completion", disable=not progress) as bar:
            for places in self._batches(requests, sampling):
                batch = [requests[place] for place in places]
                draw = self._traces if batch[0].only_trace(sampling) else self._batch
                done.update(zip(places, draw(batch, sampling), strict=True))
                bar.update(len(batch))
        return [done[place] for place in range(len(requests))]

    def close(self) -> None:
        """The model is the caller's; nothing to give back."""

    def _batches(self, requests: list[Request], sampling: Sampling) -> Iterator[list[int]]:
        """Places of requests that are drawn together: one constraint, or none, and within the budget."""
        groups: dict[Constraint | None, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(request.constraint, []).append(place)
        for constraint, group in groups.items():
            only_trace = requests[group[0]].only_trace(sampling)
            new_tokens = constraint.max_codes + 1 if only_trace else sampling.max_new_tokens
            for chosen in batches([len(requests[place].prompt_ids) for place in group], new_tokens, self.batch_tokens):
                yield [group[place] for place in chosen]

    def _traces(self, requests: list[Request], sampling: Sampling) -> list[Completion]:
        """Traces and nothing after them, equal prompts prefilled once."""
        from caderno.generation.tracing import draw

        with _as_generator(self.model, self._config(sampling)) as model:
            drawn = draw(model, requests, sampling, self.pad_id)
        return [completion(request, *pair, True, self) for request, pair in zip(requests, drawn, strict=True)]

    def _batch(self, requests: list[Request], sampling: Sampling) -> list[Completion]:
        from transformers import LogitsProcessorList

        from caderno.generation.choosing import Chooser

        ids, mask = padded([r.prompt_ids for r in requests], self.pad_id, self.model.device)  # (B, P), (B, P)
        chooser = Chooser(requests, sampling, self.tokenizer, self.model.device)
        processors = LogitsProcessorList([chooser])
        with _as_generator(self.model, self._config(sampling)) as model:
            out = model.generate(input_ids=ids, attention_mask=mask, logits_processor=processors)  # (B, P + T)
        return self._completions(requests, out[:, ids.shape[1] :], chooser, {*self.eos_ids, *sampling.stop_ids})

    def _config(self, sampling: Sampling) -> GenerationConfig:
        """Everything explicit. Greedy to transformers: `Chooser` has drawn by then."""
        from transformers import GenerationConfig

        return GenerationConfig(
            do_sample=False,
            num_beams=1,
            use_cache=True,
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=[*self.eos_ids, *sampling.stop_ids],
            pad_token_id=self.pad_id,
        )

    def _completions(
        self, requests: list[Request], drawn: Tensor, chooser: Chooser, stops: set[int]
    ) -> list[Completion]:
        """Rows of tokens (B, T), cut after their stop token."""
        logprobs = chooser.logprobs()  # (B, T) or None
        completions = []
        for row, (request, ids) in enumerate(zip(requests, drawn.tolist(), strict=True)):
            stop = next((place for place, token in enumerate(ids) if token in stops), None)
            length = len(ids) if stop is None else stop + 1
            kept = None if logprobs is None else logprobs[row][:length]
            completions.append(completion(request, ids[:length], kept, stop is not None, self))
        return completions


def padded(prompts: list[list[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask (B, P), padded on the left: the last column is every prompt's last token."""
    import torch

    width = max(len(ids) for ids in prompts)
    ids = torch.full((len(prompts), width), pad_id)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def batches(lengths: list[int], new_tokens: int, budget_tokens: int) -> Iterator[list[int]]:
    """Places in `lengths`, longest prompts first, so many that rows x (longest prompt + completion) fit the budget.

    A row that alone exceeds the budget is a batch of its own. Longest first, so that memory fails early or not at all.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    start = 0
    while start < len(order):
        rows = max(1, budget_tokens // (lengths[order[start]] + new_tokens))
        yield order[start : start + rows]
        start += rows


@contextmanager
def _as_generator(model: PreTrainedModel, config: GenerationConfig) -> Iterator[PreTrainedModel]:
    """The model in evaluation mode, `config` in place of its own defaults; both are put back.

    Its own have to go: `generate` fills whatever a given config leaves open from `model.generation_config`. Under PEFT
    the base model carries the adapters, and generating through the wrapper would leave our config in the base.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    was_training, own = model.training, inner.generation_config
    model.eval()
    inner.generation_config = config
    try:
        yield inner
    finally:
        inner.generation_config = own
        model.train(was_training)
