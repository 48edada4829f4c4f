"""Say what works on this machine's GPU: one table of pass, fail and not available, with what was measured.

Each check runs in a process of its own with a time limit, so that a crash or a hang is that check's verdict and no
other's. Weights are random and nothing is downloaded; whether a model learns is no business of this program.
Exit codes: 0 done, 2 usage, 3 a check named by --require did not pass, 4 a check failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gpu_probes.base import ARCHITECTURES

SCRIPTS = Path(__file__).resolve().parent
COMMAND = (sys.executable, "-m", "gpu_probes")
CHECKS = {
    "driver": "NVIDIA driver, seen by torch",
    "bf16": "bfloat16 matrix product",
    "flash-sdpa": "flash attention of torch",
    "weights": "random weights written",
    "train-memory": "training step with LoRA",
    "grpo": "GRPO step, TRL",
    "unsloth": "load and GRPO step, Unsloth",
    "vllm": "generation, vLLM",
    "vllm-constrained": "constrained generation, vLLM",
    "bitsandbytes": "4-bit load, bitsandbytes",
}
WORDS = {
    "time_s": "{:.3g} s",
    "time_ms": "{:.3g} ms",
    "load_s": "loaded in {:.3g} s",
    "tokens_per_s": "{:,.0f} tokens/s",
    "tflop_per_s": "{:,.0f} TFLOP/s",
    "peak_gib": "peak {:.3g} GiB",
    "disk_gib": "{:.3g} GiB on disk",
    "free_gib": "{:.3g} GiB free",
    "total_gib": "of {:.3g} GiB",
}
NEED_NO_WEIGHTS = ("driver", "bf16", "flash-sdpa", "weights")
VERDICTS = {"pass": "green", "fail": "red", "not available": "yellow"}
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in the probe's own process: what goes wrong goes wrong there
    "WANDB_MODE": "disabled",
}


@dataclass(frozen=True)
class Result:
    """A check's verdict; `measured` maps names with units (time_s, peak_gib) to numbers, `log` ends what it printed."""

    check: str
    verdict: str  # pass | fail | not available
    measured: dict[str, float] = field(default_factory=dict)
    why: str = ""
    log: str = ""


def run_probe(name: str, architecture: str, folder: Path, limit_s: float) -> Result:
    """Run one probe in a session of its own and read its verdict. No verdict is a failure."""
    out, log = folder / f"{name}.json", folder / f"{name}.log"
    command = [*COMMAND, name, "--architecture", architecture, "--folder", str(folder), "--out", str(out)]
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(SCRIPTS)}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            ending = describe_exit(process.wait(limit_s))
        except subprocess.TimeoutExpired:
            ending = f"no answer within {limit_s:g} s"
        finally:
            end_group(process)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    return judge(name, out, ending, tail)


def end_group(process: subprocess.Popen) -> None:
    """End the probe and whatever it started: an engine left behind would hold the GPU's memory."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def describe_exit(code: int) -> str:
    """Words for an exit status; "" for a good one."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}" if code else ""


def judge(name: str, out: Path, ending: str, log: str) -> Result:
    """A verdict counts only from a probe that came to a good end."""
    if ending or not out.exists():
        return Result(name, "fail", why=ending or "ended without a verdict", log=log)
    found = json.loads(out.read_text())
    if found["verdict"] not in VERDICTS:
        return Result(name, "fail", why=f"answered {found['verdict']!r}, which is no verdict", log=log)
    return Result(name, found["verdict"], found["measured"], found["why"], log)


def selection(only: Iterable[str], required: Iterable[str]) -> list[str]:
    """The checks to run, in order: those asked for (all by default), and what they build on."""
    wanted = {*only, *required} if only else set(CHECKS)
    wanted |= {"driver"} | ({"weights"} if wanted - set(NEED_NO_WEIGHTS) else set())
    return [name for name in CHECKS if name in wanted]


def missing_ground(name: str, passed: dict[str, bool]) -> str:
    """Why a check cannot be tried, from the checks before it; "" when it can."""
    if not passed.get("driver", True):
        return "no NVIDIA GPU that torch can use"
    if name not in NEED_NO_WEIGHTS and not passed.get("weights", True):
        return "no random weights: see the check `weights`"
    return ""


def run_all(names: list[str], architecture: str, limit_s: float, console: Console) -> list[Result]:
    """Run the checks one after another; what lacks its ground is not available, and never a pass."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        for name in names:
            why = missing_ground(name, {result.check: result.verdict == "pass" for result in results})
            if why:
                results.append(Result(name, "not available", why=why))
                continue
            started = time.monotonic()
            with console.status(f"{name}: {CHECKS[name]}"):
                results.append(run_probe(name, architecture, Path(folder), limit_s))
            console.print(f"{name}: {results[-1].verdict} after {time.monotonic() - started:.0f} s", highlight=False)
    return results


def exit_code(results: list[Result], required: Iterable[str]) -> int:
    """3 when a required check did not pass (failed or was not there), 4 when another failed, else 0."""
    verdicts = {result.check: result.verdict for result in results}
    if any(verdicts[name] != "pass" for name in required):
        return 3
    return 4 if "fail" in verdicts.values() else 0


def cell(measured: dict[str, float]) -> str:
    """What was measured, in words and units."""
    return ", ".join(WORDS[name].format(value) for name, value in measured.items())


def table(results: list[Result], architecture: str) -> Table:
    """check, verdict, measured, why."""
    view = Table(title=f"GPU check, {architecture}, random weights", title_justify="left")
    view.add_column("check", no_wrap=True)
    view.add_column("verdict", no_wrap=True)
    view.add_column("measured", overflow="fold")
    view.add_column("why", overflow="fold")
    for result in results:
        verdict = f"[{VERDICTS[result.verdict]}]{result.verdict}[/]"
        view.add_row(result.check, verdict, escape(cell(result.measured)), escape(result.why))
    return view


def show(results: list[Result], architecture: str, console: Console) -> None:
    """The table, the last lines of what failed, and one sentence when there was no GPU at all."""
    console.print(table(results, architecture))
    for result in results:
        if result.verdict == "fail" and result.log:
            console.print(f"\n{result.check} ended its output with:\n{result.log}", markup=False, highlight=False)
    if results[0].verdict == "not available":
        console.print("No NVIDIA GPU here: nothing that needs one was checked, and nothing of it passed.")


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog=__doc__.splitlines()[-1])
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="qwen3-0.6b", help="default: qwen3-0.6b")
    parser.add_argument("--require", nargs="+", choices=CHECKS, default=[], metavar="NAME", help="must pass")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=[], metavar="NAME", help="leave out the others")
    parser.add_argument("--limit-s", type=float, default=900.0, help="time limit of one check, seconds (900)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output in place of the table")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = read_arguments(arguments)
    progress = Console(stderr=True)
    names = selection(options.only, options.require)
    results = run_all(names, options.architecture, options.limit_s, progress)
    code = exit_code(results, options.require)
    if options.json:
        checks = [asdict(result) for result in results]
        print(json.dumps({"architecture": options.architecture, "exit_code": code, "checks": checks}))
    else:
        show(results, options.architecture, Console())
    return code


if __name__ == "__main__":
    # As an exception, like Ctrl-C, SIGTERM also ends the probe at work, which has a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
