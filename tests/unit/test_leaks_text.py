"""Folding and n-grams: a change of form hides nothing, a change of meaning is kept, a collision reports nothing."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caderno import runs
from caderno.data.leaks import folding, grams
from caderno.data.leaks.index import Index, Row
from caderno.data.leaks.tally import Tally
from caderno.data.leaks.texts import Reader, Texts, columns_of
from caderno.errors import BadInput

ATTACKS = [
    json.loads(line)
    for line in (runs.checkout() / "tests/attacks/leaks.jsonl").read_text(encoding="utf-8").splitlines()
]
LETTERS = "abcdefgz" + "áâãàéêíóôõúüçñßøåœ" + "ÁÃÇÉÍÓÜ" + "αβγςσω" + "жщя" + "한국"
WORD = st.text(alphabet=LETTERS, min_size=2, max_size=6) | st.from_regex(r"[0-9]{1,4}", fullmatch=True)
SPACES = st.sampled_from([" ", "  ", "\n", "\t", "\u00a0", "\u2003", " \r\n "])
MARKS = st.sampled_from(["", "", ".", ",", ";", ":", "!", "?", "…", '"', "(", ")", "»", "“", "_", "#", "\u200b"])


def key(text: str) -> str:
    return folding.fold([text])[1][0]


def words(text: str) -> list[str]:
    return folding.fold([text])[0].split()


def without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


CHANGES = (
    str.upper, str.lower, str.swapcase, str.title, without_accents,
    lambda text: unicodedata.normalize("NFD", text), lambda text: unicodedata.normalize("NFC", text),
)  # fmt: skip


@st.composite
def disguised(draw) -> tuple[str, str]:
    """A text, and the same text after changes of form: case, accents, white space, punctuation between words."""
    spoken = draw(st.lists(WORD, min_size=1, max_size=12))
    text = "".join(f"{draw(MARKS)}{word}{draw(MARKS)}{draw(MARKS)}{draw(SPACES)}" for word in spoken)
    for change in draw(st.lists(st.sampled_from(CHANGES), max_size=3)):
        text = change(text)
    return " ".join(spoken), text


@settings(deadline=None)  # other work on the machine is no fault of the text
@given(disguised())
def test_changes_of_form_hide_nothing(pair):
    plain, changed = pair
    assert key(changed) == key(plain)
    assert words(changed) == words(plain)


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_texts_fold_one_by_one_as_together(texts):
    """Every character there is, lone surrogates and NULs included: no text spills into its neighbour."""
    told, keys = folding.fold(texts)
    assert keys == [key(text) for text in texts]
    assert [part.split() for part in told.split(folding.SEPARATOR)] == [words(text) for text in texts]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["name"])
def test_the_attack_corpus(attack):
    """Each line: an evaluation text, what a training set holds, and what the scan is to say of it."""
    index = Index([[Row(1, None, Texts(attack["eval"], "", []))]], 8)
    tally = Tally(index)
    tally.add(index.read([Row(1, None, Texts(attack["train"], "", []))]))
    found = "exact" if tally.matches["exact"] else "normalised" if tally.matches["normalised"] else None
    found = found or ("ngram" if (tally.first >= 0).any() else "none")
    assert found == attack["expected"], attack["what"]


def test_an_unequal_pair_is_never_made_equal():
    """Short questions that differ in a sign, a number or a letter have different keys, all of them."""
    texts = "5 + 3;5 - 3;5 * 3;5 / 3;5 % 3;53;5 3;5 = 3;5 > 3;5 < 3;-5 3;5^3;5 x 3;10²;102;10 2".split(";")
    texts += "x-3;x/3;x*3;x+3;½;12;1/2;👍;👎;कि;की;5%".split(";")
    assert len({key(text) for text in texts}) == len(texts)


def ids_of(n: int, seed: int = 0, words: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """n rows of 20 random words, ids from 1."""
    ids = np.random.default_rng(seed).integers(1, words, 20 * n).astype(np.int32)
    return ids, np.repeat(np.arange(n), 20) * 2


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("block", [5, 64, 2**16])
def test_ngrams_are_those_of_sets_of_tuples(monkeypatch, n, block):
    monkeypatch.setattr(grams, "BLOCK", block)
    ids, segments = ids_of(40)
    other, places = ids_of(60, seed=1)
    other[200:213] = ids[60:73]
    index = grams.Grams(n, 51, ids, segments)

    def tuples(words, rows):
        spans = range(len(words) - n + 1)
        return [(i, tuple(words[i : i + n].tolist())) for i in spans if rows[i] == rows[i + n - 1]]

    known = {gram for _, gram in tuples(ids, segments)}
    expected = {i: gram for i, gram in tuples(other, places) if gram in known}
    found = index.find(other, places)
    pairs = zip(found.starts, found.grams, strict=True)
    assert len(index) == len(known)
    assert {int(at): tuple(index.words(gram).tolist()) for at, gram in pairs} == expected
    assert expected and found.rows.tolist() == [at // 20 for at in sorted(expected)]


def test_sides_and_rows_of_an_ngram():
    ids = np.arange(1, 13, dtype=np.int32)
    segments = np.array([0] * 5 + [1] * 5 + [2] * 2)
    own = grams.Grams(3, 13, ids, segments).own
    assert own.sides.tolist() == [0, 0, 0, 2, 2, 1, 1, 1]
    assert own.rows.tolist() == [0] * 8 and own.starts.tolist() == list(range(8))


def test_a_collision_with_an_unknown_word_is_no_hit():
    """The weight of "no such word" is planted to equal that of a word: hashes are equal, words are not."""
    ids, segments = ids_of(3)
    index = grams.Grams(8, 50, ids, segments)
    copied = ids[:20].copy()
    assert len(index.find(copied, segments[:20]).starts) == 13
    index._weights[-1] = index._weights[copied[10]]
    copied[10] = -1
    assert (index._hashes(copied) == index._hashes(ids[:20])).all()
    assert index.find(copied, segments[:20]).starts.tolist() == [0, 1, 2, 11, 12]


def test_colliding_evaluation_ngrams_are_hashed_anew(monkeypatch):
    """The first seed gives every word the same weight, so that all n-grams collide."""
    honest, seeds = np.random.default_rng, []

    class Flat:
        def integers(self, low, high, size, dtype):
            return np.ones(size, dtype)

    def rng(seed):
        seeds.append(seed)
        return Flat() if seed == 0 else honest(seed)

    monkeypatch.setattr(grams.np.random, "default_rng", rng)
    ids, segments = np.arange(1, 21, dtype=np.int32), np.zeros(20, dtype=np.int64)
    index = grams.Grams(8, 21, ids, segments)
    assert seeds == [0, 1] and len(index) == 13
    monkeypatch.setattr(grams.np.random, "default_rng", lambda seed: Flat())
    with pytest.raises(AssertionError, match="collide"):
        grams.Grams(8, 21, ids, segments)


SAID = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
PARTS = [{"type": "text", "text": "Q"}, {"type": "image"}]
ANSWERED = {"role": "assistant", "content": "A"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"prompt": SAID, "gold": "A", "entities": ["e"]}, ("Q", "A", ["e"])),
        ({"prompt": SAID, "gold": "4", "reference": "A"}, ("Q", "A", [])),
        ({"prompt": SAID, "completion": [ANSWERED]}, ("Q", "A", [])),
        ({"messages": [*SAID, ANSWERED]}, ("Q", "A", [])),
        ({"messages": [*SAID, ANSWERED], "answer": "4"}, ("Q", "A\n4", [])),
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}, ("Q", "A", [])),
        ({"messages": [{"role": "user", "content": PARTS}]}, ("Q", "", [])),
        ({"question": "Q", "answer": "A"}, ("Q", "A", [])),
        ({"question": "Q", "context": "C", "answer": 4}, ("C\nQ", "4", [])),
        ({"problem": "Q", "solution": "A", "group": 7}, ("Q", "A", ["group 7"])),
        ({"instruction": "I", "input": "Q", "output": "A"}, ("I\nQ", "A", [])),
        ({"instruction": "I", "input": "", "output": "A"}, ("I", "A", [])),
        ({"prompt": None, "text": "T"}, ("T", "", [])),
        ({"output": "only"}, ("only", "", [])),
        ({"question": "", "answer": None, "group": None}, ("", "", [])),
    ],
)  # fmt: skip
def test_texts_of_records_of_many_makes(record, expected):
    assert tuple(Reader("f").read(1, record)) == expected


def test_columns_can_be_named():
    reader = Reader("f", columns_of(["prompt=title+body|ask", "completion=reply", "group=who"]))
    assert tuple(reader.read(1, {"title": "T", "body": "B", "reply": "R", "who": "w"})) == ("T\nB", "R", ["group w"])
    assert reader.read(2, {"ask": "Q", "reply": "R", "who": "w"}).prompt == "Q"
    with pytest.raises(BadInput, match=r"f, row 3.*prompt.*title\+body or ask"):
        reader.read(3, {"title": "T", "reply": "R", "who": "w"})
    for wrong in ("prompt", "promt=a", "prompt=", "prompt=a+|b"):
        with pytest.raises(BadInput, match="SIDE=NAME"):
            columns_of([wrong])


def test_a_record_without_a_known_column_is_refused():
    with pytest.raises(BadInput, match=r"f, row 5: no column with a known name among title, body.*--columns"):
        Reader("f").read(5, {"title": "T", "body": "B"})
