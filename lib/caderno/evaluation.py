"""Judging a policy: completions of rows scored by their tasks, and summaries with intervals and paired tests.

It draws nothing and writes nothing; samples and summaries are plain dicts in the forms of a run's samples.jsonl and
result.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING

from caderno import chat, generation, stats, thinking
from caderno.rewards import judged
from caderno.tasks import FULLY_CORRECT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from caderno.generation import Engine, Sampling
    from caderno.params import Params


def prompts(rows: Iterable[dict], tokenizer: PreTrainedTokenizerBase, enable_thinking: bool | None) -> list:
    """The rows' rendered prompts, as every path of the workspace renders them."""
    return [
        generation.Prompt(row["id"], chat.render(tokenizer, row["prompt"], enable_thinking=enable_thinking))
        for row in rows
    ]


def samples(
    engine: Engine, rows: Sequence[dict], sampling: Sampling, *, arm: str, run: str,
    enable_thinking: bool | None = None, progress: bool = False,
) -> list[dict]:  # fmt: skip
    """One scored sample per row and completion, in the order of the rows."""
    rendered = prompts(rows, engine.tokenizer, enable_thinking)
    completions = generation.generate(engine, rendered, sampling, run=run, progress=progress)
    by_id = {row["id"]: row for row in rows}
    texts = {prompt.row_id: prompt.text for prompt in rendered}
    return [
        _sample(by_id[c.row_id], texts[c.row_id], c, arm, sampling.temperature, engine.tokenizer) for c in completions
    ]


def _sample(row: dict, prompt: str, completion, arm: str, temperature: float, tokenizer) -> dict:
    score = judged(row, completion.text, prompt)
    thought = thinking.split(completion.text, opened=chat.opens_thought(prompt))
    think_tokens = len(tokenizer(thought.thought, add_special_tokens=False)["input_ids"]) if thought.thought else 0
    return {
        "id": row["id"], "task": row["task"], "arm": arm, "temperature": temperature, "sample": completion.sample,
        "prompt": prompt, "completion": completion.text, "gold": row["gold"],
        "score": score.total, "parts": score.parts, "why": score.why, "finish_reason": completion.finish_reason,
        "tokens": len(completion.token_ids), "think_tokens": think_tokens, "think_closed": thought.closed,
        "logprob": sum(completion.logprobs),
    }  # fmt: skip


def summary(found: Sequence[dict], confidence: float = 0.95) -> dict:
    """Mean reward and share fully correct with intervals over prompts, lengths, ceiling hits; n: completions."""
    prompts = [s["id"] for s in found]
    correct = [s["score"] >= FULLY_CORRECT for s in found]
    once = len(set(prompts)) == len(prompts)
    think = sorted(s["think_tokens"] for s in found)
    return {
        "n": len(found),
        "mean_reward": asdict(stats.mean_interval([s["score"] for s in found], confidence, groups=prompts)),
        "fully_correct": asdict(
            stats.proportion_interval(sum(correct), len(found), confidence)
            if once
            else stats.mean_interval([float(one) for one in correct], confidence, groups=prompts)
        ),
        "mean_tokens": sum(s["tokens"] for s in found) / len(found),
        "clipped_share": sum(s["finish_reason"] == "length" for s in found) / len(found),
        "think_tokens_mean": sum(think) / len(think),
        "think_tokens_p95": think[int(0.95 * (len(think) - 1))],
        "unclosed_share": sum(not s["think_closed"] for s in found) / len(found),
    }


def by_task(found: Sequence[dict]) -> dict[str, list[dict]]:
    """The samples of every task, "all" first."""
    groups = {"all": list(found)}
    for sample in found:
        groups.setdefault(sample["task"], []).append(sample)
    return groups


def pairs(before: Sequence[dict], after: Sequence[dict], confidence: float = 0.95) -> dict[str, dict]:
    """Paired differences per task on the same prompts: mean reward, and share fully correct.

    Raises ValueError when the two hold different rows: a pair that is not one must not be tested as one.
    """
    key = [(s["id"], s["sample"]) for s in before]
    if key != [(s["id"], s["sample"]) for s in after]:
        raise ValueError("the two arms were not given the same prompts in the same order")
    first, second = by_task(before), by_task(after)
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
    return {"by_task": lines}


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
    return result


def at_temperatures(
    engine: Engine, rows: Sequence[dict], params: Params, *, arm: str, progress: bool = True
) -> list[dict]:  # fmt: skip
    """Validation's samples of one arm at every temperature. Seeds do not depend on the arm: pairs share their noise."""
    found = []
    for temperature in params.validation.temperatures:
        sampling = generation.Sampling(temperature, max_new_tokens=params.validation.max_new_tokens, seed=params.seed)
        thinking = params.chat.enable_thinking
        found += samples(
            engine, rows, sampling, arm=arm, run=params.name, enable_thinking=thinking, progress=progress
        )  # fmt: skip
    return found
