"""The child process behind the guard `trl-configs`: real SFTConfig and GRPOConfig on arguments from standard input.

torch, peft and accelerate are hidden here, which brings eleven seconds of imports to two: the dataclasses, their
`__post_init__` and every check of names, types, batches and steps are the installed libraries' own. What needs torch
is left out and said so: the set-up of a device, accelerate's configuration and "does this GPU know bfloat16", which
are the guards' `hardware` and `dtype-gpu`. The number of processes is given, since none are launched.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from enum import Enum
from typing import Any

# find_spec gives None for these, so that transformers and trl take them for not installed
HIDDEN = ("torch", "peft", "accelerate", "tensorflow", "jax", "flax", "scipy", "sklearn", "pandas", "PIL", "sympy")


def main() -> None:
    """Reads {"processes": n, "stages": {"sft": {...}, "grpo": {...}}}, writes {"sft": {...}, "grpo": {...}}."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"  # it would say that PyTorch was not found
    os.environ["HF_HUB_OFFLINE"] = "1"
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is not the answer
    for name in HIDDEN:
        sys.modules[name] = None  # type: ignore[assignment]
    from transformers import TrainingArguments
    from trl import GRPOConfig, SFTConfig

    asked = json.load(sys.stdin)
    TrainingArguments.world_size = property(lambda _: asked["processes"])
    classes = {"sft": SFTConfig, "grpo": GRPOConfig}
    answer = {stage: judge(classes[stage], arguments) for stage, arguments in asked["stages"].items()}
    print(json.dumps(answer), file=out)


def judge(config_class: type, arguments: dict[str, Any]) -> dict[str, Any]:
    """{"error": text or None, "changed": {name: [given, held]}, "warnings": [...]} of one configuration."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", FutureWarning)
        try:
            config = config_class(**arguments)
        except Exception as error:  # whatever the libraries raise is the answer
            return {"error": f"{type(error).__name__}: {error}", "changed": {}, "warnings": []}
    held = {name: plain(getattr(config, name)) for name in arguments}
    changed = {name: [given, held[name]] for name, given in arguments.items() if held[name] != plain(given)}
    future = [str(one.message) for one in told if issubclass(one.category, FutureWarning)]
    return {"error": None, "changed": changed, "warnings": future}


def plain(value: Any) -> Any:
    """Enumerations as their values; whatever JSON does not know as text."""
    value = value.value if isinstance(value, Enum) else value
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)


if __name__ == "__main__":
    main()
