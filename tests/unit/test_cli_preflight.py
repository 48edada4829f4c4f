"""`caderno preflight`: the five runs' file refused with every reason, clean files let through, exact exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import paragraph

from caderno import cli, guards, runs
from caderno.guards import trl_configs

PARAMS = runs.checkout() / "params"
# Every comment marked MISTAKE in tucano2/v3.yaml, and what has to name it.
MISTAKES = {
    "the adapter may have seen the hold-out": {"adapter-provenance"},
    "Unsloth beside an entropy monitor": {"entropy-monitor"},
    "calibrated at 0.7, trained at 1.0, evaluated at 0.1": {"calibration-match", "eval-temperature"},
    "eight completions": {"calibration-size"},
    "36 % of 1,404 prompts": {"coverage"},
    "a gradient from one prompt": {"prompts-per-step"},
    "clip_ratio read as a policy that does not move": {"rule-validity"},
    "a full-fine-tuning rate on an adapter": {"learning-rate-band"},
    "a ceiling doubled instead of a budget": {"completion-ceiling"},
    "noise on groups without spread": {"group-noise"},
    "a delta below the noise": {"early-stop"},
    "rotation shorter than patience": {"checkpoint-budget"},
}
FAILS_OF_V3 = {"entropy-monitor", "calibration-match", "learning-rate-band", "group-noise", "early-stop"}


@pytest.fixture
def call(capsys):
    """Calls the command in this process: (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main(["preflight", *(str(argument) for argument in arguments)])
        printed = capsys.readouterr()
        return left.value.code or 0, printed.out, printed.err

    return call


def answers(out: str) -> dict[str, str]:
    return {row["guard"]: row["verdict"] for row in json.loads(out)}


def named(out: str, *wanted: str) -> set[str]:
    return {guard for guard, verdict in answers(out).items() if verdict in wanted}


def test_v3_is_refused_with_every_reason(call):
    code, out, error = call(PARAMS / "tucano2" / "v3.yaml", "--json")
    found = named(out, "fail", "warn")
    assert code == 3 and paragraph(error)
    assert {why: names for why, names in MISTAKES.items() if not names <= found} == {}
    assert named(out, "fail") == FAILS_OF_V3 and all(name in error for name in FAILS_OF_V3)
    comments = (PARAMS / "tucano2" / "v3.yaml").read_text().count("MISTAKE")
    assert comments == len(MISTAKES) + 2  # the word in the head; Unsloth and the monitor each have one


@pytest.mark.parametrize(
    ("name", "warns"),
    {
        "demo": {"coverage"},
        "smoke": set(),
        "base": set(),
        "tiny_base": set(),
        "tucano2/v4": {"revision-pinned"},
    }.items(),
)
def test_clean_files_raise_no_alarm(call, name, warns):
    code, out, error = call(PARAMS / f"{name}.yaml", "--json")
    assert code == 0 and error == ""
    assert named(out, "fail") == set() and named(out, "warn") - {"durable-logs"} == warns


@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_table_says_failures_first(call, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    code, out, _ = call(PARAMS / "smoke.yaml", "--set", "grpo.zero_advantage_noise=0.01", "--set", "guards.stop_on=[]")
    rows = re.findall(r"^  (fail|warn|unknown|pass|n/a) +(\S+)", out, re.M)
    order = [guards.SEVERITY.index(word.replace("n/a", "not_applicable")) for word, _ in rows]
    assert code == 0 and order == sorted(order) and rows[0] == ("fail", "group-noise")
    assert {name for _, name in rows} == set(guards.all_guards("static")) and "frac_reward_zero_std" in out
    assert max(map(len, out.splitlines())) <= int(columns) and out.splitlines()[-1].startswith("1 fail")


def test_what_stops_is_what_the_file_says(call):
    code, _, error = call(PARAMS / "demo.yaml", "--set", "guards.stop_on=[fail,warn]", "--json")
    assert code == 3 and paragraph(error) and "coverage" in error


def test_rows_are_those_of_guards_json(call):
    _, out, _ = call(PARAMS / "tiny_base.yaml", "--json")
    keys = {"guard", "verdict", "measured", "threshold", "unit", "why", "source", "step"}
    assert all(row.keys() == keys for row in json.loads(out))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["none.yaml"], "none.yaml"), ([PARAMS / "demo.yaml", "--set", "grpo.max_stepz=1"], "grpo.max_steps")],
)
def test_bad_parameters_are_2_and_leave_no_process(call, monkeypatch, arguments, expected):
    asked = []
    begin = trl_configs.Asked.__init__
    monkeypatch.setattr(trl_configs.Asked, "__init__", lambda self: (asked.append(self), begin(self))[1])
    code, out, error = call(*arguments)
    assert code == 2 and out == "" and paragraph(error) and expected in error
    assert asked[0]._process.poll() is not None


def test_it_loads_no_torch_and_takes_seconds():
    """CPU seconds of both processes: the wall clock of a busy machine says nothing about the program."""
    program = (
        "import sys; from caderno import cli\n"
        f"try: cli.main(['preflight', {str(PARAMS / 'demo.yaml')!r}, '--json'])\n"
        "finally: print(sorted({'torch', 'transformers', 'trl', 'pandas'} & set(sys.modules)), file=sys.stderr)\n"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0 and done.stderr.strip() == "[]", done.stderr
    assert after.children_user + after.children_system - before.children_user - before.children_system <= 7


def test_secrets_are_found_in_parents_and_comments(call, tmp_path):
    token = "hf_" + "a1B2c3D4e5" * 4
    parent = tmp_path / "parent.yaml"
    parent.write_text(f"model: {{name: tiny}}   # {token}\n")
    child = tmp_path / "child.yaml"
    child.write_text("extends: parent.yaml\nstages: [preflight]\n")
    code, out, error = call(child, "--json")
    assert code == 3 and "parameter-secrets" in error and token not in out + error
    [row] = [row for row in json.loads(out) if row["guard"] == "parameter-secrets"]
    assert str(Path(parent).name) in row["why"] and "line 1" in row["why"]
