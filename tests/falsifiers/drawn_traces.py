"""Abstract traces drawn as they should be, for plants to spoil, and the verdicts of every guard on them."""

from __future__ import annotations

import numpy as np

from caderno import guards
from caderno.abstract import health
from caderno.guards import after_traces

CODES = 64
BOUNDS = {"codes": CODES, "min_codes": 4, "max_codes": 40, "temperature": 1.0}


def drawn(n: int = 400, samples: int = 1, low: int = 4, high: int = 40, seed: int = 0) -> dict:
    """Traces that depend on their prompt: each has codes it prefers; lengths and seeds of their own."""
    rng = np.random.default_rng(seed)
    found = {"traces": [], "prompts": [], "seeds": []}
    for prompt in range(n):
        share = rng.dirichlet(np.full(CODES, 0.3))
        for sample in range(samples):
            found["traces"].append(rng.choice(CODES, int(rng.integers(low, high + 1)), p=share).tolist())
            found["prompts"].append(prompt)
            found["seeds"].append(prompt * samples + sample)
    return found


def measured(spec: dict | None = None, **given) -> dict:
    return {"traces": health.measures(given.pop("traces"), spec=BOUNDS if spec is None else spec, **given)}


def judged(spec: dict | None = None, **given) -> list:
    return guards.judge(after_traces.NAMES, measured(spec, **given))
