"""The model card of the shipped base, from the files of the run that trained it.

Every figure in it comes from those files; it measures nothing and has no opinion on how good the model is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from caderno import params as parameters
from caderno import runs
from caderno.errors import BadInput
from caderno.params.yaml_text import dump

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "accelerate")

CARD = """# tiny: the base model that ships with caderno

A Qwen3-architecture decoder of {parameters:,} parameters with a vocabulary of {vocabulary:,} tokens, pretrained from
nothing on a generated corpus about a Brazilian online shop. `model.name: tiny` loads it. It is a base: it has been
taught none of the four tasks.

## Intended use and limits

It is there so that every stage (SFT, GRPO, validation) runs on a CPU in minutes, through the code that real models go
through. It knows the closed vocabulary of the small profile, in lower case; any other word reaches it as letters. It
knows nothing of the world: shops, people and figures in what it writes are invented. Do not use it for anything but
this workspace, and draw no conclusion from its scores about real models.

## Data

Documents written by `caderno.corpus` from a generated shop of {orders:,} orders (seed {seed}, split `train`). Nobody's
data is in it.

- **About the shop**: reviews with what they say in prose, customers and products as a sentence and as JSON, SQL with
  comments, lists of figures with the largest and the smallest, advertisements.
- **Conversations** in the chat template, most of them with a short thought: recall, JSON of some pairs, summaries of
  reviews, queries, extremes, advertisements.
- **Recall drills**: random words in pairs, lists or JSON, and some of them again. {drill_start:.0%} of the documents
  during the first {drill_start_share:.0%} of training, {drill:.0%} after that.

No prompt of a task is in it, and no system prompt of a task. The shop's own names are those of the training split.
Drills draw on every whole word of the vocabulary, names of the held-out and of the test split included, and half of the
names in reviews, queries and advertisements are replaced by such random words: copying a name may not depend on having
met it. So the words of held-out names have been seen, at random places; no fact about them has.

## Training

| | |
|---|---|
| tokens seen (padding not counted) | {tokens:,} |
| tokens per parameter | {tokens_per_parameter:.1f} |
| steps | {steps:,} |
| time | {time} |
| machine | {machine} |
| torch threads | {torch_threads} |
| training loss, first and last logged (nats per token) | {loss_first:.4f}, {loss_last:.4f} |
| held-out loss, before training and after | {heldout_first:.4f}, {heldout_last:.4f} |
| loss of guessing among the vocabulary, ln {vocabulary:,} | {uniform_loss:.4f} |
| seed | {seed} |
| code | {code} |
| versions | {versions} |
| trained | {started} to {ended} |

The held-out loss is over {eval_documents} documents of the same generator with another seed: new documents, the same
shop.

```yaml
{settings}```

## What it writes

Greedy continuations of three openings, white space apart as decoding puts it:

{samples}

## Rebuild

```
python scripts/build_tiny_base.py
```

It runs `params/tiny_base.yaml`, checks the result and replaces this directory. The same seed, machine, library versions
and threads give the same weights; others give a model that differs a little. `--run RUN` takes a finished run.

## Files

| file | bytes | SHA-256 |
|---|---|---|
{files}

The licence is the repository's; this card sets none.
"""


def card(run_dir: Path, files_dir: Path, names: Sequence[str], samples: Sequence[str]) -> str:
    """The card's text, for files in `files_dir` trained by `run_dir`.

    Raises:
        BadInput: a figure that must be in it is not in the run's files.
    """
    directory = runs.stage_directory(run_dir, "pretrain")
    params = parameters.load(run_dir / "params.yaml")
    spec = params.pretrain
    try:
        return CARD.format(
            **_result(directory), **_circumstances(run_dir, directory), seed=params.seed, orders=params.data.orders,
            drill=spec.drill_share, drill_start=spec.drill_share_start, drill_start_share=_drill_start_share(),
            eval_documents=spec.eval_documents, settings=dump({"pretrain": spec.model_dump(mode="json")}),
            samples="\n".join(f"- `{text}`" for text in samples),
            files="\n".join(_file(files_dir / name) for name in names),
        )  # fmt: skip
    except (KeyError, IndexError, TypeError) as error:
        raise BadInput(
            f"{type(error).__name__} {error}", expected="the figures of a finished pretraining", where=str(run_dir),
            mend="Train again with this version; the files are of another.",
        ) from error  # fmt: skip


def _result(directory: Path) -> dict[str, Any]:
    """The stage's headline numbers under the card's names.

    Raises:
        BadInput: a loss is not a number.
    """
    found = runs.read_json(directory / "result.json")
    kept = {key: found[key] for key in ("steps", "tokens", "parameters", "vocabulary", "torch_threads", "uniform_loss")}
    for card_name, key in (("loss", "loss"), ("heldout", "heldout_loss")):
        kept |= {f"{card_name}_{end}": found[key][end] for end in ("first", "last")}
    broken = [key for key, value in kept.items() if not math.isfinite(value)]
    if broken:
        raise BadInput(f"{broken[0]} is {kept[broken[0]]}", expected="a number", where=str(directory / "result.json"))
    return {**kept, "tokens_per_parameter": found["tokens_per_parameter"]}


def _circumstances(run_dir: Path, directory: Path) -> dict[str, str]:
    """Time, machine, code, versions and dates in words."""
    opened = runs.read_json(run_dir / "run.json")["openings"][-1]
    status = runs.read_status(directory)
    attempts = f", in {status['attempt']} attempts" if status["attempt"] > 1 else ""
    hardware = opened["hardware"]
    cores = "1 core" if hardware["cores"] == 1 else f"{hardware['cores']} cores"
    return {
        "time": _clock(_seconds(directory)) + attempts,
        "machine": f"{hardware['cpu']}, {cores} of it, {'; '.join(hardware['gpus']) or 'no GPU'}, {opened['platform']}",
        "code": _code(opened["git"]),
        "versions": f"Python {opened['python']}, " + ", ".join(f"{one} {opened['versions'][one]}" for one in LIBRARIES),
        "started": status["started"],
        "ended": status["ended"],
    }


def _seconds(directory: Path) -> float:
    """Seconds of work over all attempts: `wall_s` goes on where a checkpoint was taken up."""
    return list(runs.whole_lines(directory / "metrics.jsonl"))[-1]["wall_s"]


def _clock(seconds: float) -> str:
    return f"{seconds:,.0f} s ({seconds / 60:.0f} minutes)" if seconds >= 90 else f"{seconds:.1f} s"


def _code(git: dict[str, Any] | None) -> str:
    """The commit, and whether that was all."""
    if git is None:
        return "not from a git checkout"
    return f"commit {git['sha'][:12]}" + (" with changes that are not committed" if git["diff"] else "")


def _drill_start_share() -> float:
    from caderno.corpus import DRILL_START_SHARE

    return DRILL_START_SHARE


def _file(path: Path) -> str:
    """A file's row."""
    with path.open("rb") as file:
        return f"| {path.name} | {path.stat().st_size:,} | `{hashlib.file_digest(file, 'sha256').hexdigest()}` |"
