"""Data guards on the rows themselves: none of the evaluation in any training set, and every row can be judged.

They judge the counts of a scan; scanning and scoring is done elsewhere. Paraphrases are met by no scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned
from caderno.guards.listing import listed

NEAR_SHARE = 0.5  # of a prompt's n-grams; answers from one template share as much
RUN_WORDS = 13  # on end, as in lm-evaluation-harness: short prompts from one template share fewer
KINDS = ("exact", "normalised", "entity")


def _hits(sets: list[Mapping[str, Any]]) -> dict[str, int]:
    """{"name: kind": evaluation rows met there}."""
    return {f"{one['name']}: {kind}": one[kind]["rows"] for one in sets for kind in KINDS if one[kind]["rows"]}


def _first(sets: list[Mapping[str, Any]]) -> str:
    """The first pair of a scan, for people."""
    pairs = [pair for one in sets for kind in KINDS for pair in one[kind]["pairs"]]
    return f"; first {pairs[0]['eval']['id']} ({pairs[0]['text'][:60]!r})" if pairs else ""


@guard(
    "leak-scan", stage="data", needs=("leaks",), threshold=0, unit="evaluation rows in the training rows",
    source="huggingface/open-r1#416, EleutherAI/lm-evaluation-harness#145", classes=("D1",),
)  # fmt: skip
def leak_scan(facts: Facts) -> Finding:
    """No held-out or test row stands in the training rows: the same, the same but for its form, or by an entity."""
    found = facts["leaks"]
    rows = sum(one["rows"] for one in found["eval"])
    if hits := _hits(found["train"]):
        told = ", ".join(f"{name} {n} of {rows}" for name, n in hits.items())
        return failed(max(hits.values()), told + _first(found["train"]))
    near = [
        pair["eval"]["id"] for one in found["train"] for pair in one["ngram"]["pairs"]
        if pair["shares"]["prompt"] >= NEAR_SHARE and pair["words"] >= RUN_WORDS
    ]  # fmt: skip
    if near:
        why = f"{RUN_WORDS} words on end and half of the prompt stand in one training row (`caderno leaks` shows them)"
        return warned(len(near), f"{listed(near, rows)}: {why}")
    return passed(0, f"{rows} rows: none exact, normalised, by entity or by {RUN_WORDS} words and half of its prompt")


@guard(
    "leak-ancestors", stage="data", needs=("ancestors",), threshold=0, unit="evaluation rows in ancestors' training",
    source="huggingface/open-r1#416", classes=("D1",),
)  # fmt: skip
def leak_ancestors(facts: Facts) -> Finding:
    """No held-out or test row stands in what the starting weights were trained on."""
    sets = facts["ancestors"]["train"]
    if not sets:
        return not_applicable("the weights start from nothing")
    known = [one for one in sets if one["state"] == "scanned"]
    if hits := _hits(known):
        return failed(max(hits.values()), ", ".join(f"{name} {n}" for name, n in hits.items()) + _first(known))
    if dark := [f"{one['name']}: {one['why']}" for one in sets if one["state"] != "scanned"]:
        return unknown("; ".join(dark))
    return passed(0, f"{', '.join(one['name'] for one in known)}: none")


@guard(
    "judgeable-rows", stage="data", needs=("judgeable",), threshold=0, unit="share of rows that no scorer can judge",
    source="huggingface/trl#4501, modelscope/ms-swift#8123", classes=("W3",),
)  # fmt: skip
def judgeable_rows(facts: Facts) -> Finding:
    """Every row has a score for its own reference: one without cannot be learnt from and is in no mean."""
    spec = facts["judgeable"]
    if not spec["n"]:
        return unknown("no row was tried")
    share = len(spec["none"]) / spec["n"]
    if spec["whole_tasks"]:
        return failed(share, f"not one row can be judged of {', '.join(spec['whole_tasks'])}")
    if spec["none"]:
        return warned(share, f"{listed(spec['none'], spec['n'])}: counted, never 0")
    return passed(0.0, f"{spec['n']} of {spec['rows']} rows tried")
