"""Choosing among candidates: log-probabilities as a plain model has them, and weights that mean the posterior."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import abstract_items
import bottleneck_rows
import pytest
import torch

from caderno.abstract import selection, sequences, traces
from caderno.abstract.traces import Trace
from caderno.generation.hf import HfEngine
from caderno.params.abstract_sections import SelectionParams, TraceParams

SPEC = TraceParams(min_codes=1, max_codes=3)


@pytest.fixture(scope="module")
def given():
    """(policy, vocabulary), and the same weights again for plain calls: the first one's attention is registered."""
    policy, vocabulary = abstract_items.policy(initializer_range=0.3)
    return policy, vocabulary, abstract_items.policy(initializer_range=0.3)[0].model.eval()


def naive(model, row: sequences.Segments) -> torch.Tensor:
    """Log-probabilities (T - 1, V) of one row's next tokens, Y blind to C by a dense mask."""
    batch = sequences.collate([row], 0)
    with torch.no_grad():
        return bottleneck_rows.dense_logits(model, batch, [row])[0, :-1].float().log_softmax(-1)


@pytest.mark.parametrize("thought", [True, False])
def test_an_answers_logprob_is_the_plain_models(given, thought, monkeypatch):
    policy, vocabulary, plain = given
    monkeypatch.setattr(selection, "BATCH_ROWS", 5)
    rows = abstract_items.rows(vocabulary, 12, thought=thought)
    assert len({row.spans for row in rows}) > 8
    found = selection.answer_logprobs(policy, rows)
    assert found.shape == (12,)
    for value, row in zip(found.tolist(), rows, strict=True):
        before = len(row) - len(row.y) - 1
        told = naive(plain, row)[before:]
        assert value == pytest.approx(sum(told[place, token].item() for place, token in enumerate(row.y)), abs=1e-3)


def test_an_answer_does_not_see_the_thought_but_the_states_that_did(given):
    policy, vocabulary, _ = given
    rows = abstract_items.rows(vocabulary, 6)
    other = [replace(row, c=tuple(token + 1 for token in row.c)) for row in rows]
    assert (selection.answer_logprobs(policy, rows) - selection.answer_logprobs(policy, other)).abs().min() > 1e-4
    bare = [[replace(row, z=row.z[:1]) for row in some] for some in (rows, other)]
    assert not torch.equal(*(selection.answer_logprobs(policy, some) for some in bare)), "BEGIN saw it too"
    cut = [[replace(row, z=(), y=(9, *row.y)) for row in some] for some in (rows, other)]
    first, second = (selection.answer_logprobs(policy, some) for some in cut)
    assert torch.allclose(first, second, atol=1e-5), "with no trace between there is nothing to see"


def by_hand(model, row: sequences.Segments, vocabulary, spec: TraceParams) -> float:
    """A trace's log-probability under the constraint, token by token."""
    logits = naive(model, replace(row, y=())) / (spec.temperature or 1.0)
    total, start = 0.0, len(row.x) + len(row.c)
    for step, token in enumerate(row.z[1:]):
        if step == spec.max_codes:
            break  # END by force
        allowed = [*vocabulary.code_ids, *([vocabulary.end_id] if step >= spec.min_codes else [])]
        total += (logits[start + step, token] - logits[start + step, allowed].logsumexp(0)).item()
    return total


@pytest.mark.parametrize("thought", [True, False])
@pytest.mark.parametrize(
    "spec", [SPEC, TraceParams(min_codes=0, max_codes=5, temperature=0.5), TraceParams(max_codes=4, temperature=0)]
)
def test_a_traces_logprob_is_the_plain_models_under_the_constraint(given, thought, spec, monkeypatch):
    policy, vocabulary, plain = given
    monkeypatch.setattr(selection, "BATCH_ROWS", 5)
    rows = abstract_items.rows(vocabulary, 12, seed=1, thought=thought)
    assert {len(row.z) for row in rows} == {3, 4, 5}
    found = selection.trace_logprobs(policy, rows, vocabulary, spec)
    expected = [by_hand(plain, row, vocabulary, spec) for row in rows]
    assert found.tolist() == pytest.approx(expected, abs=1e-3)
    assert len({round(value, 2) for value in expected}) > 8, "they differ"


@pytest.mark.parametrize("thought", [True, False])
def test_a_traces_logprob_is_the_samplers(given, thought):
    policy, vocabulary, _ = given
    items = abstract_items.items(8, seed=2)
    prompts = [(one.row_id, [*one.x, *(one.c if thought else ())]) for one in items]
    engine = HfEngine(policy.model, policy.tokenizer, 256)
    drawn = traces.draw(engine, prompts, vocabulary, SPEC, run="r", samples=3).traces
    by_id = {one.row_id: one for one in items}
    rows = [by_id[t.row_id].segments(selection.traced(vocabulary, t.codes), thought=thought) for t in drawn]
    found = selection.trace_logprobs(policy, rows, vocabulary, SPEC)
    assert {t.forced_end for t in drawn} == {True, False}
    assert found.tolist() == pytest.approx([sum(t.logprobs) for t in drawn], abs=1e-3)
    blind = selection.trace_logprobs(policy, [replace(row, c=()) for row in rows], vocabulary, SPEC)
    assert torch.allclose(found, blind, atol=1e-3) != thought, "planted: the thought changes them"


@pytest.mark.parametrize(("share", "taught"), [(0.0, 0), (0.3, 1), (0.5, 2), (1.0, 4)])
def test_candidates_are_the_teachers_and_the_students(given, share, taught):
    policy, vocabulary, _ = given
    items, asked = abstract_items.items(5), []
    engine = HfEngine(policy.model, policy.tokenizer, 256)
    complete = engine.complete
    engine.complete = lambda requests, *more, **named: asked.extend(requests) or complete(requests, *more, **named)
    choice = SelectionParams(candidates=4, teacher_share=share)
    drawn = selection.candidates(engine, items, vocabulary, SPEC, choice, run="r", seed=3)
    assert len(drawn) == 20 and len({trace.seed for trace, _ in drawn}) == 20, "noise of their own"
    for item in items:
        mine = [teacher for trace, teacher in drawn if trace.row_id == item.row_id]
        assert sum(mine) == taught and len(mine) == 4
    given_c = [tuple(one.prompt_ids[:-1]) for one in asked]
    assert sum(ids in {(*one.x, *one.c) for one in items} for ids in given_c) == 5 * taught
    assert sum(ids in {one.x for one in items} for ids in given_c) == 5 * (4 - taught)
    again, other = (selection.candidates(engine, items, vocabulary, SPEC, choice, run="r", seed=s) for s in (3, 4))
    assert again == drawn and other != drawn, "a run of another seed draws otherwise"


def chosen(monkeypatch, told, student, teacher, *, rows: int = 400, share: float = 0.5, sharpness: float = 1.0):
    """What is chosen, row by row, where every row has candidates of these log-probabilities (nats)."""
    count = len(told)
    items = abstract_items.items(rows)
    vocabulary = abstract_items.policy()[1]
    drawn = [
        (Trace(one.row_id, k, (vocabulary.code_ids[k],), False, 0, None), k < round(share * count))
        for one in items
        for k in range(count)
    ]
    monkeypatch.setattr(selection, "answer_logprobs", lambda policy, rows: torch.tensor(told * (len(rows) // count)))
    monkeypatch.setattr(
        selection, "trace_logprobs",
        lambda policy, found, *_: torch.tensor((teacher if found[0].c else student) * (len(found) // count)),
    )  # fmt: skip
    choice = SelectionParams(candidates=count, teacher_share=share, sharpness=sharpness)
    found = selection.choose(None, items, drawn, vocabulary, SPEC, choice, seed=0)
    assert set(found.codes) == {one.row_id for one in items}
    shares = [sum(codes == (code,) for codes in found.codes.values()) / rows for code in vocabulary.code_ids[:count]]
    return shares, found.report


def test_the_candidate_that_tells_the_answer_is_chosen(monkeypatch):
    shares, report = chosen(monkeypatch, [-5.0, -0.01], [-1.0, -1.0], [-1.0, -1.0])
    assert shares[1] > 0.97 and report["logp_y"] > -0.2 and report["logp_y_candidates"] == pytest.approx(-2.505)
    assert report["rows"] == 400 and report["candidates"] == 800 and report["teacher_share"] == shares[0]
    level, _ = chosen(monkeypatch, [-1.0, -1.0], [-1.0, -1.0], [-1.0, -1.0])
    assert 0.4 < level[0] < 0.6, "planted: equal candidates are chosen equally"


def test_what_only_the_teacher_would_write_is_hardly_chosen(monkeypatch):
    """It tells the answer best, but from the prompt alone nobody would write it."""
    told, student, teacher = [-0.01, -1.0], [-20.0, -0.1], [-0.01, -6.0]
    shares, _ = chosen(monkeypatch, told, student, teacher)
    assert shares[0] < 0.02
    monkeypatch.setattr(selection, "_mixture", lambda teacher, student, taught: student)
    uncorrected, _ = chosen(monkeypatch, told, student, teacher)
    assert uncorrected[0] > 0.6, "planted: by the answer alone it would be"


@pytest.mark.parametrize(("share", "sharpness"), [(0.0, 1.0), (0.5, 1.0), (0.5, 2.0), (1.0, 1.0)])
def test_shares_are_the_weights(monkeypatch, share, sharpness):
    """pi(y|x,z)^s pi(z|x) / q(z), q the mixture that was drawn from: worked out here again."""
    told, student, teacher = [-0.5, -1.2], [-1.5, -0.7], [-0.4, -1.9]
    weights = []
    for y, z, taught in zip(told, student, teacher, strict=True):
        drawn = share * math.exp(taught) + (1 - share) * math.exp(z)
        weights.append(math.exp(sharpness * y + z) / drawn)
    shares, report = chosen(monkeypatch, told, student, teacher, rows=1000, share=share, sharpness=sharpness)
    expected = [weight / sum(weights) for weight in weights]
    assert shares == pytest.approx(expected, abs=0.05)
    assert report["effective_candidates"] == pytest.approx(1 / sum(w * w for w in expected), rel=1e-4)


def test_effective_candidates_lie_between_one_and_all(monkeypatch):
    _, level = chosen(monkeypatch, [-1.0] * 4, [-2.0] * 4, [-2.0] * 4)
    _, steep = chosen(monkeypatch, [-0.1, -40.0, -40.0, -40.0], [-2.0] * 4, [-2.0] * 4)
    assert level["effective_candidates"] == pytest.approx(4) and steep["effective_candidates"] == pytest.approx(1)


def test_a_choice_repeats_itself_and_does_not_see_the_thought(given):
    policy, vocabulary, _ = given
    items, choice = abstract_items.items(10), SelectionParams(candidates=4, teacher_share=0.0)
    dice = random.Random(0)
    drawn = [
        (Trace(one.row_id, k, abstract_items.codes(dice, vocabulary), False, 0, None), False)
        for one in items
        for k in range(4)
    ]
    others = [replace(one, c=(9, 9)) for one in items]
    runs = [
        selection.choose(policy, some, drawn, vocabulary, SPEC, choice, seed=seed)
        for some, seed in ((items, 0), (items, 0), (others, 0), (items, 1))
    ]
    assert runs[0] == runs[1] == runs[2] != runs[3]
    rows = [items[n // 4].segments(selection.traced(vocabulary, one.codes)) for n, (one, _) in enumerate(drawn)]
    told = selection.answer_logprobs(policy, rows)
    assert runs[0].report["logp_y_candidates"] == pytest.approx(told.mean().item(), abs=1e-4)
