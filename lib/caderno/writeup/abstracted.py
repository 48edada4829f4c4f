"""Abstract chain-of-thought in tables: arms with tokens and pairs, rounds, channels, interventions, verdicts by arm.

Everything is as the stage wrote it. The caveat of staged EM is told wherever that arm is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from caderno.writeup import words
from caderno.writeup.artifacts import StageRecord, understood
from caderno.writeup.words import Table

CAVEAT = (
    "**Caveat of staged EM**: its curriculum is hidden process supervision (the answer of a prefix is an intermediate "
    "value of the row), and it has no bottleneck phase: this is the paper's format trained by staged EM, not a "
    "reproduction. No chain was found from final answers alone."
)
OPEN = (
    "**Stepwise EM** is supervised by the thought C, a verbal step for each code, as the rows of the paper's setting "
    "allow: process supervision in the open, and no bottleneck phase."
)
NAMES = {
    "kept": "kept", "dropped": "dropped", "randomised": "random codes", "shuffled": "shuffled within",
    "swapped": "another prompt's",
}  # fmt: skip
SHOWN = ("fail", "warn")


def caveat(stage: StageRecord) -> str:
    """What has to travel with the staged arms' figures; "" where there are none."""
    return caveats([line["arm"] for line in (stage.result or {}).get("arms", [])])


def caveats(arms: Iterable[str]) -> str:
    """The same for these arms."""
    arms = list(arms)
    told = {"staged": CAVEAT, "stepwise": OPEN}
    return "\n\n".join(text for name, text in told.items() if any(arm.startswith(name) for arm in arms))


def arms(stage: StageRecord) -> Table:
    """Every arm: accuracy, tokens apart, steps, and the paired difference."""
    with understood(stage.directory / "result.json"):
        rows = [_arm(line) for line in stage.result["arms"]]
        chance, seed = stage.result["chance"], stage.result["seed"]
    columns = ("Arm", ">Accuracy", ">Thought", ">Trace", ">Answer", ">Steps", "Against", ">Difference", ">p")
    note = (
        "Tokens are means per answer, given ones included. Steps: of the arm, after those of its start. Accuracy with "
        f"Wilson's interval, differences paired on the same rows, one training seed ({seed})."
    )
    note += f" The commonest answer alone would be right in {chance:.2f}." if chance else ""
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `arms`", note)


def _arm(line: Mapping[str, Any]) -> tuple[str, ...]:
    steps = f"{line['steps']:,}" if not line["warm_steps"] else f"{line['warm_steps']:,} + {line['steps']:,}"
    paired = ("", "", "")
    if "paired" in line:
        pair = line["paired"]
        paired = (words.code(line["paired_with"]), words.difference(pair), words.p_value(pair["p"]))
    tokens = (f"{line[key]:.1f}" if line[key] else words.NONE for key in ("tokens_c", "tokens_z", "tokens_y"))
    return (words.code(line["arm"]), words.estimate(line["accuracy"]), *tokens, steps, *paired)


def rounds(stage: StageRecord) -> Table | None:
    """Losses by phase, Y's loss through both channels, and what selection chose; None without a warm-up."""
    found = [
        (line["arm"], phase)
        for line in (stage.result or {}).get("arms", [])
        for phase in line["training"].get("phases", [])
    ]
    if not found:
        return None
    with understood(stage.directory / "result.json"):
        rows = [_phase(arm, phase) for arm, phase in found]
    columns = ("Arm", "Phase", ">Steps", ">Loss of Z", ">Loss of Y", ">Y through Z's states", ">through tokens alone")
    columns += (">Effective candidates",)
    note = (
        "Losses in nats per token, first → last logged; Y's two channels in nats per row on held-out rows, after the "
        "phase, with traces the teacher drew. At inference only the tokens are there. Effective candidates: of those "
        "that selection weighed per row."
    )
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `arms.training.phases`", note)


def _phase(arm: str, phase: Mapping[str, Any]) -> tuple[str, ...]:
    nats = phase.get("y_nats") or {}
    channel = (f"{nats[key]:.2f}" if key in nats else words.NONE for key in ("through_states", "tokens_only"))
    chosen = phase["traces"].get("effective_candidates")
    return (
        words.code(arm), f"{phase['phase'].upper()}{phase['round']}", f"{phase['steps']:,}", _way(phase["loss_z"]),
        _way(phase["loss_y"]), *channel, f"{chosen:.1f}" if chosen else words.NONE,
    )  # fmt: skip


def _way(ends: Mapping[str, Any]) -> str:
    return words.NONE if ends["first"] is None else f"{ends['first']:.2f} → {ends['last']:.2f}"


def interventions(stage: StageRecord) -> Table | None:
    """Accuracy of every abstract arm with its trace changed; None where none was judged."""
    found = [line for line in (stage.result or {}).get("arms", []) if line.get("interventions")]
    if not found:
        return None
    with understood(stage.directory / "result.json"):
        names = list(dict.fromkeys(one["name"] for line in found for one in line["interventions"]))
        rows = [_changed(line, names) for line in found]
    columns = ("Arm", *(f">{_named(name)}" for name in names))
    n = found[0]["interventions"][0]["n"]
    note = f"Shares of {n:,} test rows answered rightly; an arm that reads its trace loses when it is changed."
    return Table(columns, rows, f"`{stage.folder}/result.json`, key `arms.interventions`", note)


def _changed(line: Mapping[str, Any], names: list[str]) -> tuple[str, ...]:
    by_name = {one["name"]: one for one in line["interventions"]}
    return (words.code(line["arm"]), *(f"{by_name[n]['accuracy']:.3f}" if n in by_name else words.NONE for n in names))


def _named(name: str) -> str:
    return f"first {name.rpartition('_')[2]}" if name.startswith("truncated") else NAMES.get(name, name)


def verdicts(stage: StageRecord) -> Table | None:
    """What the trace guards said arm by arm, failures and warnings; None where there are none."""
    with understood(stage.directory / "result.json"):
        found = [
            (arm, one)
            for arm, mine in (stage.result or {}).get("verdicts", {}).items()
            for one in mine
            if one["verdict"] in SHOWN
        ]
        rows = [(words.code(arm), f"**{one['verdict']}**", words.code(one["guard"]), words.plain(one["why"]))
                for arm, one in found]  # fmt: skip
    source = f"`{stage.folder}/result.json`, key `verdicts`"
    return Table(("Arm", "Verdict", "Guard", "Why"), rows, source) if rows else None
