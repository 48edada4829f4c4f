"""The commands compare, estimate, advise and budget: exit codes, JSON, and what people read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from fake_run import make_run

from caderno.cli import advising
from caderno.errors import CadernoError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
for command in (advising.compare, advising.estimate, advising.advise, advising.budget):
    app.command()(command)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("CADERNO_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def call(capsys):
    """Calls a command as the console entry does: (exit code, standard output, the error's paragraph)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        try:
            code = app([str(one) for one in arguments], standalone_mode=False) or 0
        except CadernoError as error:
            return error.exit_code, capsys.readouterr().out, str(error)
        return code, capsys.readouterr().out, ""

    return call


def scored(path: Path, gain: float = 0.0, **fields) -> Path:
    lines = [{"id": i, "score": 0.4 + (i % 7) / 20 + gain * (i % 3), **fields} for i in range(90)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_compare_prints_and_dumps(call, tmp_path):
    before, after = scored(tmp_path / "a.jsonl", temperature=0), scored(tmp_path / "b.jsonl", 0.05, temperature=0)
    code, out, _ = call("compare", before, after)
    assert code == 0 and out.startswith("comparable: ") and "gain" in out and "+0.050 [" in out
    assert "not known: " in out and "one training seed" in out
    code, out, _ = call("compare", before, after, "--json")
    assert code == 0 and json.loads(out)["results"][0]["score"]["reading"] == "gain"


def test_compare_refuses_visibly(call, tmp_path):
    before, after = scored(tmp_path / "a.jsonl", temperature=0), scored(tmp_path / "b.jsonl", 0.05, temperature=1)
    code, out, _ = call("compare", before, after)
    assert code == 2 and out.startswith("NOT COMPARABLE") and "temperature: 0.0 | 1.0" in out and "+0.05" not in out
    code, out, _ = call("compare", before, after, "--json")
    assert code == 2 and json.loads(out)["comparable"] is False
    code, out, _ = call("compare", before, after, "--anyway")
    assert code == 0 and out.startswith("NOT COMPARABLE") and "+0.05" in out


def test_compare_runs_by_name(call, tmp_path):
    make_run(tmp_path / "runs" / "demo")
    code, out, error = call("compare", "demo", "demo", "--arm-a", "sft", "--arm-b", "grpo", "--anyway")
    assert code == 0 and "demo (grpo) against demo (sft)" in out, error
    assert call("compare", "demo", "dmeo")[0] == 2
    assert call("compare", tmp_path / "none.jsonl", "demo")[0] == 2


def test_estimate_of_three_steps_is_no_single_figure(call, tmp_path):
    probe = tmp_path / "probe.csv"
    probe.write_text("step,step_time\n1,65\n2,180\n3,420\n")
    code, out, _ = call("estimate", probe, "--steps", 500, "--usd-per-hour", 0.71)
    assert code == 0 and out.startswith("too few steps to say: 500 steps may take 9.0 h to 58.3 h")
    assert "6.41 to 41.42 USD" in out and "25" not in out.split("\n")[0]
    found = json.loads(call("estimate", probe, "--steps", 500, "--json")[1])
    assert found["verdict"] == "too few steps to say" and found["middle_s"] is None and found["low_usd"] is None


def test_estimate_of_a_run(call, tmp_path):
    make_run(tmp_path / "runs" / "demo")
    code, out, _ = call("estimate", "demo", "--steps", 600)
    assert code == 0 and "600 steps: " in out and "tokens a completion" in out and "left out" in out
    code, _, error = call("estimate", "demo")
    assert code == 2 and "0 steps are left" in error
    assert call("estimate", "demo", "--stage", "sft", "--steps", 50)[0] == 0
    assert call("estimate", "demo", "--stage", "preflight", "--steps", 50)[0] == 2


def test_advise_tells_sources(call):
    code, out, _ = call("advise", "tiny", "--task", "grpo", "--prompts", 1404)
    assert code == 0 and "hidden 128" in out and "spare rows: 0" in out and "steps for one pass: 176" in out
    assert "recipes/rl_loop.py" in out and "4e-5" in out and "1 to 32" in out
    found = json.loads(call("advise", "tiny", "--json", "--method", "full")[1])
    assert found["lora"] is None and found["model"]["parameters"] == 545_088
    code, _, error = call("advise", "no/such/model")
    assert code == 2 and "no/such/model" in error


def test_budget_says_it_plainly(call):
    code, out, _ = call("budget", "--parameters", "370M", "--tokens", "18M")
    assert code == 3 and "18M tokens / 370M parameters = 0.049 tokens a parameter" in out and "Hoffmann" in out
    code, out, _ = call("budget", "--parameters", "370M", "--tokens", "18M", "--init", "pretrained", "--json")
    assert code == 0 and json.loads(out)["verdict"] == "not_applicable"
    code, out, _ = call("budget", "--model", "tiny", "--tokens", "2M", "--epochs", 8)
    assert code == 0 and "warn" in out and "Muennighoff" in out


def test_budget_of_a_parameter_file(call):
    code, out, _ = call("budget", "params/tiny_base.yaml")
    assert code == 0 and out.startswith("enough: 20M tokens / 545k parameters = 36.7")
    assert call("budget", "params/tiny_base.yaml", "--tokens", "1M")[0] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--tokens", "1M"),
        ("--parameters", "1M"),
        ("--parameters", "1M", "--model", "tiny", "--tokens", "1M"),
        ("--parameters", "few", "--tokens", "1M"),
        ("no-such.yaml",),
    ],
)
def test_budget_without_amounts_is_bad_input(call, arguments):
    code, out, error = call("budget", *arguments)
    assert code == 2 and out == "" and error
