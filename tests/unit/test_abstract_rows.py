"""Task rows as X, C and Y: steps that make up the thought, EOS once, and rows left out by name, never cut."""

from __future__ import annotations

import copy

import abstract_items
import pytest

from caderno.abstract import rows, vocabulary
from caderno.errors import BadInput
from caderno.params.abstract_sections import TraceParams
from caderno.tasks import arithmetic

ROOM = 6  # of four codes and the delimiters


def joined(text: str) -> str:
    """Without its blanks: the tiny tokenizer drops those between words."""
    return "".join(text.split())


@pytest.fixture(scope="module")
def tokenizer():
    return abstract_items.base().tokenizer


@pytest.fixture(scope="module")
def made() -> list[dict]:
    return arithmetic.rows("train", 12, 0)


@pytest.mark.parametrize(
    ("thought", "steps"),
    [
        ("", []),
        ("one", ["one"]),
        ("3 + 4 = 7; 7 * 7 = 9.", ["3 + 4 = 7; ", "7 * 7 = 9."]),
        ("a; b.\nc d. e\n\nf", ["a; b.\n", "c d. e\n\n", "f"]),
        ("First. Second one! Third? 1.5 stays", ["First. ", "Second one! ", "Third? ", "1.5 stays"]),
        ("a; b;", ["a; ", "b;"]),
        ("only;", ["only;"]),
        ("a. b.", ["a. ", "b."]),
        ("a\nb\n", ["a\n", "b\n"]),
    ],
)
def test_a_thought_is_split_into_lines_or_clauses_or_sentences(thought, steps):
    ends = rows.split_steps(thought)
    assert [thought[start:end] for start, end in zip([0, *ends], ends, strict=False)] == steps


def test_the_steps_of_a_thought_make_it_up(tokenizer, made):
    for row in made:
        item = rows.encode_one(row, tokenizer)
        lengths = item.step_lengths
        assert len(lengths) == 4 and min(lengths) > 0 and sum(lengths) == len(item.c) == item.step_ends[-1]
        starts = (0, *item.step_ends[:-1])
        told = [joined(tokenizer.decode(item.c[a:b])) for a, b in zip(starts, item.step_ends, strict=True)]
        steps = [joined(one) + mark for one, mark in zip(row["facts"]["steps"], ";;;.", strict=True)]
        assert told == steps, "each is a step and no neighbour's token"
        assert item.values == tuple(row["facts"]["values"])


def test_a_step_without_a_token_is_none(tokenizer, made, monkeypatch):
    monkeypatch.setattr(rows, "split_steps", lambda thought: [0, 3, 3, len(thought)])
    item = rows.encode_one(made[0], tokenizer)
    assert len(item.step_ends) == 2 and sum(item.step_lengths) == len(item.c) and min(item.step_lengths) > 0


def test_the_prompt_is_rendered_with_thinking_off_and_on(tokenizer, made):
    item = rows.encode_one(made[0], tokenizer)
    off, on = tokenizer.decode(item.x), tokenizer.decode(item.x_thinking)
    assert off.startswith(on) and joined(off).endswith("assistant<think></think>") and "<think>" not in on
    assert joined(made[0]["facts"]["question"]) in joined(on)
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    item = rows.encode_one(made[0], bare)
    assert item.x == item.x_thinking, "a template without the switch has one prompt"


def test_answers_end_with_eos_once(tokenizer, made):
    for row in made:
        item = rows.encode_one(row, tokenizer)
        for ids in (item.y, item.verbal):
            assert ids[-1] == tokenizer.eos_token_id and ids.count(tokenizer.eos_token_id) == 1
        assert tokenizer.decode(item.y[:-1]) == row["gold"]
        assert joined(tokenizer.decode(item.verbal[:-1])) == joined(row["reference"])
        assert tokenizer.eos_token_id not in item.c and "think" not in tokenizer.decode(item.c)
        assert item.segments((1, 2), thought=True).spans == (len(item.x), len(item.c), 2, len(item.y))
        assert item.segments().spans == (len(item.x), 0, 0, len(item.y))
        assert item.spoken().tokens == (*item.x_thinking, *item.verbal)


def test_rows_too_long_or_without_a_thought_are_named_and_never_cut(tokenizer, made):
    mute = {**made[1], "id": "mute", "reference": made[1]["gold"]}
    long = {**made[2], "id": "long", "reference": made[2]["reference"].replace("<think>\n", "<think>\n" + "1; " * 300)}
    bounds = {"id": "prompt", "prompt": [{"role": "user", "content": "1 " * 300}]}
    found = rows.encode([made[0], mute, long, {**made[3], **bounds}, made[4]], tokenizer, 128, ROOM)
    assert [item.row_id for item in found.items] == [made[0]["id"], made[4]["id"]]
    assert found.left_out["mute"] == "its reference holds no thought"
    assert set(found.left_out) == {"mute", "long", "prompt"} and "tokens" in found.left_out["long"]
    assert found.items == [rows.encode_one(row, tokenizer) for row in (made[0], made[4])]


def test_the_limit_counts_prompt_thought_trace_and_answer(tokenizer, made):
    item = rows.encode_one(made[0], tokenizer)
    whole = max(len(item.segments(range(ROOM), thought=True)), len(item.spoken()))
    assert len(rows.encode(made[:1], tokenizer, whole, ROOM).items) == 1
    with pytest.raises(BadInput, match=f"{made[0]['id']}: {whole} tokens"):
        rows.encode(made[:1], tokenizer, whole - 1, ROOM)


def test_no_row_left_is_an_error_that_says_why(tokenizer, made):
    mute = [{**row, "reference": row["gold"]} for row in made]
    with pytest.raises(BadInput, match=r"none of 12 rows can be used .*holds no thought"):
        rows.encode(mute, tokenizer, 128, ROOM)


def test_phases_take_rows_of_their_own():
    items = abstract_items.items(10)
    parts = rows.disjoint(items, [3, 4, 3])
    assert [len(part) for part in parts] == [3, 4, 3] and [one for part in parts for one in part] == items
    assert len({one.row_id for part in parts for one in part}) == 10
    with pytest.raises(BadInput, match="10 rows for phases of 6, 5"):
        rows.disjoint(items, [6, 5])


def test_examples_show_what_carries_loss(made):
    base = abstract_items.base()
    tokenizer, ids = copy.deepcopy(base.tokenizer), [*map(vocabulary.code_name, range(8)), "<beginabstract>"]
    tokenizer.add_special_tokens({"extra_special_tokens": [*ids, "<endabstract>"]})
    abstract, item = vocabulary.of(tokenizer), rows.encode_one(made[0], tokenizer)
    first, second, spoken = rows.examples(item, abstract, TraceParams(min_codes=4, max_codes=4))
    assert first.c == item.c and second.c == () and first.z == second.z and spoken.z == ()
    assert first.z[0] == abstract.begin_id and first.z[-1] == abstract.end_id
    assert len(first.z) == ROOM and set(first.z[1:-1]) <= set(abstract.code_ids)
    for row in (first, second):
        shown = rows.shown(row, tokenizer)
        assert [text for text, _ in shown] == [tokenizer.decode([one]) for one in row.tokens]
        places = [place for place, (_, lit) in enumerate(shown) if lit]
        assert places == [*range(len(row.x) + len(row.c) + 1, len(row))], "Z but BEGIN, and Y"
