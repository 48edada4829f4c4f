"""The tiny models of the unit tests, for falsifiers that need weights."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))

# Fixtures of tests/unit/conftest.py: imported names are this directory's too.
from conftest import directory, engine, small_tokenizer, tiny_model_dir, tiny_pair  # noqa: F401
