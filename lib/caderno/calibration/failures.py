"""Why completions lack form, grouped into kinds: the ways out of a format that a prompt or a reward can mend.

It reads the parts and the reasons that scores came with; contents that are wrong in good form are not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

UNCLOSED = "thought never closed"
CUT = "cut at the ceiling"
LONGEST = 60  # characters of a kind
# Reasons that speak of form stand anywhere in a score's list; else its first reason is the one that decided.
OF_FORM = re.compile(r"campo .* (inválido|repetido)$|texto (fora|antes)|JSON|resposta vazia|tamanho|maior que")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»")
PLACES = (  # what else differs between completions of one kind
    (re.compile(r"campo \S+ "), "campo … "),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
)


def kinds(drawn: Mapping[str, Sequence[dict]]) -> list[dict]:
    """Completions whose parts.format is below 1, by sampling, task and kind, most frequent first.

    n: completions of the kind; share: of all the task's judged completions; id, sample and why: an example.
    """
    found: dict[tuple[str, str, str], list[dict]] = {}
    totals: dict[tuple[str, str], int] = {}
    for sampling, samples in drawn.items():
        for sample in samples:
            if sample["score"] is None:
                continue
            totals[sampling, sample["task"]] = totals.get((sampling, sample["task"]), 0) + 1
            if sample.get("parts", {}).get("format", 1) < 1:
                found.setdefault((sampling, sample["task"], kind(sample)), []).append(sample)
    entries = [
        {
            "task": task, "sampling": sampling, "kind": name, "n": len(mine),
            "share": len(mine) / totals[sampling, task], "id": mine[0]["id"], "sample": mine[0]["sample"],
            "why": mine[0]["why"],
        }
        for (sampling, task, name), mine in found.items()
    ]  # fmt: skip
    return sorted(entries, key=lambda entry: (entry["sampling"] != "training", -entry["n"], entry["task"]))


def kind(sample: Mapping) -> str:
    """What a completion without good form did: how it ended, else the reason of its score without its particulars."""
    if not sample["think_closed"]:
        return UNCLOSED
    if sample["finish_reason"] == "length":
        return CUT
    reasons = [reason.strip() for reason in sample["why"].split(";")]
    said = next((reason for reason in reasons if OF_FORM.search(reason)), reasons[0])
    said = QUOTED.sub(lambda found: found[0] if found[0].endswith(":'") else "…", said)  # labels of a format stay
    for pattern, place in PLACES:
        said = pattern.sub(place, said)
    return said if len(said) <= LONGEST else said.partition(": ")[0][:LONGEST]  # a parser's message, say
