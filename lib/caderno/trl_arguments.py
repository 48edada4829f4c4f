"""What parameters become in TRL's SFTConfig and GRPOConfig: plain keyword arguments, the same for trainer and guards.

Pure functions of `Params` without a heavy import, so that a preflight instantiates the very arguments a training will
use. Whether a GPU is there, where checkpoints go and who watches is for callers to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caderno.params import Params


def common(params: Params, *, gpu: bool, output_dir: str, watched: bool = False) -> dict[str, Any]:
    """TrainingArguments every stage shares. A NaN stays visible (the Trainer's filter would hide it)."""
    return {
        "output_dir": output_dir,
        "use_cpu": not gpu,
        "bf16": gpu and params.model.dtype == "bfloat16",
        "fp16": gpu and params.model.dtype == "float16",
        "seed": params.seed,
        "data_seed": params.seed,
        "report_to": ["wandb"] if params.tracking.mode != "disabled" else [],
        "run_name": params.name,
        "logging_nan_inf_filter": False,
        "disable_tqdm": not watched,
        "gradient_checkpointing": params.model.gradient_checkpointing,
        "restore_callback_states_from_checkpoint": True,
        "dataloader_pin_memory": gpu,
    }


def sft(params: Params) -> dict[str, Any]:
    """SFTConfig's own arguments. Rows that are too long were left out before: nothing may be cut here."""
    spec = params.sft
    return {
        "max_length": None,
        "completion_only_loss": True,
        "per_device_train_batch_size": spec.batch_size // (spec.gradient_accumulation_steps * params.processes),
        "per_device_eval_batch_size": spec.batch_size,
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "num_train_epochs": spec.epochs,
        "max_steps": spec.max_steps or -1,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": spec.schedule,
        "warmup_steps": spec.warmup_share,
        "weight_decay": spec.weight_decay,
        "logging_steps": spec.logging_steps,
        "eval_strategy": "steps",
        "eval_steps": spec.eval_steps,
        "eval_on_start": True,
        "save_steps": spec.save_steps,
        "save_total_limit": spec.save_total_limit,
    }


def grpo(params: Params, reward_weights: Sequence[float] | None = None) -> dict[str, Any]:
    """GRPOConfig's own arguments; generation settings are all given, so that none leaks in from generation_config."""
    spec = params.grpo
    return _grpo_evaluation(params) | _grpo_selection(params) | grpo_batch(params) | {
        "max_steps": spec.max_steps, "learning_rate": spec.learning_rate, "lr_scheduler_type": spec.schedule,
        "warmup_steps": spec.warmup_share, "beta": spec.kl_coef, "num_iterations": spec.updates_per_rollout,
        "temperature": spec.temperature, "top_p": spec.top_p, "max_completion_length": spec.max_completion_length,
        "loss_type": spec.loss_type, "scale_rewards": spec.scale_rewards,
        "epsilon": spec.epsilon, "epsilon_high": spec.epsilon_high,
        "mask_truncated_completions": spec.mask_truncated_completions,
        "reward_weights": list(reward_weights) if reward_weights is not None else None,
        "save_total_limit": spec.save_total_limit, "logging_steps": spec.logging_steps,
        "use_vllm": spec.use_vllm, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": spec.vllm_gpu_memory_share,
    }  # fmt: skip


def grpo_batch(params: Params) -> dict[str, int]:
    """TRL's batch arguments: completions per device and micro-batch, group size, accumulation."""
    spec = params.grpo
    parts = spec.gradient_accumulation_steps * params.processes
    return {
        "per_device_train_batch_size": spec.prompts_per_step * spec.group_size // parts,
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "num_generations": spec.group_size,
    }


def _grpo_evaluation(params: Params) -> dict[str, Any]:
    """One completion per held-out prompt; nothing where `grpo.eval_steps` is null."""
    spec = params.grpo
    if not spec.eval_steps:
        return {}
    return {
        "eval_strategy": "steps", "eval_steps": spec.eval_steps, "eval_on_start": True, "num_generations_eval": 1,
        "per_device_eval_batch_size": min(spec.eval_rows, spec.prompts_per_step * spec.group_size),
    }  # fmt: skip


def _grpo_selection(params: Params) -> dict[str, Any]:
    """Early stopping keeps the best evaluation's checkpoint, so that each evaluation needs one."""
    spec = params.grpo
    if not (spec.early_stop and spec.eval_steps):
        return {"save_steps": spec.save_steps}
    return {
        "load_best_model_at_end": True, "metric_for_best_model": "eval_reward", "save_steps": spec.eval_steps,
    }  # fmt: skip


def all_stages(params: Params, *, gpu: bool, output_dir: str = "unused") -> dict[str, dict[str, Any]]:
    """{"sft": ..., "grpo": ...}: the whole arguments of the stages that the parameters name."""
    shared = common(params, gpu=gpu, output_dir=output_dir)
    own = {"sft": sft, "grpo": grpo}
    return {stage: shared | make(params) for stage, make in own.items() if stage in params.stages}
