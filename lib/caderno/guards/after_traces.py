"""After-guards on abstract traces: do they differ, in length, in codes, by prompt, by seed; does the answer read them.

They judge what `caderno.abstract` measured, and are asked by name (`NAMES`) where there are traces.
"""

from __future__ import annotations

import math

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned

NAMES = (
    "trace-uniqueness", "trace-length-variance", "trace-bounds", "trace-codebook-use", "trace-frozen-positions",
    "trace-prompt-dependence", "trace-seed", "trace-matters",
)  # fmt: skip
REPRODUCTION = "LE-WH/ThinkingWithoutWordsRepro"
FEW = 20  # traces below which a shortfall is told and stops nothing
UNIQUE, ROOMY = 0.9, 0.995  # least unique share; what uniform draws reach where there is no want of sequences
ONE_LENGTH = 0.99
EVEN, FLAT = 0.5, 0.25  # share of log2 of the codebook: below EVEN a warning, below FLAT a fault
PER_CODE = 5  # codes drawn per entry of the codebook that an entropy needs
FROZEN_BITS, FROZEN, MOSTLY_FROZEN = 0.05, 0.1, 0.5  # share of log2 of the codebook; shares of the codes
ALIKE, SURE, REPEATS = 0.9, 0.01, 10
SEEDS_APART, SHARED = 0.99, 0.5
LOSS = 0.05  # accuracy


def _greedy(traces: Facts) -> bool:
    return traces["spec"]["temperature"] == 0


@guard(
    "trace-uniqueness", stage="after", needs=("traces",), threshold=UNIQUE,
    unit="unique share, one trace a prompt; of what uniform codes of these lengths give", source=REPRODUCTION,
    classes=("R5", "L4"),
)  # fmt: skip
def trace_uniqueness(facts: Facts) -> Finding:
    """Traces of different prompts are different traces, unless the codebook has too few sequences for that."""
    first, n = facts["traces"]["unique"]["first"], facts["traces"]["unique"]["first"]["n"]
    if n < 2:
        return unknown("one trace tells nothing about others")
    share, uniform, possible = first["share"], first["uniform_share"], first["possible_share"]
    if possible < UNIQUE:
        return not_applicable(
            f"codebook and lengths allow 10^{first['possible_log10']:.1f} traces: {n:,} uniform ones would be "
            f"{possible:.0%} unique"
        )
    limit = UNIQUE * uniform
    told = f"{first['count']:,} of {n:,} differ, the commonest is {first['commonest_share']:.1%} of them"
    if share < limit:
        if n < FEW and first["count"] > 1:
            return warned(share, f"{told}; {n} are few", limit)
        if uniform >= ROOMY or first["commonest_share"] >= 0.5:
            return failed(share, f"{told}: one noise stream for all (see trace-seed), or a collapse", limit)
        return warned(share, f"{told}; uniform codes of these lengths would be {uniform:.0%} unique", limit)
    if uniform < UNIQUE:
        return warned(share, f"{told}: so short that even uniform codes would be {uniform:.0%} unique", limit)
    return passed(share, told, limit)


@guard(
    "trace-length-variance", stage="after", needs=("traces",), threshold=0, unit="variance above, codes squared",
    source=REPRODUCTION, classes=("R5", "L4"),
)  # fmt: skip
def trace_length_variance(facts: Facts) -> Finding:
    """Traces are not all of one length, where they may differ in length."""
    traces, spec = facts["traces"]["length"], facts["traces"]["spec"]
    n = facts["traces"]["n"]
    if spec["min_codes"] is not None and spec["min_codes"] == spec["max_codes"]:
        return not_applicable(f"min_codes and max_codes are both {spec['max_codes']}: one length by design")
    if n < 2:
        return unknown("one trace has no variance")
    if traces["variance"] == 0:
        why = f"all {n:,} traces have {traces['max']} codes"
        if n < FEW:
            return warned(0.0, f"{why}; {n} are few")
        if traces["max"] == spec["max_codes"]:
            return failed(0.0, f"{why}, the most allowed: END was always forced, and has not been learned")
        return failed(0.0, f"{why}: one noise stream for all, or END learned by place; if meant, state both bounds")
    told = f"{traces['min']} to {traces['max']} codes, mean {traces['mean']:.1f}, sd {traces['sd']:.1f}"
    if traces["share_at_mode"] >= ONE_LENGTH:
        return warned(traces["variance"], f"{traces['share_at_mode']:.1%} have {traces['mode']} codes; {told}")
    return passed(traces["variance"], told)


@guard(
    "trace-bounds", stage="after", needs=("traces",), threshold=0, unit="traces outside their bounds",
    source=REPRODUCTION, classes=("R3", "R7"),
)  # fmt: skip
def trace_bounds(facts: Facts) -> Finding:
    """No trace is shorter than min_codes or longer than max_codes: the sampler kept to what it was asked."""
    length, spec = facts["traces"]["length"], facts["traces"]["spec"]
    if spec["min_codes"] is None and spec["max_codes"] is None:
        return not_applicable("no bounds are stated")
    short, long = length["below_min"] or 0, length["above_max"] or 0
    if short + long:
        why = f"{short:,} have fewer than {spec['min_codes']} codes, {long:,} more than {spec['max_codes']}"
        return failed(short + long, f"{why}: the constraint was not in force, or delimiters are counted")
    return passed(0, f"{length['min']} to {length['max']} codes")


@guard(
    "trace-codebook-use", stage="after", needs=("traces",), threshold=EVEN, unit="bits per code over log2 of the codes",
    source="proposed", classes=("L4",),
)  # fmt: skip
def trace_codebook_use(facts: Facts) -> Finding:
    """The codes in use carry a fair part of what the codebook could: half of log2 M or more, a quarter at the least."""
    traces, book = facts["traces"], facts["traces"]["codebook"]
    size = book["size"] or book["seen"]
    if book["size"] == 1:
        return not_applicable("a codebook of one code says nothing by design")
    if not traces["tokens"]:
        return failed(0.0, f"all {traces['n']:,} traces are empty")
    if traces["tokens"] < PER_CODE * size:
        return unknown(f"{traces['tokens']:,} codes drawn from {size}: fewer than {PER_CODE} for each")
    share = traces["entropy"]["share"] or 0.0
    of = f"{size} codes" if book["size"] else f"the {size} codes met (say how many there are)"
    why = f"{traces['entropy']['bits']:.2f} bits per code, as of {book['effective']:.1f} equal codes; {of}"
    if share < FLAT:
        return failed(share, f"{why}: the codebook has collapsed", FLAT)
    return warned(share, why) if share < EVEN else passed(share, why)


@guard(
    "trace-frozen-positions", stage="after", needs=("traces",), threshold=FROZEN,
    unit="share of codes at positions that hardly vary", source=REPRODUCTION, classes=("L4",),
)  # fmt: skip
def trace_frozen_positions(facts: Facts) -> Finding:
    """Most positions vary from trace to trace: a fixed string uses many codes and still says nothing."""
    traces = facts["traces"]
    size = traces["spec"]["codes"] or traces["codebook"]["seen"]
    if size == 1 and traces["spec"]["codes"]:
        return not_applicable("a codebook of one code varies nowhere by design")
    told = [one for one in traces["positions"] if one["n"] >= FEW]
    if not told:
        return unknown(f"no position is reached by {FEW} traces")
    least = FROZEN_BITS * math.log2(max(2, size))
    frozen = [one for one in told if one["bits"] < least]
    share = sum(one["n"] for one in frozen) / sum(one["n"] for one in told)
    names = ", ".join(str(one["position"]) for one in frozen[:6]) + (", ..." if len(frozen) > 6 else "")
    if not frozen:
        return passed(0.0, f"all {len(told)} positions have {least:.2f} bits or more")
    why = f"{len(frozen)} of {len(told)} positions have under {least:.2f} bits: {names}"
    return failed(share, why, MOSTLY_FROZEN) if share >= MOSTLY_FROZEN else _warn_over(share, why)


def _warn_over(share: float, why: str) -> Finding:
    return warned(share, why) if share > FROZEN else passed(share, why)


@guard(
    "trace-prompt-dependence", stage="after", needs=("traces",), threshold=SURE,
    unit="p that samples of one prompt are no more alike than of two", source=REPRODUCTION, classes=("L4",),
)  # fmt: skip
def trace_prompt_dependence(facts: Facts) -> Finding:
    """A trace depends on its prompt: samples of one prompt are more alike than samples of two."""
    traces = facts["traces"]
    if traces["spec"]["codes"] == 1:
        return not_applicable("traces of one code can differ in length only")
    if traces["prompts"] < 2:
        return unknown("two prompts are needed, and rows name fewer (`prompt` or `id`)")
    between, within = traces["likeness"]["between"], traces["likeness"]["within"]
    if between and between["value"] >= ALIKE:
        why = f"traces of different prompts are {between['value']:.1%} alike ({between['n']:,} pairs)"
        answer = failed if between["n"] >= REPEATS else warned
        return answer(between["value"], f"{why}: as good as one trace for all", f"likeness under {ALIKE}")
    if within and within["n"] >= REPEATS:
        why = f"likeness {within['value']:.3f} within a prompt, {within['between']:.3f} between, {within['n']} prompts"
        return passed(within["p"], why) if within["p"] <= SURE else warned(within["p"], f"{why}: no sign of the prompt")
    if between and _greedy(traces):
        why = f"greedy traces differ by prompt only; different prompts' are {between['value']:.1%} alike"
        return passed(between["value"], why, f"likeness under {ALIKE}")
    return unknown(
        f"tokens alone cannot tell content from noise: two samples of {REPEATS} prompts, or greedy ones, can"
    )


@guard(
    "trace-seed", stage="after", needs=("traces",), threshold=SEEDS_APART, unit="distinct seeds per request",
    source=f"{REPRODUCTION}, vllm-project/vllm#7808", classes=("R5",),
)  # fmt: skip
def trace_seed(facts: Facts) -> Finding:
    """Requests have sampler seeds of their own: one seed for all gives every prompt the same noise."""
    seeds = facts["traces"]["seeds"]
    if _greedy(facts["traces"]):
        return not_applicable("greedy decoding draws nothing")
    if not seeds:
        return unknown("no row has a `seed`")
    if seeds["requests"] < 2:
        return unknown("one request needs one seed")
    share = min(1.0, seeds["distinct"] / seeds["requests"])
    why = f"{seeds['distinct']:,} distinct for {seeds['requests']:,} requests"
    if seeds["commonest_share"] >= SHARED:
        return failed(share, f"{why}; {seeds['commonest']!r} serves {seeds['commonest_share']:.0%} of them")
    return warned(share, f"{why}: some share their noise") if share < SEEDS_APART else passed(share, why)


@guard(
    "trace-matters", stage="after", needs=("interventions",), threshold=-LOSS,
    unit="accuracy with other codes in place of the trace, less with it", source="proposed", classes=("L4",),
)  # fmt: skip
def trace_matters(facts: Facts) -> Finding:
    """The answer reads the trace: with random codes, or another prompt's trace, fewer answers are right."""
    by_name = {one["name"]: one for one in facts["interventions"]}
    kept = by_name.get("kept")
    other = [by_name[name] for name in ("randomised", "swapped") if name in by_name]
    if not kept or not other:
        return unknown("needs accuracy with the trace kept and with it randomised or swapped")
    if not kept["accuracy"]:
        return unknown("no answer is right with the trace kept: there is nothing to lose")
    if all(one["changed"] == 0 for one in other):
        return not_applicable("no intervention changed a trace: a codebook of one code, or empty traces")
    least = max((one for one in other if one["changed"]), key=lambda one: one["difference"])
    if least["difference_high"] is None:
        return unknown(f"n = {least['n']}: no interval")
    band = f"{least['difference']:+.3f} ({least['difference_low']:+.3f} to {least['difference_high']:+.3f})"
    why = f"{least['name']}: {kept['accuracy']:.3f} to {least['accuracy']:.3f}, {band}, n = {least['n']:,}"
    if least["difference_high"] < 0:
        return passed(least["difference"], why)
    if least["difference_low"] > -LOSS:
        return failed(least["difference"], f"{why}: the answer does not read the trace")
    return warned(least["difference"], f"{why}: no loss can be told, nor one of {LOSS:.0%} ruled out")
