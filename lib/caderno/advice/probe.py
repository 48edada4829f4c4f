"""The steps of a probe as numbers, from whatever log there is: seconds a step, tokens a step, steps still to come.

It reads metrics.jsonl, a TRL trainer_state.json, a CSV or JSON-lines export (W&B's too), or a run's directory; what the
numbers allow one to say is for `estimate`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from caderno.errors import BadInput

STEP = ("step", "_step", "global_step", "train/global_step")
SECONDS = ("step_time", "train/step_time", "seconds", "step_time_s", "step_s", "time/total", "wallclock_s")
CLOCK = ("wall_s", "_runtime", "_timestamp", "elapsed_s", "Relative Time (Process)")
MEAN_LENGTH = ("completions/mean_length", "train/completions/mean_length", "completion_length", "mean_length")
TOKENS = ("tokens", "step_tokens")
TOKENS_SO_FAR = ("num_tokens", "train/num_tokens", "num_input_tokens_seen", "total_tokens")
STAGES = ("grpo", "sft", "pretrain")  # of a run, the dearest first
EVALUATION = ("eval_loss", "eval_reward", "eval_runtime", "eval/loss", "eval/reward")


@dataclass(frozen=True)
class Probe:
    """Logged training steps in order. `tokens` is None where the log does not tell them for every step."""

    source: str
    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    tokens: tuple[float, ...] | None
    tokens_are: str  # "tokens a completion" or "tokens a step"
    seconds_from: str
    starts_run: bool  # whether the first of these steps is the first of the run, warm-up and all
    planned_steps: int | None
    ceiling_tokens: float | None = None  # most that `tokens` can be, where parameters tell

    @property
    def steps_left(self) -> int | None:
        """Planned steps after the last logged one; None where no plan is known."""
        return None if self.planned_steps is None else max(0, self.planned_steps - self.steps[-1])


def read_probe(name: str, stage: str | None = None) -> Probe:
    """The probe in a file, in a directory with a log, or in a run by its name.

    Raises BadInput where there is no log, no step times, or nothing but evaluations.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return _from_file(path)
    if path.is_dir() and not (path / "run.json").is_file():
        for log in ("metrics.jsonl", "trainer_state.json"):
            if (path / log).is_file():
                return _from_file(path / log)
        raise BadInput("no metrics.jsonl or trainer_state.json in it", expected="a log of training", where=str(path))
    return _from_run(name, stage)


def from_rows(rows: Sequence[dict[str, Any]], source: str, planned: int | None = None) -> Probe:
    """A probe from logged rows (dicts, one a line); rows of evaluations and summaries are left out."""
    training = [row for row in _numbered(rows) if not any(key in row for key in EVALUATION) and "train_loss" not in row]
    training = list({int(row["step"]): row for row in training}.values())  # a step logged twice: the later line
    seconds, kept, where_from = _seconds(training, source)
    tokens, are = _tokens(training, kept)
    steps = tuple(int(training[i]["step"]) for i in kept)
    return Probe(source, steps, tuple(seconds), tokens, are, where_from, steps[0] <= 1, planned)


def _from_file(path: Path) -> Probe:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".csv":
        return from_rows([_numbers(row) for row in csv.DictReader(text.splitlines())], str(path))
    if path.suffix == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise BadInput(f"not JSON ({error})", expected="a trainer_state.json or a list", where=str(path)) from error
        if isinstance(found, dict) and "log_history" in found:
            planned = found.get("max_steps") or None
            return from_rows(found["log_history"], str(path), planned)
        if isinstance(found, list):
            return from_rows([row for row in found if isinstance(row, dict)], str(path))
        raise BadInput("neither log_history nor a list in it", expected="a log of training", where=str(path))
    return from_rows(list(_lines(path, text)), str(path))


def _lines(path: Path, text: str) -> Iterator[dict[str, Any]]:
    """JSON lines. A last line without its newline was being written when the log was copied: it is not there yet."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines) and not text.endswith("\n"):
                return
            raise BadInput("not JSON", expected="one object a line", where=f"{path}, line {number}") from error
        if isinstance(row, dict):
            yield row


def _from_run(name: str, stage: str | None) -> Probe:
    """The dearest training stage of a run that has logged steps, or the one that is asked for."""
    from caderno import params, runs

    run_dir = runs.find_run(name)
    found = params.load(run_dir / "params.yaml")
    for candidate in (stage,) if stage else STAGES:
        log = runs.stage_directory(run_dir, candidate) / "metrics.jsonl"
        rows = list(runs.whole_lines(log))
        if rows:
            settings = getattr(found, candidate, None)
            planned = getattr(settings, "max_steps", None)
            probe = from_rows(rows, str(log), planned)
            most = getattr(settings, "max_completion_length", None)
            ceiling = float(most) if most and probe.tokens_are == "tokens a completion" else None
            return replace(probe, ceiling_tokens=ceiling)
    raise BadInput(
        f"no {stage or 'training'} steps are logged", expected="a metrics.jsonl with step times", where=str(run_dir)
    )


def _numbered(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows with their step under "step"; where a log has none, rows are numbered."""
    for number, row in enumerate(rows, 1):
        step = _first(row, STEP)
        yield {**row, "step": number if step is None else step}


def _seconds(rows: list[dict[str, Any]], source: str) -> tuple[list[float], list[int], str]:
    """Seconds a step, the rows they belong to, and where they come from.

    A clock is preferred: what is paid for is the time between steps, with evaluations and checkpoints in it. The
    trainer's own step times are taken where there is no clock.
    """
    clock = [_first(row, CLOCK) for row in rows]
    if sum(value is not None for value in clock) == len(rows) > 1:
        found = _differences(rows, clock)
        own = _first(rows[0], SECONDS)
        first = [(own, 0)] if own is not None and int(rows[0]["step"]) == 1 else []
        pairs = first + found
        if pairs:
            said = "the clock between logged steps, evaluations and checkpoints included"
            return [seconds for seconds, _ in pairs], [row for _, row in pairs], said
    pairs = [(value, i) for i, row in enumerate(rows) if (value := _first(row, SECONDS)) is not None and value > 0]
    if not pairs:
        raise BadInput(
            "no step times", expected=f"one of {', '.join((*SECONDS[:3], *CLOCK[:2]))} in the lines of training",
            where=source, mend="GRPO logs step_time; for others give our metrics.jsonl, or W&B's export with _runtime.",
        )  # fmt: skip
    return [seconds for seconds, _ in pairs], [i for _, i in pairs], "the trainer's step times, without evaluations"


def _differences(rows: list[dict[str, Any]], clock: list[Any]) -> list[tuple[float, int]]:
    """Seconds a step between neighbouring lines; a clock that went back (another attempt) gives none."""
    found = []
    for i in range(1, len(rows)):
        steps, seconds = rows[i]["step"] - rows[i - 1]["step"], clock[i] - clock[i - 1]
        if steps > 0 and seconds > 0:
            found.append((seconds / steps, i))
    return found


def _tokens(rows: list[dict[str, Any]], kept: list[int]) -> tuple[tuple[float, ...] | None, str]:
    """Tokens of the kept rows: the mean completion, else tokens a step; None where a row lacks them."""
    for keys, are in ((MEAN_LENGTH, "tokens a completion"), (TOKENS, "tokens a step")):
        values = [_first(rows[i], keys) for i in kept]
        if values and all(value is not None for value in values):
            return tuple(float(value) for value in values), are
    total = [_first(row, TOKENS_SO_FAR) for row in rows]
    if not total or any(value is None for value in total):
        return None, ""
    before = [0.0 if i == 0 else total[i - 1] for i in kept]
    steps = [rows[i]["step"] - (rows[i - 1]["step"] if i else 0) for i in kept]
    values = [(total[i] - b) / max(1, s) for i, b, s in zip(kept, before, steps, strict=True)]
    return (tuple(values), "tokens a step") if all(value > 0 for value in values) else (None, "")


def _first(row: dict[str, Any], keys: Sequence[str]) -> float | None:
    """The first of these keys with a finite number; W&B writes "run - key" and "train/key"."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) < 1e300:
            return float(value)
    return None


def _numbers(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row with numbers for what is one, empty cells left out, and the run's name cut from W&B's columns."""
    found: dict[str, Any] = {}
    for key, text in row.items():
        if key is None or text is None or not str(text).strip():
            continue
        name = key.rpartition(" - ")[2].strip()
        name = "step" if name == "Step" else name
        if name.endswith(("__MIN", "__MAX")):
            continue
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = text
    return found
