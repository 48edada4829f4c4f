"""Which stages a command is about, and whether they can start: decided before anything is written.

It executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from caderno import runs
from caderno.errors import BadInput
from caderno.models import source
from caderno.params.sections import Params

PARAMETERS = ("params_file", "run_dir")  # all that papermill injects


@dataclass(frozen=True)
class Plan:
    """The chosen stages of a run, with the hash of what each depends on."""

    run_dir: Path
    params: Params
    notebooks: Path
    stages: tuple[str, ...]
    inputs: dict[str, str]  # of the chosen stages and of those they build on

    def directory(self, stage: str) -> Path:
        """Where a stage keeps its files."""
        return runs.stage_directory(self.run_dir, stage)

    def current(self, stage: str) -> bool:
        """Whether a stage has passed with these inputs, after the stages it builds on."""
        status = runs.read_status(self.directory(stage))
        if status["state"] != "passed" or status["inputs"] != self.inputs[stage]:
            return False
        parents = [runs.read_status(self.directory(parent)) for parent in runs.parents(stage, self.params)]
        # Same inputs are not the same weights: a parent that ran again makes what was built on it stale.
        return all(parent["ended"] and parent["ended"] <= status["started"] for parent in parents)

    def check_parents(self) -> None:
        """Refuses a choice that starts in the middle of what has not passed.

        Raises:
            BadInput: a stage that a chosen one builds on has not passed with these inputs.
        """
        for stage in self.stages:
            for parent in runs.parents(stage, self.params):
                if parent not in self.stages and not self.current(parent):
                    state = runs.read_status(self.directory(parent))["state"]
                    found = "has passed, but with other inputs" if state == "passed" else f"is {state}"
                    raise BadInput(
                        f"{stage} builds on {parent}, which {found}", where=str(self.directory(parent)),
                        expected="a passed stage", mend=f"Run it as well: leave out --only, or give --from {parent}.",
                    )  # fmt: skip


def make(params: Params, from_stage: str | None, only: str | None, notebooks: Path) -> Plan:
    """Plans a command.

    Raises:
        BadInput: a stage that the parameters do not list, or a notebook that is missing or cannot take parameters.
    """
    stages = choose(params, from_stage, only)
    for stage in stages:
        check_notebook(notebooks / runs.notebook_name(stage))
    if "pretrain" not in params.stages and source.names_files(params.model.name):
        source.resolve(params.model.name)  # a path that is no model is refused before a run directory exists
    wanted = {name for stage in stages for name in (stage, *runs.parents(stage, params))}
    inputs = {stage: runs.inputs_hash(stage, params, notebooks) for stage in sorted(wanted)}
    return Plan(runs.run_directory(params), params, notebooks, stages, inputs)


def choose(params: Params, from_stage: str | None, only: str | None) -> tuple[str, ...]:
    """The stages a command is about: all, those from one on, or one."""
    if from_stage and only:
        raise BadInput("both --from and --only", expected="one of them")
    for option, stage in (("--from", from_stage), ("--only", only)):
        if stage and stage not in params.stages:
            listed = ", ".join(params.stages)
            raise BadInput(f"no stage {stage!r} in this run", where=option, expected=f"one of {listed}")
    if only:
        return (only,)
    return params.stages[params.stages.index(from_stage) :] if from_stage else params.stages


def check_notebook(path: Path) -> None:
    """A notebook must exist and have the tagged cell that names both parameters: papermill only warns, and values
    injected anywhere else are overwritten by the notebook's own.

    Raises:
        BadInput: it does not.
    """
    mend = 'It needs a cell tagged "parameters" that sets params_file and run_dir.'
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"not a notebook that can be read ({error})", expected="a Jupyter notebook", where=str(path)
        ) from error
    tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    missing = list(_missing(tagged))
    if len(tagged) != 1 or missing:
        found = f"a parameters cell without {', '.join(missing)}" if len(tagged) == 1 else f"{len(tagged)} such cells"
        raise BadInput(found, expected="one cell with both parameters", where=str(path), mend=mend)


def _missing(tagged: list[str]) -> Iterable[str]:
    """Parameters that no line of the tagged cell sets."""
    lines = [line.split("=")[0].split(":")[0].strip() for text in tagged for line in text.splitlines() if "=" in line]
    return (name for name in PARAMETERS if name not in lines)
