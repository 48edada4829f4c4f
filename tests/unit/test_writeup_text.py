"""The write-up keeps what people wrote, and breaks on nothing that a completion may hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fake_run import change_pairs, write_lines
from markdown_it import MarkdownIt

from caderno import writeup
from caderno.errors import BadInput
from caderno.writeup import people, words

VALIDATION = "40-validation"


def told(run_dir: Path, directory: Path | None = None) -> str:
    return writeup.write(run_dir, str(directory) if directory else None).read_text()


def insert(path: Path, name: str, text: str) -> None:
    section = re.compile(rf"(<!-- people: {name} -->\n).*?(\n<!-- /people -->)", re.DOTALL)
    path.write_text(section.sub(lambda found: found[1] + text + found[2], path.read_text(), count=1))


def test_text_by_people_survives_a_rewrite_in_both_copies(run_dir: Path, tmp_path: Path) -> None:
    path = writeup.write(run_dir, str(tmp_path / "docs"))
    insert(path, "decisions", "Keep 1e-3.\n\n```yaml\n<!-- people: next -->\n```")
    insert(run_dir / "report.md", "context", "Why not?")
    change_pairs(run_dir, difference=-0.1, low=-0.15, high=-0.05)
    text = told(run_dir, tmp_path / "docs")
    kept = people.parse(text, "")
    assert kept["decisions"].startswith("Keep 1e-3.") and kept["context"] == "Why not?" and "a **loss** of" in text
    assert people.parse((run_dir / "report.md").read_text(), "") == kept


def test_the_copy_edited_last_wins_and_two_edits_are_refused(run_dir: Path, tmp_path: Path) -> None:
    path = writeup.write(run_dir, str(tmp_path / "docs"))
    insert(path, "next", "first thought")
    writeup.write(run_dir, str(tmp_path / "docs"))
    insert(run_dir / "report.md", "next", "second thought")
    assert people.parse(told(run_dir, tmp_path / "docs"), "")["next"] == "second thought"
    insert(path, "next", "third")
    insert(run_dir / "report.md", "next", "fourth")
    with pytest.raises(BadInput, match="different texts by people"):
        writeup.write(run_dir, str(tmp_path / "docs"))
    assert "third" in path.read_text() and "fourth" in (run_dir / "report.md").read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<!-- /people -->", ""),
        ("<!-- people: next -->", ""),
        ("<!-- people: next -->", "<!-- people:next -->"),
        ("<!-- people: next -->", "<!-- people: nxt -->"),
        ("<!-- people: next -->", "<!-- people: context -->"),
        ("<!-- people: next -->", "<!-- people: next --> and more"),
        ("<!-- /people -->", "<!-- people: next -->"),
        ("_Nothing", "```\n_Nothing"),
    ],
)
def test_broken_markers_are_refused_and_nothing_is_overwritten(run_dir: Path, old: str, new: str) -> None:
    report = writeup.write(run_dir)
    broken = report.read_text().replace(old, new, 1)
    report.write_text(broken)
    change_pairs(run_dir, difference=0.5, low=0.4, high=0.6)
    with pytest.raises(BadInput, match=r"report\.md:\d+"):
        writeup.write(run_dir)
    assert report.read_text() == broken


def test_writing_twice_changes_nothing(run_dir: Path, tmp_path: Path) -> None:
    assert told(run_dir, tmp_path / "docs") == told(run_dir, tmp_path / "docs")


NASTY = "```\n<!-- people: next -->\n````html\n</details><script>|\n~~~\n<!-- /people -->\n`"


def test_a_completion_cannot_break_the_page(run_dir: Path) -> None:
    path = run_dir / VALIDATION / "samples.jsonl"
    samples = [json.loads(line) for line in path.read_text().splitlines()]
    for sample in samples:
        sample.update(completion=NASTY, why="a | b <i>c</i> `d` <!-- people: next -->\nnew", gold=NASTY)
    write_lines(path, samples)
    text = told(run_dir)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert [t.content for t in tokens if t.type == "fence"].count(NASTY + "\n") == 12
    assert sum(t.type == "table_open" for t in tokens) == 14
    assert people.parse(told(run_dir), "") == people.SECTIONS
    assert "&lt;!-- people: next --&gt; new" in text


def test_a_long_completion_is_cut_and_says_so() -> None:
    assert words.fenced("x" * 2_100).endswith("[... 100 more characters]\n```")


def test_best_and_worst_spread_over_tasks_and_leave_out_the_unscored(run_dir: Path) -> None:
    path = run_dir / VALIDATION / "samples.jsonl"
    samples = [json.loads(line) for line in path.read_text().splitlines()]
    mine = [s for s in samples if s["arm"] == "grpo" and s["temperature"] == 0]
    mine[0]["score"] = None
    mine[1].update(score=-0.5, why="the worst of all")
    write_lines(path, samples)
    text = told(run_dir)
    best, worst = text.split("### Best")[1].split("### Worst")
    tasks = re.findall(r"^\*\*\d\.\*\* `.+?` · `(\w+)` · score \*\*1\.000", best, re.MULTILINE)
    assert len(set(tasks)) == 3 and "the worst of all" in worst.split("**2.**")[0]
    assert "1 that could not be scored are left out" in text and "out of 399 completions" in text


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (words.estimate({"value": 0.6123, "low": 0.58, "high": 0.641, "n": 400}), "0.612 [0.58, 0.64], n = 400"),
        (words.estimate({"value": 1, "low": None, "high": None, "n": 1, "method": "no interval: n = 1"}),
         "1.000 (no interval: n = 1)"),
        (words.p_value(0.0004), "< 0.001"),
        (words.p_value(None), "–"),
        (words.seconds(192), "3 min 12 s"),
        (words.seconds(59.96), "60.0 s"),
        (words.seconds(3599.7), "59 min 59 s"),
        (words.seconds(7500), "2 h 05 min"),
        (words.measured(0.01234, 0.011, 0.0137), "0.0123 [0.0110, 0.0137]"),
        (words.measured(1234.5, None, None), "1,234"),
        (words.measured(0.0, 0.0, 0.1), "0.000 [0.000, 0.100]"),
        (words.code("a`b|c"), "`` a`b\\|c ``"),
        (words.number(float("nan")), "nan"),
        (words.counted(1, "file"), "1 file"),
    ],
)  # fmt: skip
def test_words(got: str, said: str) -> None:
    assert got == said
