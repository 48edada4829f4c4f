"""Run one probe and write its verdict as JSON: `python -m gpu_probes NAME --architecture A --folder F --out FILE`.

A crash writes nothing; the caller takes that for a failure.
"""

from __future__ import annotations

import argparse
import json
import traceback
from pathlib import Path

from gpu_probes import device, engine, training, weights
from gpu_probes.base import ARCHITECTURES, Failed, NotAvailable

PROBES = {
    "driver": device.driver,
    "bf16": device.bf16,
    "flash-sdpa": device.flash_sdpa,
    "weights": weights.weights,
    "train-memory": training.train_memory,
    "grpo": training.grpo,
    "unsloth": training.unsloth,
    "vllm": engine.vllm,
    "vllm-constrained": engine.vllm_constrained,
    "bitsandbytes": training.bitsandbytes,
}


def verdict(options: argparse.Namespace) -> dict:
    """{"verdict", "measured", "why"} of one probe. Whatever it raises is its verdict; the traceback goes to the log."""
    try:
        measured, why = PROBES[options.name](options)
    except NotAvailable as reason:
        return {"verdict": "not available", "measured": {}, "why": str(reason)}
    except Failed as reason:
        return {"verdict": "fail", "measured": {}, "why": str(reason)}
    except Exception as error:
        traceback.print_exc()
        return {"verdict": "fail", "measured": {}, "why": f"{type(error).__name__}: {error}".split("\n")[0]}
    return {"verdict": "pass", "measured": measured, "why": why}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=PROBES)
    parser.add_argument("--architecture", choices=ARCHITECTURES, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where the random weights are, or go")
    parser.add_argument("--out", type=Path, required=True, help="file for the verdict")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    options.out.write_text(json.dumps(verdict(options)))


if __name__ == "__main__":
    main()
