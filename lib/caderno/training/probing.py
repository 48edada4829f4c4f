"""Gathers the facts of preflight's data and probe guards, in the order in which they cost: rows, generation, steps.

It measures for guards and judges nothing itself. What it changes in a policy it puts back; what is too dear here, or
needs a GPU that is not there, it leaves unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from caderno import guards, trl_arguments
from caderno.guards import (
    facts_data,
    facts_data_templates,
    facts_probe_model,
    facts_probe_rewards,
    facts_probe_rollouts,
    facts_probe_steps,
)
from caderno.training import grpo, labelling, references, rehearsing, sft

if TYPE_CHECKING:
    from caderno.generation import Engine
    from caderno.guards import Verdict
    from caderno.models import Policy
    from caderno.params import Params

PATH_ROWS = 32
ELSEWHERE = {"ticket", "switch"}  # facts that calibration judges, and those judged before anything is rendered
NO_LIMIT = 1_000_000  # tokens: which rows are left out for their length is another guard's question


def data(policy: Policy, splits: Mapping[str, list[dict]], params: Params) -> dict[str, Any]:
    """The facts of the data guards: rows, template, and the tokens that each path makes of them."""
    tokenizer, rows = policy.tokenizer, splits["train"][:PATH_ROWS]
    return {
        **facts_data.gather(splits, tokenizer, params),
        **facts_data_templates.gather(policy.model, tokenizer, rows, params, paths(policy, rows, params)),
    }


def paths(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, dict[str, str]]:
    """{path: {row id: prompt}} as the training stages themselves hand them to their trainers."""
    roomy = params.model_copy(update={
        "model": params.model.model_copy(update={"max_length": NO_LIMIT}),
        "sft": params.sft.model_copy(update={"max_length": None}),
    })  # fmt: skip
    stage = SimpleNamespace(params=roomy, ledger=lambda rows: None)
    ids = [row["id"] for row in rows]
    # of another split than train, whose rows would have to fill a step
    given = [row | {"split": "probe"} for row in rows]
    found = {}
    for name, make in (("sft", sft.dataset), ("grpo", grpo.dataset)):
        if name in params.stages and given:
            found[name] = dict(zip(ids, make(given, policy, stage)["prompt"], strict=True))
    return found


def generation(engine: Engine, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """The facts of the guards on generation, by the engine that calibration and validation will use."""
    return {
        "first_token": facts_probe_rollouts.first_token(engine, rows[0], params),
        "batching": facts_probe_rollouts.batching(engine, rows[:16], params),
        "rollouts": facts_probe_rollouts.rollouts(engine, rows, params),
    }


def scorers(rows: Sequence[dict]) -> dict[str, Any]:
    """The facts of the reward contract."""
    return {"contract": facts_probe_rewards.contract(rows)}


def _from_nothing(params: Params) -> bool:
    """Whether what trains here starts without these weights: abstract arms of an architecture of their own."""
    trained = {"sft", "grpo", "abstract_cot"} & set(params.stages)
    return trained == {"abstract_cot"} and params.abstract.architecture is not None


def weights(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """The facts of the guards on loaded weights and on a step or two; the policy is as before afterwards."""
    placed(policy)
    arguments = trl_arguments.all_stages(params, gpu=policy.model.device.type == "cuda")
    found = {
        "init": facts_probe_model.init(policy, rows, params) | {"scratch": _from_nothing(params)},
        "layers": facts_probe_model.layers(policy, rows, params),
        "reference": facts_probe_model.reference(policy, params, references.shown),
        "packing": facts_probe_model.packing(params, arguments, policy),
        "cache": facts_probe_rollouts.cache(policy, rows[:8], params),
        "accumulation": facts_probe_steps.accumulation(policy, rows, params),
        "steps": facts_probe_steps.steps(policy, rows, params),
    }
    if not found["steps"] or found["steps"].get("unknown") or not found["steps"]["tensors"]:
        return found  # no step can be made: what needs one is not known
    with facts_probe_steps.rehearsed(policy.model):
        return found | {"sync": sync(policy, rows, params), "merge": facts_probe_model.merge(policy)}


def sync(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """Update the policy; whether GRPO's sampler then has the trainer's weights. {} without GRPO."""
    from caderno.generation.hf import HfEngine

    update = facts_probe_steps.Update(policy, rows, params)
    if "grpo" in params.stages and not params.grpo.use_vllm:
        sampler = HfEngine(policy.model, policy.tokenizer, params.model.max_length, params.engine.batch_tokens)
        return facts_probe_rollouts.sync(policy, sampler, rows, params, update)
    update()  # for whoever looks at moved weights next
    if "grpo" not in params.stages:
        return {}
    return {"unknown": "TRL starts vLLM with the training; the running guard sampler-sync watches the two"}


def placed(policy: Policy) -> None:
    """A model that is to be trained is loaded on the CPU, where its trainer takes it: here it goes where that would."""
    import torch

    if torch.cuda.is_available() and not getattr(policy.model, "is_loaded_in_4bit", False):
        policy.model.to("cuda")


def judged(facts: Mapping[str, Any]) -> list[Verdict]:
    """The verdicts of all data and probe guards, but for those that are judged ELSEWHERE."""
    found = guards.all_guards("data") | guards.all_guards("probe")
    return guards.judge([name for name, one in found.items() if not set(one.needs) & ELSEWHERE], facts)


def trainer(policy: Policy, rows: Sequence[dict], params: Params) -> dict[str, Any]:
    """The facts of the guards on what the installed trainers do with the run's arguments and with training rows.

    The policy is handed to a trainer, which may set it up for training: what measures it otherwise comes before.
    """
    return rehearsing.facts(params) | {"labels": labelling.labels(policy, rows, params)}
