"""Measure what docs/benchmarks.md reports: import, set-up, shop, scorers, generation, notebooks, and the demo.

It judges only against the limits that stand beside the lines: one that is missed is shown, and is not an error.
Exit codes: 0 done, 2 usage or a section asked for that cannot be measured here, 4 what was to be measured failed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bench_bottleneck
import bench_generation
import bench_guards
import bench_leaks
import bench_library
import bench_scores
import bench_stages
import bench_table
import bench_traces
from bench_lines import Line, machine
from caderno import runs
from caderno.errors import BadInput, CadernoError
from caderno.runs.status import now

BUSY = 0.5  # load above which times are not to be trusted


@dataclass(frozen=True)
class Section:
    """What can be asked for by name. `method` is the sentence under the table."""

    title: str
    measure: Callable[[int], list[Line]]
    repeats: int
    method: str
    full: bool = False  # minutes to hours: only by name or with --full


SECTIONS = {
    "import": Section(
        "Start-up", bench_library.importing, 7,
        "every repeat is a fresh process, after one that is thrown away; the interpreter's own start is not in "
        "`import caderno` and is in `caderno --help`.",
    ),
    "setup": Section(
        "Set-up", bench_library.setting_up, 5,
        "`make setup` on an environment that is up to date. The first time is not measured here: it is the network's.",
    ),
    "shop": Section(
        "Shop generator", bench_library.shops, 7,
        "`shop.generate`, a new seed each time; rows are those of all seven tables.",
    ),
    "scores": Section(
        "Scorers", bench_scores.scores, 5,
        f"`tasks.score_many` on {bench_scores.SCORED_ROWS} rows of the small profile (math: {bench_scores.MATH_ROWS} "
        "generated problems whose answers are numbers, fractions and expressions), half of the completions right and "
        "half another row's, after a first pass that starts the workers and builds the shops. The baseline is the "
        "least that such a scorer has to do, in one thread.",
    ),
    "leaks": Section(
        "Leak scan", bench_leaks.leaking, 3,
        "1,000,000 training rows against 10,000 evaluation rows, 48 words a row, with planted pairs of five kinds, "
        "from JSONL; the baseline is sets of tuples of words in plain Python on 20,000 of the rows.",
        full=True,
    ),
    "guards": Section(
        "Guards", bench_guards.guarding, 5,
        "`caderno preflight` is the whole command, after one that is thrown away. Flat runs: evaluations of pure "
        "noise, delta from `stats.delta_for`, simulated with other seeds than those that chose it.",
    ),
    "watch": Section(
        "Guards beside a training", bench_guards.watching, 3,
        "the GRPO logs of the demo's runs that are there, judged again step by step in one thread; the step's time is "
        "the run's own.",
        full=True,
    ),
    "generation": Section(
        "Generation, shipped model", bench_generation.generating, 5,
        "prompts of the four tasks in equal parts, temperature 1, from text to text; tokens count up to the stop "
        "token. Ours has a stream of noise per request and returns log-probabilities, the baseline neither.",
    ),
    "bottleneck": Section(
        "Phase A of abstract chain-of-thought", bench_bottleneck.bottlenecked, 3,
        "one step, forward and backward, of one row of X 120, C 7428, Z 15, Y 527 in proportion; every measurement is "
        "a process of its own, after a step of 256 tokens. Qwen3-0.6B at a quarter of its widths, 4 layers, vocabulary "
        "8,192 (5,376 has that model's own head share; the vocabulary was raised after a first look), random float32 "
        "weights. The baseline is the public reproduction's way. Memory is the largest resident size, libraries "
        "included.",
        full=True,
    ),
    "traces": Section(
        "Constrained traces", bench_traces.tracing, 5,
        f"{bench_traces.TRACES} traces of each chained expression, temperature 1, from ids to ids, minimum and maximum "
        "the same so that all draw as many tokens. Ours has a seed per trace and renormalised log-probabilities, the "
        "baselines neither, and they prefill every trace, as `generate` does. The large embedding has Qwen3's rows "
        "under the shipped model's layers. vLLM: no line where it cannot be imported.",
        full=True,
    ),
    "notebooks": Section(
        "Notebooks at smoke size", bench_stages.at_smoke_size, 3,
        "every stage of `params/smoke.yaml` by `caderno run`, from the line that it starts to the line that it has "
        "passed, against the cells of the same .py as one script in one fresh process, imports included in both. The "
        "stages take a step or two, so that the fixed cost of a kernel shows and little else: the limit is meant for "
        "the demo's size.",
    ),
    "demo": Section(
        "Demo, as its newest run recorded it", bench_stages.newest_demo, 1,
        "`started` to `ended` in the stages' status.json: one run, no baseline.",
    ),
    "demo-run": Section(
        "Demo, both ways", bench_stages.at_demo_size, 3,
        "as the notebooks at smoke size, with `params/demo.yaml`. Memory is the largest sum of resident sizes over the "
        "process tree, sampled five times a second; pages that processes share count for each of them.",
        full=True,
    ),
}  # fmt: skip


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog=__doc__.splitlines()[-1])
    quick = [name for name, section in SECTIONS.items() if not section.full]
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; none: {', '.join(quick)}"
    )
    parser.add_argument("--full", action="store_true", help="also what takes long: the demo, both ways, several times")
    parser.add_argument("--repeats", type=int, metavar="N", help="in place of each section's own number")
    parser.add_argument("--output", type=Path, default=runs.checkout() / "docs", help="directory of both files (docs)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown section {unknown[0]!r}; expected some of {', '.join(SECTIONS)}")
    if options.repeats is not None and options.repeats < 1:
        parser.error(f"--repeats {options.repeats}; expected 1 or more")
    return options


def chosen(named: list[str], full: bool) -> list[str]:
    """The sections to measure, in their order."""
    wanted = set(named) or {name for name, section in SECTIONS.items() if not section.full}
    return [name for name, section in SECTIONS.items() if name in wanted or (full and section.full)]


def measure(names: list[str], options: argparse.Namespace) -> int:
    """Measures section after section, each written as soon as it is there. Returns the exit code.

    A section that cannot be measured here is left out with the reason; that is an error where it was asked for by name.
    """
    kept, code = bench_table.read(options.output / "benchmarks.json"), 0
    texts = {name: (section.title, section.method) for name, section in SECTIONS.items()}
    for name in names:
        section, before = SECTIONS[name], machine()
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            lines = section.measure(options.repeats or section.repeats)
        except CadernoError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            asked = name in options.sections or not isinstance(error, BadInput)
            code = max(code, error.exit_code if asked else 0)
            continue
        kept = bench_table.merged(kept, name, lines, now(), before)
        print(bench_table.write(options.output, kept, texts))
    return code


def main(arguments: list[str] | None = None) -> int:
    options = read_arguments(arguments)
    if os.getloadavg()[0] > BUSY:
        print(f"The machine is busy (load {os.getloadavg()[0]:.2f}): times will be too long.", file=sys.stderr)
    try:
        return measure(chosen(options.sections, options.full), options)
    except CadernoError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
