"""A random tiny model with abstract codes, and RL trainers over it on a made-up reward, for the tests of the RL.

It asserts nothing.
"""

from __future__ import annotations

from statistics import fmean

import conftest
import torch

from caderno import chat
from caderno.abstract import rl, vocabulary
from caderno.models import Policy
from caderno.params.abstract_sections import TraceParams
from caderno.params.training_sections import GrpoParams
from caderno.tasks.base import scored

SPEC = {"max_steps": 2, "prompts_per_step": 4, "group_size": 4, "learning_rate": 1e-3, "save_steps": 100}
TRACES = TraceParams(min_codes=1, max_codes=3)
ANSWER_TOKENS = 4
ROWS = [
    {"id": f"r{n}", "task": "arithmetic", "gold": str(n % 10), "prompt": [{"role": "user", "content": f"total {n}?"}]}
    for n in range(12)
]


def early_letters(row: dict, completion: str):
    """A made-up score that random completions differ in: the share of letters before m."""
    letters = [letter for letter in completion if letter.isalpha()]
    value = fmean(letter < "m" for letter in letters) if letters else 0.0
    return scored(value, value, value, [])


def policy(codes: int = 4, **changes) -> tuple[Policy, vocabulary.AbstractVocabulary]:
    """A random policy with its codes, for training; the same one every time."""
    tokenizer = conftest.build_tokenizer()
    model = conftest.build_model(tokenizer, **{"initializer_range": 0.1, **changes})
    found, abstract = vocabulary.extend(Policy(model, tokenizer), codes, seed=0)
    found.model.train()
    return found, abstract


def lora(given: Policy, abstract: vocabulary.AbstractVocabulary, dropout: float = 0.0) -> Policy:
    """Fresh adapters on the linear layers, and the new rows, with the embeddings tied."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM",
        trainable_token_indices=list(abstract.new_ids),
    )  # fmt: skip
    return Policy(get_peft_model(given.model, config), given.tokenizer, given.info)


def prompts(tokenizer, rows: list[dict] = ROWS) -> list[tuple[str, list[int]]]:
    """(row id, token ids up to BEGIN)."""
    return [(row["id"], chat.encode(tokenizer, chat.render(tokenizer, row["prompt"]))) for row in rows]


def trainer(directory, given: Policy, abstract, spec: dict | None = None, rows: list[dict] = ROWS, **more):
    """The RL's trainer over that policy; score totals are the rewards."""
    arguments = {
        "output_dir": directory, "seed": 0, "max_length": 64, "answer_tokens": ANSWER_TOKENS,
        "worth": lambda score: score.total,
    }  # fmt: skip
    texts = more.pop("prompts", prompts(given.tokenizer, rows))
    section, traces = GrpoParams(**(SPEC | (spec or {}))), more.pop("traces", TRACES)
    return rl.trainer(given, abstract, rows, texts, section, traces, **(arguments | more))


def maker(tmp_path):
    """A function: (policy, vocabulary, trainer) over a fresh model, full fine-tuning or LoRA."""

    def make(spec: dict | None = None, *, adapters: bool = False, directory: str = "run", dropout: float = 0.0, **more):
        given, abstract = policy()
        if adapters:
            given = lora(given, abstract, dropout)
        return given, abstract, trainer(tmp_path / directory, given, abstract, spec, **more)

    return make


def batch(grpo, row_ids: list[str]):
    """A rollout as TRL pads it: (rollout, input_ids (B, P + T), attention mask, T)."""
    rollout = grpo.rollout_func(row_ids, grpo)
    before, after = rollout["prompt_ids"], rollout["completion_ids"]
    left, right = max(map(len, before)), max(map(len, after))
    ids = torch.zeros(len(before), left + right, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, (prompt, completion) in enumerate(zip(before, after, strict=True)):
        ids[place, left - len(prompt) : left + len(completion)] = torch.tensor([*prompt, *completion])
        mask[place, left - len(prompt) : left + len(completion)] = 1
    return rollout, ids, mask, right


def weights(given: Policy) -> dict[str, torch.Tensor]:
    """Copies of the weights that are trained."""
    return {name: one.detach().clone() for name, one in given.model.named_parameters() if one.requires_grad}
