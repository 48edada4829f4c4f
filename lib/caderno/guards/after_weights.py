"""After-guards on what a stage saved: files that open, hashes that still hold, a merge that is the adapter.

They judge what `facts_after` read from the files; nothing is opened here.
"""

from __future__ import annotations

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown
from caderno.guards.listing import listed

MERGED_AT_MOST = 1e-3


@guard(
    "checkpoint-reopens", stage="after", needs=("weights",), threshold=0, unit="files that cannot be trusted",
    source="bghira/SimpleTuner#2613, bghira/SimpleTuner#2714", classes=("K2",),
)  # fmt: skip
def checkpoint_reopens(facts: Facts) -> Finding:
    """Every file of weights that the stage left opens, is as long as its header says, and holds only finite numbers."""
    files = facts["weights"]["files"]
    if not files:
        return failed("none", "the stage left no file of weights")
    bad = [f"{one['path']}: {one['error']}" for one in files if one["error"]]
    bad += [
        f"{one['path']}: {listed(one['not_finite'], one['tensors'])} not finite" for one in files if one["not_finite"]
    ]
    if bad:
        return failed(len(bad), "; ".join(bad))
    size = sum(one["bytes"] for one in files) / 2**20
    left = facts["weights"]["incomplete"]
    cut = f"; never finished, and not counted: {', '.join(left)}" if left else ""
    whole = sum(one["read"] for one in files)
    return passed(0, f"{len(files)} files, {size:.1f} MiB, {whole} of them read to the last number{cut}")


@guard(
    "checkpoint-hash", stage="after", needs=("hashes",), threshold=0, unit="files that changed",
    source="bghira/SimpleTuner#2613", classes=("K2",),
)  # fmt: skip
def checkpoint_hash(facts: Facts) -> Finding:
    """The saved weights, opened again, have the SHA-256 that was recorded when they were saved."""
    return _unchanged(facts["hashes"])


@guard(
    "parent-hash", stage="after", needs=("parent_hashes",), threshold=0, unit="files that changed",
    source="bghira/SimpleTuner#2613", classes=("K2",),
)  # fmt: skip
def parent_hash(facts: Facts) -> Finding:
    """The weights that a stage starts from are, to the bit, those that the earlier stage saved and judged."""
    return _unchanged(facts["parent_hashes"])


def _unchanged(spec: dict[str, dict[str, str] | None]) -> Finding:
    """`recorded` and `found` are {file: SHA-256}; recorded None: nobody wrote them down."""
    recorded, found = spec["recorded"], spec["found"]
    if recorded is None:
        return unknown("no hash was recorded when these weights were saved")
    if not recorded:
        return not_applicable("this stage saves no weights")
    names = sorted({*recorded, *(found or {})}, key=lambda name: (not name.endswith(".safetensors"), name))
    other = [name for name in names if recorded.get(name) != (found or {}).get(name)]
    if other:
        why = "gone, added or changed since they were saved"
        return failed(len(other), f"{listed(other, len(names))}: {why}")
    return passed(0, ", ".join(f"{name} {recorded[name][:12]}" for name in names[:3]))


@guard(
    "merged-equals-adapter", stage="after", needs=("merged",), threshold=MERGED_AT_MOST,
    unit="largest difference of a logit", source="huggingface/peft#2321, unslothai/unsloth#9331; the limit proposed",
    classes=("M2", "M3", "M8"),
)  # fmt: skip
def merged_equals_adapter(facts: Facts) -> Finding:
    """The merged model, read back from its files, gives the logits that the adapter gave in memory."""
    spec = facts["merged"]
    if not spec:
        return not_applicable("no adapter was trained")
    if spec.get("unknown"):
        return unknown(spec["unknown"])
    difference, limit = spec["difference"], spec["tolerance"]
    told = f"{spec['how']}, {spec['dtype']}"
    if not difference <= limit:  # NaN fails as well
        return failed(difference, f"{told}: what is served is not what was trained", limit)
    return passed(difference, told, limit)
