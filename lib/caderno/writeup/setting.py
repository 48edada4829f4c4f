"""What a run was: its facts, its parameters against its parent's, its stages and their times, how to go on.

It tells what the manifest and the statuses say; what came out of the stages is for `stages` and `findings`.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from caderno import params as parameters
from caderno.errors import BadInput
from caderno.params.sections import Params
from caderno.runs.paths import checkout, given, root
from caderno.runs.status import seconds_between
from caderno.writeup import words
from caderno.writeup.artifacts import RunRecord, StageRecord, understood
from caderno.writeup.words import Table

UNTOLD = ("name", "description", "writeup.")  # they name the run; they do not change what it does
LIBRARIES = ("torch", "transformers", "trl", "peft", "vllm", "unsloth", "datasets")


def facts(record: RunRecord) -> Table:
    """Model, data, hardware, seed, versions, code."""
    params, opening = record.params, record.opening
    with understood(record.run_dir / "run.json"):
        rows = [
            ("Model", _model(params)),
            ("Data", _data(params)),
            ("Tasks", words.listed([words.code(task) for task in params.tasks])),
            ("Hardware", _hardware(params, opening.get("hardware"))),
            ("Seed", str(params.seed)),
            ("Versions", _versions(opening)),
            ("Code", _code(opening.get("git"))),
            ("Parameter file", words.code(record.manifest["params_file"])),
            ("Begun", f"{record.manifest['created'][:16].replace('T', ' ')} UTC"),
        ]
    times = len(record.manifest.get("openings", []))
    note = f"Opened {times} times with something changed; the last opening is told." if times > 1 else ""
    return Table(("", ""), rows, "`run.json`, `params.yaml`", note)


def _model(params: Params) -> str:
    model = params.model
    trained = f"LoRA, rank {model.lora.rank}, alpha {model.lora.alpha:g}" if model.lora else "every weight is trained"
    revision = f" at {words.code(model.revision)}" if model.revision else ""
    return f"{words.code(model.name)}{revision}, {model.dtype}, {trained}"


def _data(params: Params) -> str:
    data = params.data
    where = f" from {words.code(_shown_path(data.path))}" if data.path else f", profile {words.code(data.profile)}"
    rows = f"{data.train_rows:,} rows for training, {data.heldout_rows:,} held out, {data.test_rows:,} for validation"
    return f"{words.code(data.source)}{where}: {rows}"


def _hardware(params: Params, found: dict[str, Any] | None) -> str:
    if not found:
        return f"wanted: {words.plain(params.hardware)}; found: not recorded"
    gpus = words.listed([words.plain(gpu) for gpu in found["gpus"]]) or "no GPU"
    return f"{words.plain(found['cpu'])}, {found['cores']} cores, {found['memory_gib']:g} GiB; {gpus}"


def _versions(opening: dict[str, Any]) -> str:
    versions = opening.get("versions", {})
    named = [f"{name} {versions[name]}" for name in LIBRARIES if name in versions]
    own = [f"caderno {opening['caderno']}", f"Python {opening['python']}"] if opening else []
    return words.plain(", ".join([*own, *named]) or "not recorded")


def _code(git: dict[str, Any] | None) -> str:
    if not git:
        return "no git commit recorded"
    if not git["changed"]:
        return f"commit {words.code(git['sha'][:12])}, nothing changed since"
    kept = f", kept in {words.code(git['diff'])}" if git["diff"] else ""
    return f"commit {words.code(git['sha'][:12])} with {words.counted(len(git['changed']), 'file')} changed since{kept}"


def parameter_differences(record: RunRecord) -> tuple[str, Table | None]:
    """A sentence that names the parent, and the table of what differs (None where there is nothing to tell)."""
    stated = record.params.writeup.parent
    path = given(stated) if stated else checkout() / "params" / "base.yaml"
    name = words.code(_shown_path(path))
    file = path / "params.yaml" if path.is_dir() else path
    if not file.is_file():
        return f"The parent {name} is not there, so no differences are told.", None
    before, why = _loaded(file)
    if before is None:
        return f"The parent {name} no longer loads, so no differences are told: {words.plain(why)}", None
    found = parameters.difference(before, record.params)
    rows = [
        (words.code(key), words.code(_value(before)), words.code(_value(after)))
        for key, before, after in found
        if not key.startswith(UNTOLD)
    ]
    if not rows:
        return f"No parameter differs from {name}.", None
    table = Table(("Parameter", "Parent", "This run"), rows, f"`params.yaml`, {name}")
    verb = "differs" if len(rows) == 1 else "differ"
    return f"{words.counted(len(rows), 'parameter')} {verb} from {name}.", table


def stage_table(record: RunRecord) -> Table:
    """Every planned stage: state, attempts, start, time, and why it ended where it did not pass."""
    with understood(record.run_dir):
        rows = [_stage_row(stage) for stage in record.told]
    aside = [folder for stage in record.told for folder in stage.set_aside]
    note = f"Earlier tries under other inputs, not told here: {', '.join(map(words.code, aside))}." if aside else ""
    return Table(("Stage", "State", ">Attempts", "Begun (UTC)", ">Took", "Why"), rows, "`*/status.json`", note)


def _loaded(file: Path) -> tuple[Params | None, str]:
    """The parameters of a file, or None and why: files change after a run, and a write-up must survive that."""
    try:
        return parameters.load(file), ""
    except BadInput as error:
        return None, str(error)


def _stage_row(stage: StageRecord) -> tuple[str, ...]:
    status = stage.status
    name = words.code(stage.folder)
    if stage.state == "not run":
        return name, "not run", "0", words.NONE, words.NONE, words.NONE
    took = seconds_between(status["started"], status["ended"]) if status.get("ended") else None
    began = status["started"][:16].replace("T", " ")
    why = words.plain(first_line(status["error"])) if status.get("error") else words.NONE
    state = stage.state if stage.state == "passed" else f"**{stage.state}**"
    return name, state, str(status["attempt"]), began, words.seconds(took), why


def first_line(text: str) -> str:
    """The first line that says something, at most 200 characters: a traceback belongs into the notebook."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= 200 else f"{line[:197]}..."


def how_to_go_on(record: RunRecord) -> list[tuple[str, str]]:
    """(what for, exact command) pairs."""
    (again, remark), run = command(record), shown_run(record)
    stopped = record.open_stage
    look = ("See every stage", f"caderno status {record.name}")
    if stopped:
        why = f"Go on at {words.code(stopped.folder)} ({stopped.state}); stages that passed are not run again{remark}"
        return [(why, again), look]
    steps = [look, (f"Run again; nothing is done unless an input changed{remark}", again)]
    weights = next((s for s in reversed(record.told) if (s.directory / "model").is_dir()), None)
    if weights:
        key = "adapter" if (weights.directory / "model" / "adapter_config.json").is_file() else "name"
        start = f"{again.split(' --')[0]} --name {record.name}-2 --set model.{key}={run}/{weights.folder}/model"
        steps.append((f"Start another run from the weights of {words.code(weights.folder)}", start))
    return steps


def command(record: RunRecord) -> tuple[str, str]:
    """The command that opens this run again (its parameter file and what was set beside it), and a remark on it.

    Where that file no longer loads, the run's own params.yaml says the same, and the remark tells so.
    """
    file = given(record.manifest["params_file"])
    original, why = _loaded(file)
    if original is None:
        return (
            f"caderno run {shown_run(record)}/params.yaml",
            f" (the parameter file no longer loads: {words.plain(why)})",
        )
    changed = parameters.difference(original, record.params)
    sets = [f" --set {shlex.quote(f'{key}={_value(after)}')}" for key, _, after in changed if key != "name"]
    name = f" --name {record.name}" if original.name != record.name else ""
    return f"caderno run {_shown_path(file)}{name}{''.join(sets)}", ""


def shown_run(record: RunRecord) -> str:
    """The run directory as a reader can find it: below the checkout, or below $CADERNO_RUNS."""
    path = record.run_dir.resolve()
    if os.environ.get("CADERNO_RUNS") and path.is_relative_to(root()) and not path.is_relative_to(checkout()):
        return f"$CADERNO_RUNS/{path.relative_to(root())}"
    return _shown_path(path)


def _shown_path(path: Path | str) -> str:
    """Relative to the checkout where it lies in it, so that the text holds on every machine."""
    path = Path(path)
    return str(path.relative_to(checkout())) if path.is_relative_to(checkout()) else str(path)


def _value(value: Any) -> str:
    """A parameter's value as it can be written after --set."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, str):
        return value
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
