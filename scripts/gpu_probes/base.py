"""What the probes share: the two ways not to pass, what they return, how they measure.

No probe is here, and no import of torch at the top: a probe may have to import something before it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

# As in the models' config.json: hidden size, layers, MLP width, query heads, key-value heads, head width, vocabulary.
ARCHITECTURES = {
    "tiny": (128, 2, 256, 4, 2, 32, 320),
    "qwen3-0.6b": (1024, 28, 3072, 16, 8, 128, 151_936),
    "qwen3-4b": (2560, 36, 9728, 32, 8, 128, 151_936),
}
TRAIN_TOKENS = 2048  # one row of a training step
GIB = 2**30
Outcome = tuple[dict[str, float], str]  # {name with unit: value}, a remark


class NotAvailable(Exception):
    """What the probe would try is not on this machine: neither a pass nor a failure."""


class Failed(Exception):
    """It is on this machine and does not do what it should."""


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def need(package: str) -> None:
    """Raise NotAvailable unless the package is installed."""
    if importlib.util.find_spec(package) is None:
        raise NotAvailable(f"{package} is not installed (the gpu set has it: CADERNO_SET=gpu make setup)")


def peak_gib() -> float:
    """Most GPU memory torch held at once, GiB; 0 on a CPU."""
    import torch

    return torch.cuda.max_memory_allocated() / GIB if torch.cuda.is_available() else 0.0


def milliseconds(work: Callable[[], object], repeats: int = 20) -> float:
    """Mean GPU time of one call, after three to warm up."""
    import torch

    for _ in range(3):
        work()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / repeats
