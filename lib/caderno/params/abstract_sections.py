"""The parameter sections of abstract chain-of-thought (arXiv 2604.22709): vocabulary, traces, rounds, selection, RL.

Numbers and their sources only; what is done with them is `caderno.abstract`'s.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from caderno.params.checks import refuse
from caderno.params.training_sections import ArchitectureParams, GrpoParams, Section, Share

ArmName = Literal[
    "verbal", "direct", "pause", "oracle", "warmup", "selection", "staged", "direct_staged", "stepwise",
    "direct_stepwise", "warmup_rl", "selection_rl", "staged_rl", "stepwise_rl", "cold_rl",
    "random_rl",
]  # fmt: skip
STARTS = {
    "warmup_rl": "warmup", "random_rl": "warmup", "selection_rl": "selection", "staged_rl": "staged",
    "stepwise_rl": "stepwise", "direct_staged": "staged", "direct_stepwise": "stepwise",
}  # fmt: skip


class TraceParams(Section):
    """How abstract traces are drawn (section 3.2 of the paper; it states no minimum and no temperature)."""

    min_codes: NonNegativeInt = Field(1, description="m_min: codes before END may be drawn, on-policy too")
    max_codes: PositiveInt = Field(128, description="m_max: codes after which END is forced")
    temperature: NonNegativeFloat = Field(1.0, description="of the traces that are trained on; 0 is greedy")

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        """A trace cannot be both as long as the minimum and no longer than a smaller maximum."""
        if self.min_codes > self.max_codes:
            got = f"min_codes is {self.min_codes}"
            refuse(["min_codes", "max_codes"], got, f"at most max_codes ({self.max_codes})")
        return self


class FitParams(Section):
    """How a supervised training goes, whatever its rows."""

    steps: PositiveInt | None = Field(None, description="optimizer steps; null: what the rows and epochs make")
    learning_rate: PositiveFloat = Field(1e-4, description="AdamW's peak rate")
    muon_learning_rate: PositiveFloat | None = Field(
        None, description="Muon's peak rate for the matrices, AdamW for the rest; null: AdamW for all"
    )
    schedule: Literal["linear", "cosine", "constant"] = Field("cosine", description="shape of the rate")
    warmup_share: Share = Field(0.05, description="share of steps spent warming up")
    batch_size: PositiveInt = Field(32, description="rows per optimizer step, over all processes")
    gradient_accumulation_steps: PositiveInt = Field(1, description="micro-batches per optimizer step; divides it")
    save_steps: PositiveInt = Field(200, description="optimizer steps between checkpoints")
    logging_steps: PositiveInt = Field(10, description="optimizer steps between logged lines")

    @model_validator(mode="after")
    def _micro_batches_are_whole(self) -> Self:
        """Micro-batches of one size make up an optimizer step."""
        if self.batch_size % self.gradient_accumulation_steps:
            got = f"batch_size is {self.batch_size} with gradient_accumulation_steps {self.gradient_accumulation_steps}"
            refuse(["batch_size", "gradient_accumulation_steps"], got, "a multiple")
        return self


class PhaseParams(FitParams):
    """The same on rows of its own."""

    rows: PositiveInt = Field(1000, description="rows of this training; those of a warm-up's phases are disjoint")
    epochs: PositiveFloat = Field(1.0, description="passes over the rows, where steps is null")


class SelectionParams(Section):
    """Choosing among candidate traces by what they tell the answer (an E-step for the paper's Eq. 1; ours)."""

    candidates: Annotated[int, Field(ge=2)] = Field(8, description="K traces per row, teacher's and student's together")
    teacher_share: Share = Field(0.5, description="share of the candidates drawn with the thought C in sight")
    sharpness: PositiveFloat = Field(1.0, description="exponent of pi(y|x,z) in the weights; 1 is the posterior's")


class StagedParams(Section):
    """Staged EM, a code at a time, the last one enumerated exactly (ours).

    Arm `staged` asks what a code tells of the answer of a prefix, arm `stepwise` of the next step of the thought.
    """

    witness_tokens: PositiveInt = Field(1, description="of the next verbal step that a code has to tell (stepwise)")

    sharpness: PositiveFloat = Field(4.0, description="exponent of p(y|z_j) in the last code's posterior")
    prior_floor_nats: float = Field(-3.0, description="log pi(z_j|x,z_<j) is raised to this in the posterior")
    first_steps: PositiveInt = Field(400, description="most optimizer steps of the first stage")
    balanced_share: Share = Field(0.4, description="share of the first stage with balanced assignment (Sinkhorn)")
    likelihood_share: Share = Field(0.3, description="share of the first stage after that by likelihood alone")
    stage_steps: PositiveInt = Field(450, description="most optimizer steps of a later stage")
    advance_nats: PositiveFloat = Field(0.05, description="-log marginal of y under which the next stage begins")
    shared_code_nats: PositiveFloat = Field(0.12, description="a first stage that ends above it is started again")
    restarts: NonNegativeInt = Field(3, description="how often the first stage may be started again")
    earlier_share: Share = Field(0.25, description="share of a batch that holds shorter prefixes")
    batch_size: PositiveInt = Field(128, description="prefixes per optimizer step")
    learning_rate: PositiveFloat = Field(2e-3, description="AdamW's rate at its peak, falling to a tenth in each stage")
    muon_learning_rate: PositiveFloat | None = Field(None, description="Muon's rate for the matrices; null: AdamW")


class AbstractParams(Section):
    """Abstract chain-of-thought: what is trained, on how much, and which arms it is compared with."""

    arms: tuple[ArmName, ...] = Field(("verbal", "direct", "warmup"), description="what is trained, in this order")
    codes: PositiveInt = Field(64, description="M, size of the abstract vocabulary (section 4.1: 64)")
    rounds: PositiveInt = Field(3, description="T, rounds of phase A and phase B")
    traces: TraceParams = Field(default_factory=TraceParams, description="traces that are trained on")
    evaluation_traces: TraceParams = Field(
        default_factory=lambda: TraceParams(temperature=0.0), description="one decode configuration for all arms"
    )
    answer_tokens: PositiveInt = Field(8, description="ceiling on the answer in evaluation and RL, tokens")
    thought_tokens: PositiveInt = Field(64, description="ceiling on a verbal thought in evaluation, tokens")
    architecture: ArchitectureParams | None = Field(
        None, description="a model from nothing, with model.name's tokenizer; null: model.name's weights"
    )
    base: PhaseParams | None = Field(
        None, description="verbal training before any arm; null: the model reasons already"
    )
    phase_a: PhaseParams = Field(default_factory=PhaseParams, description="bottlenecked SFT")
    phase_b: PhaseParams = Field(default_factory=PhaseParams, description="self-distillation")
    control: FitParams = Field(
        default_factory=FitParams,
        description="direct, pause and oracle arms (without a base verbal too), on all phases' rows; null: as long",
    )
    selection: SelectionParams = Field(default_factory=SelectionParams, description="candidates and their weights")
    staged: StagedParams = Field(default_factory=StagedParams, description="staged EM, for tasks with prefixes")
    rl: GrpoParams = Field(default_factory=GrpoParams, description="warm-started RL under the constraint")
    weight_z: NonNegativeFloat = Field(1.0, description="weight of a token of Z beside one of Y in the loss")
    probe_samples: PositiveInt = Field(2, description="traces per row for the health panel, at the traces' temperature")

    @model_validator(mode="after")
    def _arms_have_starts(self) -> Self:
        """RL goes on from an arm that is trained before it; a matched control follows what it is matched to."""
        for arm, needed in STARTS.items():
            if arm in self.arms and needed not in self.arms[: self.arms.index(arm)]:
                refuse(["arms"], f"arm {arm} without {needed} before it", f"{needed} before {arm} in abstract.arms")
        return self
