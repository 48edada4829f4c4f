"""The parameter sections of what a run tells: tracking and the write-up.

They change no figure of a run.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from caderno.params.training_sections import Section


class TrackingParams(Section):
    """Weights & Biases, offline unless told otherwise."""

    mode: Literal["offline", "online", "disabled"] = Field("offline", description="wandb's mode")
    project: str = Field("caderno", description="wandb project")


class WriteupParams(Section):
    """Where the story of the run goes."""

    directory: str | None = Field(
        "docs/checkpoints", description="where the write-up goes besides the run; null: nowhere"
    )
    context: str = Field("", description="a paragraph by people: why this run exists")
    parent: str | None = Field(None, description="parameter file or run directory the differences are told against")
