"""Arms judged on the same rows by one decode configuration: is the answer right, and how many tokens did it take.

It decides what an arm's completions look like; drawing is the engine's, scoring the tasks'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from caderno import stats, thinking
from caderno.abstract import interventions, traces
from caderno.abstract.rows import traced
from caderno.generation import Completion, Request, Sampling, budgets, request_seed
from caderno.rewards import judged_many
from caderno.tasks import FULLY_CORRECT

if TYPE_CHECKING:
    from caderno.abstract.rows import Item
    from caderno.abstract.vocabulary import AbstractVocabulary
    from caderno.generation import Engine
    from caderno.params.abstract_sections import AbstractParams

Kind = Literal["verbal", "direct", "pause", "abstract"]


def judge(
    engine: Engine, items: Sequence[Item], rows: dict[str, dict], kind: Kind, vocabulary: AbstractVocabulary,
    spec: AbstractParams, *, arm: str, run: str,
) -> list[dict]:  # fmt: skip
    """A sample per item: id, arm, correct (None where the row cannot be judged), completion, trace, and tokens.

    tokens_c, tokens_z and tokens_y: of the thought, of the trace with its delimiters, of the answer with its EOS; what
    is given and not drawn (BEGIN, a pause's codes) counts all the same: it is computed at inference.
    """
    requests, sampling = _requests(items, kind, vocabulary, spec, run)
    drawn = engine.complete(requests, sampling, progress=False)
    parts = [_parts(*pair, kind, vocabulary, spec, engine) for pair in zip(requests, drawn, strict=True)]
    correct = _correct(rows, [one.row_id for one in drawn], [part.pop("answer") for part in parts])
    return [
        {"id": one.row_id, "arm": arm, "correct": right, "completion": one.text, "finish_reason": one.finish_reason}
        | part
        for one, part, right in zip(drawn, parts, correct, strict=True)
    ]


def _requests(
    items: Sequence[Item], kind: Kind, vocabulary: AbstractVocabulary, spec: AbstractParams, run: str
) -> tuple[list[Request], Sampling]:
    bounds = spec.evaluation_traces
    room = {"verbal": spec.thought_tokens, "abstract": bounds.max_codes + 1}.get(kind, 0)
    sampling = Sampling(bounds.temperature, max_new_tokens=room + spec.answer_tokens, logprobs=False)
    constraint = traces.constraint(vocabulary, bounds) if kind == "abstract" else None
    given = {"pause": pause(vocabulary, spec), "abstract": (vocabulary.begin_id,)}.get(kind, ())
    return [
        Request(
            item.row_id, 0, [*(item.x_thinking if kind == "verbal" else item.x), *given],
            request_seed(run, item.row_id, 0), constraint=constraint,
        )
        for item in items
    ], sampling  # fmt: skip


def pause(vocabulary: AbstractVocabulary, spec: AbstractParams) -> tuple[int, ...]:
    """The one fixed Z of the pause arm: the first code, as often as a trace may be long."""
    return traced(vocabulary, [vocabulary.code_ids[0]] * spec.evaluation_traces.max_codes)


def _parts(
    asked: Request, one: Completion, kind: Kind, vocabulary: AbstractVocabulary, spec: AbstractParams, engine: Engine
) -> dict[str, Any]:
    """The answer's text, the trace's codes, and the tokens of thought, trace and answer."""
    ids, trace = one.token_ids, []
    given = {"abstract": 1, "pause": len(pause(vocabulary, spec))}.get(kind, 0)
    if kind == "abstract":
        trace = ids[: ids.index(vocabulary.end_id)]
        z = len(trace) + 1
        kept = ids[z : z + spec.answer_tokens]  # a short trace does not buy a longer answer
        text = engine.tokenizer.decode([token for token in kept if token not in engine.special_ids])
        cut = {"completion": text, "finish_reason": "length"} if z + len(kept) < len(ids) else {}
        return {"answer": text, "trace": trace, "tokens_c": 0, "tokens_z": z + given, "tokens_y": len(kept), **cut}
    c, answer = _thought(asked.prompt_ids, one, engine) if kind == "verbal" else (0, one.text)
    return {"answer": answer, "trace": trace, "tokens_c": c, "tokens_z": given, "tokens_y": len(ids) - c}


def _thought(prompt_ids: Sequence[int], one: Completion, engine: Engine) -> tuple[int, str]:
    """Tokens of the thought with its tags, and the answer after it: none after a thought that stands open."""
    opening, closing = (budgets.token_id(engine.tokenizer, t) for t in (thinking.THINK_OPEN, thinking.THINK_CLOSE))
    opened = budgets.open_thought_tokens(prompt_ids, opening, closing) is not None
    found = thinking.split(one.text, opened=opened)
    if not found.closed:
        return len(one.token_ids), ""
    ids = one.token_ids
    return (len(ids) - ids[::-1].index(closing) if closing in ids else 0), found.answer


def _correct(rows: dict[str, dict], ids: Sequence[str], texts: Sequence[str]) -> list[bool | None]:
    scores = judged_many([rows[row_id] for row_id in ids], list(texts), [""] * len(ids))
    return [None if score is None else score.total >= FULLY_CORRECT for score in scores]


def answering(
    engine: Engine, items: Sequence[Item], rows: dict[str, dict], vocabulary: AbstractVocabulary, spec: AbstractParams
) -> interventions.Answer:
    """What `interventions.judge` asks: is the answer right that this policy gives to a row with that trace.

    An empty trace is BEGIN END: what the policy met in training, with nothing in it.
    """
    by_id = {item.row_id: item for item in items}
    sampling = Sampling(0.0, max_new_tokens=spec.answer_tokens, logprobs=False)

    def answer(pairs: list[tuple[str, interventions.Trace]]) -> list[bool | None]:
        requests = [
            Request(f"{place}", 0, [*by_id[row_id].x, *traced(vocabulary, codes)], 0)
            for place, (row_id, codes) in enumerate(pairs)
        ]
        drawn = engine.complete(requests, sampling, progress=False)
        return _correct(rows, [row_id for row_id, _ in pairs], [one.text for one in drawn])

    return answer


def summary(samples: Sequence[dict], arm: str) -> dict[str, Any]:
    """Accuracy with Wilson's interval, and mean tokens apart; rows that cannot be judged are counted, not scored."""
    judged = [sample["correct"] for sample in samples if sample["correct"] is not None]
    found = stats.proportion_interval(sum(judged), len(judged))
    means = {key: sum(s[key] for s in samples) / len(samples) for key in ("tokens_c", "tokens_z", "tokens_y")}
    return {"arm": arm, "accuracy": asdict(found), "unjudged": len(samples) - len(judged), **means}


def against(samples: Sequence[dict], others: Sequence[dict]) -> dict[str, Any]:
    """Paired difference in accuracy on the rows both could be judged on, with its interval and McNemar's p."""
    theirs = {sample["id"]: sample["correct"] for sample in others}
    both = [s for s in samples if s["correct"] is not None and theirs.get(s["id"]) is not None]
    found = stats.paired_difference([float(theirs[s["id"]]) for s in both], [float(s["correct"]) for s in both])
    return asdict(found)
