"""The corpus: repeatable, true to its own facts, mixed as asked, and no task's row or system prompt in it."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter

import pytest
from materials import rows, shop

from caderno import chat, tasks, thinking
from caderno.conversations import SYSTEMS, conversation
from caderno.corpus import Corpus, facts_of
from caderno.shop import SPLITS
from caderno.training.pretrain import drill_words


@pytest.fixture(scope="module")
def words(small_tokenizer) -> list[str]:
    return drill_words(small_tokenizer)


def documents(words: list[str], n: int, seed: int = 0, share: float = 0.25, first: bool = False) -> list[str]:
    stream = Corpus(shop(), words, seed).stream(lambda: share, lambda: first)
    return list(itertools.islice(stream, n))


def flat(text: str) -> str:
    """Single spaces, lower case, no template tokens: spacing and markup do not hide a copy."""
    return " ".join(re.sub(r"<\|.*?\|>|</?think>", " ", text).lower().split())


def leaks(texts: list[str], found: list[dict]) -> list[str]:
    """Texts that hold a task's system prompt, or a row's question together with its reference answer."""
    systems = {flat(text) for task in tasks.TASKS.values() for text in task.SYSTEM_PROMPT.values()}
    pairs = [(flat(row["prompt"][-1]["content"]), flat(row["gold"].split("</think>")[1])) for row in found]
    flattened = [(text, flat(text)) for text in texts]
    return [
        text
        for text, seen in flattened
        if any(system in seen for system in systems) or any(q in seen and a in seen for q, a in pairs)
    ]


def test_the_same_seed_gives_the_same_documents(words):
    first = documents(words, 300)
    assert first == documents(words, 300) != documents(words, 300, seed=1)
    assert len(set(first)) > 290, "documents hardly ever repeat"


def test_no_document_is_a_tasks_row_or_has_its_system_prompt(words, small_tokenizer):
    every = [row for split in SPLITS for row in rows(split, 40)]
    texts = documents(words, 3000)
    assert leaks(texts, every) == []
    for row in every[::40]:
        system, user = (message["content"] for message in row["prompt"])
        answer = row["gold"].split("</think>")[1]
        planted = [
            chat.render(small_tokenizer, row["prompt"]) + row["gold"],
            f"{user}\n{answer}",
            f"seja breve. {system} nota 5.",
        ]
        assert leaks([*texts[:50], *planted], every) == planted


def marked(words: list[str]) -> Corpus:
    """A corpus whose documents only say of which kind they are."""
    corpus = Corpus(shop(), words, 0)
    corpus.documents_by_kind, corpus.drills_by_kind = (lambda: "document",), (lambda: "drill",)
    corpus._recall = lambda: "recall"
    return corpus


@pytest.mark.parametrize("share", [0.0, 0.25, 0.7, 1.0])
def test_the_share_of_drills_is_the_one_asked_for(words, share):
    found = Counter(itertools.islice(marked(words).stream(lambda: share), 4000))
    assert set(found) <= {"document", "drill"}
    assert found["drill"] / 4000 == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5)


def test_the_mixture_follows_training_and_begins_with_plain_recall(words):
    given = 0
    stream = marked(words).stream(lambda: 0.5 if given < 500 else 0.1, lambda: given < 200)
    found = []
    for text in itertools.islice(stream, 1500):
        found.append(text)
        given += 1
    start, middle, rest = (Counter(part) for part in (found[:200], found[200:500], found[500:]))
    assert "drill" not in start and start["recall"] > 70, "no variations before plain recall is learnt"
    assert "recall" not in middle and middle["drill"] > 110
    assert 60 < rest["drill"] < 140


def test_the_first_phase_has_words_in_pairs_and_their_repetition_among_its_drills(words):
    pair = r"[^\W\d_]+ [^\W\d_]+"
    for text in documents(words, 200, share=1.0, first=True):
        told, again = re.fullmatch(rf"({pair}(?:; {pair})+)\. ({pair}(?:, {pair})+)\.", text).groups()
        assert sorted(told.split("; ")) == sorted(again.split(", "))
    later = documents(words, 200, share=1.0)
    assert any("{" in text for text in later) and any("maior" in text for text in later)


def test_drills_of_extremes_are_true(words):
    corpus = Corpus(shop(), words, 0)
    for _ in range(300):
        text = corpus._extremes()
        lines = {name: float(value) for name, value in re.findall(r"(\w+) ([\d.]+)(?=[;.] )", text.split(": ", 1)[1])}
        top, low = max(lines, key=lines.get), min(lines, key=lines.get)
        if said := re.search(r"ordem: (.*)\.$", text):
            assert said[1].split(", ") == sorted(lines, key=lambda name: -lines[name]), text
        else:
            assert re.search(rf"maior\W+(é )?{top}\b", text) and re.search(rf"menor\W+(é )?{low}\b", text), text


def test_a_review_and_what_is_said_of_it_agree(words):
    corpus = Corpus(shop(), words, 0)
    found = Counter()
    for _ in range(300):
        review, said = corpus.review_and_facts()
        for kind in ("o produto é ", "a cidade é ", "quem escreve é "):
            [named] = [line.removeprefix(kind) for line in said if line.startswith(kind)]
            assert named == "desconhecido" or re.search(rf"\b{named}\b", review), (review, said)
            found[named == "desconhecido"] += 1
        [stars] = [line.split()[0] for line in said if re.match(r"\d estrelas", line)]
        assert re.match(rf"\D*{stars}\b", review)
    assert min(found.values()) > 50


def test_facts_of_a_label_have_none_for_nan_and_whole_days():
    labels = shop().labels.to_dict("records")
    late = next(label for label in labels if label["late_days"] == label["late_days"] and label["late_days"])
    timely = next(label for label in labels if label["late_days"] != label["late_days"] or label["late_days"] is None)
    found = facts_of(late | {"product": float("nan")})
    assert found.late_days == late["late_days"] and type(found.late_days) is int and found.product is None
    assert facts_of(timely).late_days is None


def test_conversations_are_what_the_chat_template_renders(words, small_tokenizer):
    corpus = Corpus(shop(), words, 0)
    thoughts, systems = 0, set()
    for _ in range(300):
        text = conversation(corpus)
        head, _, tail = text.rpartition("<|im_start|>assistant\n")
        turns = re.findall(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n", head, re.DOTALL)
        messages = [{"role": role, "content": content} for role, content in turns]
        thinks = not tail.startswith("<think>\n\n</think>\n\n")
        prompt = chat.render(small_tokenizer, messages, enable_thinking=None if thinks else False)
        assert text.startswith(prompt) and tail.endswith("<|im_end|>")
        thought = thinking.split(tail.removesuffix("<|im_end|>"))
        assert thought.closed and bool(thought.thought) == thinks and thought.answer
        thoughts += thinks
        systems.add(turns[0][1] if turns[0][0] == "system" else "")
    assert 0.7 < thoughts / 300 < 0.9 and systems == set(SYSTEMS)


def test_json_in_a_conversation_tells_what_was_told_and_null_for_the_rest(words):
    corpus, seen = Corpus(shop(), words, 0), 0
    while seen < 50:
        text = conversation(corpus)
        if asked := re.search(r"<\|im_start\|>user\n(.*)\. json de (.*)<\|im_end\|>", text):
            told = dict(pair.split(" ") for pair in asked[1].split("; "))
            answer = json.loads(text.rpartition("</think>")[2].removesuffix("<|im_end|>"))
            assert list(answer) == asked[2].split(", ")
            assert {k: v if v is None else str(v) for k, v in answer.items()} == {k: told.get(k) for k in answer}
            seen += 1
