"""Text by people in a write-up: found between its markers, carried over when the write-up is written again.

It does not read the text, and it knows nothing of what stands around it. Markers stand alone on their lines:
`<!-- people: NAME -->` and `<!-- /people -->`; inside fenced blocks they are text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from caderno.errors import BadInput

SECTIONS = {
    "context": "_Nothing written yet: why this run exists and what it should show._",
    "decisions": "_Nothing written yet: what was decided on these figures, by whom, and why._",
    "next": "_Nothing written yet: what should be tried after this run._",
}
OPEN = re.compile(r"<!-- people: ([\w-]+) -->")
CLOSE = "<!-- /people -->"
LIKE_A_MARKER = re.compile(r"<!--\s*/?\s*people\b", re.IGNORECASE)
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
MARK = re.compile(r"<!-- kept text when written: (.*) -->")  # not a people's marker: `edited` compares with it


def block(name: str, body: str) -> str:
    """A section with its markers."""
    return f"<!-- people: {name} -->\n{body}\n{CLOSE}"


def mark(kept: dict[str, str]) -> str:
    """A comment with a digest per section, by which the next writing sees which copy people have edited since."""
    return f"<!-- kept text when written: {' '.join(f'{name}={digest(body)}' for name, body in kept.items())} -->"


def digest(body: str) -> str:
    """Twelve hex digits of a section's text, blank ends aside."""
    return hashlib.sha256(body.strip().encode()).hexdigest()[:12]


def parse(text: str, where: str) -> dict[str, str]:
    """Section -> text between its markers.

    Raises:
        BadInput: a marker that is unknown, misspelt, repeated, nested, not opened or not closed, with its line.
    """
    found: dict[str, str] = {}
    name, body, fence, began = None, [], "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        fence_before, fence = fence, _fence(line, fence)
        if fence_before or fence or not LIKE_A_MARKER.match(line.strip()):
            body.append(line)
            continue
        place = f"{where}:{number}"
        if name is None:
            name, body, began = _opened(line.strip(), found, place), [], number
        elif line.strip() == CLOSE:
            found[name], name = "\n".join(body).strip("\n"), None
        else:
            raise _broken(f"{line.strip()} inside the section {name!r}", place)
    if name is not None:
        raise _broken(f"the section {name!r} is not closed", f"{where}:{began}")
    return found


def gather(paths: Sequence[Path]) -> dict[str, str]:
    """Every section's text out of the copies that exist, the standing text where nobody wrote any.

    Raises:
        BadInput: broken markers, or two copies that people have written different things into.
    """
    copies = {path: path.read_text(encoding="utf-8") for path in paths if path.exists()}
    parsed = {path: parse(text, str(path)) for path, text in copies.items()}
    return {name: _chosen(name, copies, parsed) for name in SECTIONS}


def _chosen(name: str, copies: dict[Path, str], parsed: dict[Path, dict[str, str]]) -> str:
    """One section's text: the only one there is, or the only one edited since it was written."""
    written = {path: found[name] for path, found in parsed.items() if name in found}
    own = {path: body for path, body in written.items() if body.strip() not in ("", SECTIONS[name])}
    if len({body.strip() for body in own.values()}) > 1:
        edited = {path: body for path, body in written.items() if digest(body) != _as_written(name, copies[path])}
        if len(edited) != 1:
            both = " and ".join(str(path) for path in own)
            mend = "Make the two alike, or remove the text from one of them."
            raise BadInput(f"different texts by people in the section {name!r}", where=both, mend=mend)
        own = edited
    return next(iter(own.values()), SECTIONS[name])


def _as_written(name: str, text: str) -> str | None:
    """The digest a copy was written with."""
    found = MARK.findall(text)
    return dict(part.split("=", 1) for part in found[-1].split() if "=" in part).get(name) if found else None


def _opened(line: str, found: dict[str, str], place: str) -> str:
    """The name in an opening marker that may stand here."""
    match = OPEN.fullmatch(line)
    if not match:
        raise _broken(line, place)
    if match[1] not in SECTIONS or match[1] in found:
        what = "a second section" if match[1] in found else "an unknown section"
        raise _broken(f"{what} {match[1]!r}", place)
    return match[1]


def _fence(line: str, fence: str) -> str:
    """The fence that is open after this line, "" for none (CommonMark 4.5)."""
    match = FENCE.match(line)
    if not match:
        return fence
    marks, rest = match[1], match[2]
    if not fence:
        return "" if marks[0] == "`" and "`" in rest else marks
    closes = marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip()
    return "" if closes else fence


def _broken(got: str, where: str) -> BadInput:
    names = ", ".join(SECTIONS)
    expected = f"one pair of `<!-- people: NAME -->` and `{CLOSE}` on lines of their own for each of {names}"
    return BadInput(got, expected=expected, where=where, mend="Mend the markers; nothing was overwritten.")
