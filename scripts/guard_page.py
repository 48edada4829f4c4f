"""Write docs/guides/guards.md from the registered guards, so that the page says what the code does.

It judges nothing; a test fails when the page is older than the guards.
"""

from __future__ import annotations

from pathlib import Path

from caderno import guards

PAGE = Path(__file__).resolve().parent.parent / "docs" / "guides" / "guards.md"
HEAD = """\
# Guards

Written by `scripts/guard_page.py` from the guards themselves. Do not edit.

A guard is a small function of facts, with a name, a threshold, its unit, and where the threshold comes from: a paper, a
thread, or *proposed* where nobody has measured it. It answers

- **pass**: it holds;
- **warn**: it may be meant, and you should know;
- **fail**: it does not hold;
- **unknown**: something it needs is not known here, and it says what. Never a pass;
- **not applicable**: under this configuration the measure means nothing, and it says why.

`guards.stop_on` in the parameter file says which of them stop a run: `[fail]` unless you add `warn` or `unknown`. A
stage that is stopped is *gated* (exit code 3), and its `guards.json` holds every verdict with what was measured.

Each guard has a test that plants its fault and is answered with fail or warn *by that guard*, and a clean control that
it passes (`tests/falsifiers/`).
"""
ABOUT = {
    "static": "From the parameter file, the installation and the machine, in seconds: `caderno preflight PARAMS`. "
    "No weights are loaded; what is not on this machine is unknown.",
    "data": "Over the whole of the rows, the tokenizer and the chat template, before the first step.",
    "probe": "On the model itself: a generated token, a step or two.",
    "running": "While it trains, on what the trainer logs; `caderno replay LOG` asks the same of a log from anywhere.",
    "after": "When a stage has ended, on the files that it left.",
}


TABLE = "| guard | passes when | threshold | needs | threshold from |\n|---|---|---|---|---|"


def page() -> str:
    """The page's text: one table per stage, guards in the order they are registered."""
    parts = [HEAD]
    for stage in guards.STAGES:
        mine = guards.all_guards(stage).values()
        parts.append(f"## {stage.capitalize()} ({len(mine)})\n\n{ABOUT[stage]}\n")
        parts.append("\n".join([TABLE, *map(row, mine), ""]) if mine else "None yet.\n")
    return "\n".join(parts)


def row(one: guards.Guard) -> str:
    """A guard's line of the table."""
    texts = (one.about, limit(one), ", ".join(one.needs), one.source)
    return f"| `{one.name}` | {' | '.join(cell(text) for text in texts)} |"


def limit(one: guards.Guard) -> str:
    """Threshold and unit; words where the facts decide."""
    threshold = f"{one.threshold:g}" if isinstance(one.threshold, float) else str(one.threshold)
    return f"{threshold} ({one.unit})" if one.unit else threshold


def cell(text: str) -> str:
    """Text that may stand in a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
