"""Samples of a calibration drawn from what each prompt is worth, and its analysis; it asserts nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from materials import params as parameters

from caderno import calibration
from caderno.params import Params

Draw = Callable[[Random], float]


def sample(row_id: str, number: int, score: float | None, **more) -> dict:
    """A completion in the form of samples.jsonl, as far as a calibration reads it."""
    parts = {} if score is None else {"format": 1.0 if score > 0 else 0.0, "partial": score, "task": float(score == 1)}
    return {
        "id": row_id, "task": row_id.partition("-")[0], "arm": "start", "temperature": 1.0, "sample": number,
        "prompt": f"prompt {row_id}", "completion": "c", "score": score, "parts": parts,
        "why": "tudo certo" if score == 1 else "resposta vazia" if score == 0 else "w", "finish_reason": "stop",
        "tokens": 30, "think_tokens": 12, "think_closed": True, "hard_think_budget": None, "think_forced": False,
    } | more  # fmt: skip


def samples(task: str, prompts: int, k: int, scores: Callable[[Random, int], Sequence[float | None]], **more) -> list:
    """k samples of each of so many prompts; scores: (rng, prompt number) -> its k scores."""
    rng = Random(task)
    return [
        sample(f"{task}-{i:04d}", number, score, **more)
        for i in range(prompts)
        for number, score in enumerate(scores(rng, i)[:k])
    ]


def mixed(rng: Random, _prompt: int) -> list[float]:
    """A prompt that is solved half of the time, with partial credit otherwise."""
    return [rng.choice([1.0, 1.0, 0.2, 0.6]) for _ in range(16)]


def always(score: float | None) -> Callable:
    return lambda _rng, _prompt: [score] * 16


def healthy(prompts: int = 60, k: int = 4, tasks: Sequence[str] = ("push", "extraction")) -> dict[str, list[dict]]:
    """Both samplings of a policy that GRPO can learn from."""
    return {
        "training": [one for task in tasks for one in samples(task, prompts, k, mixed)],
        "deployment": [one for task in tasks for one in samples(task, prompts, 1, mixed, temperature=0.0)],
    }


def params(**sections) -> Params:
    return parameters(**({"stages": ["sft", "calibration", "grpo"]} | sections))


def analysed(drawn: dict[str, list[dict]] | None = None, *, rollouts: Sequence[dict] = (), room: int | None = 400,
             **sections) -> dict:  # fmt: skip
    """The stage's result; a healthy one by default."""
    drawn = drawn if drawn is not None else healthy()
    return calibration.analyse(drawn, params(**sections), rollouts=rollouts, room_tokens=room)


def ticket(drawn: dict[str, list[dict]] | None = None, **more) -> dict:
    return analysed(drawn, **more)["ticket"]


def reason(ticket: dict, name: str, task: str = "all") -> dict:
    return next(one for one in ticket["reasons"] if (one["name"], one["task"]) == (name, task))


# Tucano2's v3: eight completions at T = 0.7, all at the 4,096 ceiling, both of extraction inside their thought.
CUT = {"finish_reason": "length", "tokens": 4096}


def eight_of_eight() -> list[dict]:
    """One completion each of eight prompts, two a task."""
    open_ = CUT | {"think_closed": False, "think_tokens": 4090}
    found = [sample(f"extraction-{i}", 0, 0.0, temperature=0.7, **open_) for i in range(2)]
    for task in ("sql_qa", "insights", "push"):
        found += [sample(f"{task}-{i}", 0, 0.0, temperature=0.7, think_tokens=2000, **CUT) for i in range(2)]
    return found
