"""Gathers what the static guards judge: from the parameters, the installation, the machine; in seconds, no weights.

Each fact has one key, listed in `gather`; what cannot be known here is None, and its guards answer unknown.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno import trl_arguments
from caderno.guards import facts_static_files as files_of
from caderno.guards import facts_static_machine as machine
from caderno.guards import facts_static_model as models
from caderno.guards.trials import is_trial
from caderno.guards.trl_configs import Asked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caderno.params import Params

# Spread of one prompt's scores (standard deviation, scores in 0..1) where nothing has measured it: the smallest and a
# usual one of the Tucano2 project (its probe's groups: 0.04 to 0.07; its rewards over all prompts: about 0.3).
SPREAD_LOW, SPREAD_USUAL = 0.05, 0.3


def gather(params: Params, *, files: Iterable[str | Path] = (), asked: Asked | None = None) -> dict[str, Any]:
    """The facts of the static guards.

    `files` are the parameter files as written, to be searched for secrets; `asked` a process already importing TRL.
    """
    with asked or Asked() as process:
        arguments = trl_arguments.all_stages(params, gpu=bool(gpu_reasons(params)))
        process.ask(arguments, params.processes)
        facts = of_parameters(params, arguments) | of_installation(params, files) | of_machine(params)
        return facts | {"trl_configs": process.answer() if arguments else {}}


def of_parameters(params: Params, arguments: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What follows from the parameters alone."""
    return {
        "params": params,
        "arguments": arguments,
        "gpu_reasons": gpu_reasons(params),
        "schedule": schedules(params),
        "coverage": coverage(params),
        "early_stop": early_stop(params),
        "checkpoints": checkpoints(params, arguments),
        "eval_power": eval_power(params),
        "think_budgets": think_budgets(params),
    }


def of_installation(params: Params, files: Iterable[str | Path]) -> dict[str, Any]:
    """Pins, versions, notebooks, secrets in what was written, Unsloth's compiled cache."""
    root = files_of.checkout()
    pins = files_of.pins(root)
    return {
        "pins": pins,
        "installed": files_of.installed(pins or ()),
        "notebooks": files_of.notebooks(root, params.stages),
        "secrets": files_of.secrets(params, files),
        "unsloth_stamps": files_of.unsloth_stamps(Path.cwd()),
    }


def of_machine(params: Params) -> dict[str, Any]:
    """The machine, and what of the model is on it."""
    model, root = models.model_facts(params), machine.run_root()
    return {
        "gpus": machine.gpus(),
        "run_root": root,
        "idle_shutdown": machine.idle_shutdown(),
        "model": model,
        "model_files": models.suspicious_files(params),
        "adapter_run": models.adapter_run(params),
        "hub_ids": [name for name in (params.model.name, params.model.adapter) if name and models.is_hub_id(name)],
        "checkpoint_bytes": models.checkpoint_bytes(params, model),
        "data_budget": data_budget(params),
    }


def gpu_reasons(params: Params) -> list[str]:
    """The parameters that ask for a GPU; empty where a CPU will do."""
    reasons = {
        "grpo.use_vllm": params.grpo.use_vllm and "grpo" in params.stages,
        "model.backend unsloth": params.model.backend == "unsloth",
        "model.load_in_4bit": params.model.load_in_4bit,
        "engine.name vllm": params.engine.name == "vllm",
        f"model.dtype {params.model.dtype}": params.model.dtype != "float32",
    }
    return [reason for reason, asks in reasons.items() if asks]


def sft_steps(params: Params) -> int:
    """Optimizer steps of SFT, from epochs where no number is given; rows that are too long make it fewer."""
    spec, rows = params.sft, params.data.sft_rows or params.data.train_rows
    return spec.max_steps or math.ceil(spec.epochs * math.ceil(rows / spec.batch_size))


def schedules(params: Params) -> dict[str, dict[str, Any]]:
    """{stage: {"kind", "peak", "total_steps", "warmup_steps", "warmup_share", "advances_per_step"}}.

    `advances_per_step` is how often the scheduler moves in an optimizer step. TRL's trainers do not let accelerate
    prepare the scheduler, so it is 1 whatever the number of processes; a raw accelerate loop moves it `num_processes`
    times (huggingface/accelerate#2926), which is what to give here for such a loop.
    """
    steps = {"sft": sft_steps(params), "grpo": params.grpo.max_steps}
    return {
        stage: {
            "kind": getattr(params, stage).schedule, "peak": getattr(params, stage).learning_rate,
            "total_steps": steps[stage], "warmup_share": getattr(params, stage).warmup_share,
            "warmup_steps": math.ceil(steps[stage] * getattr(params, stage).warmup_share), "advances_per_step": 1,
        }
        for stage in ("sft", "grpo") if stage in params.stages
    }  # fmt: skip


def coverage(params: Params) -> dict[str, Any]:
    """{"prompts": met in all of GRPO, "rows": there to be met, "per_step"}; {} without GRPO, or in a trial."""
    if "grpo" not in params.stages or is_trial(params, "grpo"):
        return {}
    spec = params.grpo
    rows, per_step = spec.train_prompts or params.data.train_rows, spec.prompts_per_step
    return {"prompts": spec.max_steps * per_step, "rows": rows, "per_step": per_step}


def early_stop(params: Params) -> dict[str, Any]:
    """What early stopping will decide on; {} where there is none or where it could not fire before the end.

    Keys: patience, delta (a number or "standard_error"), measurable (calibration can give the standard error), batches
    (held-out batches an evaluation), epochs (None: every rollout is new), standard_error_low and standard_error (of the
    difference of two evaluations, sqrt(2 v / n), at the smallest and at a usual spread of a prompt's scores).
    """
    spec = params.grpo
    if "grpo" not in params.stages or spec.early_stop is None or spec.eval_steps is None:
        return {}
    if spec.max_steps // spec.eval_steps - 1 < spec.early_stop.patience:  # the first evaluation only sets the mark
        return {}
    return {
        "patience": spec.early_stop.patience,
        "delta": spec.early_stop.delta,
        "measurable": "calibration" in params.stages and params.calibration.samples >= 2,
        "batches": spec.eval_rows / spec.prompts_per_step,
        "epochs": None,
        "standard_error_low": SPREAD_LOW * math.sqrt(2 / spec.eval_rows),
        "standard_error": SPREAD_USUAL * math.sqrt(2 / spec.eval_rows),
    }


def checkpoints(params: Params, arguments: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Rotation and the window that early stopping looks back over; {} without early stopping."""
    given = arguments.get("grpo", {})
    if not early_stop(params):
        return {}
    return {
        "limit": given["save_total_limit"], "save_steps": given["save_steps"], "eval_steps": given["eval_steps"],
        "patience": params.grpo.early_stop.patience, "keeps_best": given.get("load_best_model_at_end", False),
    }  # fmt: skip


def eval_power(params: Params) -> dict[str, Any]:
    """{"n", "confidence", "effect"} of the validation; {} without one, or where only trials come before it."""
    if "validation" not in params.stages or is_trial(params, "validation"):
        return {}
    spec = params.validation
    return {"n": params.data.test_rows, "confidence": spec.confidence, "effect": spec.smallest_effect}


def think_budgets(params: Params) -> dict[str, int]:
    """{task: tokens of thought that are free or possible} where a budget is in force in GRPO; {} where none is."""
    hard = params.chat.hard_think_budget if params.chat.hard_think_rollouts else None
    if "grpo" not in params.stages or not (params.rewards.think_efficiency or hard):
        return {}
    if isinstance(hard, int):
        return dict.fromkeys(params.tasks, hard)
    from caderno import tasks

    return {
        name: spec.think_budget_tokens or tasks.task(name).THINK_BUDGET_TOKENS for name, spec in params.tasks.items()
    }


def data_budget(params: Params) -> dict[str, Any]:
    """{"tokens", "parameters"} of pretraining from scratch; {} without it, or in a trial of the code."""
    if "pretrain" not in params.stages or is_trial(params, "pretrain"):
        return {}
    # The tokenizer is built anew from the corpus: the shipped one is the same but for the seed.
    shipped = models.model_facts(params.model_copy(update={"model": params.model.model_copy(update={"name": "tiny"})}))
    vocabulary = (shipped["config"] or {})["vocab_size"]
    parameters = models.architecture_parameters(params.pretrain.architecture, vocabulary)
    return {"tokens": params.pretrain.tokens, "parameters": parameters}
