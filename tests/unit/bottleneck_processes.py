"""One of two processes over gloo: its half of a batch through DDP, its gradients to DIRECTORY/<rank>.pt."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from bottleneck_rows import decoder, rows

from caderno.abstract import bottleneck
from caderno.abstract.sequences import collate

RAGGED = [(5, 20, 6, 9), (2, 3, 4, 12), (9, 17, 2, 2), (3, 0, 5, 4)]


def main(directory: Path) -> None:
    accelerator = Accelerator(cpu=True)
    rank, processes = accelerator.process_index, accelerator.num_processes
    if processes != 2:
        raise SystemExit(f"{processes} processes")
    model = accelerator.prepare(decoder())
    batch = collate(rows(RAGGED)[2 * rank : 2 * rank + 2], 0)
    total = accelerator.reduce(bottleneck.denominator(batch)) / processes
    accelerator.backward(bottleneck.loss(model, batch, denominator=total)["loss"])
    found = {name.removeprefix("module."): p.grad for name, p in model.named_parameters() if p.grad is not None}
    torch.save(found, directory / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
