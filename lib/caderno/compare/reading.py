"""The scored answers of an arm: of a run's validation, of several runs (its seeds), or of a JSON or JSONL file.

A file's lines need an id and a score; task, temperature, seed, sample, correct, prompt and completion are used where
they are. It checks lines, not whether two arms belong together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput

if TYPE_CHECKING:
    from caderno.params import Params

# What besides the temperature decides how an answer came about and what it is worth, where a line tells it.
SPEC_FIELDS = (
    "max_new_tokens", "max_tokens", "top_p", "top_k", "min_p", "hard_think_budget", "template", "system_prompt",
    "scorer", "metric",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """One scored completion. None: the file does not tell."""

    id: str
    score: float
    correct: bool | None
    task: str | None
    temperature: float | None
    seed: str | None
    prompt: str | None
    completion: str | None
    gold: str | None
    parts: tuple[str, ...]
    spec: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Arm:
    """The answers of one side, where they are from, and the runs' parameters and commits where there are runs."""

    name: str
    label: str | None  # the arm within the run or file: sft, grpo
    answers: tuple[Answer, ...]
    unscored: int
    params: tuple[Params, ...] = ()
    commits: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def seeds(self) -> tuple[str, ...]:
        """Distinct training seeds, in order."""
        return tuple(dict.fromkeys(answer.seed for answer in self.answers if answer.seed is not None))

    @property
    def temperatures(self) -> tuple[float | None, ...]:
        """Distinct temperatures, in order."""
        return tuple(dict.fromkeys(answer.temperature for answer in self.answers))


def read_arm(name: str, label: str | None = None, *, id_key: str = "id", score_key: str = "score") -> Arm:
    """The arm of a run, of a file, or of several of either, separated by commas: each of these is then a seed.

    `label` chooses among the arms of a run's validation (its last without it). Raises BadInput naming file and line.
    """
    parts = [part for part in name.split(",") if part]
    if Path(name).expanduser().exists() or len(parts) < 2:
        return _one(name, label, id_key, score_key)
    arms = [_one(part, label, id_key, score_key) for part in parts]
    seeds = _distinct_seeds(arms, parts)
    answers = [replace(answer, seed=seed) for arm, seed in zip(arms, seeds, strict=True) for answer in arm.answers]
    return Arm(
        name, arms[0].label, tuple(answers), sum(arm.unscored for arm in arms),
        tuple(params for arm in arms for params in arm.params),
        tuple(commit for arm in arms for commit in arm.commits),
        tuple(note for arm in arms for note in arm.notes),
    )  # fmt: skip


def _distinct_seeds(arms: Sequence[Arm], names: Sequence[str]) -> list[str]:
    """A seed for each part: its own where all have one and they differ, else its name."""
    own = [arm.seeds[0] if len(arm.seeds) == 1 else None for arm in arms]
    return list(own) if None not in own and len(set(own)) == len(own) else list(names)


def _one(name: str, label: str | None, id_key: str, score_key: str) -> Arm:
    path = Path(name).expanduser()
    if path.is_file():
        return _arm(name, _lines(path), label, str(path), id_key, score_key)
    if path.is_dir() and not (path / "run.json").is_file() and (path / "samples.jsonl").is_file():
        file = path / "samples.jsonl"
        return _arm(name, _lines(file), label, str(file), id_key, score_key)
    return _of_run(name, label)


def _of_run(name: str, label: str | None) -> Arm:
    """The validation of a run, its parameters and its commit."""
    from caderno import params, runs

    run_dir = runs.find_run(name)
    file = runs.stage_directory(run_dir, "validation") / "samples.jsonl"
    rows = list(enumerate(runs.whole_lines(file), 1))
    if not rows:
        raise BadInput(
            "no validation samples", expected="a run whose validation has run", where=str(file),
            mend=f"`caderno run {run_dir}/params.yaml --only validation`, or give a JSONL file of scored answers.",
        )  # fmt: skip
    notes: list[str] = []
    try:
        settings = (params.load(run_dir / "params.yaml"),)
    except BadInput as error:  # written by an older version: the answers can be compared all the same
        settings, notes = (), [f"parameters of {name} do not load any more: {error}"]
    openings = runs.read_json(run_dir / "run.json").get("openings") or [{}]
    git = openings[-1].get("git") or {}
    commit = f"{git['sha'][:12]}{' and changes' if git.get('changed') else ''}" if git.get("sha") else ""
    seed = str(settings[0].seed) if settings else None
    found = _arm(name, iter(rows), label, str(file), "id", "score", seed)
    return Arm(
        name, found.label, found.answers, found.unscored, settings, (commit,) if commit else (), (*found.notes, *notes)
    )


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of JSON lines; or the elements of a JSON list, or of the "samples" of an object."""
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise BadInput(f"not JSON ({error})", expected="a list of scored answers", where=str(path)) from error
        found = found.get("samples") if isinstance(found, dict) else found
        if not isinstance(found, list):
            raise BadInput("no list of answers in it", expected='a list, or {"samples": [...]}', where=str(path))
        yield from enumerate(found, 1)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise BadInput("not JSON", expected="one object a line", where=f"{path}, line {number}") from error


def _arm(
    name: str, rows: Iterable[tuple[int, Any]], label: str | None, where: str, id_key: str, score_key: str,
    seed: str | None = None,
) -> Arm:  # fmt: skip
    """The answers of the chosen arm; lines whose score is null are counted and left out."""
    rows = [(number, _object(row, f"{where}, line {number}")) for number, row in rows]
    labels = list(dict.fromkeys(str(row["arm"]) for _, row in rows if row.get("arm") is not None))
    if label is not None and label not in labels:
        raise BadInput(f"no arm {label!r}", expected=", ".join(labels) or "a file without arms", where=where)
    chosen = label or (labels[-1] if labels else None)
    mine = [(number, row) for number, row in rows if chosen is None or str(row.get("arm")) == chosen]
    scored = [(number, row) for number, row in mine if not _without_score(row, score_key)]
    if not scored:
        raise BadInput("no scored answers", expected=f"lines with {id_key!r} and {score_key!r}", where=where)
    answers = [_answer(row, f"{where}, line {number}", id_key, score_key, seed) for number, row in scored]
    others = [other for other in labels if other != chosen]
    notes = (f"{name}: arm {chosen!r} of {', '.join(labels)}",) if others and label is None else ()
    return Arm(name, chosen, tuple(answers), len(mine) - len(scored), notes=notes)


def _object(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise BadInput(f"{type(row).__name__}, not an object", expected="an object with id and score", where=where)
    return row


def _without_score(row: dict[str, Any], key: str) -> bool:
    """Whether the line says that its answer could not be judged: the key is there and null, or not a number."""
    return key in row and (row[key] is None or (isinstance(row[key], float) and math.isnan(row[key])))


def _answer(row: dict[str, Any], where: str, id_key: str, score_key: str, seed: str | None) -> Answer:
    score, identity = row.get(score_key), row.get(id_key)
    if not isinstance(score, bool | int | float) or not math.isfinite(score):
        raise BadInput(
            f"{score_key} is {score!r}", expected="a number, or null where it could not be judged", where=where,
            mend="--score names the field that holds it.",
        )  # fmt: skip
    if not isinstance(identity, str | int) or isinstance(identity, bool):
        raise BadInput(f"{id_key} is {identity!r}", expected="a string or a whole number", where=where,
                       mend="--id names the field that holds it.")  # fmt: skip
    temperature = row.get("temperature")
    return Answer(
        id=str(identity), score=float(score), correct=_correct(row, score), task=_text(row.get("task")),
        temperature=None if temperature is None else float(temperature),
        seed=seed if row.get("seed") is None else str(row["seed"]), prompt=_text(row.get("prompt")),
        completion=_text(row.get("completion")), gold=_text(row.get("gold")),
        parts=tuple(sorted(row["parts"])) if isinstance(row.get("parts"), dict) else (),
        spec=tuple((key, _text(row[key]) or "") for key in SPEC_FIELDS if row.get(key) is not None),
    )  # fmt: skip


def _correct(row: dict[str, Any], score: float) -> bool | None:
    """`correct` where it is told; else, of the workspace's own scores (they have parts), whether it is the full one."""
    told = row.get("correct")
    if isinstance(told, bool | int | float):
        return bool(told)
    if isinstance(row.get("parts"), dict):
        from caderno.tasks import FULLY_CORRECT

        return score >= FULLY_CORRECT
    return bool(score) if score in (0, 1) else None


def _text(value: Any) -> str | None:
    """A string as it is, anything else as JSON: only equality matters."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
