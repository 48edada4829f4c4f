"""Judging a policy: completions of rows scored by their tasks, and summaries with intervals and paired tests.

It draws nothing and writes nothing; samples and summaries are plain dicts in the forms of a run's samples.jsonl and
result.json. A sample whose row cannot be judged has no score: it is counted, and in no mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING

from caderno import chat, generation, stats, thinking
from caderno.rewards import hard_think_budgets, judged_many
from caderno.tasks import FULLY_CORRECT, Score

UNJUDGED = "this row cannot be judged"

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from caderno.generation import Engine, Sampling
    from caderno.params import Params


def prompts(
    rows: Iterable[dict], tokenizer: PreTrainedTokenizerBase, enable_thinking: bool | None,
    hard_think: Mapping[str, int] | None = None,
) -> list:  # fmt: skip
    """The rows' rendered prompts, as every path of the workspace renders them; `hard_think`: task -> budget, tokens."""
    budgets = hard_think or {}
    return [
        generation.Prompt(
            row["id"],
            chat.render(tokenizer, row["prompt"], enable_thinking=enable_thinking),
            budgets.get(row["task"]),
        )
        for row in rows
    ]


def samples(
    engine: Engine, rows: Sequence[dict], sampling: Sampling, *, arm: str, run: str,
    enable_thinking: bool | None = None, hard_think: Mapping[str, int] | None = None, progress: bool = False,
) -> list[dict]:  # fmt: skip
    """One scored sample per row and completion, in the order of the rows.

    `hard_think` ends the thoughts of a task's rows by force after so many tokens. Raises BadInput where that cannot be
    done (see `generation.generate`).
    """
    rendered = {prompt.row_id: prompt for prompt in prompts(rows, engine.tokenizer, enable_thinking, hard_think)}
    completions = generation.generate(engine, list(rendered.values()), sampling, run=run, progress=progress)
    by_id, drawn = {row["id"]: row for row in rows}, {"arm": arm, "temperature": sampling.temperature}
    scores = judged_many(
        [by_id[c.row_id] for c in completions],
        [c.text for c in completions],
        [rendered[c.row_id].text for c in completions],
    )
    return [
        _sample(by_id[c.row_id], rendered[c.row_id], c, score, engine.tokenizer, drawn)
        for c, score in zip(completions, scores, strict=True)
    ]


def _sample(row: dict, prompt, completion, score: Score | None, tokenizer, drawn: dict) -> dict:
    thought = thinking.split(completion.text, opened=chat.opens_thought(prompt.text))
    think_tokens = len(tokenizer(thought.thought, add_special_tokens=False)["input_ids"]) if thought.thought else 0
    return {
        "id": row["id"], "task": row["task"], **drawn, "sample": completion.sample,
        "prompt": prompt.text, "completion": completion.text, "gold": row["gold"],
        "score": score.total if score else None, "parts": score.parts if score else {},
        "why": score.why if score else UNJUDGED, "finish_reason": completion.finish_reason,
        "tokens": len(completion.token_ids), "think_tokens": think_tokens, "think_closed": thought.closed,
        "hard_think_budget": prompt.thinking_token_budget, "think_forced": bool(completion.forced),
        "logprob": sum(completion.logprobs),
    }  # fmt: skip


def scored(found: Iterable[dict]) -> list[dict]:
    """The samples that have a score: those whose rows can be judged."""
    return [sample for sample in found if sample["score"] is not None]


def summary(found: Sequence[dict], confidence: float = 0.95) -> dict:
    """Mean reward and share fully correct with intervals over prompts, lengths, ceiling hits.

    n: completions; unjudged: those among them whose row cannot be judged, in no mean of scores; where they are all, the
    means are None. Shares and lengths are over all completions.
    """
    judged, think = scored(found), sorted(s["think_tokens"] for s in found)
    return {
        "n": len(found),
        "unjudged": len(found) - len(judged),
        "mean_reward": _mean([s["score"] for s in judged], judged, confidence),
        "fully_correct": _share([s["score"] >= FULLY_CORRECT for s in judged], judged, confidence),
        "mean_tokens": sum(s["tokens"] for s in found) / len(found),
        "clipped_share": sum(s["finish_reason"] == "length" for s in found) / len(found),
        "think_tokens_mean": sum(think) / len(think),
        "think_tokens_p95": think[int(0.95 * (len(think) - 1))],
        "unclosed_share": sum(not s["think_closed"] for s in found) / len(found),
        "forced_share": _forced_share(found),
    }


def _mean(values: list[float], judged: Sequence[dict], confidence: float) -> dict | None:
    """The mean with an interval over prompts; None for no values."""
    return asdict(stats.mean_interval(values, confidence, groups=[s["id"] for s in judged])) if values else None


def _share(correct: list[bool], judged: Sequence[dict], confidence: float) -> dict | None:
    """A share of prompts with Wilson's interval where each was answered once, else as a mean over prompts."""
    if not correct or len({s["id"] for s in judged}) < len(judged):
        return _mean([float(one) for one in correct], judged, confidence)
    return asdict(stats.proportion_interval(sum(correct), len(correct), confidence))


def _forced_share(found: Sequence[dict]) -> float | None:
    """Share of the completions under a hard think budget whose thought it ended; None where no one was under one."""
    limited = [s["think_forced"] for s in found if s["hard_think_budget"] is not None]
    return sum(limited) / len(limited) if limited else None


def by_task(found: Sequence[dict]) -> dict[str, list[dict]]:
    """The samples of every task, "all" first."""
    groups = {"all": list(found)}
    for sample in found:
        groups.setdefault(sample["task"], []).append(sample)
    return groups


def pairs(before: Sequence[dict], after: Sequence[dict], confidence: float = 0.95) -> dict[str, dict]:
    """Paired differences per task on the same prompts: mean reward, and share fully correct.

    A pair that is not judged on both sides is left out; a task without a judged pair has no entry.
    Raises ValueError when the two hold different rows: a pair that is not one must not be tested as one.
    """
    key = [(s["id"], s["sample"]) for s in before]
    if key != [(s["id"], s["sample"]) for s in after]:
        raise ValueError("the two arms were not given the same prompts in the same order")
    both = [(b, a) for b, a in zip(before, after, strict=True) if b["score"] is not None and a["score"] is not None]
    first, second = (by_task(arm) for arm in zip(*both, strict=True)) if both else ({}, {})
    return {name: _pair(first[name], second[name], confidence) for name in first}


def _pair(before: Sequence[dict], after: Sequence[dict], confidence: float) -> dict:
    scores = [_by_prompt(arm, lambda s: s["score"]) for arm in (before, after)]
    correct = [_by_prompt(arm, lambda s: float(s["score"] >= FULLY_CORRECT)) for arm in (before, after)]
    return {
        "mean_reward": asdict(stats.paired_difference(*scores, confidence)),
        "fully_correct": asdict(stats.paired_difference(*correct, confidence)),
    }


def _by_prompt(found: Sequence[dict], value: Callable[[dict], float]) -> list[float]:
    """One value a prompt, the mean over its samples: they are not independent of each other."""
    groups: dict[str, list[float]] = {}
    for sample in found:
        groups.setdefault(sample["id"], []).append(value(sample))
    return [fmean(values) for values in groups.values()]


def calibration(by_sampling: Mapping[str, Sequence[dict]]) -> dict:
    """The result of a calibration: one line per task and sampling ("training", "deployment")."""
    lines = []
    for sampling, found in by_sampling.items():
        for name, mine in by_task(found).items():
            told = summary(mine)
            told["ceiling_share"] = told.pop("clipped_share")
            lines.append({"task": name, "sampling": sampling, "temperature": found[0]["temperature"], **told})
    return {"by_task": lines, "hard_think_budgets": _budgets(s for found in by_sampling.values() for s in found)}


def validation(by_arm: Mapping[str, Sequence[dict]], confidence: float) -> dict:
    """The result of a validation: every arm at every temperature, and the last arm against the one before, paired."""
    before, after = by_arm
    temperatures = dict.fromkeys(s["temperature"] for s in by_arm[after])
    result = {"arms": [before, after], "confidence": confidence, "by_arm": [], "paired": []}
    for temperature in temperatures:
        at = {arm: [s for s in found if s["temperature"] == temperature] for arm, found in by_arm.items()}
        for arm, found in at.items():
            for name, mine in by_task(found).items():
                result["by_arm"].append(
                    {"temperature": temperature, "task": name, "arm": arm, **summary(mine, confidence)}
                )
        for name, pair in pairs(at[before], at[after], confidence).items():
            result["paired"].append(
                {"temperature": temperature, "task": name, "before": before, "after": after, **pair}
            )
    result["n_prompts"] = len({s["id"] for s in by_arm[after]})
    every = [s for found in by_arm.values() for s in found]
    result["unjudged"] = len({s["id"] for s in every if s["score"] is None})
    result["hard_think_budgets"] = _budgets(every)
    return result


def _budgets(found: Iterable[dict]) -> dict[str, int]:
    """Task -> tokens after which its thoughts were ended by force; empty where none were."""
    return {s["task"]: s["hard_think_budget"] for s in found if s["hard_think_budget"] is not None}


def at_temperatures(
    engine: Engine, rows: Sequence[dict], params: Params, *, arm: str, progress: bool = True
) -> list[dict]:  # fmt: skip
    """Validation's samples of one arm at every temperature. Seeds do not depend on the arm: pairs share their noise."""
    found = []
    for temperature in params.validation.temperatures:
        sampling = generation.Sampling(temperature, max_new_tokens=params.validation.max_new_tokens, seed=params.seed)
        found += samples(
            engine, rows, sampling, arm=arm, run=params.name, enable_thinking=params.chat.enable_thinking,
            hard_think=hard_think_budgets(params), progress=progress,
        )  # fmt: skip
    return found


def calibrating(
    engine: Engine, rows: Sequence[dict], params: Params, sampling: str, *, progress: bool = True
) -> list[dict]:
    """Calibration's samples, several a prompt: "training", as GRPO will draw, or "deployment", as users will see.

    A greedy deployment is drawn once a prompt: it repeats itself.
    """
    spec = params.calibration
    if sampling == "training":
        drawn = generation.Sampling.of(spec.training, samples=spec.samples, seed=params.seed)
        hard_think = hard_think_budgets(params) if params.chat.hard_think_rollouts else {}
    else:
        k = spec.samples if spec.deployment.temperature else 1
        drawn = generation.Sampling.of(spec.deployment, samples=k, seed=params.seed)
        hard_think = hard_think_budgets(params)
    return samples(
        engine, rows, drawn, arm="start", run=params.name, enable_thinking=params.chat.enable_thinking,
        hard_think=hard_think, progress=progress,
    )  # fmt: skip


def ledger(found: Iterable[dict], params: Params) -> list[dict]:
    """What a stage asked of its thoughts and of its scores: the hard budgets put to work, the rows without a judge."""
    rows = list(found)
    wanted = {task: n for task, n in hard_think_budgets(params).items() if task in {s["task"] for s in rows}}
    unjudged = len({s["id"] for s in rows if s["score"] is None})
    entries = [{"what": "rows no scorer can judge", "requested": 0, "effective": unjudged}]
    if wanted:
        entries.append({"what": "hard_think_budget, tokens", "requested": wanted, "effective": _budgets(rows)})
    return entries
