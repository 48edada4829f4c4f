"""The write-up and the tables tell the ticket: answer, reasons with intervals, proposals, failures of form."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from calibrating import always, analysed, eight_of_eight, healthy, sample, samples
from fake_run import change, write_json

from caderno import tables, writeup
from caderno.errors import BadInput


def section(run_dir: Path, result: dict) -> str:
    write_json(run_dir / "10-calibration" / "result.json", result)
    return writeup.write(run_dir).read_text().partition("## Calibration")[2].partition("\n## ")[0]


def solved_task() -> dict:
    drawn = healthy()
    drawn["training"] += samples("sql_qa", 60, 4, always(1.0))
    broken = {"format": 0.5, "partial": 0.5, "task": 0}
    drawn["training"] += [sample("push-9999", 0, 0.3, parts=broken, why="texto | fora")]
    return analysed(drawn)


def test_the_ticket_stands_first_with_its_reasons(run_dir):
    text = section(run_dir, solved_task())
    assert "The ticket for GRPO: **go with changes**, judged on held-out prompts in groups of 8." in text
    assert "| mostly solved | `sql_qa` | training | 1.00 [0.94, 1.00] | 60 | 0.8 | share solved | proposed |" in text
    assert "| `grpo.group_size` | 8 | " in text and "key `ticket.reasons`" in text
    assert "always solved: candidates to drop" in text and "they are held out" in text
    assert r"| `push` | training | texto \| fora | 1 | 0.004 | `push-9999` |" in text
    assert (
        text.index("The ticket")
        < text.index("`grpo.group_size`")
        < text.index("key `by_task`")
        < text.index("key `failures`")
    )


def test_eight_of_eight_is_a_no_go_that_names_what_eight_cannot_tell(run_dir):
    text = section(run_dir, analysed({"training": eight_of_eight()}, stages=["calibration", "grpo"]))
    assert "**no-go**" in text and "| **ceiling** | all tasks | training | 1.00 [0.68, 1.00] | 8 | 0.25 |" in text
    assert "What too few prompts leave open: nothing solved of all tasks (n = 8)" in text
    assert "| `grpo.max_completion_length` | 96 | – | no completion finished" in text


def test_grpos_own_prompts_and_sft_are_said(run_dir):
    own = samples("push", 40, 4, always(1.0))
    text = section(run_dir, analysed(rollouts=own, stages=["calibration", "sft", "grpo"]))
    assert "judged on GRPO's own prompts" in text and "SFT comes between" in text and "they are held out" not in text
    assert "| training, GRPO's prompts |" in text


def test_an_older_result_has_no_ticket_and_a_broken_one_is_named(run_dir):
    older = json.loads((run_dir / "10-calibration" / "result.json").read_text())
    text = section(run_dir, older)
    assert "ticket" not in text and "key `by_task`" in text
    change(run_dir / "10-calibration" / "result.json", ticket={"answer": "go"})
    with pytest.raises(BadInput, match=r"10-calibration/result\.json"):
        writeup.write(run_dir)


def test_the_figure_is_drawn_where_there_are_groups(finished, tmp_path):
    run_dir = shutil.copytree(finished, tmp_path / "demo")
    write_json(run_dir / "10-calibration" / "result.json", analysed())
    text = writeup.write(run_dir).read_text()
    assert "(figures/groups.png)" in text and (run_dir / "figures" / "groups.png").stat().st_size > 10_000


def test_tables_show_what_holds_and_what_is_open():
    result = solved_task()
    table = tables.ticket(result)
    assert set(table["holds"]) <= {"yes", "cannot be told"} and table.iloc[0]["holds"] == "yes"
    assert ("mostly solved", "sql_qa") in set(zip(table["reason"], table["task"], strict=True))
    assert list(tables.proposals(result)["parameter"]) == ["grpo.max_completion_length", "grpo.group_size"]
    assert list(tables.failures(result)["kind"]) == ["texto | fora"]
    nothing = analysed() | {"failures": []}
    nothing["ticket"]["reasons"] = []
    nothing["ticket"]["proposals"][0]["proposed"] = None
    for made in (tables.ticket(nothing), tables.failures(nothing), tables.proposals(nothing), table):
        assert "<table" in made._repr_html_()
    assert tables.proposals(nothing).iloc[0]["proposed"] == "–"
