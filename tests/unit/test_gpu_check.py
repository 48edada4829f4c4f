"""The GPU check's verdicts and exit codes, with probes planted in place of the real ones; and the real ones on a CPU.

What a GPU would answer cannot be tested here, only that a crash, a hang or an absence never reads as a pass.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "scripts/gpu_check.py"
PASS = {"verdict": "pass", "measured": {"time_s": 1.5, "peak_gib": 2.0}, "why": "planted"}
PROBE = """
import json, os, subprocess, sys, time
from pathlib import Path
name, out = sys.argv[1], Path(sys.argv[sys.argv.index("--out") + 1])
folder = Path(sys.argv[sys.argv.index("--folder") + 1])
def answer(**changes): out.write_text(json.dumps({**PASS, **changes}))
PLAN = BEHAVIOUR
exec(PLAN.get(name, "answer()"))
"""


@pytest.fixture
def gpu_check(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("gpu_check")


@pytest.fixture
def check(gpu_check, monkeypatch, tmp_path, capsys):
    """Run the check with planted probes: {name: a line of Python}, all others pass. Returns (exit code, verdicts)."""

    def run(behaviour: dict[str, str], *arguments: str) -> tuple[int, dict[str, dict]]:
        program = tmp_path / "probe.py"
        program.write_text(PROBE.replace("BEHAVIOUR", repr(behaviour)).replace("PASS", repr(PASS)))
        monkeypatch.setattr(gpu_check, "COMMAND", (sys.executable, str(program)))
        code = gpu_check.main(["--json", *arguments])
        report = json.loads(capsys.readouterr().out)
        assert report["exit_code"] == code
        return code, {result["check"]: result for result in report["checks"]}

    return run


NO_GPU = {"driver": "answer(verdict='not available', measured={}, why='no NVIDIA driver')"}


def test_all_pass(check, gpu_check):
    code, results = check({}, "--require", "grpo", "vllm")
    assert (code, list(results)) == (0, list(gpu_check.CHECKS))
    assert {result["verdict"] for result in results.values()} == {"pass"}


def test_what_a_check_builds_on_comes_with_it(check):
    assert list(check({}, "--only", "vllm", "--require", "grpo")[1]) == ["driver", "weights", "grpo", "vllm"]
    assert list(check({}, "--only", "bf16")[1]) == ["driver", "bf16"]


def test_without_a_gpu_nothing_passes(check, gpu_check):
    code, results = check(NO_GPU)
    assert (code, list(results)) == (0, list(gpu_check.CHECKS))
    assert {result["verdict"] for result in results.values()} == {"not available"}
    assert check(NO_GPU, "--require", "bf16")[0] == 3


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("answer(verdict='fail', why='planted fault')", "planted fault"),
        ("os.kill(os.getpid(), 11)", "ended by SIGSEGV"),
        ("answer(); os.kill(os.getpid(), 11)", "ended by SIGSEGV"),
        ("answer(); sys.exit(7)", "exit code 7"),
        ("pass", "ended without a verdict"),
        ("answer(verdict='passed')", "which is no verdict"),
        ("time.sleep(60)", "no answer within 2 s"),
    ],
)
def test_a_failing_check_fails_alone(check, fault, why):
    behaviour = {"bf16": fault}
    code, results = check(behaviour, "--only", "bf16", "flash-sdpa", "--limit-s", "2")
    assert (code, results["bf16"]["verdict"]) == (4, "fail")
    assert why in results["bf16"]["why"]
    assert results["flash-sdpa"]["verdict"] == "pass"


def test_a_required_check_that_fails_is_3(check):
    assert check({"bf16": "sys.exit(1)"}, "--only", "bf16", "--require", "bf16")[0] == 3
    assert check({"bf16": "sys.exit(1)"}, "--only", "bf16", "--require", "flash-sdpa")[0] == 4


def test_an_absent_package_is_no_pass_and_no_failure(check):
    absent = {"unsloth": "answer(verdict='not available', measured={}, why='unsloth is not installed')"}
    assert check(absent)[0] == 0
    assert check(absent, "--require", "unsloth")[0] == 3


def test_without_weights_what_needs_them_is_not_tried(check):
    code, results = check({"weights": "sys.exit(1)", "grpo": "answer()"}, "--only", "grpo", "bf16")
    assert (code, results["grpo"]["verdict"], results["bf16"]["verdict"]) == (4, "not available", "pass")
    assert "weights" in results["grpo"]["why"]


def test_what_a_probe_leaves_behind_is_ended(check, tmp_path):
    mark = tmp_path / "alive"
    leave = f"subprocess.Popen(['sh', '-c', 'sleep 1; touch {mark}']); answer()"
    assert check({"bf16": leave}, "--only", "bf16")[0] == 0
    time.sleep(1.3)
    assert not mark.exists()


def test_the_table_says_what_was_measured(gpu_check, capsys):
    measured = dict.fromkeys(gpu_check.WORDS, 1234.5)
    results = [
        gpu_check.Result("driver", "pass", measured, "[remark]"),
        gpu_check.Result("bf16", "fail", log="the end"),
    ]
    gpu_check.show(results, "tiny", gpu_check.Console(width=300))
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("1,234 tokens/s", "1.23e+03 ms", "[remark]", "bf16", "the end"))


def test_names_and_probes_are_the_same(gpu_check):
    assert list(importlib.import_module("gpu_probes.__main__").PROBES) == list(gpu_check.CHECKS)


def test_an_unknown_check_is_a_usage_error():
    done = subprocess.run([sys.executable, PROGRAM, "--require", "bf17"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "choose from" in done.stderr and "'bf16'" in done.stderr


def test_the_real_check_on_this_machine_without_a_gpu(gpu_check):
    if importlib.import_module("setup_env").has_nvidia_driver():
        pytest.skip("this machine has an NVIDIA driver")
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True)
    assert (done.returncode, "No NVIDIA GPU here" in done.stdout) == (0, True)
    assert done.stdout.count("not available") >= len(gpu_check.CHECKS)
    assert subprocess.run([sys.executable, PROGRAM, "--require", "bf16"], capture_output=True).returncode == 3


def test_weights_and_a_grpo_step_run_on_a_cpu(gpu_check, tmp_path):
    probes = importlib.import_module("gpu_probes.__main__").PROBES
    options = argparse.Namespace(architecture="tiny", folder=tmp_path, device="cpu")
    assert probes["weights"](options)[0]["disk_gib"] > 0
    assert probes["grpo"](options)[0]["time_s"] > 0


def test_a_step_that_moves_no_weight_does_not_pass(gpu_check, tmp_path, monkeypatch):
    training = importlib.import_module("gpu_probes.training")
    base = importlib.import_module("gpu_probes.base")
    options = argparse.Namespace(architecture="tiny", folder=tmp_path, device="cpu")
    importlib.import_module("gpu_probes.weights").weights(options)
    monkeypatch.setattr(training, "adapter_norm", lambda model: 0.0)
    with pytest.raises(base.Failed, match="left the adapters at zero"):
        training.grpo(options)


def test_the_sizes_are_those_of_the_real_models(gpu_check):
    weights = importlib.import_module("gpu_probes.weights")
    import torch
    from transformers import AutoModelForCausalLM

    for name, millions in {"qwen3-0.6b": 596.0, "qwen3-4b": 4022.5}.items():
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(weights.config_of(name))
        assert model.num_parameters() / 1e6 == pytest.approx(millions, abs=0.1)
    tokenizer = weights.byte_tokenizer()
    text = "Preço: não 🙂\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
