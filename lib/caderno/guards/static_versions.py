"""Static guards on what is installed: the lock, TRL's own opinion of the arguments, known holes, stale caches.

They compare versions and read answers; nothing is imported or run here.
"""

from __future__ import annotations

import re

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned, worst

TRAINERS = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "vllm", "unsloth")
ON_GPU_MACHINES = ("vllm", "unsloth")  # their absence elsewhere is the machine's business: see `hardware`
# First versions without the hole: weights_only could be bypassed; remote code ran against the flag; outputs ran code.
PATCHED = {
    "torch": ("2.10", "CVE-2025-32434, CVE-2026-24747"),
    "transformers": ("5.2.1", "CVE-2026-5241"),
    "jupyterlab": ("4.5.7", "CVE-2026-42557"),
    "jupyter-server": ("2.20.0", "CVE-2026-44727"),
}
# Arguments that a configuration may write in another way without meaning another thing.
RESTATED = {"output_dir"}


@guard(
    "version-lock", stage="static", needs=("installed", "pins"), threshold=0, unit="packages off their pin",
    source="unslothai/unsloth#7376", classes=("V1", "V2"),
)  # fmt: skip
def version_lock(facts: Facts) -> Finding:
    """What is installed is what the lock names: trainers change their defaults from version to version."""
    installed, pins = facts["installed"], facts["pins"]
    off = {name: (installed.get(name), pin) for name, pin in pins.items() if installed.get(name) != pin}
    off = {name: pair for name, pair in off.items() if pair[0] or name not in ON_GPU_MACHINES}
    told = ", ".join(f"{name} {have or 'missing'} (pinned {pin})" for name, (have, pin) in list(off.items())[:8])
    if any(name in TRAINERS for name in off):
        return failed(len(off), f"{told}: what was tested is not what will run. `make setup` installs the pins")
    if off:
        return warned(len(off), f"{told}: none of them trains, but they are not what was tested")
    return passed(0, f"{len(pins)} packages are at their pins")


@guard(
    "trl-configs", stage="static", needs=("trl_configs",), threshold=0, unit="stages refused",
    source="Polygl0t/llm-foundry#60", classes=("V2", "O7"),
)  # fmt: skip
def trl_configs(facts: Facts) -> Finding:
    """The installed TRL builds its SFTConfig and GRPOConfig from the very arguments that training will use."""
    answers = facts["trl_configs"]
    if "unknown" in answers:
        return unknown(answers["unknown"])
    if not answers:
        return not_applicable("no stage trains with TRL")
    refused = {stage: answer["error"] for stage, answer in answers.items() if answer["error"]}
    if refused:
        return failed(len(refused), "; ".join(f"{stage}: {error}" for stage, error in refused.items()))
    return worst(_effective(stage, answer) for stage, answer in answers.items())


def _effective(stage: str, answer: dict) -> Finding:
    """What TRL made of arguments it took: changed values and coming removals are worth knowing."""
    changed = {name: pair for name, pair in answer["changed"].items() if name not in RESTATED}
    if changed:
        told = ", ".join(f"{name} {given} -> {held}" for name, (given, held) in changed.items())
        return warned(0, f"{stage}: TRL holds other values than were given: {told}")
    if answer["warnings"]:
        return warned(0, f"{stage}: {answer['warnings'][0]}")
    return passed(0, f"{stage}: built, every argument held as given")


@guard(
    "patched-versions", stage="static", needs=("installed",), threshold=0, unit="packages with a known hole",
    source="CVE-2025-32434, CVE-2026-24747, CVE-2026-5241, CVE-2026-42557, CVE-2026-44727",
    classes=("X3", "X4", "X6"),
)  # fmt: skip
def patched_versions(facts: Facts) -> Finding:
    """No installed package has a hole through which a model, a repository or a notebook's output runs code."""
    installed = facts["installed"]
    old = [
        f"{name} {installed[name]} (patched in {first}: {why})"
        for name, (first, why) in PATCHED.items()
        if installed.get(name) and release(installed[name]) < release(first)
    ]
    return failed(len(old), "; ".join(old)) if old else passed(0, f"{', '.join(PATCHED)} are patched or not installed")


def release(version: str) -> tuple[int, ...]:
    """(5, 17, 0) of "5.17.0.dev3": the numbers before any suffix, enough to compare releases."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


@guard(
    "unsloth-cache", stage="static", needs=("params", "installed"), threshold=0, unit="stale files",
    source="unslothai/unsloth-zoo#1035", classes=("V1",),
)  # fmt: skip
def unsloth_cache(facts: Facts) -> Finding:
    """Unsloth's compiled trainers in this directory were compiled from the installed versions."""
    if facts["params"].model.backend != "unsloth":
        return not_applicable("model.backend is not unsloth")
    stamps, installed = facts.get("unsloth_stamps"), facts["installed"]
    if not stamps:
        return passed(0, "no compiled trainers in this directory")
    wanted = (installed.get("transformers"), installed.get("trl"))
    stale = [name for name, stamp in stamps.items() if tuple(stamp) != wanted]
    if stale:
        return failed(len(stale), f"compiled for other versions: {', '.join(stale[:3])}. Delete unsloth_compiled_cache")
    return passed(0, f"{len(stamps)} files, compiled for transformers {wanted[0]} and trl {wanted[1]}")
