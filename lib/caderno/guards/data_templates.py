"""Data guards on tokenizer and chat template: the same tokens on every path, one BOS, an end that ends, the switch.

They judge tokens that were rendered elsewhere; which paths there are is the collector's knowledge.
"""

from __future__ import annotations

from itertools import zip_longest

from caderno.guards.guard import Facts, Finding, failed, guard, passed, unknown, warned
from caderno.guards.listing import listed

# What the rollouts' own generation settings name; anything else in generation_config.json acts in them unseen.
NAMED = {"do_sample", "temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "max_length"}
NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0}


@guard(
    "render-parity", stage="data", needs=("renders",), threshold=0, unit="rows that differ between paths",
    source="huggingface/trl#6361", classes=("T5",),
)  # fmt: skip
def render_parity(facts: Facts) -> Finding:
    """A row's prompt has the same tokens in training, rollouts, evaluation and serving."""
    paths = facts["renders"]["paths"]
    (first, reference), *others = paths.items()
    shared = [row for row in reference if all(row in rendered for _, rendered in others)]
    if not others or not shared:
        return unknown(f"{len(paths)} paths with {len(shared)} rows in common: nothing to compare")
    differing = {
        name: [row for row in shared if list(rendered[row]) != list(reference[row])] for name, rendered in others
    }
    bad = {row for rows in differing.values() for row in rows}
    if not bad:
        return passed(0, f"{len(shared)} rows have the same tokens in {', '.join(paths)}")
    told = [
        f"{name} is not {first} in {listed(rows, len(shared))}, {_parting(reference[rows[0]], paths[name][rows[0]])}"
        for name, rows in differing.items()
        if rows
    ]
    return failed(len(bad), "; ".join(told))


def _parting(one: list[str], other: list[str]) -> str:
    place = next(i for i, (a, b) in enumerate(zip_longest(one, other)) if a != b)
    return f"first at token {place}: {' '.join(map(repr, one[place : place + 3])) or 'nothing'} against " + (
        " ".join(map(repr, other[place : place + 3])) or "nothing"
    )


@guard(
    "one-bos", stage="data", needs=("renders",), threshold=0, unit="rows that begin with two BOS tokens",
    source="vllm-project/vllm#27515, OpenRLHF/OpenRLHF#393", classes=("T4",),
)  # fmt: skip
def one_bos(facts: Facts) -> Finding:
    """No path puts a beginning-of-sequence token before the one that the template writes."""
    bos, paths = facts["renders"]["bos"], facts["renders"]["paths"]
    if bos is None:
        return passed(0, "the tokenizer has no BOS token")
    doubled = {
        name: [row for row, tokens in rows.items() if list(tokens[:2]) == [bos] * 2] for name, rows in paths.items()
    }
    told = [f"{name}: {listed(rows, len(paths[name]))}" for name, rows in doubled.items() if rows]
    if told:
        return failed(max(map(len, doubled.values())), "; ".join(told))
    return passed(0, f"at most one {bos} in {', '.join(paths)}")


@guard(
    "turn-end", stage="data", needs=("ends",), threshold="in every EOS set", unit="the turn's last token",
    source="huggingface/trl#3299, huggingface/open-r1#604, huggingface/trl#7039", classes=("T2", "R4"),
)  # fmt: skip
def turn_end(facts: Facts) -> Finding:
    """The token that the template writes after the assistant's words ends generation for everybody who generates."""
    ends = facts["ends"]
    end, text, sources = ends["turn_end"], ends["text"], ends["sources"]
    if end is None:
        return warned("none", "the template writes nothing after the assistant's words: only EOS can end a turn")
    named = {source: ids for source, ids in sources.items() if ids}
    without = [source for source, ids in named.items() if end not in ids]
    told = "; ".join(f"{source} {ids}" for source, ids in named.items())
    if len(without) == len(named):
        return failed(text, f"{text!r} ({end}) ends no completion, a model trained on turns never stops: {told}")
    if without:
        return warned(text, f"{', '.join(without)} do not name {text!r} ({end}): who reads them does not stop: {told}")
    return passed(text, f"{text!r} ({end}) is an end for {', '.join(named)}")


@guard(
    "template-round-trip", stage="data", needs=("round_trip",), threshold=0, unit="prompts whose tokens change",
    source="huggingface/trl#5224", classes=("T6",),
)  # fmt: skip
def template_round_trip(facts: Facts) -> Finding:
    """Tokens decoded and tokenized again are the same tokens."""
    spec = facts["round_trip"]
    if not spec["n"]:
        return unknown("no prompt was tried")
    if spec["changed"]:
        row, how = next(iter(spec["changed"].items()))
        return failed(len(spec["changed"]), f"{listed(list(spec['changed']), spec['n'])}; {row}: {how}")
    return passed(0, f"{spec['n']} prompts come back as they were")


@guard(
    "thinking-switch", stage="data", needs=("switch",), threshold="as asked", unit="the template's enable_thinking",
    source="huggingface/trl#6361", classes=("T5",),
)  # fmt: skip
def thinking_switch(facts: Facts) -> Finding:
    """A thinking switch that the parameters set is one that the template knows."""
    has, asked = facts["switch"]["has"], facts["switch"]["asked"]
    word = "present" if has else "absent"
    if asked is not None and not has:
        return failed(word, f"chat.enable_thinking is {asked}, and the template renders the same either way", asked)
    if asked is None and has:
        return passed(word, "left to the template's default, on every path: chat.enable_thinking would set it", "null")
    return passed(word, "set on every path" if has else "the template has none, and none is asked for", str(asked))


@guard(
    "generation-config", stage="data", needs=("generation_config",), threshold=0, unit="values not as asked",
    source="vllm-project/vllm#15241, vllm-project/vllm#15281", classes=("R7",),
)  # fmt: skip
def generation_config(facts: Facts) -> Finding:
    """What generation_config.json sets is what was asked: it is the default wherever nobody says otherwise."""
    spec = facts["generation_config"]
    held, deployed = spec["file"], spec["deployment"]
    unseen = {key: value for key, value in held.items() if key not in NAMED}
    if unseen:
        told = ", ".join(f"{key} {value}" for key, value in unseen.items())
        return failed(len(unseen), f"{told}: nothing of the run names it, and it acts in the trainer's rollouts", 0)
    asked = NEUTRAL | deployed
    other = [f"{key} {held[key]}, asked {asked[key]}" for key in held if key in asked and held[key] != asked[key]]
    if other:
        why = f"{'; '.join(other)} (calibration.deployment): a server that is told nothing takes the file's"
        return warned(len(other), why, 0)
    return passed(0, "it names nothing that differs from what was asked", 0)
