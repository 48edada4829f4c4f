"""Rebuild the base model that ships with the package: pretrain it, check it, write its card, put it in its place.

The place holds the old base or the new one, never half of either. What the model is trained on and how is decided by
params/tiny_base.yaml and `caderno.training.pretrain`; whether it is good is for SFT and GRPO to show.
Exit codes: 0 done, 2 bad usage or a run that cannot be shipped, 4 the training failed, 130 or 143 interrupted.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import tiny_base_card
from caderno import models, pipeline, runs
from caderno.errors import BadInput, CadernoError, Interrupted
from caderno.params.sections import ModelParams

PARAMS = "params/tiny_base.yaml"
STAGE = "pretrain"
FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
CARD = "README.md"
LIMIT_BYTES = 8_000_000
SAMPLES = 3


def shipped() -> Path:
    """Where the package looks for the model called "tiny"."""
    return runs.checkout() / "lib/caderno/tiny_base"


def require_passed(run_dir: Path) -> Path:
    """The model directory of a run whose pretraining has passed.

    Raises:
        BadInput: it has not, or files of the model are missing.
    """
    directory = runs.stage_directory(run_dir, STAGE)
    state = runs.read_status(directory)["state"]
    if state != "passed":
        raise BadInput(
            f"{STAGE} is {state}", expected="a run whose pretraining has passed", where=str(directory),
            mend=f"Run `caderno run {PARAMS}` to its end; nothing was replaced.",
        )  # fmt: skip
    missing = [name for name in FILES if not (directory / "model" / name).is_file()]
    if missing:
        raise BadInput(f"no {', '.join(missing)}", expected="a whole model", where=str(directory / "model"))
    return directory / "model"


def writes(name: str) -> list[str]:
    """What a model by that name writes, greedily, after a few openings; loading it checks tie, shapes and tokenizer.

    Raises:
        BadInput: the model cannot be loaded, or its embeddings are not tied.
    """
    from caderno.training.pretrain import continuations

    policy = models.load(ModelParams(name=name))
    if not policy.info["tied"]:
        raise BadInput("input and output embeddings are not tied", expected="tied embeddings", where=name)
    return continuations(policy, SAMPLES)


def stage(run_dir: Path, fresh: Path) -> list[str]:
    """Copies the model of a run to `fresh` with its card, and checks the copy. Returns what it writes.

    Raises:
        BadInput: it is too large, or the copy is not what the run trained.
    """
    model = require_passed(run_dir)
    before = writes(str(model))
    fresh.mkdir()
    for name in FILES:
        shutil.copyfile(model / name, fresh / name)
    runs.write_text(fresh / CARD, tiny_base_card.card(run_dir, fresh, FILES, before))
    total_bytes = sum(path.stat().st_size for path in fresh.iterdir())
    if total_bytes > LIMIT_BYTES:
        raise BadInput(
            f"{total_bytes:,} bytes", expected=f"at most {LIMIT_BYTES:,}: history keeps every copy", where=str(model),
            mend="Make pretrain.architecture smaller.",
        )  # fmt: skip
    require_same(before, writes(str(fresh)), str(fresh))
    return before


def require_same(before: list[str], after: list[str], where: str) -> None:
    """Raises BadInput when a copy does not write what the trained model wrote."""
    if before != after:
        raise BadInput(f"it writes {after}", expected=f"what the run's model writes, {before}", where=where)


def replace(fresh: Path, target: Path, check: Callable[[], None]) -> None:
    """Puts `fresh` in the place of `target`; where the check fails, or anything else, the old one comes back."""
    aside = _aside(target)
    if target.exists():
        target.rename(aside)
    try:
        fresh.rename(target)
        check()
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        if aside.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def recover(target: Path) -> None:
    """Mends what a kill between two renames left: the old base is put back, half-made ones are removed."""
    if _aside(target).exists() and not target.exists():
        _aside(target).rename(target)
    for leftover in (_aside(target), _fresh(target)):
        shutil.rmtree(leftover, ignore_errors=True)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.before")


def _fresh(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def publish(run_dir: Path, target: Path) -> Path:
    """The model of a finished run, checked and with its card, at `target`; returns the card's path.

    Raises:
        BadInput: the run has not passed or its model cannot be shipped. `target` is as it was then.
    """
    recover(target)
    fresh = _fresh(target)
    try:
        before = stage(run_dir, fresh)
        name = "tiny" if target == shipped() else str(target)
        replace(fresh, target, lambda: require_same(before, writes(name), str(target)))
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target / CARD


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog=__doc__.splitlines()[-1])
    parser.add_argument("--run", metavar="RUN", help=f"name or directory of a finished run; none: run {PARAMS} first")
    parser.add_argument("--target", type=Path, default=shipped(), metavar="DIR", help="another place for the result")
    options = parser.parse_args(arguments)
    try:
        run_dir = runs.find_run(options.run) if options.run else pipeline.run(PARAMS)
        print(publish(run_dir, options.target.resolve()))
    except Interrupted as interruption:
        print(f"{interruption}.".capitalize(), file=sys.stderr)
        return interruption.exit_code
    except CadernoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
