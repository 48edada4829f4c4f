"""The write-up tells what each component brought, what had no judge, and what was ended by force."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from fake_results import contributions
from fake_run import change, write_json

from caderno import writeup
from caderno.errors import BadInput


def told(run_dir: Path) -> str:
    return writeup.write(run_dir).read_text()


def change_entries(path: Path, key: str, **values: object) -> None:
    """Sets keys of every entry of the task push in a result's list."""
    result = json.loads(path.read_text())
    for entry in result[key]:
        if entry["task"] == "push":
            entry.update(values)
    write_json(path, result)


def test_every_contribution_is_told_and_a_tasks_add_up(run_dir: Path) -> None:
    text = told(run_dir)
    section = text.partition("### What each component contributed")[2].partition("\n## ")[0]
    for entry in contributions():
        assert f"{entry['contribution_first']:.3f} → {entry['contribution_last']:.3f} |" in section
        assert f"| {entry['weight_first']:.3f} → {entry['weight_last']:.3f} |" in section
    for task in ("push", "insights"):
        last = sum(e["contribution_last"] for e in contributions() if e["task"] == task)
        assert re.search(rf"\| `{task}` \| \*\*together\*\* .*→ \*\*{last:.3f}\*\* \|", section)
    assert "The weights moved between the two" in section
    assert "first and the last 10 logged steps" in section and "key `contributions`" in section


def test_a_run_without_contributions_has_no_such_section(run_dir: Path) -> None:
    path = run_dir / "30-grpo" / "result.json"
    for entries in ([], None):
        change(path, contributions=entries)
        assert "What each component contributed" not in told(run_dir)


def test_a_contribution_without_its_weight_is_named(run_dir: Path) -> None:
    change(run_dir / "30-grpo" / "result.json", contributions=[{"task": "push", "component": "task"}])
    with pytest.raises(BadInput, match=r"30-grpo/result\.json"):
        told(run_dir)


@pytest.mark.parametrize(
    ("folder", "key", "n"), [("10-calibration", "by_task", 2 * 5), ("40-validation", "by_arm", 4 * 5)]
)
def test_completions_without_a_judge_are_counted_where_their_means_are(run_dir: Path, folder, key, n) -> None:
    assert "Not judged" not in told(run_dir)
    change_entries(run_dir / folder / "result.json", key, unjudged=5)
    assert told(run_dir).count(f"Not judged, and in no mean of scores: {n} completions of `push`") == 1


def test_rows_without_a_reward_are_told_from_the_ledger(run_dir: Path) -> None:
    ledger = run_dir / "30-grpo" / "ledger.json"
    for n, said in ((0, ""), (1, "No reward could judge 1 row "), (7, "No reward could judge 7 rows ")):
        write_json(ledger, [{"what": "rows no reward can judge", "requested": 0, "effective": n, "same": n == 0}])
        text = told(run_dir)
        assert said in text if said else "No reward could judge" not in text
    assert "| `rows no reward can judge` | `0` | `7` |" in text, "and in the ledger's table"


def test_a_share_without_a_reward_is_in_the_probe_and_a_share_of_0_is_not(run_dir: Path) -> None:
    path = run_dir / "30-grpo" / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for share, there in ((0.0, False), (0.25, True)):
        path.write_text("".join(json.dumps(line | {"unjudged_share": share}) + "\n" for line in lines))
        assert ("| share of completions no reward can judge | 0.250" in told(run_dir)) == there


def test_a_task_that_nothing_could_judge_is_a_dash(run_dir: Path) -> None:
    change_entries(run_dir / "10-calibration" / "result.json", "by_task", mean_reward=None, fully_correct=None)
    assert re.search(r"\| `push` \| training, T = 1 \| – \| – \|", told(run_dir))


def test_thoughts_ended_by_force_are_told_by_task(run_dir: Path) -> None:
    assert "by force" not in told(run_dir)
    validation, calibration = run_dir / "40-validation" / "result.json", run_dir / "10-calibration" / "result.json"
    for path, key in ((validation, "by_arm"), (calibration, "by_task")):
        result = json.loads(path.read_text())
        for entry in result[key]:
            limited = entry["task"] in ("push", "all") and entry.get("sampling") != "training"
            entry["forced_share"] = 0.125 if limited else None
        write_json(path, result | {"hard_think_budgets": {"push": 100}})
    text = told(run_dir)
    assert "| `push` | 100 | 0.125 |\n" in text, "calibration: its deployment sampling alone"
    assert "Ended by force, deployment, greedy" in text and "Ended by force, training" not in text
    assert "| `push` | 100 | 0.125 | 0.125 | 0.125 | 0.125 |" in text and "Ended by force, GRPO, T = 1" in text


def test_a_real_report_holds_the_figure(finished: Path, tmp_path: Path) -> None:
    run_dir = shutil.copytree(finished, tmp_path / "demo")
    text = writeup.write(run_dir).read_text()
    assert "(figures/contributions.png)" in text and (run_dir / "figures" / "contributions.png").is_file()
