"""Group relative policy optimisation on the tasks' scores, by TRL's GRPOTrainer.

Rewards come per task (`caderno.rewards`), prompts rendered once by `caderno.chat`. It adds to TRL the evaluation's own
temperature, and refuses what TRL cannot do as asked.
"""

from __future__ import annotations

import math
from statistics import fmean, variance
from typing import TYPE_CHECKING

from caderno import chat, rewards
from caderno.errors import BadInput
from caderno.runs import whole_lines
from caderno.training import callbacks

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOTrainer

    from caderno.models import Policy
    from caderno.runs import Stage


def dataset(rows: list[dict], policy: Policy, stage: Stage) -> Dataset:
    """Columns `prompt` (rendered text) and `row_id`. A prompt that leaves no room for a completion is an error."""
    from datasets import Dataset

    room = stage.params.model.max_length - stage.params.grpo.max_completion_length
    found = []
    for row in rows:
        text = chat.render(policy.tokenizer, row["prompt"], enable_thinking=stage.params.chat.enable_thinking)
        if (tokens := len(chat.encode(policy.tokenizer, text))) > room:
            raise BadInput(
                f"prompt of row {row['id']} has {tokens} tokens", expected=f"at most {room}",
                where="model.max_length less grpo.max_completion_length",
                mend="Raise model.max_length, or leave such rows out of the data.",
            )  # fmt: skip
        found.append({"prompt": chat.for_trainer(policy.tokenizer, text), "row_id": row["id"]})
    return Dataset.from_list(found)


def trainer(policy: Policy, train_rows: list[dict], heldout_rows: list[dict], stage: Stage) -> GRPOTrainer:
    """TRL's trainer with this stage's parameters, rewards and evaluation."""
    spec = stage.params.grpo
    if spec.zero_advantage_noise:
        raise BadInput(
            f"zero_advantage_noise = {spec.zero_advantage_noise}", expected="0", where="grpo.zero_advantage_noise",
            mend="Group scaling would make of this noise a full-strength random gradient; drop such prompts.",
        )  # fmt: skip
    tokenizer = policy.tokenizer

    def count_tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    functions, weights = rewards.functions(
        stage.params, train_rows + heldout_rows, count_tokens, training=lambda: policy.model.training
    )
    found = _trainer_class()(
        model=policy.model,
        reward_funcs=functions,
        args=_config(stage, weights),
        train_dataset=dataset(train_rows, policy, stage),
        eval_dataset=dataset(heldout_rows[: spec.eval_rows], policy, stage) if spec.eval_steps else None,
        processing_class=tokenizer,
    )
    found.eval_temperature = spec.eval_temperature
    found.eval_max_tokens = spec.eval_max_tokens or spec.max_completion_length
    if spec.early_stop:
        from transformers import EarlyStoppingCallback

        delta = early_stop_delta(stage)
        found.add_callback(EarlyStoppingCallback(spec.early_stop.patience, delta))
        stage.ledger([{"what": "early_stop.delta", "requested": spec.early_stop.delta, "effective": delta}])
    return found


def _config(stage: Stage, weights: list[float]):
    """GRPOConfig; generation settings are all given, so that none leaks in from the model's generation_config."""
    from trl import GRPOConfig

    spec = stage.params.grpo
    evaluates = {
        "eval_strategy": "steps", "eval_steps": spec.eval_steps, "eval_on_start": True, "num_generations_eval": 1,
        "per_device_eval_batch_size": min(spec.eval_rows, spec.prompts_per_step * spec.group_size),
    } if spec.eval_steps else {}  # fmt: skip
    selects = {
        "load_best_model_at_end": True, "metric_for_best_model": "eval_reward", "save_steps": spec.eval_steps,
    } if spec.early_stop and spec.eval_steps else {"save_steps": spec.save_steps}  # fmt: skip
    return GRPOConfig(
        **callbacks.common_arguments(stage), **evaluates, **selects, **batch(stage),
        max_steps=spec.max_steps, learning_rate=spec.learning_rate, lr_scheduler_type=spec.schedule,
        warmup_steps=spec.warmup_share, beta=spec.kl_coef, num_iterations=spec.updates_per_rollout,
        temperature=spec.temperature, top_p=spec.top_p, max_completion_length=spec.max_completion_length,
        loss_type=spec.loss_type, scale_rewards=spec.scale_rewards,
        epsilon=spec.epsilon, epsilon_high=spec.epsilon_high,
        mask_truncated_completions=spec.mask_truncated_completions, reward_weights=weights,
        save_total_limit=spec.save_total_limit, logging_steps=spec.logging_steps,
        use_vllm=spec.use_vllm, vllm_mode="colocate", vllm_gpu_memory_utilization=spec.vllm_gpu_memory_share,
    )  # fmt: skip


def batch(stage: Stage) -> dict[str, int]:
    """TRL's batch arguments: completions per device and micro-batch, group size, accumulation."""
    spec = stage.params.grpo
    parts = spec.gradient_accumulation_steps * stage.params.processes
    return {
        "per_device_train_batch_size": spec.prompts_per_step * spec.group_size // parts,
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "num_generations": spec.group_size,
    }


def early_stop_delta(stage: Stage) -> float:
    """The smallest improvement that counts: as given, or one standard error of the difference of two evaluations.

    Evaluations draw once for the same prompts, so their noise is what varies within a prompt: sqrt(2 v / n), v the mean
    variance of a prompt's scores among the calibration's training samples, n the evaluation's prompts.
    """
    spec = stage.params.grpo
    if spec.early_stop.delta != "standard_error":
        return spec.early_stop.delta
    if "calibration" not in stage.params.stages or stage.params.calibration.samples < 2:
        raise BadInput(
            "early_stop.delta is 'standard_error' and no calibration measures it", where="grpo.early_stop.delta",
            expected="a calibration stage with at least two samples a prompt",
            mend="Add calibration to stages and raise calibration.samples, or give a number.",
        )  # fmt: skip
    by_prompt: dict[str, list[float]] = {}
    for sample in whole_lines(stage.parent("calibration") / "samples.jsonl"):
        if sample["temperature"] == stage.params.calibration.training.temperature:
            by_prompt.setdefault(sample["id"], []).append(sample["score"])
    within = fmean(variance(scores) for scores in by_prompt.values())
    return math.sqrt(2 * within / spec.eval_rows)


def _trainer_class() -> type[GRPOTrainer]:
    """GRPOTrainer that evaluates at its own temperature and ceiling; TRL's evaluates at the training ones."""
    from trl import GRPOTrainer

    class CadernoGRPOTrainer(GRPOTrainer):
        eval_temperature: float
        eval_max_tokens: int

        def evaluate(self, *args, **kwargs):
            if self.use_vllm:
                return self._evaluate_vllm(*args, **kwargs)
            config = self.generation_config
            kept = config.temperature, config.do_sample, config.max_new_tokens
            config.do_sample = self.eval_temperature > 0
            config.temperature = self.eval_temperature or 1.0
            config.max_new_tokens = self.eval_max_tokens
            try:
                return super().evaluate(*args, **kwargs)
            finally:
                config.temperature, config.do_sample, config.max_new_tokens = kept

        def _evaluate_vllm(self, *args, **kwargs):
            engine = self.vllm_generation
            kept = engine.temperature, engine.max_completion_length
            engine.temperature, engine.max_completion_length = self.eval_temperature, self.eval_max_tokens
            try:
                return super().evaluate(*args, **kwargs)
            finally:
                engine.temperature, engine.max_completion_length = kept

    return CadernoGRPOTrainer


def train(grpo: GRPOTrainer, stage: Stage) -> dict:
    """Run the trainer and write the ledger; returns the stage's headline numbers."""
    spec = stage.params.grpo
    seconds = callbacks.run(grpo, stage)
    requested = batch(stage) | {
        "learning_rate": spec.learning_rate, "lr_scheduler_type": spec.schedule, "beta": spec.kl_coef,
        "temperature": spec.temperature, "top_p": spec.top_p, "max_completion_length": spec.max_completion_length,
        "loss_type": spec.loss_type, "scale_rewards": spec.scale_rewards, "num_iterations": spec.updates_per_rollout,
        "seed": stage.params.seed,
    }  # fmt: skip
    stage.ledger(callbacks.ledger(grpo, requested))
    logged = [line for line in grpo.state.log_history if "reward" in line]
    prompts = grpo.state.global_step * spec.prompts_per_step
    return {
        "steps": grpo.state.global_step,
        "prompts": prompts,
        "coverage": prompts / len(grpo.train_dataset),
        "reward": _ends(logged, "reward"),
        "entropy": _ends(logged, "entropy"),
        "completion_tokens": _ends(logged, "completions/mean_length"),
        "seconds": seconds,
    }


def _ends(logged: list[dict], key: str, n: int = 10) -> dict[str, float | None]:
    """Means of the first and of the last n logged values; None where the trainer logged none."""
    values = [line[key] for line in logged if key in line]
    if not values:
        return {"first": None, "last": None}
    return {"first": sum(values[:n]) / len(values[:n]), "last": sum(values[-n:]) / len(values[-n:])}
