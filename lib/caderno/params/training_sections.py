"""The parameter sections of the training stages: pretrain, sft, grpo.

Numbers and their sources only; what a value becomes in TRL's own configuration is decided in `caderno.training`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from caderno.params.checks import refuse

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A frozen mapping that refuses keys it does not know and values of another type: `true` is not 1, "8" not 8."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _as_yaml_writes(cls, value: Any) -> Any:
        """YAML has lists where we have tuples, and 2e6 is how people write a whole number of tokens."""
        if isinstance(value, list):
            return tuple(value)
        return int(value) if isinstance(value, float) and value.is_integer() else value


class ArchitectureParams(Section):
    """A Qwen3 decoder built from nothing."""

    hidden_size: PositiveInt = Field(128, description="width of the residual stream")
    layers: PositiveInt = Field(3, description="decoder layers")
    heads: PositiveInt = Field(4, description="query heads")
    kv_heads: PositiveInt = Field(2, description="key-value heads; divides heads")
    head_dim: PositiveInt = Field(32, description="width of a head; vLLM knows 32, 64, 80, 96, 112, 128 ...")
    intermediate_size: PositiveInt = Field(256, description="width of the gated MLP")
    rope_theta: PositiveFloat = Field(10000.0, description="RoPE base")
    max_position: PositiveInt = Field(1024, description="longest context, tokens")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        """Grouped-query attention gives each key-value head the same number of queries; RoPE turns pairs."""
        if self.heads % self.kv_heads:
            refuse(["kv_heads", "heads"], f"kv_heads is {self.kv_heads}", f"a divisor of heads ({self.heads})")
        if self.head_dim % 2:
            refuse(["head_dim"], f"head_dim is {self.head_dim}", "an even number, since RoPE turns pairs")
        return self


class PretrainParams(Section):
    """A base model from scratch on the generated corpus."""

    architecture: ArchitectureParams = Field(default_factory=ArchitectureParams)
    tokens: PositiveInt = Field(200_000, description="training tokens, padding excluded")
    batch_rows: PositiveInt = Field(32, description="documents per step, bucketed by length")
    muon_learning_rate: PositiveFloat = Field(0.02, description="Muon's peak rate, for the matrices")
    adamw_learning_rate: PositiveFloat = Field(6e-3, description="AdamW's peak rate, for embeddings and norms")
    decay_start: Share = Field(0.4, description="share of training after which the rate decays")
    final_share: Share = Field(0.02, description="final rate as a share of the peak")
    grad_clip: PositiveFloat = Field(1.0, description="largest gradient norm, L2")
    drill_share: Share = Field(0.25, description="share of batches that are recall drills")
    drill_share_start: Share = Field(0.70, description="the same during the first 15 % of training")
    eval_documents: PositiveInt = Field(256, description="held-out documents for the validation loss")
    eval_steps: PositiveInt = Field(500, description="steps between validation losses")
    save_steps: PositiveInt = Field(1000, description="steps between checkpoints")
    threads: NonNegativeInt = Field(0, description="CPU threads; 0 leaves torch's own choice")


class SftParams(Section):
    """Supervised fine-tuning on the tasks' reference completions, by TRL's SFTTrainer."""

    epochs: PositiveFloat = Field(2.0, description="passes over the SFT rows")
    max_steps: PositiveInt | None = Field(None, description="optimizer steps; overrides epochs")
    learning_rate: PositiveFloat = Field(3e-4, description="peak rate")
    schedule: Literal["linear", "cosine", "constant"] = Field("cosine", description="shape of the rate")
    warmup_share: Share = Field(0.05, description="share of steps spent warming up")
    batch_size: PositiveInt = Field(16, description="rows per optimizer step, over all processes")
    gradient_accumulation_steps: PositiveInt = Field(1, description="micro-batches per optimizer step")
    weight_decay: NonNegativeFloat = Field(0.0, description="AdamW's decoupled decay")
    max_length: PositiveInt | None = Field(None, description="longest row, tokens; longer ones are left out and named")
    eval_steps: PositiveInt = Field(20, description="optimizer steps between held-out losses")
    save_steps: PositiveInt = Field(20, description="optimizer steps between checkpoints")
    save_total_limit: PositiveInt = Field(2, description="checkpoints kept")
    logging_steps: PositiveInt = Field(1, description="optimizer steps between logged lines")


class EarlyStopParams(Section):
    """When evaluations stay below the best one by more than their noise, stop."""

    patience: PositiveInt = Field(10, description="evaluations in a row more than delta below the best")
    delta: NonNegativeFloat | Literal["standard_error"] = Field(
        "standard_error",
        description="decline that counts, in reward; standard_error: what noise makes in 5 % of flat runs",
    )


class GrpoParams(Section):
    """Group relative policy optimisation (arXiv 2402.03300), by TRL's GRPOTrainer."""

    max_steps: PositiveInt = Field(60, description="optimizer steps")
    prompts_per_step: PositiveInt = Field(8, description="distinct prompts per optimizer step, over all processes")
    group_size: Annotated[int, Field(ge=2)] = Field(8, description="completions per prompt (num_generations)")
    gradient_accumulation_steps: PositiveInt = Field(1, description="micro-batches per optimizer step")
    updates_per_rollout: PositiveInt = Field(1, description="optimizer passes over one rollout (num_iterations)")
    train_prompts: PositiveInt | None = Field(None, description="prompts drawn on; null takes all train rows")
    learning_rate: PositiveFloat = Field(1e-6, description="peak rate")
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(
        "constant", description="shape of the rate"
    )
    warmup_share: Share = Field(0.0, description="share of steps spent warming up")
    kl_coef: NonNegativeFloat = Field(0.0, description="beta: weight of the KL to the start; 0 keeps no reference")
    temperature: PositiveFloat = Field(1.0, description="sampling temperature of the rollouts")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="nucleus; below 1 biases the ratio (trl#6789)")
    max_completion_length: PositiveInt = Field(96, description="ceiling on a completion, tokens")
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = Field(
        "dapo", description="averaging of token losses (DAPO: arXiv 2503.14476)"
    )
    scale_rewards: Literal["group", "batch", "none"] = Field(
        "group", description="what divides advantages (none: Dr. GRPO, arXiv 2503.20783)"
    )
    epsilon: PositiveFloat = Field(0.2, description="clipping range of the ratio, below (PPO, arXiv 1707.06347 eq. 7)")
    epsilon_high: PositiveFloat | None = Field(None, description="the same above; null: as below (0.28 in DAPO)")
    mask_truncated_completions: bool = Field(False, description="leave completions at the ceiling out of the loss")
    zero_advantage_noise: NonNegativeFloat = Field(
        0.0, description="sigma added to equal rewards; full-strength noise under group scaling: guards refuse it"
    )
    entropy_monitor: bool = Field(True, description="watch the policy's entropy while training")
    use_vllm: bool = Field(False, description="colocated vLLM for the rollouts; needs a GPU")
    vllm_gpu_memory_share: Share = Field(0.3, description="share of the GPU for colocated vLLM")
    eval_steps: PositiveInt | None = Field(None, description="optimizer steps between evaluations; null: none")
    eval_rows: PositiveInt = Field(64, description="held-out prompts per evaluation")
    eval_temperature: NonNegativeFloat = Field(1.0, description="temperature of the evaluation's completions")
    eval_max_tokens: PositiveInt | None = Field(None, description="ceiling in evaluation; null: as in training")
    early_stop: EarlyStopParams | None = Field(None, description="null runs to max_steps")
    save_steps: PositiveInt = Field(20, description="optimizer steps between checkpoints")
    save_total_limit: PositiveInt = Field(2, description="checkpoints kept")
    logging_steps: PositiveInt = Field(1, description="optimizer steps between logged lines")

    @model_validator(mode="after")
    def _early_stop_can_see(self) -> Self:
        """Early stopping reads evaluations and keeps the best checkpoint: both must exist at the same steps."""
        if self.early_stop is None:
            return self
        if self.eval_steps is None:
            got = "grpo.early_stop without grpo.eval_steps"
            refuse(["early_stop", "eval_steps"], got, "evaluations to judge by", "Set grpo.eval_steps.")
        if self.save_steps % self.eval_steps:
            refuse(
                ["save_steps", "eval_steps"],
                f"grpo.save_steps is {self.save_steps} with grpo.eval_steps {self.eval_steps}",
                "a multiple of eval_steps, or the best evaluation has no checkpoint (transformers refuses to train)",
            )
        return self
