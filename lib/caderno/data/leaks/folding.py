"""Folds texts to what is left when case, accents, white space and punctuation do not count, many texts at a time.

It compares nothing and knows no rows. A table of code points is filled as characters are met, so that the work per
text is numpy's: some 20 ns a character.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

SPACE, BOUNDARY, SIGN, SYMBOL, LETTER, DIGIT, GONE, MANY, UNKNOWN = range(9)  # what a character is, once folded
CLASS_BITS = 24  # above the code point
CODE = (1 << CLASS_BITS) - 1
SEPARATOR = "\0"
APOSTROPHES = "'‘’ʼ"  # nothing rather than a blank: d'água is dágua, don't is dont
# Signs are one with their look-alikes; whether one counts is told by what stands beside it.
SIGNS = {"-": "-", "‐": "-", "‑": "-", "–": "-", "−": "-", "*": "*", "×": "*", "∗": "*", "%": "%", "٪": "%"}
SIGNS |= {"/": "/", "÷": "/", "∕": "/", "⁄": "/"}
SIGNS |= {"－": "-", "＊": "*", "％": "%", "／": "/"}
DRAWN = "|~¬"  # mathematical by their category, lines and ornaments in most texts
LETTERS = ("Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Mn", "Mc", "Me")
SYMBOLS = ("Sm", "So", "No", "Co", "Cn", "Cs")

_table = np.full(0x110000, UNKNOWN << CLASS_BITS, dtype=np.uint32)
_many: dict[str, str] = {}


def fold(texts: Sequence[str]) -> tuple[str, list[str]]:
    """(words, keys). `words` are all words of all texts between blanks, with SEPARATOR as a word between two texts.
    `keys` has one string per text: equal keys are equal texts but for case, accents, white space and punctuation.

    A key keeps what changes a question's meaning: letters, digits, a blank between two numbers, symbols, and the
    signs - * / % where they stand by numbers or by letters alone (5 - 3, -5, x/y; not pré-venda).
    """
    codes, classes = _folded(texts)
    spoken = (classes == LETTER) | (classes == DIGIT) | (classes == BOUNDARY)
    words = _text(np.where(spoken, codes, ord(" ")))
    filled = _without_idle_signs(codes, classes)
    keys = _text(_joined(codes, classes, filled)).split(SEPARATOR)
    assert len(keys) == len(texts), (len(keys), len(texts))
    return words, keys


def _folded(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Code points (uint32) and classes (uint8) of all texts, SEPARATOR between them."""
    joined = f" {SEPARATOR} ".join(texts)
    if joined.count(SEPARATOR) != len(texts) - 1:
        joined = f" {SEPARATOR} ".join(text.replace(SEPARATOR, " ") for text in texts)
    text = unicodedata.normalize("NFC", joined)
    packed = _looked_up(text)
    while packed.size and (worst := int(packed.max()) >> CLASS_BITS) > GONE:
        if worst == UNKNOWN:
            _learn(text)
        else:
            for character, folded in _many.items():
                text = text.replace(character, folded)
        packed = _looked_up(text)
    classes = (packed >> CLASS_BITS).astype(np.uint8)
    left = classes != GONE
    return packed[left] & CODE, classes[left]


def _looked_up(text: str) -> np.ndarray:
    """Packed class and code of every character, as the table has them."""
    return _table[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)]


def _learn(text: str) -> None:
    """Fill the table for every character of the text that it does not have yet."""
    for character in set(text):
        if _table[ord(character)] >> CLASS_BITS == UNKNOWN:
            _table[ord(character)] = _packed(character)


def _packed(character: str) -> int:
    """Class and code of one character; one that folds to several is left to `_many`."""
    folded = _plain(character) if unicodedata.category(character) in LETTERS else character
    if len(folded) > 1:
        _many[character] = folded
        return MANY << CLASS_BITS
    if not folded:
        return GONE << CLASS_BITS
    kept, kind = _kind(folded)
    return kind << CLASS_BITS | ord(kept)


def _plain(letter: str) -> str:
    """Letters without case, accents or typographic form; nothing for an accent by itself."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
    return unicodedata.normalize("NFC", "".join(c for c in plain if not _is_accent(c) and c not in APOSTROPHES))


def _is_accent(character: str) -> bool:
    """Whether it sits on another: not so the vowel signs that South and South-East Asian scripts write with marks."""
    form = unicodedata.category(character) == "Me" or "\ufe00" <= character <= "\ufe0f"
    return form or unicodedata.combining(character) != 0


def _kind(character: str) -> tuple[str, int]:
    """A character as it is kept, and its class. ² and ½ are symbols: 10² is neither 102 nor 10 2."""
    category = unicodedata.category(character)
    if character in SIGNS:
        return SIGNS[character], SIGN
    if character == SEPARATOR:
        return character, BOUNDARY
    if category == "Nd":
        return str(unicodedata.decimal(character)), DIGIT
    if category in LETTERS:
        return character, LETTER
    if category == "Cf" or character in APOSTROPHES:
        return character, GONE
    counts = category in SYMBOLS and character not in DRAWN
    return (character, SYMBOL) if counts or character == "^" else (" ", SPACE)


def _without_idle_signs(codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Places of all that is no blank once the signs that only divide words count as blanks; changes `classes`."""
    filled = np.flatnonzero(classes != SPACE)
    kinds = classes[filled]
    at = np.flatnonzero(kinds == SIGN)
    if at.size == 0:
        return filled
    before, after = _operands(classes, filled, at - 1), _operands(classes, filled, at + 1)
    digit_before, digit_after = (_digits(kinds, near) for near in (at - 1, at + 1))
    sign = codes[filled[at]]
    counts = before & after & (sign != ord("%"))
    counts |= (sign == ord("-")) & digit_after | (sign == ord("%")) & digit_before
    classes[filled[at[~counts]]] = SPACE
    return filled[classes[filled] != SPACE]


def _digits(kinds: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the neighbours are digits; one beyond the ends is not."""
    inside = (at >= 0) & (at < len(kinds))
    return inside & (kinds[at * inside] == DIGIT)


def _operands(classes: np.ndarray, filled: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the neighbours are digits or letters that stand alone, as in x - 3."""
    inside = (at >= 0) & (at < len(filled))
    place = filled[at * inside]
    padded = np.concatenate(([SPACE], classes, [SPACE]))
    alone = (padded[place] < LETTER) & (padded[place + 2] < LETTER) & (classes[place] == LETTER)
    return inside & (alone | (classes[place] == DIGIT))


def _joined(codes: np.ndarray, classes: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """The code points that are no blank, with one blank where two numbers would run together."""
    numbers = np.flatnonzero(classes[filled] == DIGIT)
    meet = numbers[:-1][np.diff(numbers) == 1]
    apart = meet[filled[meet + 1] - filled[meet] > 1]
    return np.insert(codes[filled], apart + 1, ord(" "))


def _text(codes: np.ndarray) -> str:
    return codes.astype(np.uint32, copy=False).tobytes().decode("utf-32-le", "surrogatepass")
