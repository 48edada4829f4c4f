"""What can be checked before training, in its simple form: versions, hardware, template, one token, rewards.

It needs the tokenizer and, for one token, the model; it trains nothing. Deeper probes are other guards' work.
"""

from __future__ import annotations

import importlib.metadata
import re
from typing import TYPE_CHECKING

from caderno import chat, data, evaluation, generation, tasks
from caderno.errors import StageFailed
from caderno.guards.verdict import Verdict, judged
from caderno.runs import checkout

if TYPE_CHECKING:
    from caderno.generation import Engine
    from caderno.models import Policy
    from caderno.params import Params

PINNED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
GOLD_AT_LEAST = 0.9
EMPTY_AT_MOST = 0.2


def versions() -> list[Verdict]:
    """Installed versions against the pins the checkout was tested with."""
    text = (checkout() / "requirements" / "cpu.in").read_text(encoding="utf-8")
    pins = dict(re.findall(r"(?m)^([a-z-]+)==([\w.]+)", text))
    found = []
    for name in PINNED:
        installed = importlib.metadata.version(name).partition("+")[0]
        found.append(
            judged(f"version {name}", installed == pins[name], installed, pins[name], "version",
                   "trainers change their defaults between versions")
        )  # fmt: skip
    return found


def hardware(params: Params) -> Verdict:
    """Whether what the parameters ask for is there. An absent GPU is unknown: this may not be the machine that runs."""
    import torch

    asks = [
        key
        for key, wanted in {
            "grpo.use_vllm": params.grpo.use_vllm,
            "model.backend unsloth": params.model.backend == "unsloth",
            "model.load_in_4bit": params.model.load_in_4bit,
            "engine vllm": params.engine.name == "vllm",
            "bfloat16": params.model.dtype == "bfloat16",
        }.items()
        if wanted
    ]
    if torch.cuda.is_available():
        return Verdict("hardware", "pass", torch.cuda.get_device_name(0), params.hardware, "device", "a GPU is present")
    if asks:
        why = f"no GPU here, and {', '.join(asks)} ask for one: judged on the machine that runs"
        return Verdict("hardware", "unknown", "no GPU", params.hardware, "device", why)
    return Verdict("hardware", "pass", "CPU", params.hardware, "device", "nothing asks for a GPU")


def template(policy: Policy, rows: list[dict], params: Params) -> list[Verdict]:
    """The chat template: same ids after a round trip, one BOS, the end of a turn among the ends of a completion."""
    tokenizer = policy.tokenizer
    prompts = evaluation.prompts(rows, tokenizer, params.chat.enable_thinking)
    differing = [p.row_id for p in prompts if chat.round_trip(tokenizer, p.text)]
    doubled = [p.row_id for p in prompts if chat.double_bos(tokenizer, p.text)]
    turn_end, ends = chat.turn_end_id(tokenizer), chat.eos_ids(policy.model, tokenizer)
    of = f"of {len(prompts)} prompts"
    return [
        judged("template round trip", not differing, len(differing), 0, "prompts",
               f"{of}, these change ids when encoded again: {differing[:3]}", source="huggingface/trl#5224"),
        judged("one BOS", not doubled, len(doubled), 0, "prompts",
               f"{of}, these begin with two BOS tokens: {doubled[:3]}", source="vllm-project/vllm#27515"),
        judged("turn end stops", turn_end in ends, turn_end, str(ends), "token id",
               "a turn's last token must end generation, or it never stops", source="huggingface/trl#3299"),
    ]  # fmt: skip


def thinking_switch(policy: Policy, params: Params) -> Verdict:
    """Whether the template has the thinking switch the parameters set."""
    has, asked = chat.switch(policy.tokenizer), params.chat.enable_thinking
    why = "the template knows enable_thinking" if has else "the template renders the same either way"
    return judged("thinking switch", asked is None or has, str(has), str(asked), "switch", why)


def one_token(engine: Engine, row: dict, params: Params) -> Verdict:
    """One greedy token for one prompt: the model loads, runs, and gives a finite log-probability."""
    import math

    prompts = evaluation.prompts([row], engine.tokenizer, params.chat.enable_thinking)
    sampling = generation.Sampling(temperature=0.0, max_new_tokens=1)
    try:
        [drawn] = generation.generate(engine, prompts, sampling, run="preflight", progress=False)
    except StageFailed as error:  # the engine found logits that are not finite
        return judged("one token", False, 0, 1, "tokens", str(error))
    finite = all(math.isfinite(value) for value in drawn.logprobs)
    told = ", ".join(f"{value:.2f}" for value in drawn.logprobs) or "none"
    why = f"greedy first token {drawn.text!r} with log-probability {told}"
    return judged("one token", finite and len(drawn.token_ids) == 1, len(drawn.token_ids), 1, "tokens", why)


def rewards(rows: list[dict]) -> list[Verdict]:
    """The scorers on what they must like and must not: the reference and the empty answer, per task."""
    found = []
    for name in sorted({row["task"] for row in rows}):
        mine = [row for row in rows if row["task"] == name]
        gold = min(tasks.score(row, row["gold"]).total for row in mine)
        empty = max(tasks.score(row, "").total for row in mine)
        found.append(
            judged(
                f"gold scores {name}",
                gold >= GOLD_AT_LEAST,
                round(gold, 3),
                GOLD_AT_LEAST,
                "score",
                f"lowest score of {len(mine)} references",
            )
        )
        found.append(
            judged(
                f"empty scores {name}",
                empty <= EMPTY_AT_MOST,
                round(empty, 3),
                EMPTY_AT_MOST,
                "score",
                f"highest score of {len(mine)} empty answers",
            )
        )
    return found  # fmt: skip


def lengths(policy: Policy, splits: dict[str, list[dict]], params: Params) -> Verdict:
    """The longest prompt of the whole data, not of a sample, with room for the longest completion."""
    every = [row for rows in splits.values() for row in rows]
    prompts = evaluation.prompts(every, policy.tokenizer, params.chat.enable_thinking)
    longest, row_id = max((len(chat.encode(policy.tokenizer, p.text)), p.row_id) for p in prompts)
    room = params.model.max_length - max(params.grpo.max_completion_length, params.validation.max_new_tokens)
    why = f"the longest of {len(prompts)} prompts is {row_id}"
    return judged("prompts fit", longest <= room, longest, room, "tokens", why)


def disjoint(splits: dict[str, list[dict]]) -> Verdict:
    """No entity, prompt or id in two splits (raises BadInput with the entity where one is)."""
    data.require_disjoint(splits)
    entities = {entity for rows in splits.values() for row in rows for entity in row.get("entities", ())}
    return Verdict("splits disjoint", "pass", 0, 0, "entities", f"{len(entities)} entities, none in two splits")
