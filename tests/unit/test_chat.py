"""Chat: what is rendered, what is supervised, and what a completion is taken apart into."""

from __future__ import annotations

import copy

import conftest
import pytest

from caderno import chat, thinking
from caderno.errors import BadInput

MESSAGES = [{"role": "system", "content": "ajuda"}, {"role": "user", "content": "qual total?"}]


@pytest.fixture
def tokenizer():
    return conftest.build_tokenizer()


def test_render_with_and_without_thinking(tokenizer):
    text = "<|im_start|>system\najuda<|im_end|>\n<|im_start|>user\nqual total?<|im_end|>\n"
    assert chat.render(tokenizer, MESSAGES, add_generation_prompt=False) == text
    assert chat.render(tokenizer, MESSAGES) == text + "<|im_start|>assistant\n"
    on, off = (chat.render(tokenizer, MESSAGES, enable_thinking=value) for value in (True, False))
    assert on == text + "<|im_start|>assistant\n<think>\n"
    assert chat.opens_thought(on) and not chat.opens_thought(off)


def test_switch_follows_the_template(tokenizer):
    assert chat.switch(tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace("enable_thinking is defined and enable_thinking", "true")
    assert not chat.switch(tokenizer), "always thinking, whatever is asked"
    with pytest.raises(BadInput, match="renders the same either way"):
        chat.render(tokenizer, MESSAGES, enable_thinking=False)
    assert chat.opens_thought(chat.render(tokenizer, MESSAGES))


def test_no_template_and_a_refusing_template(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(BadInput, match=r"\['system', 'user'\].*roles must alternate"):
        chat.render(tokenizer, MESSAGES)
    tokenizer.chat_template = None
    with pytest.raises(BadInput, match="no chat template"):
        chat.render(tokenizer, MESSAGES)


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("42", False, thinking.Thought(None, "42", True)),
        ("<think>\nsoma\n</think>\n\n42 ", False, thinking.Thought("soma", "42", True)),
        ("soma</think>42", True, thinking.Thought("soma", "42", True)),
        ("soma</think>42", False, thinking.Thought("soma", "42", True)),
        ("soma sem fim", True, thinking.Thought("soma sem fim", "", False)),
        ("soma sem fim", False, thinking.Thought(None, "soma sem fim", True)),
        ("<think>soma sem fim", False, thinking.Thought("soma sem fim", "", False)),
        ("<think>soma</think>42", True, thinking.Thought("soma", "42", True)),
        ("<think></think>42", False, thinking.Thought("", "42", True)),
        ("soma</think></think>42", True, thinking.Thought("soma", "42", True)),
        ("eis: 7 <think>soma</think>42", False, thinking.Thought("soma", "42", True)),
        ("a</think>b<think>c", False, thinking.Thought("a</think>b<think>c", "", False)),
        ("<think>a</think>7<think>b</think>42", False, thinking.Thought("a</think>7<think>b", "42", True)),
        ("", False, thinking.Thought(None, "", True)),
    ],
)
def test_split_thinking(text, opened, expected):
    assert thinking.split(text, opened=opened) == expected


def test_loss_mask_covers_the_completion_and_its_end(tokenizer):
    example = chat.loss_mask_example(tokenizer, MESSAGES, "total 12")
    supervised = [token for token, on in example if on]
    assert supervised == ["total", "1", "2", "<|im_end|>"]
    assert 0 < len(supervised) < len(example)
    assert [on for _, on in example] == sorted(on for _, on in example), "one boundary"
    assert chat.loss_mask_example(tokenizer, MESSAGES, "total 12<|im_end|>") == example, "one end, not two"
    # the context of the first supervised token is the prompt that generation starts from
    prompt = chat.encode(tokenizer, chat.render(tokenizer, MESSAGES))
    assert [token for token, on in example if not on] == [tokenizer.decode([i]) for i in prompt]


def test_loss_mask_leaves_a_thought_opened_by_the_prompt_to_the_prompt(tokenizer):
    example = chat.loss_mask_example(tokenizer, MESSAGES, "soma</think>12", enable_thinking=True)
    assert ("<think>", False) in example and ("</think>", True) in example


def test_loss_mask_refuses_a_prompt_that_merges_with_its_completion(tokenizer):
    tokenizer.chat_template += "{{ 'tot' }}"
    with pytest.raises(BadInput, match="'tot' alone, and in 'total' once"):
        chat.loss_mask_example(tokenizer, MESSAGES, "al 12")


def test_show_mask_marks_what_is_supervised(tokenizer):
    shown = chat.show_mask(chat.loss_mask_example(tokenizer, MESSAGES, "total 12"))
    marked = "".join(shown.plain[span.start : span.end] for span in shown.spans if "green" in str(span.style))
    assert marked == "total12<|im_end|>"
    assert "assistant·⏎\n" in shown.plain
    assert "<span" in shown._repr_mimebundle_([], [])["text/html"]


def test_round_trip_tells_where_ids_change(tokenizer):
    assert chat.round_trip(tokenizer, chat.render(tokenizer, MESSAGES)) is None
    broken = copy.deepcopy(tokenizer)
    # "a" + "##b" decodes to "ab", which a vocabulary with "ab" would not split again: plant it by decoding badly
    broken.decode = lambda ids, **_: tokenizer.decode(ids).replace("total", "tot al")
    assert chat.round_trip(broken, "qual total 12") == (
        "token 1 of 4: ['total', '1', '2'] became ['t', '##o', '##t', 'a'] (of 8) after decoding and tokenizing again"
    )


def test_double_bos(tokenizer):
    from tokenizers.processors import TemplateProcessing

    rendered = chat.render(tokenizer, MESSAGES)
    assert not chat.double_bos(tokenizer, rendered), "no BOS at all"
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    tokenizer.bos_token = "<|im_start|>"
    assert not chat.double_bos(tokenizer, rendered), "only the template's"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", start)]
    )
    assert chat.double_bos(tokenizer, rendered), "the template's and the tokenizer's"
    assert chat.encode(tokenizer, rendered)[:2] != [start, start], "our own way adds nothing"


def test_eos_from_every_source(tiny_pair):
    model, tokenizer = copy.deepcopy(tiny_pair[0]), tiny_pair[1]
    end = tokenizer.eos_token_id
    assert chat.eos_ids(model, tokenizer) == [end]
    model.generation_config.eos_token_id = [end, 3]
    assert chat.eos_sources(model, tokenizer) == {"tokenizer": [end], "config": [end], "generation_config": [end, 3]}
    assert chat.eos_ids(model, tokenizer) == sorted([3, end])
    assert chat.turn_end_id(tokenizer) == end
    bare = copy.deepcopy(tokenizer)
    bare.eos_token = None
    model.config.eos_token_id = model.generation_config.eos_token_id = None
    with pytest.raises(BadInput, match="end-of-sequence"):
        chat.eos_ids(model, bare)
