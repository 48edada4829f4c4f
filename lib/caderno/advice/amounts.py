"""A data budget: tokens, how often they repeat, tokens per parameter, and whether that can train a model from nothing.

It judges amounts, not quality. The rule of 20 tokens per parameter is for training from scratch; it says nothing of
fine-tuning or continued pretraining, and then it is not applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from caderno.errors import BadInput

Init = Literal["scratch", "pretrained"]
TOKENS_PER_PARAMETER = 20.0
HOFFMANN = "Hoffmann et al. 2022, arXiv 2203.15556"
EPOCHS = 4.0
REPEAT_CONSTANT = 15.387756  # R*_D: repetitions after which a repeated token's worth has fallen to 1/e
MUENNIGHOFF = "Muennighoff et al. 2023, arXiv 2305.16264"
SMOLLM = {"name": "SmolLM-360M", "tokens": 600_000_000_000, "parameters": 362_000_000}
SMOLLM_SOURCE = "Hugging Face's post on SmolLM, 2024"


@dataclass(frozen=True)
class Budget:
    """Amounts and verdicts. `verdict` is about the amount, `repeats_verdict` about repetition."""

    parameters: int
    unique_tokens: int
    epochs: float
    seen_tokens: float
    effective_tokens: float
    tokens_per_parameter: float
    wanted_tokens: float
    init: Init
    verdict: Literal["pass", "fail", "not_applicable"]
    why: str
    repeats_verdict: Literal["pass", "warn"]
    repeats_why: str
    reference: str


def budget(parameters: int, tokens: int, epochs: float = 1.0, init: Init = "scratch") -> Budget:
    """The budget of `tokens` different tokens, seen `epochs` times, by a model of `parameters`.

    Repeated tokens count by Muennighoff et al.'s equation 5: U + U R* (1 - exp(-(epochs - 1) / R*)). The ratio judged
    is effective tokens over parameters: repeats cannot make a corpus of the wrong size pass.
    Raises BadInput for amounts below 1 and epochs of 0 or less.
    """
    for what, value in (("parameters", parameters), ("tokens", tokens)):
        if value < 1:
            raise BadInput(f"{what}: {value}", expected="at least 1", where="budget")
    if not (epochs > 0 and math.isfinite(epochs)):
        raise BadInput(f"epochs: {epochs}", expected="above 0", where="budget")
    if init not in ("scratch", "pretrained"):
        raise BadInput(f"init {init!r}", expected="scratch or pretrained", where="budget")
    effective = effective_tokens(tokens, epochs)
    ratio = effective / parameters
    verdict, why = _judged(parameters, effective, ratio, init)
    repeats, repeats_why = _repeats(epochs)
    return Budget(
        parameters, tokens, epochs, tokens * epochs, effective, ratio, TOKENS_PER_PARAMETER * parameters, init,
        verdict, why, repeats, repeats_why, _reference(),
    )  # fmt: skip


def effective_tokens(unique: float, epochs: float) -> float:
    """What `unique` tokens seen `epochs` times are worth in different tokens; below one epoch, those seen."""
    if epochs <= 1:
        return unique * epochs
    return unique * (1 + REPEAT_CONSTANT * (1 - math.exp(-(epochs - 1) / REPEAT_CONSTANT)))


def _judged(parameters: int, effective: float, ratio: float, init: Init) -> tuple[str, str]:
    told = f"{short(effective)} tokens / {short(parameters)} parameters = {figures(ratio)} tokens a parameter"
    if init == "pretrained":
        return "not_applicable", f"{told}; the rule of {TOKENS_PER_PARAMETER:g} is for training from scratch only"
    if ratio >= TOKENS_PER_PARAMETER:
        return "pass", f"{told}; at least {TOKENS_PER_PARAMETER:g} ({HOFFMANN})"
    wanted = TOKENS_PER_PARAMETER * parameters
    return "fail", (
        f"{told}, {TOKENS_PER_PARAMETER / ratio:,.3g} times too few of the {TOKENS_PER_PARAMETER:g} that training from "
        f"scratch wants ({short(wanted)} tokens; {HOFFMANN}): start from pretrained weights, take a model of "
        f"{short(effective / TOKENS_PER_PARAMETER)} parameters, or find more text"
    )


def _repeats(epochs: float) -> tuple[str, str]:
    if epochs <= EPOCHS:
        return "pass", f"{epochs:g} epochs: up to {EPOCHS:g} are nearly as good as new text ({MUENNIGHOFF})"
    worth = effective_tokens(1, epochs) / epochs
    return "warn", (
        f"{epochs:g} epochs: beyond {EPOCHS:g} repeats lose their worth; here a token seen counts {worth:.2f} of a new "
        f"one ({MUENNIGHOFF}, fitted to models of up to 9B on web text)"
    )


def _reference() -> str:
    ratio = SMOLLM["tokens"] / SMOLLM["parameters"]
    return (
        f"{SMOLLM['name']} saw {short(SMOLLM['tokens'])} tokens, {ratio:,.0f} a parameter ({SMOLLM_SOURCE}): "
        "20 is where compute is well spent, not where a small model stops learning"
    )


def of_params(path: str) -> tuple[int, int, Init, str]:
    """(parameters, tokens, start, note) of a parameter file's pretrain section.

    The vocabulary is made with the tokenizer, so the shipped tiny base's size stands in for it; the note says so.
    """
    from caderno import params, runs
    from caderno.advice.architecture import TINY, from_config, read_architecture

    found = params.load(runs.given(path))
    built, vocabulary = found.pretrain.architecture, read_architecture(TINY).vocab_size
    model = from_config(
        {
            "model_type": "qwen3", "hidden_size": built.hidden_size, "num_hidden_layers": built.layers,
            "num_attention_heads": built.heads, "num_key_value_heads": built.kv_heads, "head_dim": built.head_dim,
            "intermediate_size": built.intermediate_size, "vocab_size": vocabulary, "tie_word_embeddings": True,
        },
        path,
    )  # fmt: skip
    note = f"{path}: pretrain.architecture with a vocabulary of {vocabulary}, the shipped tiny base's; pretrain.tokens"
    return model.parameters or 0, found.pretrain.tokens, "scratch", note


def short(number: float) -> str:
    """18M, 7.4B, 362M, 545k."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def figures(value: float) -> str:
    """Two figures below 1 and up to one decimal above: 0.049, 1.5, 36.7."""
    return f"{value:.2g}" if value < 1 else f"{value:,.1f}"


def amount(text: str, what: str) -> int:
    """18M, 7.4B, 565_000_000, 2e7 as a whole number. Raises BadInput."""
    units = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
    plain = text.strip().replace("_", "").replace(",", "").lower()
    try:
        value = float(plain[:-1]) * units[plain[-1]] if plain[-1:] in units else float(plain)
    except ValueError as error:
        raise BadInput(f"{what} {text!r}", expected="an amount such as 370M, 7.4B or 565000000") from error
    if not math.isfinite(value) or value < 1:
        raise BadInput(f"{what} {text!r}", expected="at least 1")
    return round(value)
