"""Data guards on what is supervised and what fits: label masks, the whole corpus against the context, references.

They judge counts of tokens; rendering and tokenizing is `facts_data`'s.
"""

from __future__ import annotations

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned
from caderno.guards.listing import listed


@guard(
    "label-mask-gate", stage="data", needs=("masks",), threshold=0, unit="rows with a wrong label mask",
    source="huggingface/trl#6320, marin-community/marin#7237", classes=("T1", "T3", "D6"),
)  # fmt: skip
def label_mask_gate(facts: Facts) -> Finding:
    """In every row some tokens are supervised, not all, and the end of the turn is among them."""
    return _judge_masks(facts["masks"])


@guard(
    "label-mask-collated", stage="probe", needs=("labels",), threshold=0, unit="rows with a wrong label mask",
    source="huggingface/trl#6320, marin-community/marin#7237", classes=("T1", "T3", "D6"),
)  # fmt: skip
def label_mask_collated(facts: Facts) -> Finding:
    """The labels that the real SFT trainer collates are the completion and its end, and nothing else."""
    spec = facts["labels"]
    return unknown(spec["unknown"]) if "unknown" in spec else _judge_masks(spec.get("rows", []))


def _judge_masks(rows: list[dict]) -> Finding:
    if not rows:
        return not_applicable("no stage learns from reference completions")
    faults = {
        "nothing supervised, the loss is 0 or NaN": [r["id"] for r in rows if r["supervised"] == 0],
        "everything supervised, the prompt too": [r["id"] for r in rows if 0 < r["tokens"] == r["supervised"]],
        "the end of the turn is not supervised": [r["id"] for r in rows if r["supervised"] and not r["ended"]],
        "the prompt's last token melts into the completion": [r["id"] for r in rows if r.get("merged")],
        "what is supervised is not the completion": [r["id"] for r in rows if r.get("differs")],
    }
    told = [f"{what}: {listed(ids, len(rows))}" for what, ids in faults.items() if ids]
    if told:
        return failed(len({one for ids in faults.values() for one in ids}), "; ".join(told))
    shares = sorted(row["supervised"] / row["tokens"] for row in rows)
    return passed(0, f"{len(rows)} rows: {shares[0]:.0%} to {shares[-1]:.0%} of their tokens are supervised")


@guard(
    "length-budget", stage="data", needs=("lengths",), threshold="the context", unit="tokens of the longest prompt",
    source="unslothai/unsloth#1624, huggingface/trl#4358", classes=("D7", "R6"),
)  # fmt: skip
def length_budget(facts: Facts) -> Finding:
    """The longest prompt of the whole data, not of a sample, leaves room for the longest completion."""
    spec = facts["lengths"]
    room, longest = spec["room"], spec["longest"]
    if not spec["rows"]:
        return unknown("there are no rows to measure")
    over = spec["evaluated_over"]
    if over["ids"]:
        why = f"generation refuses a stage with held-out or test prompts over {room} tokens: "
        return failed(longest, why + listed(over["ids"], over["of"]), room)
    out = [one for one in spec["left_out"] if one["n"]]
    told = "; ".join(f"{one['stage']} leaves out {one['n']} of {one['of']} (over {one['tokens']})" for one in out)
    if any(one["n"] == one["of"] for one in out):
        return failed(longest, told, room)
    if out:
        return warned(longest, f"{told}; the longest prompt is {spec['id']}", room)
    return passed(longest, f"the longest of {spec['rows']} prompts is {spec['id']}", room)


@guard(
    "reference-ceiling", stage="data", needs=("lengths",), threshold=0, unit="share of references over the ceiling",
    source="huggingface/trl#5697", classes=("R3",),
)  # fmt: skip
def reference_ceiling(facts: Facts) -> Finding:
    """A completion as long as its reference is not cut in GRPO."""
    spec = facts["lengths"].get("references_over")
    if not spec or not spec["of"]:
        return not_applicable("no GRPO, or no references")
    share = spec["n"] / spec["of"]
    told = f"{spec['n']} of {spec['of']} references have over {spec['tokens']} tokens (grpo.max_completion_length)"
    if share > 0.25:
        return failed(share, f"{told}: what was learnt cannot be said", 0.25)
    return warned(share, told) if share else passed(0.0, told)
