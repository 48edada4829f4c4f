"""What is judged when a notebook has been executed: the file that people will open, and the weights it left.

The stage's own verdicts were written while it ran; these join them in its guards.json.
"""

from __future__ import annotations

from pathlib import Path

from caderno import guards, runs
from caderno.errors import GuardRefused
from caderno.params.sections import GuardParams

AFTER_NOTEBOOK = ("notebook-secrets", "notebook-html", "checkpoint-hash")


def judge(directory: Path, notebook: Path) -> None:
    """Adds the verdicts on an executed notebook to its stage's guards.json, however the notebook ended.

    Nothing is judged where no notebook was written. One that is cut in the middle of being written is unknown.
    """
    from caderno.guards import facts_after

    if not notebook.exists():
        return
    try:
        facts = {"notebook": facts_after.notebook(notebook)}
    except ValueError:  # killed while it was written: not JSON
        facts = {}
    facts["hashes"] = facts_after.saved_hashes(directory, saves=(directory / "model").exists())
    runs.add_verdicts(directory, [verdict.as_dict() for verdict in guards.judge(AFTER_NOTEBOOK, facts)])


def gate(directory: Path, notebook: Path, spec: GuardParams) -> None:
    """Turns a stage that has passed into one that is gated, where the last verdicts stop it.

    Raises:
        GuardRefused: they do.
    """
    refused = runs.refusing(directory, spec)
    if refused:
        reasons = runs.told(refused)
        runs.finish(directory, "gated", reasons)
        mend = f"The executed notebook is {notebook}."
        raise GuardRefused(f"{directory.name} is gated: {reasons}", where=str(directory / "guards.json"), mend=mend)
