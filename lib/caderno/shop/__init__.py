"""The shop: seven tables for one split, invented from a seed or read from Olist's CSV files, and made again from JSON.

It offers what other modules may use; the work is in the modules that it re-exports.
"""

from __future__ import annotations

from caderno.shop.generator import PROFILES, generate, load_profile
from caderno.shop.profile import PRAISES, PROBLEMS, REQUESTS, SENTIMENTS, SPLITS, Pools, Profile, ReviewFacts
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
    "load_profile",
    "sentiment_of",
]
