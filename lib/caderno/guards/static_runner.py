"""Static guards on the runner: notebooks, secrets, where logs live, the host's own timer, the NaN filter.

They read facts about files and machine; nothing is executed.
"""

from __future__ import annotations

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned


@guard(
    "runner-contract", stage="static", needs=("notebooks",), threshold=0, unit="notebooks that cannot be run headless",
    source="nteract/papermill#245", classes=("N3",),
)  # fmt: skip
def runner_contract(facts: Facts) -> Finding:
    """Each stage's notebook has one cell tagged parameters that sets both names, and says which kernel it wants."""
    lacking = {one["file"]: one["missing"] for one in facts["notebooks"].values() if one["missing"]}
    told = "; ".join(f"{file} lacks {', '.join(missing)}" for file, missing in lacking.items())
    if lacking:
        return failed(len(lacking), f"{told}: values would be injected where the notebook overwrites them")
    return passed(0, f"{len(facts['notebooks'])} notebooks can take their parameters")


@guard(
    "parameter-secrets", stage="static", needs=("secrets",), threshold=0, unit="secrets",
    source="nteract/papermill#706", classes=("X5",),
)  # fmt: skip
def parameter_secrets(facts: Facts) -> Finding:
    """No token, key or password stands in the parameter files: they are copied into every notebook and run."""
    found = facts["secrets"]
    if found:
        return failed(len(found), f"{'; '.join(found)}. Revoke it, and give it by the environment")
    return passed(0, "nothing in the parameter files looks like a secret")


@guard(
    "durable-logs", stage="static", needs=("params", "run_root"), threshold="kept", unit="place of the runs",
    source="jupyterlab/jupyterlab#2833", classes=("N1",),
)  # fmt: skip
def durable_logs(facts: Facts) -> Finding:
    """Metrics, checkpoints and tracking go to files that outlive the browser, the kernel and the machine's restart."""
    root, mode = facts["run_root"], facts["params"].tracking.mode
    if root["temporary"]:
        return warned(root["where"], f"{root['temporary']}: CADERNO_RUNS moves the runs")
    return passed(root["where"], f"metrics.jsonl from the first step; tracking {mode}")


@guard(
    "idle-shutdown", stage="static", needs=("idle_shutdown",), threshold="off", unit="seconds of idleness",
    source="docs.cloud.google.com/vertex-ai/docs/workbench/instances/idle-shutdown", classes=("N4",),
)  # fmt: skip
def idle_shutdown(facts: Facts) -> Finding:
    """The Workbench instance will not switch itself off while a run without a browser goes on."""
    spec = facts["idle_shutdown"]
    if spec["google"] is None:
        return unknown("the machine does not say whether it is a cloud instance that stops when idle (a container?)")
    if not spec["google"]:
        return not_applicable("no Google Cloud instance")
    if spec["idle_s"] is None:
        return unknown("the instance's metadata name no idle-timeout-seconds; Workbench's default is 180 minutes")
    if spec["idle_s"] > 0:
        why = f"the instance stops after {spec['idle_s'] / 60:.0f} idle minutes, a run in a terminal may count as idle"
        return warned(spec["idle_s"], f"{why}: switch that off")
    return passed(spec["idle_s"], "idle shutdown is off")


@guard(
    "nan-filter", stage="static", needs=("arguments",), threshold="off", unit="logging_nan_inf_filter",
    source="huggingface/trl#6702", classes=("O3",),
)  # fmt: skip
def nan_filter(facts: Facts) -> Finding:
    """A loss that is not a number is logged as such, and not replaced by the mean of those before it."""
    arguments = facts["arguments"]
    if not arguments:
        return not_applicable("no stage trains with TRL")
    # transformers' default is True: a missing argument is the filter
    filtered = [stage for stage, given in arguments.items() if given.get("logging_nan_inf_filter", True)]
    if filtered:
        return failed("on", f"{', '.join(filtered)}: a NaN loss would be hidden by the Trainer's filter")
    return passed("off", "a NaN stays visible")
