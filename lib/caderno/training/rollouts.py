"""GRPO's completions under a hard thinking budget: drawn by `caderno.generation` in place of TRL's own generate.

Without a budget TRL draws for itself. With colocated vLLM there is no budget: TRL starts vLLM without what it needs
for one, and the parameters refuse the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING

from caderno import rewards
from caderno.generation import Request, Sampling, budgets, request_seed
from caderno.generation.hf import HfEngine

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOTrainer

    from caderno.models import Policy
    from caderno.params import Params
    from caderno.runs import Stage


def limited(
    policy: Policy, stage: Stage, rows: Iterable[dict], sets: Iterable[Dataset | None]
) -> Callable[[list[str], GRPOTrainer], dict] | None:
    """A rollout function for TRL that ends each prompt's thought after its task's budget; None where none is asked for.

    `sets` hold the prompts (`prompt`, `row_id`) and `rows` their tasks. A forced `</think>` is no choice of the policy:
    it is masked out of the loss, as TRL masks what an environment says.
    Raises BadInput where the tokenizer has no thinking tags, or a budget leaves no token of a completion for an answer.
    """
    params = stage.params
    if not params.chat.hard_think_rollouts:
        return None
    tasks = {row["id"]: row["task"] for row in rows}
    task_of = {one["prompt"]: tasks[one["row_id"]] for found in sets if found is not None for one in found}
    asked = rewards.hard_think_budgets(params)
    budget_of = {prompt: asked[task] for prompt, task in task_of.items()}
    put = {task: asked[task] for task in task_of.values()}
    wanted = {task: tokens for task, tokens in asked.items() if task in put}
    stage.ledger([{"what": "hard_think_budget, tokens", "requested": wanted, "effective": put}])
    return _drawing(policy, params, budget_of)


def _drawing(policy: Policy, params: Params, budget_of: dict[str, int]) -> Callable[[list[str], GRPOTrainer], dict]:
    ceiling = min(params.grpo.max_completion_length, params.grpo.eval_max_tokens or params.grpo.max_completion_length)
    budgets.require(policy.tokenizer, list(budget_of.values()), ceiling)
    engine = HfEngine(policy.model, policy.tokenizer, params.model.max_length, params.engine.batch_tokens)
    calls = count()

    def rollout(prompts: list[str], trainer: GRPOTrainer) -> dict:
        prompt_ids = policy.tokenizer(prompts)["input_ids"]  # with special tokens, as TRL encodes text
        run = f"{params.name} rollout {trainer.state.global_step} {next(calls)} {trainer.accelerator.process_index}"
        requests = [
            Request(str(place), 0, ids, request_seed(run, str(place), 0, params.seed), budget_of[prompt])
            for place, (prompt, ids) in enumerate(zip(prompts, prompt_ids, strict=True))
        ]
        drawn = engine.complete(requests, _sampling(trainer), progress=False)
        return {
            "prompt_ids": prompt_ids,
            "completion_ids": [one.token_ids for one in drawn],
            "logprobs": None,  # the trainer computes them: only vLLM's are corrected for
            "env_mask": [[int(place not in one.forced) for place in range(len(one.token_ids))] for one in drawn],
            "think_forced": [bool(one.forced) for one in drawn],
        }

    return rollout


def _sampling(trainer: GRPOTrainer) -> Sampling:
    """As the trainer is set to draw just now: an evaluation changes temperature and ceiling for its duration."""
    config = trainer.generation_config
    return Sampling(
        config.temperature if config.do_sample else 0.0, config.top_p, config.top_k or 0, config.max_new_tokens,
        logprobs=False,
    )  # fmt: skip
