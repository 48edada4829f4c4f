"""Run directories: whose they are, what a run was made with, what state each stage is in.

It knows neither notebooks' contents nor how they are executed: `pipeline` does that.
"""

from caderno.runs.files import read_json, whole_lines, write_json, write_jsonl, write_text
from caderno.runs.inputs import inputs_hash, parents
from caderno.runs.manifest import create_or_open, locked
from caderno.runs.paths import (
    STAGE_DIRECTORIES,
    all_runs,
    checkout,
    find_run,
    given,
    notebook_name,
    require_room,
    resolve,
    root,
    run_directory,
    stage_directory,
)
from caderno.runs.stage import Stage, add_verdicts, newest_complete_checkpoint, open_stage, refusing, stops, told
from caderno.runs.status import begin, finish, move_aside, read_status, seconds_between

__all__ = [
    "STAGE_DIRECTORIES",
    "Stage",
    "add_verdicts",
    "all_runs",
    "begin",
    "checkout",
    "create_or_open",
    "find_run",
    "finish",
    "given",
    "inputs_hash",
    "locked",
    "move_aside",
    "newest_complete_checkpoint",
    "notebook_name",
    "open_stage",
    "parents",
    "read_json",
    "read_status",
    "refusing",
    "require_room",
    "resolve",
    "root",
    "run_directory",
    "seconds_between",
    "stage_directory",
    "stops",
    "told",
    "whole_lines",
    "write_json",
    "write_jsonl",
    "write_text",
]
