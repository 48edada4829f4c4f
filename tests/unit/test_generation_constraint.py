"""Completions that begin with a trace: what may come where, log-probabilities that trainer and sampler agree on."""

from __future__ import annotations

import pytest
import torch
from prompts import PROMPTS, ids_of

from caderno.errors import BadInput
from caderno.generation import Prompt, Sampling, generate
from caderno.generation.constraint import (
    Constraint,
    TraceProcessor,
    constrained_logprobs,
    places,
    renormalised,
)
from caderno.generation.hf import HfEngine

CODES, END = (60, 61, 62, 63), 64
CONSTRAINT = Constraint(CODES, END, min_codes=2, max_codes=6)
SAMPLING = Sampling(max_new_tokens=20, samples=12)
TRACED = [Prompt(p.row_id, p.text, constraint=CONSTRAINT) for p in PROMPTS]


def faults(ids: list[int], constraint: Constraint = CONSTRAINT) -> list[str]:
    """What a completion does against its constraint, token by token."""
    if constraint.end_id not in ids:
        return ["no END"]
    trace = ids[: ids.index(constraint.end_id)]
    found = [f"{token} is no code" for token in trace if token not in constraint.code_ids]
    found += [] if len(trace) >= constraint.min_codes else ["END too early"]
    return found + ([] if len(trace) <= constraint.max_codes else ["END too late"])


def teacher_forced(model, prompt_ids: list[int], completion: list[int]) -> torch.Tensor:
    """Logits (1, T, V) that predicted the completion's tokens."""
    with torch.no_grad():
        return model(torch.tensor([prompt_ids + completion])).logits[:, len(prompt_ids) - 1 : -1]


def test_every_completion_keeps_to_it_and_goes_on_freely(engine):
    drawn = generate(engine, TRACED, SAMPLING, run="r")
    assert [faults(c.token_ids) for c in drawn] == [[]] * len(drawn)
    lengths = {c.token_ids.index(END) for c in drawn}
    assert {2, 6} <= lengths <= set(range(2, 7)), "the least and the most occur"
    answers = [c.token_ids[c.token_ids.index(END) + 1 :] for c in drawn]
    assert len({token for ids in answers for token in ids} - {*CODES, END}) > 20, "free after END"
    assert {c.finish_reason for c in drawn} <= {"stop", "length"} and all(answers)


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        ([60, END, 8], "END too early"),
        ([60, 5, END, 8], "5 is no code"),
        ([60, 61, 62, 63, 60, 61, 62, END], "END too late"),
        ([60, 61, 62, 8, 9], "no END"),
    ],
    ids=["early", "wrong id", "late", "never"],
)
def test_a_planted_fault_has_no_probability(ids, fault):
    assert fault in faults(ids)[0]
    logits = torch.randn(1, len(ids), 100, generator=torch.Generator().manual_seed(0))
    assert constrained_logprobs(logits, torch.tensor([ids]), CONSTRAINT).sum() == -torch.inf
    sound = torch.tensor([[60, 61, END, *ids[3:]]])
    assert constrained_logprobs(logits[:, : sound.shape[1]], sound, CONSTRAINT).isfinite().all()


def test_a_code_after_end_is_part_of_the_answer():
    ids = torch.tensor([[60, 61, END, 62, END, 8]])
    where = places(ids, CONSTRAINT)
    assert where.trace[0].tolist() == [True, True, True, False, False, False]
    assert where.early[0].tolist() == [True, True, False, False, False, False] and not where.forced.any()


@pytest.mark.parametrize("temperature", [1.0, 0.0, 0.6])
def test_sampler_and_trainer_agree(engine, tiny_pair, temperature):
    model, tokenizer = tiny_pair
    sampling = Sampling(temperature, max_new_tokens=20, samples=1 if temperature == 0 else 8)
    texts = {p.row_id: tokenizer(p.text, add_special_tokens=False)["input_ids"] for p in TRACED}
    forced = 0
    for c in generate(engine, TRACED, sampling, run="r"):
        tokens = torch.tensor([c.token_ids])
        found = constrained_logprobs(teacher_forced(model, texts[c.row_id], c.token_ids), tokens, CONSTRAINT)[0]
        assert torch.tensor(c.logprobs) == pytest.approx(found, abs=1e-4)
        if c.token_ids[6] == END and END not in c.token_ids[:6]:
            assert c.logprobs[6] == 0.0
            forced += 1
    assert forced or temperature == 0


def by_hand(logits: torch.Tensor, tokens: list[int], constraint: Constraint, temperature: float) -> list[float]:
    """The definition, token by token."""
    found, ended = [], False
    for step, token in enumerate(tokens):
        scaled = logits[step].double() / temperature
        allowed = list(range(len(scaled)))
        if not ended:
            allowed = [constraint.end_id] if step == constraint.max_codes else list(constraint.allowed_ids)
            allowed = list(constraint.code_ids) if step < constraint.min_codes else allowed
        found.append((scaled[token] - scaled[allowed].logsumexp(0)).item())
        ended = ended or token == constraint.end_id
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_are_the_definition(temperature):
    rows = [[60, 61, END, 5, 60, END, 7, 9], [63, 62, 61, 60, 63, 62, END, 9], [60, 60, 60, END, 9, 1, 1, 1]]
    logits = torch.randn(3, 8, 100, generator=torch.Generator().manual_seed(0)) * 3
    found = constrained_logprobs(logits, torch.tensor(rows), CONSTRAINT, temperature)
    for row, tokens in enumerate(rows):
        assert found[row].tolist() == pytest.approx(by_hand(logits[row], tokens, CONSTRAINT, temperature), abs=1e-4)
    assert found[1, 6] == 0
    unlike = logits.log_softmax(-1).gather(-1, torch.tensor(rows)[..., None]).squeeze(-1)
    assert (found[:, :2] > unlike[:, :2] + 0.1).all(), "free log-probabilities in the trace would be caught"


def test_gradients_are_finite_also_where_a_completion_was_cut():
    tokens = torch.tensor([[60, 61, END, 5, 0], [60, 61, 62, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    logits = torch.randn(2, 5, 100, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = constrained_logprobs(logits, tokens, CONSTRAINT, 0.9, mask)
    found.sum().backward()
    assert found.isfinite().all() and (found[mask == 0] == 0).all() and logits.grad.isfinite().all()
    grad = logits.grad[0, 0]
    assert (grad[list(CODES)] != 0).all() and grad.count_nonzero() == len(CODES), "nothing but what was allowed moves"
    assert logits.grad[1, 3:].count_nonzero() == 0


def test_renormalised_over_any_mask():
    logits = torch.randn(2, 3, 10)
    allowed = torch.tensor([True] * 4 + [False] * 6)
    found = renormalised(logits, allowed)
    assert torch.allclose(found[..., :4].exp().sum(-1), torch.ones(2, 3)) and (found[..., 4:] == -torch.inf).all()


def test_a_row_does_not_depend_on_its_batch_nor_on_other_constraints(tiny_pair, engine):
    other = Constraint(CODES[:2], END, 0, 3)
    mixed = [TRACED[0], Prompt("free", PROMPTS[1].text), Prompt("other", PROMPTS[2].text, constraint=other)]
    together = generate(engine, mixed, SAMPLING, run="r")
    alone = HfEngine(*tiny_pair, context_tokens=256, batch_tokens=1)
    assert ids_of(together) == [ids for prompt in mixed for ids in ids_of(generate(alone, [prompt], SAMPLING, run="r"))]
    assert all(faults(c.token_ids, other) == [] for c in together if c.row_id == "other")
    free = [c for c in together if c.row_id == "free"]
    assert ids_of(free) == ids_of(generate(engine, [Prompt("free", PROMPTS[1].text)], SAMPLING, run="r"))


def test_draws_follow_the_renormalised_distribution(engine, tiny_pair):
    model, tokenizer = tiny_pair
    ids = tokenizer(PROMPTS[0].text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0, -1, list(CODES)].softmax(-1)
    prompt = Prompt("a", PROMPTS[0].text, constraint=Constraint(CODES, END, 1, 1))
    drawn = generate(engine, [prompt], Sampling(max_new_tokens=2, samples=2000, stop_ids=(END,)), run="r")
    for code, p in zip(CODES, expected.tolist(), strict=True):
        share = sum(c.token_ids[0] == code for c in drawn) / len(drawn)
        assert abs(share - p) < 4 * (p * (1 - p) / len(drawn)) ** 0.5 + 1e-3
    assert {c.logprobs[1] for c in drawn} == {0.0}


class PerRow:
    """The constraint as a loop over rows: slow, and plainly right."""

    def __init__(self, constraint: Constraint, prompt_tokens: int) -> None:
        self.constraint, self.start = constraint, prompt_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        out = torch.full_like(scores, -torch.inf)
        for row in range(len(scores)):
            said = input_ids[row, self.start :].tolist()
            allowed = list(self.constraint.allowed_ids if len(said) >= self.constraint.min_codes else CODES)
            if END in said:
                allowed = list(range(scores.shape[1]))
            elif len(said) == self.constraint.max_codes:
                allowed = [END]
            out[row, allowed] = scores[row, allowed]
        return out


def test_the_processor_for_trainers_is_the_loop_over_rows():
    generator = torch.Generator().manual_seed(0)
    ours, slow = TraceProcessor(CONSTRAINT), PerRow(CONSTRAINT, 3)
    ids = torch.zeros(16, 3, dtype=torch.long)
    for _ in range(10):
        scores = torch.randn(16, 100, generator=generator)
        scores[:, END] += 3
        left = ours(ids, scores)
        assert torch.equal(left, slow(ids, scores))
        ids = torch.cat([ids, left.argmax(-1, keepdim=True)], dim=1)
    assert all(faults(row) == [] for row in ids[:, 3:].tolist())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((CODES, END, 3, 2), "between 3 and 2 codes"),
        ((CODES, END, 0, 0), "between 0 and 0"),
        (((), END, 1, 2), "codes"),
        (((60, 60), END, 1, 2), "each once"),
        ((CODES, 60, 1, 2), "END 60"),
        (((-1, 60), END, 1, 2), "codes"),
    ],
)
def test_contradictions_are_refused(given, message):
    with pytest.raises(BadInput, match=message):
        Constraint(*given)


def test_a_trace_needs_room_and_bears_no_thinking_budget(engine):
    with pytest.raises(BadInput, match="row a has up to 6 codes in a completion of 7 tokens"):
        generate(engine, TRACED, Sampling(max_new_tokens=7), run="r")
    with pytest.raises(BadInput, match="and a thinking budget"):
        generate(engine, [Prompt("a", PROMPTS[0].text, 3, CONSTRAINT)], SAMPLING, run="r")
    assert generate(engine, TRACED, Sampling(max_new_tokens=7, stop_ids=(END,)), run="r")
