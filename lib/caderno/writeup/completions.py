"""The best and the worst completions of the last arm, quoted so that nothing in them can break the page.

Chosen by score and order alone, never by hand, and nothing is said about them that the sample does not say.
"""

from __future__ import annotations

from typing import Any

from caderno.writeup import words
from caderno.writeup.artifacts import StageRecord, understood
from caderno.writeup.findings import arm
from caderno.writeup.stages import temperature

SHOWN = 3  # completions at each end


def extremes(stage: StageRecord) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """How they were chosen, the best and the worst completions of the last arm, at its lowest temperature."""
    with understood(stage.directory / "samples.jsonl"):
        arms = (stage.result or {}).get("arms") or list(dict.fromkeys(s["arm"] for s in stage.samples))
        own = [s for s in stage.samples if s["arm"] == arms[-1]] if arms else []
        lowest = min((s["temperature"] for s in own), default=0.0)
        scored = [s for s in own if s["temperature"] == lowest and s["score"] is not None]
        if not scored:
            return "", [], []
        best = _chosen(sorted(scored, key=lambda s: -s["score"]))
        worst = _chosen([s for s in sorted(scored, key=lambda s: s["score"]) if s not in best])
    unscored = sum(s["temperature"] == lowest and s["score"] is None for s in own)
    left_out = f" {unscored:,} that could not be scored are left out." if unscored else ""
    how = (
        f"{arm(arms[-1])}, {temperature(lowest)}, out of {len(scored):,} completions. Among equal scores, a task that "
        f"is not shown yet goes first, then the order of the file.{left_out}"
    )
    return how, [_quoted(s) for s in best], [_quoted(s) for s in worst]


def _chosen(ranked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first three by score, spread over tasks where scores are equal."""
    chosen: list[dict[str, Any]] = []
    while ranked and len(chosen) < SHOWN:
        equal = [s for s in ranked if s["score"] == ranked[0]["score"]]
        shown = {s["task"] for s in chosen}
        pick = next((s for s in equal if s["task"] not in shown), equal[0])
        chosen.append(pick)
        ranked = [s for s in ranked if s is not pick]
    return chosen


def _quoted(sample: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a sample, safe in Markdown."""
    prompt = sample["prompt"]
    asked = prompt if isinstance(prompt, str) else "\n\n".join(m["content"] for m in prompt if m["role"] == "user")
    ended = "" if sample["finish_reason"] == "stop" else ", cut at the ceiling"
    return {
        "head": f"{words.code(sample['id'])} · {words.code(sample['task'])} · score **{sample['score']:.3f}**",
        "tail": f"{sample['tokens']:,} tokens{ended}",
        "why": words.plain(sample["why"] or ""),
        "parts": ", ".join(f"{words.plain(k)} {v:.3f}" for k, v in sample["parts"].items() if v is not None),
        "prompt": words.fenced(asked),
        "gold": words.fenced(sample["gold"]),
        "completion": words.fenced(sample["completion"]),
    }
