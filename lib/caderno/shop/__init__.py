"""The shop: seven tables for one split, invented from a seed or read from Olist's CSV files, and made again from JSON.

It offers what other modules may use; the work is in the modules that it re-exports.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from typing import Any

from caderno.errors import BadInput
from caderno.shop.generator import PROFILES, generate, load_profile
from caderno.shop.olist import load_olist
from caderno.shop.profile import PRAISES, PROBLEMS, REQUESTS, SENTIMENTS, SPLITS, Pools, Profile, ReviewFacts, split_of
from caderno.shop.tables import SCHEMA, Shop, sentiment_of

__all__ = [
    "PRAISES",
    "PROBLEMS",
    "PROFILES",
    "REQUESTS",
    "SCHEMA",
    "SENTIMENTS",
    "SPLITS",
    "Pools",
    "Profile",
    "ReviewFacts",
    "Shop",
    "generate",
    "load_olist",
    "load_profile",
    "rebuild",
    "sentiment_of",
    "split_of",
]

MAKERS = {"shop": (generate, ("seed", "split", "orders", "profile")), "olist": (load_olist, ("path", "split"))}

_making = threading.Lock()


def rebuild(source: dict[str, Any]) -> Shop:
    """The shop that `Shop.source` describes. Equal sources give one shop, kept for the process: do not write to it.

    Raises BadInput for a source of no known kind or with keys missing or unknown.
    """
    maker = MAKERS.get(source.get("source"))
    if maker is None:
        raise BadInput(f"shop source {source.get('source')!r}", expected=f"one of {', '.join(MAKERS)}")
    if sorted(source) != sorted((*maker[1], "source")):
        raise BadInput(f"shop source with keys {', '.join(sorted(source))}", expected=f"source, {', '.join(maker[1])}")
    with _making:  # threads that score rows of one shop would each make it
        return _rebuilt(json.dumps(source, sort_keys=True))


@functools.lru_cache(maxsize=64)
def _rebuilt(canonical: str) -> Shop:
    source = json.loads(canonical)
    make, _ = MAKERS[source.pop("source")]
    return make(**source)


def _after_fork() -> None:
    """Another thread may have held it when this process was forked, and will never let go here."""
    global _making
    _making = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
