"""Hardened child processes for what must not run in the trainer: a pool per service, JSON over pipes, kill at deadline.

A service is a module with `prepare()` (imports and warm-up, before rights are given up) and `handle(request) -> dict`;
what it does is its own business.
"""

from __future__ import annotations

from caderno.workers.pool import Pool, ServiceError, close_all, shared
from caderno.workers.process import DeadlineMissed, StartFailed, WorkerDied
from caderno.workers.wire import MAX_REPLY_BYTES, MAX_REQUEST_BYTES, FrameTooLarge

__all__ = [
    "MAX_REPLY_BYTES",
    "MAX_REQUEST_BYTES",
    "DeadlineMissed",
    "FrameTooLarge",
    "Pool",
    "ServiceError",
    "StartFailed",
    "WorkerDied",
    "close_all",
    "shared",
]
