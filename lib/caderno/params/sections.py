"""One pydantic class per section of a parameter file: names, types, units, ranges, sources.

It knows nothing of files: `caderno.params.loading` reads YAML and reports errors by line. Combinations that are
legal but unwise are for guards to judge; what is refused here cannot be run at all.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from caderno.params.abstract_sections import AbstractParams
from caderno.params.checks import refuse, refuse_impossible
from caderno.params.reward_sections import RewardParams
from caderno.params.telling_sections import TrackingParams, WriteupParams
from caderno.params.training_sections import GrpoParams, PretrainParams, Section, SftParams, Share

STAGES = ("preflight", "pretrain", "calibration", "sft", "grpo", "validation", "abstract_cot")
StageName = Literal["preflight", "pretrain", "calibration", "sft", "grpo", "validation", "abstract_cot"]
TASK_NAMES = ("extraction", "sql_qa", "insights", "push")  # in play where a file names none: those of a shop
TaskName = Literal["extraction", "sql_qa", "insights", "push", "math", "arithmetic"]


class LoraParams(Section):
    """Low-rank adapters (LoRA, arXiv 2106.09685), by PEFT."""

    rank: PositiveInt = Field(description="rank r of the update; 16 to 32 is enough for RL (LoRA Without Regret, 2025)")
    alpha: PositiveFloat = Field(description="the update is multiplied by alpha / rank")
    dropout: Share = Field(0.0, description="dropout on the adapter's input, as a share")
    targets: str | tuple[str, ...] = Field(
        "all-linear", description="modules to adapt; PEFT's 'all-linear' leaves the head out"
    )
    rslora: bool = Field(False, description="scale by alpha / sqrt(rank) (rsLoRA, arXiv 2312.03732)")


class ModelParams(Section):
    """Which weights, in which precision, trained how."""

    name: str = Field(description="'tiny' (shipped), a path, or a hub id")
    revision: str | None = Field(None, description="hub revision (commit, tag); null takes the default branch")
    adapter: str | None = Field(None, description="path or hub id of a PEFT adapter to start from, merged on load")
    init: str | None = Field(None, description="path of exact weights to start from; null keeps the model's own")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="precision of the weights")
    attention: Literal["sdpa", "eager", "flash_attention_2", "flex_attention"] = Field(
        "sdpa", description="transformers' attention backend"
    )
    backend: Literal["hf", "unsloth"] = Field("hf", description="who loads and patches the model; unsloth needs a GPU")
    load_in_4bit: bool = Field(False, description="4-bit base weights (QLoRA); needs bitsandbytes and a GPU")
    gradient_checkpointing: bool = Field(False, description="recompute activations in the backward pass")
    max_length: PositiveInt = Field(512, description="context limit, tokens: prompt and completion together")
    lora: LoraParams | None = Field(None, description="null trains every weight")

    @model_validator(mode="after")
    def _kernels_exist(self) -> Self:
        """Unsloth's kernels and flash attention are written for 16-bit weights only."""
        for key, name in (("backend", self.backend), ("attention", self.attention)):
            if self.dtype == "float32" and name in ("unsloth", "flash_attention_2"):
                got = f"model.{key} {name} with model.dtype float32"
                refuse([key, "dtype"], got, "bfloat16 or float16", "Set model.dtype.")
        return self


class SplitShares(Section):
    """How groups of rows that declare no split are dealt to the splits, by their hash."""

    train: PositiveFloat = Field(0.6, description="share of the groups that are trained on")
    heldout: PositiveFloat = Field(0.2, description="share for evaluation during training and for calibration")
    test: PositiveFloat = Field(0.2, description="share for validation")

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        """A group stands in exactly one split."""
        if abs((total := self.train + self.heldout + self.test) - 1) > 1e-9:
            refuse(["train", "heldout", "test"], f"split shares that sum to {total:g}", "a sum of 1")
        return self


class DataParams(Section):
    """Where the rows come from and how many."""

    source: Literal["shop", "olist", "files", "jsonl"] = Field(
        "shop", description="generated shop, Olist CSV files, or files of rows; jsonl is an older name of files"
    )
    path: str | None = Field(
        None, description="directory of Olist files; a file of rows, a saved data set or owner/name:config:split"
    )
    profile: Literal["small", "full"] = Field("small", description="small: the tiny model's closed vocabulary")
    orders: PositiveInt = Field(2000, description="orders in each split's generated shop")
    train_rows: PositiveInt = Field(400, description="rows for training")
    sft_rows: PositiveInt | None = Field(None, description="the first rows SFT takes; null takes all train rows")
    heldout_rows: PositiveInt = Field(200, description="rows for evaluation during training and for calibration")
    test_rows: PositiveInt = Field(400, description="rows for validation; nothing is tuned on them")
    split_shares: SplitShares = Field(
        default_factory=SplitShares, description="shares of the splits, for rows of files that declare none"
    )
    proportions: dict[TaskName, NonNegativeFloat] = Field(
        default={"extraction": 659.0, "sql_qa": 655.0, "push": 222.0, "insights": 114.0},
        description="relative number of rows per task (default: the Tucano2 project's); equal where it names no task",
    )

    @model_validator(mode="after")
    def _source_and_path_agree(self) -> Self:
        """Files need a path, the generated shop has none; SFT's rows are some of the training rows."""
        if self.source == "shop" and self.path is not None:
            got = f"data.path {self.path!r} with data.source shop"
            refuse(["path", "source"], got, "no path, as the shop is generated", "Set data.source.")
        if self.source != "shop" and self.path is None:
            refuse(["source", "path"], f"data.source {self.source} without data.path", "a path", "Set data.path.")
        if self.sft_rows is not None and self.sft_rows > self.train_rows:
            got = f"data.sft_rows is {self.sft_rows}"
            refuse(["sft_rows", "train_rows"], got, f"at most data.train_rows ({self.train_rows})")
        return self


class TaskParams(Section):
    """What a task may spend and what it is worth."""

    think_budget_tokens: PositiveInt | None = Field(
        None, description="tokens of thought that cost nothing; null: the task's own"
    )
    weight: NonNegativeFloat = Field(1.0, description="weight of this task's reward in GRPO")
    system_prompt: Literal["task", "generic"] = Field("task", description="one system prompt per task, or one for all")


class ChatParams(Section):
    """How messages become text."""

    enable_thinking: bool | None = Field(
        None, description="thinking switch given to the chat template; null where the template has none"
    )
    hard_think_budget: Literal["task"] | PositiveInt | None = Field(
        None, description="tokens after which a thought is ended by force, or 'task': each task's budget; null: none"
    )
    hard_think_rollouts: bool = Field(
        False, description="the same in GRPO's rollouts and evaluations and in calibration's training sampling"
    )


class EngineParams(Section):
    """Who generates outside the trainer: calibration, validation, traces."""

    name: Literal["hf", "vllm"] = Field("hf", description="generation engine")
    batch_tokens: PositiveInt = Field(16384, description="prompt + completion tokens per generated batch (hf)")
    gpu_memory_share: Share = Field(0.85, description="share of the GPU vLLM may take")
    tensor_parallel: PositiveInt = Field(1, description="GPUs per vLLM engine; must divide the attention heads")


class SamplingParams(Section):
    """How tokens are drawn."""

    temperature: NonNegativeFloat = Field(1.0, description="divisor of the logits; 0 is greedy")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="nucleus, a share of probability; below 1 biases the ratio"
    )
    top_k: NonNegativeInt = Field(0, description="likeliest tokens to draw from; 0: all")
    max_new_tokens: PositiveInt = Field(96, description="ceiling on the completion, tokens")


class DeploymentSamplingParams(SamplingParams):
    """The same, greedy unless told otherwise."""

    temperature: NonNegativeFloat = Field(0.0, description="divisor of the logits; 0 is greedy")


class CalibrationParams(Section):
    """Score the start of training before paying for it."""

    rows: PositiveInt = Field(64, description="held-out prompts")
    samples: PositiveInt = Field(4, description="completions per prompt and temperature")
    training: SamplingParams = Field(default_factory=SamplingParams, description="sampling as GRPO will draw")
    deployment: DeploymentSamplingParams = Field(
        default_factory=DeploymentSamplingParams, description="sampling as users will see"
    )


class ValidationParams(Section):
    """The test split, at each temperature, every arm on the same prompts."""

    temperatures: tuple[NonNegativeFloat, ...] = Field(
        (0.0, 1.0), description="of the test completions; 0 is greedy", min_length=1
    )
    max_new_tokens: PositiveInt = Field(96, description="ceiling on the completion, tokens")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="coverage of the intervals")
    smallest_effect: PositiveFloat = Field(
        0.05, lt=1, description="difference in mean reward that the run claims to see"
    )


class GuardParams(Section):
    """Which verdicts stop a run, and what a guard does that fires while one is going."""

    stop_on: tuple[Literal["fail", "warn", "unknown"], ...] = Field(("fail",), description="verdicts that stop")
    actions: dict[str, Literal["warn", "checkpoint", "stop"]] = Field(
        default_factory=dict, description="by guard: warn (only tell), checkpoint (and go on), stop"
    )

    def action(self, guard: str, verdict: str) -> str:
        """What a verdict leads to: the guard's own action once it fires, else stop where stop_on names the verdict."""
        return self.actions.get(guard, "stop" if verdict in self.stop_on else "warn")


class Params(Section):
    """A whole parameter file, resolved."""

    name: str = Field(description="run name: the directory under runs/", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = Field("", description="what this run is for, in a sentence")
    hardware: str = Field("CPU", description="what machine it wants")
    stages: tuple[StageName, ...] = Field(
        ("preflight", "calibration", "sft", "grpo", "validation"), description="stages, in order", min_length=1
    )
    seed: NonNegativeInt = Field(0, description="everything random derives from it")
    processes: PositiveInt = Field(1, description="training processes")
    model: ModelParams
    data: DataParams = Field(default_factory=DataParams)
    tasks: dict[TaskName, TaskParams] = Field(
        default_factory=lambda: {name: TaskParams() for name in TASK_NAMES},
        description="tasks in play",
        min_length=1,
    )
    chat: ChatParams = Field(default_factory=ChatParams)
    engine: EngineParams = Field(default_factory=EngineParams)
    rewards: RewardParams = Field(default_factory=RewardParams)
    pretrain: PretrainParams = Field(default_factory=PretrainParams)
    calibration: CalibrationParams = Field(default_factory=CalibrationParams)
    sft: SftParams = Field(default_factory=SftParams)
    grpo: GrpoParams = Field(default_factory=GrpoParams)
    validation: ValidationParams = Field(default_factory=ValidationParams)
    abstract: AbstractParams = Field(default_factory=AbstractParams)
    tracking: TrackingParams = Field(default_factory=TrackingParams)
    guards: GuardParams = Field(default_factory=GuardParams)
    writeup: WriteupParams = Field(default_factory=WriteupParams)

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        """What no section can see alone."""
        refuse_impossible(self)
        return self
