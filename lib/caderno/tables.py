"""Tables for people who read a notebook: verdicts, estimates and samples as pandas frames.

Markdown for the write-up is `caderno.writeup`'s; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from caderno import params as parameters
from caderno.writeup import words

if TYPE_CHECKING:
    from caderno.guards import Verdict
    from caderno.params import Params


class Table(pd.DataFrame):
    """A frame that a notebook shows with its text whole and to the left, lines broken where they must."""

    def _repr_html_(self) -> str:
        cells = {"text-align": "left", "white-space": "pre-wrap", "vertical-align": "top", "max-width": "46em"}
        heads = [{"selector": "th", "props": "text-align: left; vertical-align: top"}]
        return pd.DataFrame(self).style.format(precision=3).set_properties(**cells).set_table_styles(heads).to_html()


def settings(params: Params, *sections: str) -> Table:
    """The resolved parameters of some sections (all where none is named): value and what it means."""
    rows = [row for row in parameters.table(params) if not sections or row[0].split(".")[0] in sections]
    return Table(pd.DataFrame(rows, columns=["parameter", "value", "meaning"]).set_index("parameter"))


def verdicts(found: Iterable[Verdict]) -> Table:
    """One line per guard, failures first."""
    return verdict_rows(verdict.as_dict() for verdict in found)


def verdict_rows(found: Iterable[Mapping]) -> Table:
    """The same of rows of a guards.json."""
    order = ("fail", "warn", "unknown", "pass", "not_applicable")
    rows = sorted(found, key=lambda row: order.index(row["verdict"]))
    return Table(pd.DataFrame(rows).set_index("guard")[["verdict", "measured", "threshold", "unit", "why"]])


def calibration(result: Mapping) -> pd.DataFrame:
    """Score, ceiling and thought by task and sampling."""
    return pd.DataFrame(
        {
            "task": line["task"], "sampling": line["sampling"], "T": line["temperature"], "completions": line["n"],
            "mean reward": words.estimate(line["mean_reward"], n=False),
            "fully correct": words.estimate(line["fully_correct"], n=False),
            "at ceiling": f"{line['ceiling_share']:.0%}", "tokens": round(line["mean_tokens"], 1),
            "thought tokens": round(line["think_tokens_mean"], 1), "unclosed": f"{line['unclosed_share']:.0%}",
        }
        for line in result["by_task"]
    )  # fmt: skip


def ticket(result: Mapping) -> Table:
    """The calibration's reasons against GRPO that hold, and those that too few prompts leave open; gravest first."""
    rows = [
        {
            "reason": one["name"], "task": one["task"], "drawn": one["sampling"], "holds": one["answer"],
            "if so": one["severity"], "measured": words.measured(one["measured"], one["low"], one["high"]),
            "n": one["n"], "threshold": one["threshold"], "why": one["why"],
        }
        for one in result["ticket"]["reasons"]
        if one["answer"] != "no"
    ]  # fmt: skip
    columns = ["reason", "task", "drawn", "holds", "if so", "measured", "n", "threshold", "why"]
    return Table(pd.DataFrame(rows, columns=columns))


def proposals(result: Mapping) -> Table:
    """What the calibration would set, beside what the parameters say."""
    found = pd.DataFrame(result["ticket"]["proposals"], columns=["parameter", "now", "proposed", "why"])
    return Table(found.assign(proposed=[words.number(one["proposed"]) for one in result["ticket"]["proposals"]]))


def failures(result: Mapping) -> Table:
    """Completions without good form, by what broke it, with an example."""
    columns = ["task", "sampling", "kind", "n", "share", "id", "why"]
    return Table(pd.DataFrame(result["failures"], columns=columns))


def validation(result: Mapping) -> pd.DataFrame:
    """Before, after and their paired difference, per temperature and task."""
    before, after = result["arms"]
    found = {(line["temperature"], line["task"], line["arm"]): line for line in result["by_arm"]}
    rows = []
    for pair in result["paired"]:
        key = pair["temperature"], pair["task"]
        for measure in ("mean_reward", "fully_correct"):
            rows.append({
                "T": key[0], "task": key[1], "measure": measure.replace("_", " "), "n": pair[measure]["n"],
                before: words.estimate(found[*key, before][measure], n=False),
                after: words.estimate(found[*key, after][measure], n=False),
                "paired difference": words.difference(pair[measure]), "p": words.p_value(pair[measure]["p"]),
            })  # fmt: skip
    return pd.DataFrame(rows).set_index(["T", "task", "measure"])


def arms(result: Mapping) -> Table:
    """Accuracy and tokens of every arm, and the paired difference to the arm it has to stand out from."""
    rows = [
        {
            "arm": line["arm"], "accuracy": words.estimate(line["accuracy"]),
            "steps": line["steps"] + line["warm_steps"],
            "thought": round(line["tokens_c"], 1), "trace": round(line["tokens_z"], 1),
            "answer": round(line["tokens_y"], 1), "against": line.get("paired_with", ""),
            "difference": words.difference(line["paired"]) if "paired" in line else "",
            "p": words.p_value(line["paired"]["p"]) if "paired" in line else "",
        }
        for line in result["arms"]
    ]  # fmt: skip
    return Table(pd.DataFrame(rows).set_index("arm"))


def samples(found: Iterable[Mapping], n: int = 6) -> Table:
    """The n lowest-scoring samples, completion and reason; those that could not be judged have no score to be low."""
    worst = sorted((sample for sample in found if sample["score"] is not None), key=lambda sample: sample["score"])[:n]
    rows = [{key: s[key] for key in ("task", "score", "completion", "why")} for s in worst]
    return Table(rows)
