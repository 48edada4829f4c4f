"""The tiny base's tokenizer: what it encodes comes back; known words, digits, turns and thoughts are one token each."""

from __future__ import annotations

import itertools
import json

import pytest
import sqlglot
from materials import params, rows, shop
from transformers import AutoTokenizer

from caderno import chat, tasks, thinking, tokenizer
from caderno.corpus import Corpus
from caderno.shop import SPLITS
from caderno.training import pretrain


@pytest.fixture
def tok(small_tokenizer):
    return small_tokenizer


def faults(tok, text: str) -> list[str]:
    """What is lost of a text: ids that change on the way back, or a piece the vocabulary cannot spell."""
    ids = chat.encode(tok, text)
    found = [chat.round_trip(tok, text)] if chat.round_trip(tok, text) else []
    return found + (["<unk>"] if tok.unk_token_id in ids else [])


def test_documents_of_the_corpus_come_back_exactly(tok):
    stream = Corpus(shop(), pretrain.drill_words(tok), 3).stream(lambda: 0.3)
    found = {text: lost for text in itertools.islice(stream, 500) if (lost := faults(tok, text))}
    assert found == {}


def test_a_planted_loss_is_seen(tok):
    assert faults(tok, "nota 5. pedi 漢") == ["<unk>"]
    tokenless = tokenizer.build(["nota"])
    tokenless.backend_tokenizer.decoder = None  # a space between every two tokens, letters included
    assert faults(tokenless, "nota zebra") and not faults(tok, "nota zebra")


@pytest.mark.parametrize("split", SPLITS)
def test_references_come_back_and_still_score_fully(tok, split):
    for row in rows(split, 40):
        for text in (row["gold"], *(message["content"] for message in row["prompt"])):
            assert faults(tok, text) == [], text
        decoded = tok.decode(chat.encode(tok, row["gold"]))
        score = tasks.score(row, decoded)
        assert score.fully_correct, (row["id"], decoded, score.why)


def test_a_whole_rendered_prompt_comes_back(tok):
    for row in rows("heldout"):
        assert faults(tok, chat.render(tok, row["prompt"]) + row["gold"] + tok.eos_token) == []


def test_words_of_the_shop_are_one_token_and_others_are_spelled(tok):
    assert tok.tokenize("recife caneca atrasou SELECT") == ["recife", "caneca", "atrasou", "SELECT"]
    for word in ("xilofone", "Wxyz", "ÇÃO", "q", "açaí", "zzz"):
        pieces = tok.tokenize(word)
        assert word not in tok.get_vocab() or len(word) == 1
        assert len(pieces) == len(word) and tok.decode(chat.encode(tok, word)) == word
    assert tok.decode(chat.encode(tok, "quero um xilofone, já")) == "quero um xilofone, já"


def test_every_digit_is_a_token_and_a_decimal_point_is_not_a_full_stop(tok):
    assert tok.tokenize("12345 77") == [*"1234577"]
    assert [tok.decode(chat.encode(tok, text)) for text in ("4.5", "nota 4. 5 dias")] == ["4.5", "nota 4. 5 dias"]
    assert chat.encode(tok, "4.5") != chat.encode(tok, "4. 5")
    assert not any(char.isdigit() for token in tok.get_vocab() if len(token.lstrip("#")) > 1 for char in token)


def test_spacing_may_change_and_what_a_machine_reads_may_not(tok):
    def again(text: str) -> str:
        return tok.decode(chat.encode(tok, text))

    answer = '{"produto":"caneca","nota":5,"cidade":null,"recomenda":true,"zwk":"são"}'
    assert json.loads(again(answer)) == json.loads(answer)
    for query in (
        "SELECT count(*) FROM orders WHERE city='recife' AND status='canceled'",
        "SELECT round(avg(score),1) FROM items WHERE days_late>0 AND customers.city='são'",
    ):
        assert sqlglot.parse_one(again(query)) == sqlglot.parse_one(query)
    assert again("ana, caneca com 35% só hoje. corra!") == "ana, caneca com 35% só hoje. corra!"


def test_the_thinking_switch_turns_the_thought_off(tok):
    messages = [{"role": "user", "content": "e aí?"}]
    on, off, default = (chat.render(tok, messages, enable_thinking=value) for value in (True, False, None))
    assert chat.switch(tok) and on == default == "<|im_start|>user\ne aí?<|im_end|>\n<|im_start|>assistant\n"
    assert off == f"{on}<think>\n\n</think>\n\n"


def test_turns_and_thoughts_are_single_tokens_and_thoughts_survive_decoding(tok):
    assert tok.tokenize("<think>nota</think><|im_end|>") == ["<think>", "nota", "</think>", "<|im_end|>"]
    ids = chat.encode(tok, "<think>\nnota\n</think>\n\nok<|im_end|>")
    assert thinking.split(tok.decode(ids, skip_special_tokens=True)) == thinking.Thought("nota", "ok", True)
    assert tok.eos_token == "<|im_end|>" and chat.turn_end_id(tok) == tok.eos_token_id
    assert tok.pad_token_id not in (tok.eos_token_id, tok.unk_token_id) and tok.padding_side == "left"


def test_built_again_or_loaded_again_it_is_the_same(tok, tmp_path):
    tok.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for other in (pretrain.build_tokenizer(params()), loaded):
        assert other.get_vocab() == tok.get_vocab() and other.chat_template == tok.chat_template
        for row in rows("test"):
            assert chat.encode(other, row["gold"]) == chat.encode(tok, row["gold"])
            assert other.decode(chat.encode(other, row["gold"])) == tok.decode(chat.encode(tok, row["gold"]))
    assert loaded.eos_token == tok.eos_token and loaded.padding_side == "left"


def test_pieces_are_words_digits_and_clusters_of_punctuation():
    assert tokenizer.pieces('nota 4.5: {"a":12}') == ["nota", "4", "·", "5", ":", '{"', "a", '":', "1", "2", "}"]
