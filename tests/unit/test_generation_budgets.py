"""Hard thinking budgets: `</think>` at exactly the row's own token, once, an answer after it, or a clear refusal."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from prompts import PROMPTS, ids_of

from caderno.errors import BadInput
from caderno.generation import Prompt, Request, Sampling, budgets, generate
from caderno.generation.choosing import Chooser
from caderno.generation.hf import HfEngine

OPENED = PROMPTS[1].text  # ends with <think> and a line end: one token of thought is spent when generation begins
BUDGETS = {"none": None, "two": 2, "five": 5, "nine": 9}
SAMPLING = Sampling(max_new_tokens=24, samples=8)


@pytest.fixture(scope="module")
def tags(tiny_pair) -> tuple[int, int]:
    return budgets.tag_ids(tiny_pair[1])


def drawn(engine, limits: dict[str, int | None], sampling: Sampling = SAMPLING) -> list:
    return generate(engine, [Prompt(name, OPENED, limit) for name, limit in limits.items()], sampling, run="r")


def test_every_row_closes_at_its_own_budget_and_its_answer_follows(engine, tags):
    opening, close = tags
    free = {(c.row_id, c.sample): c.token_ids for c in drawn(engine, dict.fromkeys(BUDGETS))}
    answers = []
    for c in drawn(engine, BUDGETS):
        unlimited, place = free[c.row_id, c.sample], (BUDGETS[c.row_id] or len(free[c.row_id, c.sample]) + 1) - 1
        if place >= len(unlimited) or close in unlimited[:place]:  # no budget, or it ended by itself before
            assert c.token_ids[: place + 1] == unlimited[: place + 1] and place not in c.forced
            continue
        assert c.token_ids[:place] == unlimited[:place], "nothing changes before the budget is spent"
        assert c.token_ids[place] == close and c.forced[0] == place
        assert c.token_ids.count(close) <= 1 + c.token_ids.count(opening), "closed once, unless opened once more"
        answers.append(c.text.partition("</think>")[2].strip())
    assert len(answers) > 15 and sum(map(bool, answers)) > 0.8 * len(answers), "an answer follows"


def test_a_budget_changes_no_other_row(engine):
    alone = drawn(engine, {"none": None})
    beside = [c for c in drawn(engine, BUDGETS) if c.row_id == "none"]
    assert ids_of(beside) == ids_of(alone)


def test_a_limited_row_does_not_depend_on_its_batch(tiny_pair, engine):
    single = HfEngine(*tiny_pair, context_tokens=256, batch_tokens=1)
    assert ids_of(drawn(single, BUDGETS)) == ids_of(drawn(engine, BUDGETS))


def test_a_thought_that_was_ended_is_not_ended_again(tiny_pair, tags):
    """A model that wants to close its thought from the budget on, for ever; greedy: nothing is left to chance."""
    _, tokenizer = tiny_pair
    open_id, close = tags
    word, other = tokenizer.convert_tokens_to_ids(["loja", "pedido"])
    prompts = [Request("a", 0, [open_id], 1, 2), Request("b", 0, [open_id], 1, None)]
    chooser = Chooser(prompts, Sampling(0.0), tokenizer, torch.device("cpu"))
    said = []
    for step in range(6):
        scores = torch.zeros(2, len(tokenizer))
        scores[:, word], scores[:, other] = (3.0, 1.0) if step < 2 else (1.0, 0.5)
        scores[:, close] = 0.0 if step < 2 else 2.0
        raw = scores.clone().log_softmax(-1)
        said.append(chooser(torch.zeros(2, 1, dtype=torch.long), scores).argmax(-1).tolist())
        assert chooser.chosen_logprobs[-1].tolist() == pytest.approx([raw[i, t].item() for i, t in enumerate(said[-1])])
    assert [a for a, _ in said] == [word, word, close, word, word, word], "forced once, then only words"
    assert [b for _, b in said] == [word, word, close, close, close, close], "without a budget it may say what it likes"


def test_a_thought_opened_again_has_nothing_left_to_spend(tiny_pair, tags):
    _, tokenizer = tiny_pair
    open_id, close = tags
    chooser = Chooser([Request("a", 0, [open_id], 1, 1)], Sampling(0.0), tokenizer, torch.device("cpu"))
    said = []
    for wanted in (7, 8, open_id, 9, 10, close):
        scores = torch.zeros(1, len(tokenizer))
        scores[0, wanted] = 5.0
        said.append(chooser(torch.zeros(1, 1, dtype=torch.long), scores).argmax(-1).item())
    assert said[:5] == [7, close, open_id, close, 10] and said[5] != close


@pytest.mark.parametrize(
    ("prompt", "completion", "budget", "expected"),
    [
        ("<think> a", "b c </think> d", 3, (2,)),
        ("<think> a", "b </think> c d", 3, ()),
        ("<think> a", "b c d", 3, ()),
        ("<think> a </think>", "b c </think> d", 1, ()),
        ("a", "<think> b </think> c", 1, (2,)),
        ("a", "<think> b </think> <think> </think> c", 1, (2, 4)),
        ("<think> a", "b c </think> d", None, ()),
    ],
    ids=["spent", "closed before", "not reached", "none open", "opened by the model", "twice", "no budget"],
)
def test_where_a_budget_was_spent(tiny_pair, prompt, completion, budget, expected):
    _, tokenizer = tiny_pair
    ids, drawn_ids = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, completion))
    assert budgets.forced(Request("a", 0, ids, 1, budget), drawn_ids, tokenizer) == expected


def test_a_budget_needs_tags(tiny_pair):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"total": 0, "<unk>": 1, "<e>": 2}, unk_token="<unk>"))
    tagless = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<e>", unk_token="<unk>")
    engine = HfEngine(tiny_pair[0], tagless, 256)
    with pytest.raises(BadInput, match="<think>, </think> is not a token") as refused:
        generate(engine, [Prompt("a", "total"), Prompt("b", "total", 2)], Sampling(max_new_tokens=4), run="r")
    assert refused.value.where == "chat.hard_think_budget"
    assert generate(engine, [Prompt("a", "total")], Sampling(max_new_tokens=4), run="r"), "and nothing without a budget"


def test_a_budget_leaves_room_for_an_answer(engine):
    with pytest.raises(BadInput, match="a thought may take 24 tokens of a completion of 24") as refused:
        drawn(engine, {"a": 3, "b": 24})
    assert "below 24" in str(refused.value)


def test_vllm_is_told_each_requests_budget(monkeypatch, tiny_pair):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=lambda **given: given))
    from caderno.generation.vllm import VllmEngine

    engine = VllmEngine(None, tiny_pair[1], [0], 256)
    given = [engine._sampling(Request("a", 0, [1], 7, n), Sampling())["thinking_token_budget"] for n in (3, None, 9)]
    assert given == [3, None, 9]
