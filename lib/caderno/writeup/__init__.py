"""The write-up of a run: one Markdown file and its figures, made from the run's artifacts and from nothing else.

It runs nothing, judges nothing and forgives nothing: what an artifact does not say is told as missing. Text by people
between its markers is carried over (`people`).
"""

from __future__ import annotations

from pathlib import Path

from caderno.errors import BadInput
from caderno.runs import files
from caderno.runs.paths import resolve
from caderno.writeup import images, people
from caderno.writeup.artifacts import read_run
from caderno.writeup.report import render

__all__ = ["write"]

MEND = "Set writeup.directory, or null for none besides the run."


def write(run_dir: Path | str, directory: str | None = None) -> Path:
    """Writes report.md into the run and, with `directory`, <date>-<run>.md and its figures there; returns the latter.

    `directory` is taken from the root of the checkout unless it is absolute; the date is the run's start. Works on a
    run in any state. A second writing replaces everything but the people's sections; unchanged files are left alone.

    Raises:
        BadInput: no run, an artifact that cannot be read, broken people's markers, or people's sections that differ
            between the two copies. Nothing is written then.
    """
    record = read_run(Path(run_dir))
    report = record.run_dir / "report.md"
    stem = f"{record.date}-{record.name}"
    published = _place(directory) / f"{stem}.md" if directory else None
    kept = people.gather([path for path in (published, report) if path])
    pictures = images.draw(record)
    texts = {report: render(record, kept, pictures, "figures")}
    if published:
        texts[published] = render(record, kept, pictures, stem)
    images.save(pictures, report.parent / "figures")
    if published:
        images.save(pictures, published.parent / stem)
    for path, text in texts.items():
        files.write_text(path, text)
    return published or report


def _place(directory: str) -> Path:
    """Where the published copy goes; it may not exist yet, but nothing else may stand there."""
    place = resolve(directory)
    if place.exists() and not place.is_dir():
        raise BadInput("not a directory", expected="a directory for write-ups", where=str(place), mend=MEND)
    return place
