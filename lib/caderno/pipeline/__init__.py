"""Runs the stages of a parameter file through papermill, and tells how far they are.

What happens inside a stage is the notebook's; what a run directory means is in `runs`.
"""

from caderno.pipeline.progress import StageRow, stage_rows
from caderno.pipeline.runner import run

__all__ = ["StageRow", "run", "stage_rows"]
