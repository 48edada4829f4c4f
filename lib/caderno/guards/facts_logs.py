"""A training log from anywhere as the history that running guards judge: one dict a step, with TRL's key names.

Read are TRL's and transformers' trainer_state.json, metrics.jsonl (ours or anybody's), W&B exports (CSV or JSON, of the
run's history or of one chart), and a JSON object of lists. It judges nothing and unpickles nothing.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput

if TYPE_CHECKING:
    from caderno.params import Params

# Names that other trainers, and older versions of this one, gave to the same measures.
ALIASES = {
    "losses": "loss", "lrs": "learning_rate", "lr": "learning_rate", "global_step": "step", "_step": "step",
    "Step": "step", "wallclock_s": "wall_s", "_runtime": "wall_s", "val_loss": "eval_loss",
    "validation_loss": "eval_loss", "completion_length": "completions/mean_length", "grad_norms": "grad_norm",
    "completions/clip_ratio": "completions/clipped_ratio", "clip_ratio": "clip_ratio/region_mean",
    "mean_reward": "reward", "reward_mean": "reward", "train_loss": "loss",
}  # fmt: skip
EXPECTED = "trainer_state.json, metrics.jsonl, a W&B export (CSV or JSON), or a JSON object of lists"
CHART_COLUMN = re.compile(r"^(?:.* - )(?P<key>[^ ]+)$")  # W&B names a chart's columns "run name - metric"


def read_log(path: str | Path) -> list[dict[str, float]]:
    """The logged steps of a file, in its order; only numbers are kept. Raises BadInput where it holds none."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read ({error})", expected=EXPECTED, where=str(path)) from error
    entries = list(_entries(text, Path(path)))
    history = [plain for entry in entries if len(plain := _plain(entry)) > ("step" in plain)]
    if not history:
        raise BadInput(f"{len(entries)} entries without a number", expected=EXPECTED, where=str(path))
    return merged(history)


def merged(history: Iterable[Mapping[str, float]]) -> list[dict[str, float]]:
    """Neighbours of one step as one: trainers log training and evaluation of a step in two lines."""
    found: list[dict[str, float]] = []
    for entry in history:
        same = found and "step" in entry and found[-1].get("step") == entry["step"]
        if same and not (found[-1].keys() & entry.keys()) - {"step", "wall_s", "epoch", "num_tokens", "max_steps"}:
            found[-1] |= entry
        else:
            found.append(dict(entry))
    for number, entry in enumerate(found, 1):
        entry.setdefault("step", number)
    return found


def _entries(text: str, path: Path) -> Iterable[Mapping[str, Any]]:
    """The objects or rows of a text in whichever of the forms it is."""
    start = text.lstrip()[:1]
    if start not in ("{", "["):
        return _table(text, path)
    try:
        whole = json.loads(text)
    except ValueError:
        return _lines(text, path)
    if isinstance(whole, list):
        return _objects(whole, path)
    if isinstance(whole.get("log_history"), list):
        return _objects(whole["log_history"], path)
    lists = {key: value for key, value in whole.items() if isinstance(value, list)}
    return _columns(lists) if lists else [whole]


def _objects(items: list, path: Path) -> list[Mapping[str, Any]]:
    bad = next((number for number, item in enumerate(items, 1) if not isinstance(item, dict)), None)
    if bad is not None:
        raise BadInput(f"entry {bad} is no object", expected=EXPECTED, where=str(path))
    return items


def _lines(text: str, path: Path) -> Iterable[Mapping[str, Any]]:
    """JSON lines. A last line that was cut off by a killed process is left out; any other bad line is an error."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    found = []
    for place, (number, line) in enumerate(lines):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            if place == len(lines) - 1 and not text.endswith("\n") and found:
                break
            raise BadInput(f"not JSON ({error})", expected=EXPECTED, where=f"{path}, line {number}") from error
    return _objects(found, path)


def _columns(lists: Mapping[str, list]) -> list[dict[str, Any]]:
    """Lists side by side, one a measure, as entries by step."""
    longest = max(len(one) for one in lists.values())
    return [
        {key: one[place] for key, one in lists.items() if len(one) == longest} | {"step": place + 1}
        for place in range(longest)
    ]


def _table(text: str, path: Path) -> list[dict[str, Any]]:
    """CSV with a header; of a W&B chart's columns those of the measure itself, not its __MIN and __MAX."""
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or len(rows[0]) < 2:
        raise BadInput("neither JSON nor a table with a header", expected=EXPECTED, where=str(path))
    return [{key: value for key, value in row.items() if key and not key.endswith(("__MIN", "__MAX"))} for row in rows]


def _plain(entry: Mapping[str, Any]) -> dict[str, float]:
    """An entry's numbers under the names that guards know."""
    found: dict[str, float] = {}
    for key, value in entry.items():
        name = key_of(key)
        number = _number(value)
        if number is not None and (name not in found or name == key):
            found[name] = number
    return found


def key_of(key: str) -> str:
    """TRL's name of a measure: W&B's `train/` goes, its `eval/` becomes `eval_`, old and other names are translated."""
    if match := CHART_COLUMN.match(key):
        key = match["key"]
    key = key.removeprefix("train/")
    if key.startswith("eval/"):
        key = "eval_" + key.removeprefix("eval/")
    if key.startswith("rewards/") and key.count("/") == 1:  # TRL once logged a function's mean under its name alone
        key += "/mean"
    return ALIASES.get(key, key)


def _number(value: Any) -> float | None:
    """A value as a number; "NaN" is one. None for what is no number: those are left out."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def settings_of(params: Params, stage: str = "grpo") -> dict[str, Any]:
    """The settings that running guards ask for, under TRL's names, from our parameters."""
    shared = {"method": stage, "logging_nan_inf_filter": False}
    if stage != "grpo":
        return shared
    spec = params.grpo
    weights = [task.weight for task in params.tasks.values()]
    return shared | {
        "num_iterations": spec.updates_per_rollout, "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "beta": spec.kl_coef, "noise": spec.zero_advantage_noise, "scale_rewards": spec.scale_rewards,
        "num_generations": spec.group_size, "max_completion_length": spec.max_completion_length,
        "temperature": spec.temperature, "use_vllm": spec.use_vllm, "logging_steps": spec.logging_steps,
        "max_steps": spec.max_steps, "smallest_effect": params.validation.smallest_effect,
        "reward_range": max(weights) + params.rewards.think_efficiency if all(map(math.isfinite, weights)) else None,
    }  # fmt: skip
