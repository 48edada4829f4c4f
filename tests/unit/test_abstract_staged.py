"""Staged EM: how codes are assigned, against the same by hand; and a toy stage that learns."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import abstract_items
import pytest
import torch

from caderno.abstract import staged
from caderno.abstract.rows import traced
from caderno.generation.hf import HfEngine
from caderno.params.abstract_sections import StagedParams, TraceParams

SPEC = StagedParams(batch_size=8)
VALUES = 3  # of the toy: a + b modulo 3


def toy(operations: int) -> list:
    """Items a, b, c ...: the answer is their sum modulo 3; ids 30 to 32 stand for the numbers, 40 for plus."""
    made = []
    for number, mine in enumerate(itertools.product(range(VALUES), repeat=operations + 1)):
        prompt = [token for digit in mine for token in (30 + digit, 40)]
        made.append(abstract_items.item(f"{number}", prompt, (50 + sum(mine) % VALUES,)))
    return made


@pytest.fixture
def curriculum():
    """A function: a fresh curriculum of a random policy over the toy."""

    def make(stages: int = 2, spec: StagedParams = SPEC, codes: int = 6, **changes) -> staged.Curriculum:
        policy, vocabulary = abstract_items.policy(codes, **changes)
        count = VALUES ** (stages + 1)
        prefixes = [[made[n * len(made) // count] for n in range(count)] for made in map(toy, range(1, stages + 1))]
        return staged.Curriculum(policy, vocabulary, spec, prefixes)

    return make


def drawn(rows: int = 64, codes: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Random log-likelihoods and a normalised log-prior (B, M)."""
    torch.manual_seed(0)
    return -3 * torch.rand(rows, codes), (3 * torch.randn(rows, codes)).log_softmax(-1)


def test_a_balanced_assignment_gives_every_code_its_share():
    told, prior = drawn()
    told[:, 0] += 5  # one code tells every answer best: alone by likelihood it would take all
    q = staged._assign(told, prior, "balanced", SPEC)
    assert torch.allclose(q.sum(1), torch.ones(64), atol=1e-5)
    assert torch.allclose(q.sum(0), torch.full((8,), 8.0), atol=0.2)
    greedy = staged._assign(told, prior, "likelihood", SPEC)
    assert greedy[:, 0].mean() > 0.95, "planted"
    assert torch.allclose(greedy, (told / 0.3).softmax(-1))


def test_a_balanced_assignment_follows_what_the_codes_tell():
    kinds = torch.arange(64) % 8
    told = torch.full((64, 8), -4.0)
    told[torch.arange(64), kinds] = -0.1
    q = staged._assign(told, told, "balanced", SPEC)
    assert (q.argmax(1) == kinds).all() and q.amax(1).min() > 0.99
    far = staged._assign(told * 1e4, told, "balanced", SPEC)
    assert torch.isfinite(far).all()


def test_a_posterior_is_likelihood_and_prior_with_a_floor():
    told, prior = drawn()
    q = staged._assign(told, prior, "posterior", SPEC)
    expected = (4.0 * told + prior.clamp(min=-3.0)).exp()
    assert torch.allclose(q, expected / expected.sum(1, keepdim=True), atol=1e-5)
    told, prior = torch.tensor([[-0.01, -3.0]]), torch.tensor([[-40.0, 0.0]])
    raised = staged._assign(told, prior, "posterior", SPEC)
    sunk = staged._assign(told, prior, "posterior", SPEC.model_copy(update={"prior_floor_nats": -100.0}))
    assert raised[0, 0] > 0.99 and sunk[0, 0] < 0.01, "what the policy has given up can come back"


def test_the_first_stage_goes_from_balance_to_likelihood_to_posterior():
    spec = StagedParams(first_steps=10, balanced_share=0.4, likelihood_share=0.3)
    ways = [staged._way(spec, 1, step) for step in range(10)]
    assert ways == ["balanced"] * 4 + ["likelihood"] * 3 + ["posterior"] * 3
    assert {staged._way(spec, 2, step) for step in range(10)} == {"posterior"}


def naive(model, ids: list[int]) -> torch.Tensor:
    """Logits (T, V) of a plain call on one sequence."""
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float()


def test_an_answer_off_one_code_alone_is_the_plain_models(curriculum):
    given, plain = curriculum(initializer_range=0.3), curriculum(initializer_range=0.3).policy.model.eval()
    items = [*toy(1)[:5], replace(toy(1)[0], y=(50, 51, 2)), toy(2)[7]]
    with torch.no_grad():
        found = staged._alone(given, items)
    assert found.shape == (7, 6)
    for told, item in zip(found, items, strict=True):
        for value, code in zip(told.tolist(), given.vocabulary.code_ids, strict=True):
            z = traced(given.vocabulary, (code,))
            logs = naive(plain, [*z, *item.y]).log_softmax(-1)[len(z) - 1 : -1]
            assert value == pytest.approx(sum(logs[n, y].item() for n, y in enumerate(item.y)), abs=1e-3)
    assert torch.allclose(*(staged._alone(given, [one]) for one in (items[0], replace(items[0], x=(9, 9)))))


def test_the_prior_is_the_plain_models_over_the_codes(curriculum):
    given, plain = curriculum(initializer_range=0.3), curriculum(initializer_range=0.3).policy.model.eval()
    items, codes = [*toy(1)[:3], toy(2)[5]], given.vocabulary.code_ids
    before = [(), (codes[1],), (codes[2], codes[0]), ()]
    with torch.no_grad():
        found = staged._prior(given, items, before)
    for mine, item, early in zip(found, items, before, strict=True):
        logits = naive(plain, [*item.x, given.vocabulary.begin_id, *early])[-1, list(codes)]
        assert torch.allclose(mine, logits.log_softmax(-1), atol=1e-3)


def test_the_m_steps_loss_is_its_three_parts(curriculum):
    """Worked out token by token; the soft target stands in the place of the last code alone."""
    given, plain = curriculum(initializer_range=0.3), curriculum(initializer_range=0.3).policy.model.eval()
    vocabulary, items = given.vocabulary, [toy(1)[4], toy(2)[11]]
    traces_of = [(vocabulary.code_ids[3],), (vocabulary.code_ids[1], vocabulary.code_ids[5])]
    rows = [item.segments(traced(vocabulary, codes)) for item, codes in zip(items, traces_of, strict=True)]
    posterior = torch.rand(2, 6).softmax(-1)
    total = 0.0
    for item, row, codes, q in zip(items, rows, traces_of, posterior, strict=True):
        logs, start = naive(plain, list(row.tokens)).log_softmax(-1), len(row.x)
        hard = [*codes[:-1], None, vocabulary.end_id, *item.y]
        for place, token in enumerate(hard):
            at = logs[start + place]
            total -= at[token].item() if token is not None else (q * at[list(vocabulary.code_ids)]).sum().item()
        total -= (q * staged._alone(given, [item])[0]).sum().item()
    assert staged._m_step_loss(given, items, rows, posterior).item() == pytest.approx(total / 2, abs=1e-3)


def test_a_batch_is_mostly_of_its_stages_length(curriculum):
    given = curriculum(3, SPEC.model_copy(update={"batch_size": 4000, "earlier_share": 0.25}))
    assert {length for length, _ in given.batch(1, random.Random(0))} == {1}
    batch = given.batch(3, random.Random(0))
    shares = [sum(length == j for length, _ in batch) / 4000 for j in (1, 2, 3)]
    assert shares == pytest.approx([0.125, 0.125, 0.75], abs=0.03)
    assert {row for _, row in batch} == set(range(81)), "of all rows"
    assert batch == given.batch(3, random.Random(0)) != given.batch(3, random.Random(1))


def test_a_later_stage_is_taught_the_codes_that_were_kept(curriculum, monkeypatch):
    given, met = curriculum(2), []
    codes, prior = given.vocabulary.code_ids, staged._prior
    given.codes = {(1, row): (codes[row % 6],) for row in range(27)}
    monkeypatch.setattr(staged, "_prior", lambda c, items, before: met.append(before) or prior(c, items, before))
    batch = [(2, 5), (1, 5), (2, 26)]
    found = staged._step(given, batch, 2, "posterior", torch.optim.SGD(given.policy.model.parameters(), lr=0.0))
    assert met == [[(codes[5],), (), (codes[2],)]]
    assert found["nats"] > 0 and found["loss"] > 0 and 1 <= found["codes_used"] <= 6


def test_kept_codes_are_the_policys_greedy_ones(curriculum):
    given, plain = curriculum(2, initializer_range=0.3), curriculum(2, initializer_range=0.3).policy.model.eval()
    engine = HfEngine(given.policy.model, given.policy.tokenizer, 128)
    bounds = TraceParams(min_codes=1, max_codes=4, temperature=1.0)
    for stage in (1, 2):
        staged.keep_codes(given, engine, stage, bounds, "run")
    assert set(given.codes) == {(stage, row) for stage in (1, 2) for row in range(27)}
    assert {len(codes) for (stage, _), codes in given.codes.items() if stage == 2} == {2}
    codes = list(given.vocabulary.code_ids)
    for (stage, row), kept in given.codes.items():
        ids = [*given.prefixes[stage - 1][row].x, given.vocabulary.begin_id]
        for code in kept:
            assert code == codes[naive(plain, ids)[-1, codes].argmax()]
            ids.append(code)
    assert len(set(given.codes.values())) > 3, "rows differ"


def test_a_toy_stage_is_learnt_and_its_codes_tell_the_answer(curriculum):
    spec = StagedParams(batch_size=32, first_steps=160, learning_rate=1e-2, advance_nats=0.1, likelihood_share=0.2)
    given, lines = curriculum(1, spec), []
    done = staged.run_stage(given, 1, seed=0, report=lambda step, values: lines.append((step, values)))
    assert lines[0][1]["nats"] > 1 and done["nats"] < 0.1 and done["advanced"]
    assert 0.6 * 160 < done["steps"] <= 160 and [step for step, _ in lines] == [*range(1, done["steps"] + 1)]
    assert VALUES <= done["codes_used"] <= 6
    engine = HfEngine(given.policy.model.eval(), given.policy.tokenizer, 128)
    staged.keep_codes(given, engine, 1, TraceParams(min_codes=1, max_codes=1), "run")
    with torch.no_grad():
        told = staged._alone(given, given.prefixes[0])
    places = [given.vocabulary.code_ids.index(given.codes[1, row][0]) for row in range(9)]
    assert told[range(9), places].exp().min() > 0.7, "the greedy code alone gives the answer of its row"


def test_what_cannot_be_learnt_takes_all_its_steps_and_does_not_advance(curriculum):
    spec = StagedParams(batch_size=8, first_steps=6, stage_steps=3, learning_rate=1e-9)
    done = staged.run_stage(curriculum(2, spec), 1, seed=0, report=lambda *_: None)
    assert done["steps"] == 6 and not done["advanced"] and done["nats"] > 1
    given = curriculum(2, spec)
    given.codes = {(1, row): given.vocabulary.code_ids[:1] for row in range(27)}
    assert staged.run_stage(given, 2, seed=0, report=lambda *_: None)["steps"] == 3


def test_a_stage_is_stopped_when_asked_also_before_its_first_step(curriculum):
    spec = StagedParams(batch_size=8, first_steps=6)
    lines: list[int] = []
    asked = {"seed": 0, "report": lambda step, values: lines.append(step), "stop": lambda: len(lines) >= 2}
    assert staged.run_stage(curriculum(1, spec), 1, **asked)["steps"] == 2
    done = staged.run_stage(curriculum(1, spec), 1, **(asked | {"stop": lambda: True}))
    assert done["steps"] == 0 and not done["advanced"]
