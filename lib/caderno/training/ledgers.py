"""What a training was asked for and what the libraries really hold, read from the live trainer after its last step.

What is asked comes from the parameters; what is held from the objects that did the work: optimizer, scheduler,
sampler's configuration, modules. Whether a difference matters is for the guard `ledger-match`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from caderno import trl_arguments
from caderno.training import ledger_models, ledger_steps, references

if TYPE_CHECKING:
    from transformers import Trainer
    from trl import GRPOTrainer, SFTTrainer

    from caderno.params import Params

Row = dict[str, Any]
# TRL's default computes the same mean of token losses, a slice of the vocabulary at a time.
SAME_LOSS = {"chunked_nll": "nll"}
# What each library means by "draw from everything".
NEUTRAL: dict[str, tuple[Any, tuple]] = {
    "top_p": (1.0, (None,)), "top_k": (0, (None, -1)), "min_p": (0.0, (None,)), "repetition_penalty": (1.0, (None,)),
}  # fmt: skip


def row(what: str, requested: Any, effective: Any) -> Row:
    """A line of ledger.json, before `same` is added."""
    return {"what": what, "requested": requested, "effective": effective}


def arguments(trainer: Trainer, requested: Mapping[str, Any]) -> list[Row]:
    """What was asked of the training arguments and what they hold, one row a value."""
    return [row(name, asked, plain(getattr(trainer.args, name))) for name, asked in requested.items()]


def plain(value: Any) -> Any:
    """Enumerations as their text, the rest unchanged, so that a ledger compares like with like."""
    return value.value if isinstance(value, Enum) else value


def sft(trainer: SFTTrainer, params: Params, common: Mapping[str, Any]) -> list[Row]:
    """Every row of an SFT. `common` are the arguments that every stage shares, on this machine."""
    spec, given = params.sft, {**common, **trl_arguments.sft(params)}
    shared = _shared(trainer, params, given, spec, rows_per_step=spec.batch_size)
    return _last_of_each([*shared, *_read("SFT", lambda: _sft_own(trainer, params))])


def _sft_own(trainer: SFTTrainer, params: Params) -> list[Row]:
    spec = params.sft
    return [
        *arguments(trainer, {"num_train_epochs": spec.epochs} if spec.max_steps is None else {}),
        row("weight_decay", spec.weight_decay, ledger_steps.decay(trainer)),
        row("loss_type", "nll", SAME_LOSS.get(trainer.args.loss_type, trainer.args.loss_type)),
        row("completion_only_loss", True, trainer.completion_only_loss),
        row("packing", False, trainer.args.packing), row("padding_free", False, trainer.padding_free),
        row("rows are cut at, tokens", "never", _never(trainer.args.max_length)),
    ]  # fmt: skip


def grpo(trainer: GRPOTrainer, params: Params, common: Mapping[str, Any]) -> list[Row]:
    """Every row of a GRPO, its sampler's included. `common` as in `sft`."""
    spec, given = params.grpo, {**common, **trl_arguments.grpo(params)}
    del given["reward_weights"]  # made with the reward functions, which change them while they train
    shared = _shared(trainer, params, given, spec, rows_per_step=spec.prompts_per_step * spec.group_size)
    own = _read("GRPO", lambda: _grpo_own(trainer, params))
    return _last_of_each([*shared, *own, *_read("sampler", lambda: sampling(trainer, params))])


def _grpo_own(trainer: GRPOTrainer, params: Params) -> list[Row]:
    spec = params.grpo
    return [
        row("num_generations", spec.group_size, trainer.num_generations),
        row("steps_per_generation", spec.gradient_accumulation_steps, trainer.args.steps_per_generation),
        row("num_iterations", spec.updates_per_rollout, trainer.num_iterations),
        *references.rows(trainer, spec.kl_coef, adapters=params.model.lora is not None),
        row("loss_type", spec.loss_type, trainer.loss_type),
        row("scale_rewards", spec.scale_rewards, trainer.scale_rewards),
        row("epsilon", spec.epsilon, trainer.epsilon_low),
        row("epsilon_high", spec.epsilon_high or spec.epsilon, trainer.epsilon_high),
        row("mask_truncated_completions", spec.mask_truncated_completions, trainer.mask_truncated_completions),
    ]


def sampling(trainer: GRPOTrainer, params: Params) -> list[Row]:
    """How rollouts are drawn: by the engine, and the temperature that the trainer divides logits by."""
    spec, engine = params.grpo, getattr(trainer, "vllm_generation", None)
    found = _transformers_sampling(trainer) if engine is None else _vllm_sampling(engine)
    asked = {"temperature": spec.temperature, "top_p": spec.top_p, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
    rows = [row("engine", "vllm" if spec.use_vllm else "transformers", "transformers" if engine is None else "vllm")]
    rows += [row(name, value, _neutral(name, found[name])) for name, value in asked.items()]
    rows.append(row("max_completion_length", spec.max_completion_length, found["max_completion_length"]))
    return [*rows, row("temperature of the log-probabilities", spec.temperature, trainer.temperature)]


def _transformers_sampling(trainer: GRPOTrainer) -> dict[str, Any]:
    """The values that `generate` would use: what a configuration leaves open, the model's own fills in."""
    model = ledger_models.inner(trainer.accelerator.unwrap_model(trainer.model))
    config, _ = model._prepare_generation_config(trainer.generation_config)
    found = {name: getattr(config, name, None) for name in ("temperature", *NEUTRAL)}
    greedy = {"temperature": 0.0} if not config.do_sample else {}
    return found | greedy | {"max_completion_length": config.max_new_tokens}


def _vllm_sampling(engine: Any) -> dict[str, Any]:
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_completion_length")
    found = {name: getattr(engine, name, None) for name in names}
    return found | (getattr(engine, "generation_kwargs", None) or {})


def _neutral(name: str, value: Any) -> Any:
    neutral, words = NEUTRAL.get(name, (value, ()))
    return neutral if value in words else value


def _shared(trainer: Trainer, params: Params, given: Mapping[str, Any], spec: Any, *, rows_per_step: int) -> list[Row]:
    return [
        *_read("model", lambda: ledger_models.rows(trainer, params)),
        *_read("optimizer", lambda: ledger_steps.rows(trainer, spec)),
        *_read("batch", lambda: _batch(trainer, given, rows_per_step)),
        *_read("trainer", lambda: _around(trainer, params, given)),
        *changed_arguments(trainer.args, given),
    ]


def _around(trainer: Trainer, params: Params, given: Mapping[str, Any]) -> list[Row]:
    steps = [row("steps", given["max_steps"], trainer.state.max_steps)] if given["max_steps"] > 0 else []
    return [
        *steps,
        row("processes", params.processes, trainer.accelerator.num_processes),
        row("seed", params.seed, trainer.args.seed),
        row("report_to", sorted(given["report_to"]), _reporters(trainer)),
    ]


def _read(part: str, make: Callable[[], list[Row]]) -> list[Row]:
    """The rows of one part; where a patched trainer lacks what they are read from, a row that says so.

    A training that has ended must not be lost to its bookkeeping; the guard answers *unknown* for such a row.
    """
    try:
        return make()
    except (AttributeError, KeyError, TypeError) as error:
        return [row(f"ledger of the {part}", "read", None) | {"why": f"{type(error).__name__}: {error}"}]


def _batch(trainer: Trainer, given: Mapping[str, Any], rows_per_step: int) -> list[Row]:
    """Rows per device, accumulation, and their product over the processes that there are."""
    each, accumulation = trainer._train_batch_size, trainer.args.gradient_accumulation_steps
    return [
        row("per_device_train_batch_size", given["per_device_train_batch_size"], each),
        row("gradient_accumulation_steps", given["gradient_accumulation_steps"], accumulation),
        row("rows per optimizer step", rows_per_step, each * accumulation * trainer.accelerator.num_processes),
    ]


def _reporters(trainer: Trainer) -> list[str]:
    """Trackers whose callbacks are really there."""
    kinds = [type(one) for one in trainer.callback_handler.callbacks]
    found = {kind.__name__ for kind in kinds if kind.__module__.startswith("transformers.integrations")}
    return sorted(name.removesuffix("Callback").lower() for name in found)


def changed_arguments(held: Any, given: Mapping[str, Any]) -> list[Row]:
    """Arguments that the configuration does not hold, or holds with another value than it was given.

    `warmup_steps` below 1 is a share, `report_to` and `run_name` are checked where they take effect.
    """
    absent = [name for name in given if not hasattr(held, name)]
    asked = {name: plain(value) for name, value in given.items() if name not in absent and name != "report_to"}
    other = {name: plain(getattr(held, name)) for name, value in asked.items() if plain(getattr(held, name)) != value}
    rows = [row("arguments that were ignored", [], absent)]
    return rows + [row(f"argument {name}", asked[name], value) for name, value in other.items()]


def _never(value: Any) -> Any:
    return "never" if value is None else value


def _last_of_each(rows: list[Row]) -> list[Row]:
    return list({one["what"]: one for one in rows}.values())
