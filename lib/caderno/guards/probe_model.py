"""Probe guards on the weights as they were loaded: loss at step 0, layers, reference, merge, packing.

They judge differences of logits; nothing is trained or loaded here.
"""

from __future__ import annotations

import math

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown

LOSS_AT_MOST = 6.0  # nats per token; a model of 50,257 tokens drawn at random has 10.8
LAYER_RATIO = 10.0
KL_AT_MOST = 1e-3
PACKED_AT_MOST = 1e-3


@guard(
    "init-sanity", stage="probe", needs=("init",), threshold=LOSS_AT_MOST, unit="nats per token at step 0",
    source="huggingface/transformers#28122; the limit from a run whose init was lost", classes=("M1",),
)  # fmt: skip
def init_sanity(facts: Facts) -> Finding:
    """The loss at step 0 is that of trained weights: at most 6, and below ln V, which random ones have."""
    if facts["init"].get("scratch"):
        return not_applicable("the run trains a model from nothing: these weights give it their tokenizer alone")
    loss, vocabulary = facts["init"]["loss"], facts["init"]["vocabulary"]
    scratch = math.log(vocabulary)
    limit = min(LOSS_AT_MOST, scratch)
    told = f"{facts['init']['tokens']} tokens; from scratch it would be {scratch:.2f} (ln {vocabulary})"
    if not math.isfinite(loss):
        return failed(loss, f"{told}: the logits are not numbers", limit)
    if loss > limit:
        return failed(loss, f"{told}: weights are missing, or belong to another tokenizer", limit)
    return passed(loss, told, limit)


@guard(
    "layer-scale", stage="probe", needs=("layers",), threshold=LAYER_RATIO,
    unit="ratio of a layer's standard deviation to its reference", source="proposed, after a port with one bad layer",
    classes=("M7",),
)  # fmt: skip
def layer_scale(facts: Facts) -> Finding:
    """No layer's output is ten times larger or smaller than in a reference forward pass."""
    spec = facts["layers"]
    here, reference = spec["std"], spec.get("reference")
    if not all(math.isfinite(one) for one in here):
        return failed("not finite", f"layer {next(i for i, one in enumerate(here) if not math.isfinite(one))}")
    if not reference:
        return unknown("no reference forward pass of this model")
    ratios = [max(a, b) / max(min(a, b), 1e-12) for a, b in zip(here, reference, strict=True)]
    worst = max(range(len(ratios)), key=ratios.__getitem__)
    told = f"layer {worst} of {len(ratios) - 1}, against {spec['how']}"
    if ratios[worst] > LAYER_RATIO:
        return failed(ratios[worst], f"{told}: its weights or its kernel are wrong")
    return passed(ratios[worst], told)


@guard(
    "ref-policy", stage="probe", needs=("reference",), threshold=KL_AT_MOST, unit="KL at step 0, nats per token",
    source="huggingface/trl#4723; the limit proposed", classes=("M6",),
)  # fmt: skip
def ref_policy(facts: Facts) -> Finding:
    """Before the first step the policy and the KL term's reference are the same distribution."""
    spec = facts["reference"]
    if not spec:
        return not_applicable("grpo.kl_coef is 0: there is no reference")
    if spec.get("refused"):
        return failed("refused", f"{spec['refused']}: without them it would be another policy than the one that starts")
    told = f"the reference is {spec['how']}"
    if not spec["kl"] < KL_AT_MOST:
        return failed(spec["kl"], f"{told}: the KL term would pull away from the policy that starts")
    return passed(spec["kl"], told)


@guard(
    "tied-head", stage="probe", needs=("merge",), threshold=1e-3, unit="largest difference of a logit",
    source="unslothai/unsloth#9331, huggingface/peft#2777; the limit proposed", classes=("M2", "M3"),
)  # fmt: skip
def tied_head(facts: Facts) -> Finding:
    """The model that is saved, adapter merged and read back, gives the logits of the one that was trained."""
    spec = facts["merge"]
    if spec["config_ties"] and not spec["tied"]:
        why = "the config ties head and embedding, and they were made two: engines that obey it lose one of them"
        return failed("untied", why, "tied")
    if spec.get("unknown"):
        return unknown(spec["unknown"])
    difference, limit = spec["difference"], spec["tolerance"]
    tie = "head and embedding are tied" if spec["tied"] else "head and embedding are two matrices"
    told = f"{spec['how']}; {tie}"
    if not difference <= limit:
        return failed(difference, f"{told}: what is saved is not what was trained", limit)
    return passed(difference, told, limit)


@guard(
    "packed-documents", stage="probe", needs=("packing",), threshold=PACKED_AT_MOST,
    unit="change of a document's logits with the one before it", source="huggingface/trl#3526, huggingface/trl#3067",
    classes=("T7",),
)  # fmt: skip
def packed_documents(facts: Facts) -> Finding:
    """A document's logits do not depend on what stands before it in the same packed row."""
    spec = facts["packing"]
    if not spec["used"]:
        return not_applicable("nothing is packed")
    if spec["leak"] > PACKED_AT_MOST:
        return failed(spec["leak"], "attention crosses the boundary between documents")
    return passed(spec["leak"], "another document before it changes nothing")
