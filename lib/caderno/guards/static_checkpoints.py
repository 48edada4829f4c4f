"""Static guards on checkpoints: what rotation keeps, and whether the disk holds it.

Whether a checkpoint can be opened again is asked after it was written.
"""

from __future__ import annotations

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned

GIB = 2**30


@guard(
    "checkpoint-budget", stage="static", needs=("checkpoints",), threshold="patience x eval_steps", unit="steps kept",
    source="huggingface/transformers#39560", classes=("K1",),
)  # fmt: skip
def checkpoint_budget(facts: Facts) -> Finding:
    """Rotation keeps checkpoints for as long as early stopping looks back, and each evaluation has one."""
    spec = facts["checkpoints"]
    if not spec:
        return not_applicable("no early stopping looks back at checkpoints")
    kept, window = spec["limit"] * spec["save_steps"], spec["patience"] * spec["eval_steps"]
    if spec["save_steps"] % spec["eval_steps"]:
        why = f"saved every {spec['save_steps']} steps and evaluated every {spec['eval_steps']}"
        return failed(kept, f"{why}: the best evaluation may have no checkpoint, or one that is deleted", window)
    told = f"{spec['limit']} checkpoints x {spec['save_steps']}, patience {spec['patience']} x {spec['eval_steps']}"
    if kept >= window:
        return passed(kept, told, window)
    if spec["keeps_best"]:
        why = "of that window only the best and the newest survive, and nothing to compare them with"
        return warned(kept, f"{told}: {why}", window)
    return failed(kept, f"{told}: the best checkpoint is deleted before the run stops", window)


@guard(
    "checkpoint-disk", stage="static", needs=("run_root",), threshold="free", unit="GiB needed",
    source="bghira/SimpleTuner#2613", classes=("K2",),
)  # fmt: skip
def checkpoint_disk(facts: Facts) -> Finding:
    """The disk holds every checkpoint that is kept, the one being written, and the merged model, of each stage."""
    sizes, arguments = facts.get("checkpoint_bytes"), facts.get("arguments") or {}
    if sizes is None:
        return unknown("the model is not on this machine, so that its checkpoints' size is not known")
    if not sizes:
        return not_applicable("no stage writes checkpoints of a model that exists before it")
    kept = {stage: arguments[stage]["save_total_limit"] + 1 for stage in sizes}
    needs = {stage: kept[stage] * one["checkpoint"] + one["final"] for stage, one in sizes.items()}
    free, need = facts["run_root"]["free_bytes"] / GIB, sum(needs.values()) / GIB
    told = ", ".join(f"{stage} {size / GIB:.3g} GiB" for stage, size in needs.items())
    why = f"{told}; {free:.1f} GiB free in {facts['run_root']['where']}"
    return failed(need, why, free) if need > free else passed(need, why, free)
