"""Probe guards on a step or two: weights that move, an adapter that acts, memory, accumulation, NaN, resuming.

They judge what was rehearsed on a copy or put back afterwards; nothing is trained here.
"""

from __future__ import annotations

import math

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown
from caderno.guards.listing import listed

MEMORY_SHARE = 0.9
ACCUMULATION = 0.01
RESUMED_LOSS = 1e-5
NOT_TRAINED = "no stage trains this model"


@guard(
    "weights-move", stage="probe", needs=("steps",), threshold=0, unit="trainable tensors that stood still",
    source="huggingface/trl#6701", classes=("M4", "M5"),
)  # fmt: skip
def weights_move(facts: Facts) -> Finding:
    """Every tensor that is to be trained moves in a few real optimizer steps, and an adapter is not frozen."""
    spec = facts["steps"]
    if not spec:
        return not_applicable(NOT_TRAINED)
    if spec.get("unknown"):
        return unknown(spec["unknown"])
    frozen, still, n = spec["frozen"], spec["still"], spec["tensors"]
    if not n:
        return failed(len(frozen), f"nothing can be trained; frozen: {listed(frozen, len(frozen)) or 'every tensor'}")
    if frozen:
        return failed(len(frozen), f"tensors of the adapter are frozen: {listed(frozen, len(frozen) + n)}")
    if still:
        return failed(len(still), f"after {spec['steps']} steps these stand still: {listed(still, n)}")
    return passed(0, f"{n} tensors moved in {spec['steps']} steps at the run's rate {spec['learning_rate']:g}")


@guard(
    "adapter-on-off", stage="probe", needs=("steps",), threshold=0, unit="largest change of a logit by the adapter",
    source="huggingface/peft#1678, huggingface/transformers#34068", classes=("M4",),
)  # fmt: skip
def adapter_on_off(facts: Facts) -> Finding:
    """After a step the logits with the adapter are not those without it."""
    spec = facts["steps"]
    if not spec:
        return not_applicable(NOT_TRAINED)
    if spec.get("unknown"):
        return unknown(spec["unknown"])
    effect = spec.get("adapter_effect")
    if effect is None:
        return not_applicable("no adapter is trained")
    if not effect > 0:
        return failed(effect, "on and off are the same: the adapter is not in the forward pass")
    return passed(effect, "on and off differ")


@guard(
    "finite-gradients", stage="probe", needs=("steps",), threshold=0, unit="tensors with gradients that are no numbers",
    source="unslothai/unsloth#5074, unslothai/unsloth-zoo#866", classes=("O4",),
)  # fmt: skip
def finite_gradients(facts: Facts) -> Finding:
    """Losses and gradients of the first steps are finite."""
    spec = facts["steps"]
    if not spec:
        return not_applicable(NOT_TRAINED)
    if spec.get("unknown"):
        return unknown(spec["unknown"])
    losses = ", ".join(f"{one:.3g}" for one in spec["losses"])
    if spec["bad_gradients"]:
        return failed(len(spec["bad_gradients"]), f"losses {losses}; {listed(spec['bad_gradients'], spec['tensors'])}")
    if not all(map(math.isfinite, spec["losses"])):
        return failed(len(spec["losses"]), f"losses {losses}")
    return passed(0, f"losses {losses}")


@guard(
    "length-memory", stage="probe", needs=("steps",), threshold=MEMORY_SHARE, unit="peak share of the GPU's memory",
    source="unslothai/unsloth#1624, huggingface/trl#2600", classes=("R8", "D7"),
)  # fmt: skip
def length_memory(facts: Facts) -> Finding:
    """Two steps on the longest rows, optimizer state included, stay under nine tenths of the GPU's memory."""
    spec = facts["steps"]
    if not spec:
        return not_applicable(NOT_TRAINED)
    told = f"{spec['batch'][0]} rows of {spec['batch'][1]} tokens, longest first"
    if spec.get("out_of_memory"):
        return failed(1.0, f"out of memory: {told}")
    if spec["peak_share"] is None:
        return unknown(f"no GPU here; {told} were trained on")
    if spec["peak_share"] > MEMORY_SHARE:
        return failed(spec["peak_share"], f"{told}: rollouts and other allocations come on top")
    return passed(spec["peak_share"], told)


@guard(
    "accumulation", stage="probe", needs=("accumulation",), threshold=ACCUMULATION,
    unit="relative difference of the loss", source="huggingface/transformers#34191, huggingface/transformers#37197",
    classes=("O2",),
)  # fmt: skip
def accumulation(facts: Facts) -> Finding:
    """A batch in four pieces has the loss of the whole batch, for rows of different lengths."""
    whole, parts = facts["accumulation"]["whole"], facts["accumulation"]["parts"]
    difference = abs(parts - whole) / abs(whole) if whole else math.inf
    told = f"{whole:.4f} at once, {parts:.4f} in {facts['accumulation']['pieces']} pieces"
    if not difference <= ACCUMULATION:
        return failed(difference, f"{told}: the model ignores num_items_in_batch")
    return passed(difference, told)


@guard(
    "nan-visible", stage="probe", needs=("nan_log",), threshold="NaN in the log", unit="logged loss of a NaN step",
    source="huggingface/trl#6702, huggingface/trl#6668", classes=("O3",),
)  # fmt: skip
def nan_visible(facts: Facts) -> Finding:
    """A loss that is NaN reaches the log as what it is, under the run's own arguments."""
    spec = facts["nan_log"]
    losses = {one["step"]: one["loss"] for one in spec["log"]}
    if spec["planted"] not in losses:
        return unknown(f"step {spec['planted']}, which was NaN, is not in the log: {losses}")
    seen = losses[spec["planted"]]
    if math.isfinite(seen):
        return failed(seen, f"step {spec['planted']} was NaN and the log says {seen:.3g}: logging_nan_inf_filter is on")
    return passed("nan", f"step {spec['planted']} was NaN, and the log says so")


@guard(
    "resume-equivalence", stage="probe", needs=("resume",), threshold=RESUMED_LOSS, unit="difference of a step's loss",
    source="huggingface/accelerate#4071, huggingface/transformers#40500; the limit proposed", classes=("K3",),
)  # fmt: skip
def resume_equivalence(facts: Facts) -> Finding:
    """Training that was stopped and resumed sees the same rows and has the same losses as training that was not."""
    whole, resumed = facts["resume"]["whole"], facts["resume"]["resumed"]
    told = f"{len(whole)} steps, stopped after {facts['resume']['stopped']}"
    if len(whole) != len(resumed):
        return failed(abs(len(whole) - len(resumed)), f"{told}: {len(resumed)} steps were made after resuming")
    for step, (one, other) in enumerate(zip(whole, resumed, strict=True), 1):
        if one["rows"] != other["rows"]:
            why = f"{told}: step {step} has rows {other['rows']} instead of {one['rows']}"
            return failed("other rows", why, "same rows")
    gaps = [abs(one["loss"] - other["loss"]) for one, other in zip(whole, resumed, strict=True)]
    if not max(gaps) <= RESUMED_LOSS:
        step = next(i for i, gap in enumerate(gaps, 1) if not gap <= RESUMED_LOSS)
        rows = whole[step - 1]["rows"]
        return failed(max(gaps), f"{told}: the losses part at step {step}, rows {rows}: the random state is another")
    return passed(max(gaps), f"{told}: the same rows and losses")
