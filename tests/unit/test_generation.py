"""Generation: whoever draws, the same request gives the same tokens, honest log-probabilities and no cut prompt."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from prompts import PROMPTS, ids_of

from caderno.errors import BadInput
from caderno.generation import Prompt, Sampling, generate, request_seed
from caderno.generation.hf import HfEngine


def test_request_seed_depends_on_every_part_and_fits_63_bits():
    parts = [("r", "a", 0, 0), ("s", "a", 0, 0), ("r", "b", 0, 0), ("r", "a", 1, 0), ("r", "a", 0, 1), ("ra", "", 0, 0)]
    seeds = [request_seed(*part) for part in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert request_seed("run", "row", 3) == request_seed("run", "row", 3)


@pytest.mark.parametrize("noise_block", [16384, 240], ids=["one block", "a block every 2 steps"])
def test_alone_and_in_a_batch_give_the_same_text(engine, monkeypatch, noise_block):
    monkeypatch.setattr("caderno.generation.choosing.NOISE_BLOCK", noise_block)
    sampling = Sampling(max_new_tokens=24, samples=3)
    together = generate(engine, PROMPTS, sampling, run="r")
    alone = [c for prompt in PROMPTS for c in generate(engine, [prompt], sampling, run="r")]
    assert ids_of(together) == ids_of(alone)
    assert [(c.row_id, c.sample) for c in together] == [(p.row_id, s) for p in PROMPTS for s in range(3)]
    for a, b in zip(together, alone, strict=True):
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


def test_a_budget_of_one_row_per_batch_changes_nothing(tiny_pair, engine):
    sampling = Sampling(max_new_tokens=16, samples=2)
    small = HfEngine(*tiny_pair, context_tokens=256, batch_tokens=1)
    assert ids_of(generate(small, PROMPTS, sampling, run="r")) == ids_of(generate(engine, PROMPTS, sampling, run="r"))


def test_equal_seeds_repeat_and_different_ones_differ(engine):
    sampling = Sampling(max_new_tokens=24)
    first = ids_of(generate(engine, PROMPTS, sampling, run="r"))
    assert first == ids_of(generate(engine, PROMPTS, sampling, run="r"))
    assert first != ids_of(generate(engine, PROMPTS, sampling, run="another run"))
    assert first != ids_of(generate(engine, PROMPTS, Sampling(max_new_tokens=24, seed=1), run="r"))


def test_same_prompt_under_different_ids_differs(engine):
    same = [Prompt(f"row-{i}", PROMPTS[0].text) for i in range(8)]
    drawn = ids_of(generate(engine, same, Sampling(max_new_tokens=24), run="r"))
    assert len({tuple(ids) for ids in drawn}) == 8
    group = generate(engine, same[:1], Sampling(max_new_tokens=24, samples=8), run="r")
    assert len({c.text for c in group}) == 8


def test_greedy_is_an_argmax_loop(engine, tiny_pair):
    model, tokenizer = tiny_pair
    drawn = generate(engine, PROMPTS, Sampling(temperature=0.0, max_new_tokens=20), run="r")
    for prompt, completion in zip(PROMPTS, drawn, strict=True):
        ids = tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
        expected: list[int] = []
        while len(expected) < 20 and tokenizer.eos_token_id not in expected:
            with torch.no_grad():
                expected.append(model(torch.tensor([ids + expected])).logits[0, -1].argmax().item())
        assert completion.token_ids == expected


@pytest.mark.parametrize("sampling", [Sampling(0.0), Sampling(1.0), Sampling(0.5, top_p=0.7, top_k=20)])
def test_logprobs_are_those_of_a_teacher_forced_forward(engine, tiny_pair, sampling):
    model, tokenizer = tiny_pair
    for prompt, c in zip(PROMPTS, generate(engine, PROMPTS, sampling, run="r"), strict=True):
        ids = tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            raw = model(torch.tensor([ids + c.token_ids])).logits[0, len(ids) - 1 : -1].log_softmax(-1)  # (T, V)
        expected = raw.gather(1, torch.tensor(c.token_ids)[:, None]).squeeze(1)
        assert torch.tensor(c.logprobs) == pytest.approx(expected, abs=1e-4)


def test_draws_follow_the_distribution_and_filters_hold(engine, tiny_pair):
    model, tokenizer = tiny_pair
    ids = tokenizer(PROMPTS[0].text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1]
    n = 2000
    drawn = generate(engine, PROMPTS[:1], Sampling(2.0, max_new_tokens=1, samples=n), run="r")
    counts = Counter(c.token_ids[0] for c in drawn)
    expected = (logits / 2.0).softmax(-1)
    for token in expected.topk(3).indices.tolist():
        p = expected[token].item()
        assert abs(counts[token] / n - p) < 4 * (p * (1 - p) / n) ** 0.5  # four standard errors, seed fixed
    kept = set(logits.topk(2).indices.tolist())
    few = generate(engine, PROMPTS[:1], Sampling(2.0, top_k=2, max_new_tokens=1, samples=200), run="r")
    assert {c.token_ids[0] for c in few} == kept


def test_noise_is_new_at_every_step_and_never_revives_a_filtered_token(monkeypatch):
    from caderno.generation.choosing import Noise

    monkeypatch.setattr("caderno.generation.choosing.NOISE_BLOCK", 2 * 50)
    noise = Noise([1, 2, 1], torch.device("cpu"))
    drawn = torch.stack([noise.argmax_with(torch.zeros(3, 50)) for _ in range(40)])  # (steps, B)
    assert torch.equal(drawn[:, 0], drawn[:, 2]), "equal seeds, equal noise"
    assert drawn[:, 0].unique().numel() > 20 and not torch.equal(drawn[:, 0], drawn[:, 1])
    single = Noise([1], torch.device("cpu"))
    single.argmax_with(torch.zeros(1, 50))
    assert single.block.shape[1] == noise.block.shape[1] == 2, "steps per block: a GPU's stream depends on them"
    only = torch.full((3, 50), -torch.inf)
    only[:, 17] = -30.0
    assert all((noise.argmax_with(only) == 17).all() for _ in range(40))


def test_finish_reasons_and_no_padding(engine, tiny_pair):
    _, tokenizer = tiny_pair
    drawn = generate(engine, PROMPTS, Sampling(2.0, max_new_tokens=60, samples=8), run="r")
    assert {c.finish_reason for c in drawn} == {"stop", "length"}
    for c in drawn:
        ends = [place for place, token in enumerate(c.token_ids) if token == tokenizer.eos_token_id]
        assert ends == ([len(c.token_ids) - 1] if c.finish_reason == "stop" else [])
        assert len(c.token_ids) == 60 or c.finish_reason == "stop"
        assert len(c.logprobs) == len(c.token_ids)
        assert "<|im_end|>" not in c.text and "<|pad|>" not in c.text
    cut = generate(engine, PROMPTS, Sampling(max_new_tokens=1), run="r")
    assert [(c.finish_reason, len(c.token_ids)) for c in cut] == [("length", 1)] * 3


def test_long_prompts_are_named_and_never_cut(tiny_pair):
    engine = HfEngine(*tiny_pair, context_tokens=40)
    with pytest.raises(BadInput, match=r"1 of 3 prompts do not fit, c \(\d+ tokens\)") as refused:
        generate(engine, PROMPTS, Sampling(max_new_tokens=23), run="r")
    assert "1 to 17 tokens" in str(refused.value)
    with pytest.raises(BadInput, match=r"empty \(0 tokens\)"):
        generate(engine, [Prompt("empty", "")], Sampling(max_new_tokens=8), run="r")


def test_a_row_id_twice_is_refused(engine):
    with pytest.raises(BadInput, match="'a'"):
        generate(engine, [PROMPTS[0], Prompt("a", "total")], Sampling(max_new_tokens=2), run="r")
