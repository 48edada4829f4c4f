"""The commands that say what numbers allow one to say: compare, estimate, advise, budget.

Each reads, calls and prints; what is said is decided in `compare` and `advice`, how it looks on a screen in `telling`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from caderno.errors import BadInput

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
REFUSED = 3
NOT_COMPARABLE = 2


def compare(
    before: Annotated[str, typer.Argument(metavar="A", help="Run, or JSONL of scored answers; a,b,c: its seeds.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, for the other side.")],
    arm: Annotated[str | None, typer.Option(help="Arm of both sides (sft, grpo); none: each side's last.")] = None,
    arm_before: Annotated[str | None, typer.Option("--arm-a", help="Arm of A alone.")] = None,
    arm_after: Annotated[str | None, typer.Option("--arm-b", help="Arm of B alone.")] = None,
    temperature: Annotated[float | None, typer.Option(help="This temperature alone.")] = None,
    id_key: Annotated[str, typer.Option("--id", metavar="KEY", help="Field that names the prompt (files).")] = "id",
    score_key: Annotated[str, typer.Option("--score", metavar="KEY", help="Field with the score (files).")] = "score",
    confidence: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    anyway: Annotated[bool, typer.Option("--anyway", help="Figures although the evaluations differ.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two runs, or two files of scored answers, paired on the prompts they share.

    Exit: 0 compared, 2 bad input or not comparable (the evaluations differ; the reasons are printed).
    """
    from caderno import compare as comparing
    from caderno.cli import telling

    first = comparing.read_arm(before, arm_before or arm, id_key=id_key, score_key=score_key)
    second = comparing.read_arm(after, arm_after or arm, id_key=id_key, score_key=score_key)
    found = comparing.compare(first, second, temperature=temperature, confidence=confidence, anyway=anyway)
    _print(found, as_json, telling.comparison)
    if not found["comparable"] and not anyway:
        raise typer.Exit(NOT_COMPARABLE)


def estimate(
    probe: Annotated[str, typer.Argument(metavar="PROBE", help="Run, metrics.jsonl, trainer_state.json or CSV.")],
    steps: Annotated[int | None, typer.Option(help="Steps to come; none: what the log or the run plans.")] = None,
    usd_per_hour: Annotated[float | None, typer.Option(help="Price of the machine.")] = None,
    tokens: Annotated[float | None, typer.Option(help="Mean tokens of the steps to come, in the log's unit.")] = None,
    stage: Annotated[str | None, typer.Option(help="Stage of a run: grpo, sft or pretrain.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how long the remaining steps take, as an interval, from the few steps of a probe; and what they cost."""
    from caderno import advice
    from caderno.cli import telling

    read = advice.read_probe(probe, stage)
    found = advice.forecast(read, steps, usd_per_hour=usd_per_hour, tokens=tokens)
    _print({"probe": read.source, **asdict(found)}, as_json, telling.forecast)


def advise(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="tiny, a directory, a config.json, or a hub id.")],
    method: Annotated[Literal["lora", "full"], typer.Option(help="Adapter, or every weight.")] = "lora",
    task: Annotated[Literal["sft", "grpo"], typer.Option(help="What it is trained by.")] = "sft",
    prompts: Annotated[int | None, typer.Option(help="Distinct training prompts or rows.")] = None,
    tokens: Annotated[str | None, typer.Option(help="Supervised tokens of all rows (SFT), such as 2M.")] = None,
    dtype: Annotated[str, typer.Option(help="Precision of the weights.")] = "bfloat16",
    as_json: AsJson = False,
) -> None:
    """Propose rank, alpha, a range of learning rates with sources, batch, group, steps and memory for a model.

    Everything follows from the model's own config.json.
    """
    from caderno import advice
    from caderno.advice.amounts import amount
    from caderno.cli import telling

    architecture = advice.read_architecture(model)
    supervised = None if tokens is None else amount(tokens, "--tokens")
    _print(advice.advise(architecture, method, task, prompts, supervised, dtype), as_json, telling.advice)


def budget(
    params_file: Annotated[
        str | None, typer.Argument(metavar="[PARAMS]", help="Parameter file: its pretrain section.")
    ] = None,
    tokens: Annotated[str | None, typer.Option(help="Different training tokens: 18M, 7.4B.")] = None,
    parameters: Annotated[str | None, typer.Option(help="Parameters of the model: 370M.")] = None,
    model: Annotated[str | None, typer.Option(help="Instead: tiny, a directory, a config.json, a hub id.")] = None,
    epochs: Annotated[float, typer.Option(help="How often the tokens are seen.")] = 1.0,
    init: Annotated[Literal["scratch", "pretrained"] | None, typer.Option(help="Where the weights begin.")] = None,
    as_json: AsJson = False,
) -> None:
    """State a data budget: tokens, repeats, tokens per parameter, and whether it can train a model from nothing.

    Exit: 0 enough or not applicable, 2 bad input, 3 too few tokens to train from scratch.
    """
    from caderno import advice
    from caderno.cli import telling

    size, supply, start, note = _amounts(params_file, tokens, parameters, model)
    found = {**asdict(advice.budget(size, supply, epochs, init or start)), "note": note}
    _print(found, as_json, telling.budget)
    if found["verdict"] == "fail":
        raise typer.Exit(REFUSED)


def _amounts(
    params_file: str | None, tokens: str | None, parameters: str | None, model: str | None
) -> tuple[int, int, Any, str]:
    """Parameters, tokens, the start the input implies, and a note on where they come from."""
    from caderno import advice
    from caderno.advice.amounts import amount

    if params_file:
        size, supply, start, note = advice.of_params(params_file)
    else:
        size, supply, start, note = None, None, "scratch", ""
    if parameters and model:
        raise BadInput("both --parameters and --model", expected="one of them", where="budget")
    if model:
        size = advice.read_architecture(model).parameters
        if size is None:
            raise BadInput(f"the parameters of {model!r} cannot be counted from its config", expected="--parameters N")
    size = amount(parameters, "--parameters") if parameters else size
    supply = amount(tokens, "--tokens") if tokens else supply
    if size is None or supply is None:
        missing = "--parameters or --model" if size is None else "--tokens"
        raise BadInput(f"no {missing}", expected="a parameter file, or both amounts", where="budget")
    return size, supply, start, note


def _print(found: dict[str, Any], as_json: bool, tell: Any) -> None:
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False, default=str))
    else:
        tell(found)
