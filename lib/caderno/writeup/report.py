"""Puts the pieces of a write-up into its template.

It holds no words of its own: they are in `report.md.j2` and in the modules that make the pieces.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from caderno.writeup import abstracted, calibrated, completions, findings, judged, people, setting, stages, words
from caderno.writeup.artifacts import RunRecord
from caderno.writeup.images import Image


def render(record: RunRecord, kept: dict[str, str], pictures: dict[str, Image], prefix: str) -> str:
    """The report as Markdown. prefix: the figures' directory, relative to where the text will stand."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown: `words` escapes what comes from outside
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def image(name: str) -> str:
        picture = pictures.get(name)
        if picture is None:
            return ""
        source = picture.source.replace(", ", "`, `")
        return f"![{picture.caption}]({prefix}/{name}.png)\n\n<sub>Source: `{source}`.</sub>\n"

    template = environment.get_template("report.md.j2")
    text = template.render(
        run=record, params=record.params, people=_blocks(kept), kept=people.mark(kept), image=image, words=words,
        setting=setting, stages=stages, findings=findings, judged=judged, calibrated=calibrated, abstracted=abstracted,
        **_pieces(record),
    )  # fmt: skip
    return text.rstrip("\n") + "\n"


def _blocks(kept: dict[str, str]) -> dict[str, str]:
    return {name: people.block(name, body) for name, body in kept.items()}


def _pieces(record: RunRecord) -> dict:
    """What needs more than one line to say in a template."""
    by_name = record.stages
    parent, differences = setting.parameter_differences(record)
    chosen, best, worst = completions.extremes(by_name["validation"])
    return {
        "sentence": findings.sentence(record),
        "by_task": findings.by_task(by_name["validation"]),
        "parent": parent,
        "differences": differences,
        "losses": stages.losses([by_name["pretrain"], by_name["sft"]]),
        "verdicts": stages.verdicts(record),
        "ledger": stages.ledger(record),
        "entries": sum(len(stage.ledger) for stage in record.told),
        "chosen": chosen,
        "completions": {"Best": best, "Worst": worst},
        "missing": words.listed([words.code(stage.folder) for stage in record.told if stage.state == "not run"]),
    }
