"""The end of a stage that trains: what it trained is saved, opened again and judged, and so is its ledger.

It judges before the stage's gate, which reads the verdicts. The executed notebook is not finished yet here: the runner
judges that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caderno import guards, models, runs
from caderno.errors import GuardRefused
from caderno.guards import facts_after

if TYPE_CHECKING:
    from pathlib import Path

    from caderno.guards import Verdict
    from caderno.models import Policy
    from caderno.runs import Stage

AFTER_TRAINING = ("ledger-match", "checkpoint-reopens", "checkpoint-hash", "merged-equals-adapter")


def keep(stage: Stage, policy: Policy) -> None:
    """Save what the stage trained under `model/`, adapters merged, and judge what is then on the disk."""
    before, model = facts_after.adapter_logits(policy), stage.directory / "model"
    saved = models.save(policy, model)
    facts_after.record_hashes(stage.directory)
    verdicts = guards.judge(AFTER_TRAINING, {
        "ledger": runs.read_json(stage.directory / "ledger.json"),
        "weights": facts_after.weights(stage.directory),
        "hashes": facts_after.saved_hashes(stage.directory),
        "merged": facts_after.merged(before, saved, model),
    })  # fmt: skip
    stage.guards([verdict.as_dict() for verdict in verdicts])
    for verdict in verdicts:
        if verdict.verdict not in ("pass", "not_applicable"):
            print(f"{verdict.verdict}: {verdict.guard}: {verdict.why}", flush=True)


def require_unchanged(stage: Stage, parent: Path) -> Verdict:
    """Judge the weights that `stage` is about to take from its parent's directory.

    Raises:
        GuardRefused: they are not those that were saved, and `guards.stop_on` stops on that: before anything is loaded.
    """
    [found] = guards.judge(["parent-hash"], {"parent_hashes": facts_after.saved_hashes(parent)})
    verdict = replace(found, why=f"{parent.name}: {found.why}")
    if not (verdict.verdict == "pass" and _another_is_worse(stage, parent)):
        stage.guards([verdict.as_dict()])
    if runs.stops(verdict.as_dict(), stage.params.guards):
        raise GuardRefused(
            f"{stage.name} is gated: {runs.told([verdict.as_dict()])}", where=str(parent / "model"),
            mend=f"Run {parent.name} again, or put its files back.",
        )  # fmt: skip
    return verdict


def _another_is_worse(stage: Stage, parent: Path) -> bool:
    """Whether guards.json holds a verdict on another parent that a pass of this one would hide: there is one row."""
    rows = runs.read_json(stage.directory / "guards.json", [])
    return any(
        row["guard"] == "parent-hash" and row["verdict"] != "pass" and not row["why"].startswith(f"{parent.name}:")
        for row in rows
    )
