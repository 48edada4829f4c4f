"""One pydantic class per section of a parameter file: names, types, units, ranges, sources.

It knows nothing of files: `caderno.params.loading` reads YAML and reports errors by line. Combinations that are
legal but unwise are for guards to judge; what is refused here cannot be run at all.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from caderno.params.training_sections import GrpoParams, PretrainParams, Section, SftParams, Share

STAGES = ("preflight", "pretrain", "calibration", "sft", "grpo", "validation", "abstract_cot")
StageName = Literal["preflight", "pretrain", "calibration", "sft", "grpo", "validation", "abstract_cot"]
TaskName = Literal["extraction", "sql_qa", "insights", "push"]


class LoraParams(Section):
    """Low-rank adapters (LoRA, arXiv 2106.09685), by PEFT."""

    rank: PositiveInt = Field(description="rank r of the update; RL needs little (systems: 16-32)")
    alpha: PositiveFloat = Field(description="scale numerator: the update is multiplied by alpha / rank")
    dropout: Share = Field(0.0, description="dropout on the adapter's input, as a share")
    targets: str | tuple[str, ...] = Field(
        "all-linear", description="modules to adapt; PEFT's 'all-linear' leaves the head out"
    )
    rslora: bool = Field(False, description="scale by alpha / sqrt(rank) (rsLoRA, arXiv 2312.03732)")


class ModelParams(Section):
    """Which weights, in which precision, trained how."""

    name: str = Field(description="'tiny' (shipped), a path, or a hub id")
    revision: str | None = Field(None, description="hub revision (commit, tag); None takes the default branch")
    adapter: str | None = Field(None, description="path or hub id of a PEFT adapter to start from, merged on load")
    init: str | None = Field(None, description="path of exact weights to start from; None keeps the model's own")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="precision of the weights")
    attention: Literal["sdpa", "eager", "flash_attention_2", "flex_attention"] = Field(
        "sdpa", description="transformers' attention backend"
    )
    backend: Literal["hf", "unsloth"] = Field("hf", description="who loads and patches the model; unsloth needs a GPU")
    load_in_4bit: bool = Field(False, description="4-bit base weights (QLoRA); needs bitsandbytes and a GPU")
    gradient_checkpointing: bool = Field(False, description="recompute activations in the backward pass")
    max_length: PositiveInt = Field(512, description="context limit, tokens: prompt and completion together")
    lora: LoraParams | None = Field(None, description="None trains every weight")


class DataParams(Section):
    """Where the rows come from and how many."""

    source: Literal["shop", "olist", "jsonl"] = Field("shop", description="generated shop, Olist CSV files, or JSONL")
    path: str | None = Field(None, description="directory of Olist files or JSONL file; None for the generated shop")
    profile: Literal["small", "full"] = Field("small", description="small: the tiny model's closed vocabulary")
    orders: PositiveInt = Field(2000, description="orders in each split's generated shop")
    train_rows: PositiveInt = Field(400, description="rows for training")
    sft_rows: PositiveInt | None = Field(None, description="the first rows SFT takes; None takes all train rows")
    heldout_rows: PositiveInt = Field(200, description="rows for evaluation during training and for calibration")
    test_rows: PositiveInt = Field(400, description="rows for validation; nothing is tuned on them")
    proportions: dict[TaskName, NonNegativeFloat] = Field(
        default={"extraction": 659, "sql_qa": 655, "push": 222, "insights": 114},
        description="relative number of rows per task (default: the Tucano2 project's)",
    )


class TaskParams(Section):
    """What a task may spend and what it is worth."""

    think_budget_tokens: PositiveInt | None = Field(
        None, description="tokens of thought that cost nothing; None: the task's own"
    )
    weight: NonNegativeFloat = Field(1.0, description="weight of this task's reward in GRPO")
    system_prompt: Literal["task", "generic"] = Field("task", description="one system prompt per task, or one for all")


class ChatParams(Section):
    """How messages become text."""

    enable_thinking: bool | None = Field(
        None, description="thinking switch given to the chat template; None where the template has none"
    )


class EngineParams(Section):
    """Who generates outside the trainer: calibration, validation, traces."""

    name: Literal["hf", "vllm"] = Field("hf", description="generation engine")
    batch_tokens: PositiveInt = Field(16384, description="prompt + completion tokens per generated batch (hf)")
    gpu_memory_share: Share = Field(0.85, description="share of the GPU vLLM may take")
    tensor_parallel: PositiveInt = Field(1, description="GPUs per vLLM engine; must divide the attention heads")


class SamplingParams(Section):
    """How tokens are drawn."""

    temperature: NonNegativeFloat = Field(1.0, description="0 is greedy")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="nucleus; below 1 biases GRPO's ratio")
    top_k: NonNegativeInt = Field(0, description="0 is off")
    max_new_tokens: PositiveInt = Field(96, description="ceiling on the completion, tokens")


class RewardParams(Section):
    """How a task's components become GRPO's reward."""

    staged: bool = Field(False, description="format -> partial -> task weights over training; False: the task's total")
    think_efficiency: NonNegativeFloat = Field(0.0, description="weight of the think-budget reward; 0 is off")
    composite: bool = Field(False, description="one reward function for all tasks instead of one per task")


class CalibrationParams(Section):
    """Score the start of training before paying for it."""

    rows: PositiveInt = Field(64, description="held-out prompts")
    samples: PositiveInt = Field(4, description="completions per prompt and temperature")
    training: SamplingParams = Field(SamplingParams(), description="sampling as GRPO will draw")
    deployment: SamplingParams = Field(SamplingParams(temperature=0.0), description="sampling as users will see")


class ValidationParams(Section):
    """The test split, at each temperature, every arm on the same prompts."""

    temperatures: tuple[NonNegativeFloat, ...] = Field((0.0, 1.0), description="0 is greedy")
    max_new_tokens: PositiveInt = Field(96, description="ceiling on the completion, tokens")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="coverage of the intervals")


class TrackingParams(Section):
    """Weights & Biases, offline unless told otherwise."""

    mode: Literal["offline", "online", "disabled"] = Field("offline", description="wandb's mode")
    project: str = Field("caderno", description="wandb project")


class GuardParams(Section):
    """Which verdicts stop a run."""

    stop_on: tuple[Literal["fail", "warn", "unknown"], ...] = Field(("fail",), description="verdicts that stop")


class WriteupParams(Section):
    """Where the story of the run goes."""

    directory: str | None = Field(
        "docs/checkpoints", description="where the write-up goes besides the run; None: nowhere"
    )
    context: str = Field("", description="a paragraph by people: why this run exists")
    parent: str | None = Field(None, description="parameter file or run directory the differences are told against")


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
    data: DataParams = DataParams()
    tasks: dict[TaskName, TaskParams] = Field(
        default={name: TaskParams() for name in ("extraction", "sql_qa", "insights", "push")},
        description="tasks in play",
        min_length=1,
    )
    chat: ChatParams = ChatParams()
    engine: EngineParams = EngineParams()
    rewards: RewardParams = RewardParams()
    pretrain: PretrainParams = PretrainParams()
    calibration: CalibrationParams = CalibrationParams()
    sft: SftParams = SftParams()
    grpo: GrpoParams = GrpoParams()
    validation: ValidationParams = ValidationParams()
    tracking: TrackingParams = TrackingParams()
    guards: GuardParams = GuardParams()
    writeup: WriteupParams = WriteupParams()
