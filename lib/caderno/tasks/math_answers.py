"""The final answer in a text about mathematics: where it stands, and the comparisons that need no computer algebra.

It decides what is compared, never by algebra whether two expressions are equal: that is `math_service`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from caderno.tasks.base import fold

MAX_EXPRESSION_CHARACTERS = 500  # of one answer; a matrix of MATH has some 200
MAX_CANDIDATES = 8
TAIL_CHARACTERS = 2000  # where the last number is looked for: a regular expression over 100,000 digits takes its time
ECHO_WORDS = 4  # a sentence of the question said again is known from so many words on
MAX_UNITS = 3  # words after a number: "72 square feet", "12 dollars per hour"
MAX_WORDS = 4  # of a bare answer in words: "no real solution"
_EXACT_DIGITS = 15  # of a double: beyond them math-verify's floats and exact fractions may part ways
_TOLERANCE = Fraction(1, 10**5)  # math-verify rounds to 6 decimals; nearer than this, it is asked

_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\(?:boxed|fbox)\s*(?P<bare>[^\s{}$]+)|\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))
_CURRENCY = re.compile(r"^(?P<sign>[-+]?)\s*(?:R\$|US\$|\\?\$|€|£|¥)\s*(?=[-+.\d])")
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)(?:\.\d+)?|\.\d+"
_PLAIN = re.compile(rf"([-+]?)({_NUMBER})(\s*\\?%)?")
_FIGURE = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+|/\d+)?|\.\d+"  # in prose "3 200 ml bottles" are two
_END = r"(?=(?!st\b|nd\b|rd\b|th\b)[a-zA-Z]{2,}\b|\b|(?!\w))(?!\d)"  # 25ml ends a number, 2nd and x2y do not
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm|normal)?|math(?:rm|bf|it)|mbox)\s*\{([^{}]*)\}")
_UNIT = re.compile(r"(?P<number>.*?\d)(?P<gap>\s*)(?P<unit>[^\W\d_][^\d]*?)(?:\^?\{?[23²³]\}?)?", re.DOTALL)
_SCALES = {"dozen": 12, "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_IN_PROSE = re.compile(rf"(?<![\w.])(?:(?<!\))[-−])?[$€£]?(?:{_FIGURE})(?:\s*\\?%|\s+(?:{'|'.join(_SCALES)})\b)?{_END}")
# What looks like a unit and changes the number: a scale, an operation, another number.
_NO_UNIT = _SCALES.keys() | frozenset(
    "percent percentage pct half halve third quarter fifth sixth eighth tenth hundredth thousandth pi sqrt and or to "
    "plus minus times over squared cubed factorial mod inf infinity".split()
)
_FUNCTIONS = frozenset("sin cos tan cot sec csc log ln exp sqrt pi infinity inf and or mod gcd lcm min max".split())
_REFUSAL = re.compile(
    r"\bi (?:can ?not|can't|could not|couldn't|won't|will not|am unable to|'m unable to) "
    r"(?:answer|help|assist|solve|provide|comply|do (?:this|that))"
    r"|\bas an ai\b|\bi (?:do not|don't) know\b|\bnão (?:posso|consigo|vou) (?:responder|ajudar|resolver)|\bnão sei\b"
)


@dataclass(frozen=True)
class Found:
    """Where an answer was found and what it says; several candidates are several different answers."""

    how: Literal["boxed", "hashes", "whole", "number", "none"]
    candidates: tuple[str, ...] = ()
    why: str = ""


def find(answer: str, question: str = "") -> Found:
    """The final answer: the boxes, else what follows `####`, else the whole text where it is an expression, else the
    last number. Every form gives all its different values, so that naming several is no answer.

    Args:
        answer: what follows the thought; linear time in its length.
        question: sentences of it are no answer when they are said again.
    """
    closed, unclosed = boxes(answer)
    if unclosed:
        return Found("none", why=r"um \boxed não fecha")
    if closed:
        return _given("boxed", closed, r"\boxed vazio")
    if marked := _HASHES.findall(answer):
        return _given("hashes", marked, "#### sem resposta")
    if whole(answer):
        return _given("whole", [answer], "resposta vazia")
    return _given("number", _last_numbers(answer, question), "não há resposta final")


def boxes(text: str) -> tuple[list[str], bool]:
    r"""The contents of the innermost \boxed{...}, braces balanced, in order; and whether one was left open."""
    found: list[str] = []
    stack: list[int | None] = []  # where a box's contents start, None for any other brace
    innermost = -1
    for match in _BRACES.finditer(text):
        token = match[0]
        if match["bare"]:
            found.append(match["bare"])
        elif token == "{" or token.startswith((r"\boxed", r"\fbox")):
            stack.append(None if token == "{" else match.end())
        elif token == "}" and stack:
            start = stack.pop()
            if start is not None and start > innermost:  # else it holds a box that was already taken
                found.append(text[start : match.start()])
                innermost = start
    return found, any(start is not None for start in stack)


def _given(how: Literal["boxed", "hashes", "whole", "number"], texts: list[str], empty: str) -> Found:
    """The different answers among the texts, bounded."""
    candidates = tuple(dict.fromkeys(one for text in texts if (one := clean(text))))
    if not candidates:
        return Found("none", why=empty)
    if len(candidates) > MAX_CANDIDATES:
        return Found("none", why=f"{len(candidates)} respostas diferentes")
    if max(map(len, candidates)) > MAX_EXPRESSION_CHARACTERS:
        return Found("none", why=f"resposta de mais de {MAX_EXPRESSION_CHARACTERS} caracteres")
    return Found(how, candidates)


def clean(text: str) -> str:
    """An answer without what surrounds it: spaces, math delimiters, bold, a final full stop, a currency sign."""
    text = " ".join(text.replace("−", "-").replace("{,}", ",").split())
    text = re.sub(r"(?<=\d)(?:\\[,!;]|~)\s*(?=\d{3})", ",", text)
    text = re.sub(r"(?<![\d.,/])(\d+) (\d{1,2})/(\d{1,3})(?![\d/])", r"\1\\frac{\2}{\3}", text)  # 1 1/2
    before = None
    while text != before:
        before = text
        text = text.rstrip(" .;,").lstrip(" =") if not text.endswith((r"\,", r"\;")) else text[:-2]
        for left, right in _DELIMITERS:
            inner = text[len(left) : -len(right)]
            if len(text) > len(left + right) and text.startswith(left) and text.endswith(right) and left not in inner:
                text = inner.strip()
    return _CURRENCY.sub(r"\g<sign>", text)


def whole(text: str) -> bool:
    """Whether a text is nothing but an answer: one line, an expression, a number with its unit, or a few words."""
    text = text.strip()
    if len(text) > MAX_EXPRESSION_CHARACTERS or ("\n" in text and r"\begin{" not in text):
        return False
    text = clean(text)
    words = re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[a-zA-Z]+", " ", _TEXT.sub(" ", text)))
    if all(word.lower() in _FUNCTIONS for word in words):
        return True
    return value(text) is not None or (len(text.split()) <= MAX_WORDS and not re.search(r"[\d=]", text))


def _last_numbers(text: str, question: str) -> list[str]:
    """The last number of the text; or all those of a list of bare numbers, or of a last sentence that weighs several.

    The last sentence with a number is read from its last `=` on.
    """
    asked = fold(question)
    tail = text if len(text) <= TAIL_CHARACTERS else text[-TAIL_CHARACTERS:].lstrip().split(maxsplit=1)[-1]
    said = [part for part in re.split(r"\n|(?<=[.!?;])\s+", tail) if _IN_PROSE.search(part)]
    said = [part for part in said if len(part.split()) < ECHO_WORDS or fold(part) not in asked]
    if not said:
        return []
    listed = dict.fromkeys(clean(part) for part in said if number(clean(part)))
    if len(listed) > 1:
        return list(listed)
    return _IN_PROSE.findall(said[-1].rpartition("=")[2]) or _IN_PROSE.findall(said[-1])[-1:]


def value(text: str) -> tuple[Fraction, bool] | None:
    """The value of a number alone, with a unit, or with a scale (5 million, 2 dozen eggs); see `number`."""
    if known := number(without_unit(text)):
        return known
    match = _UNIT.fullmatch(_TEXT.sub(r" \1 ", text).strip())
    scale = match and _SCALES.get(match["unit"].split()[0].lower())
    known = number(clean(match["number"])) if scale else None
    return (known[0] * scale, False) if known and not known[1] else None


def number(text: str) -> tuple[Fraction, bool] | None:
    """The value of a cleaned text that is one plain number, and whether it is in per cent; None for all else."""
    match = _PLAIN.fullmatch(text)
    if not match or sum(c.isdigit() for c in match[2]) > _EXACT_DIGITS:
        return None
    value = Fraction(match[2].replace(",", "").replace(" ", ""))
    return -value if match[1] == "-" else value, bool(match[3])


def without_unit(text: str) -> str:
    r"""A number less the words behind it (72 clips, 3\text{ cm}^2); anything else as it was.

    A single bare letter may be a variable, and words like million, percent or pi change the number: those stay.
    """
    in_text = _TEXT.search(text) is not None
    match = _UNIT.fullmatch(_TEXT.sub(r" \1 ", text).strip())
    if not match or number(clean(match["number"])) is None:
        return text
    said = re.findall(r"[^\W\d_]+", match["unit"].lower())
    scaled = _NO_UNIT & {form for word in said for form in (word, word.removesuffix("s"))}
    bare_letters = not in_text and (not match["gap"] or max(map(len, said)) == 1)
    odd = re.search(r"[^\w\s./²³-]", match["unit"]) or len(said) > MAX_UNITS
    return text if scaled or bare_letters or odd else clean(match["number"])


def words(text: str) -> str | None:
    r"""The folded text of an answer in words, or None: \text{...}, or bare with a word of four letters and a vowel.

    math-verify reads words as products of letters, in which lube is blue.
    """
    inner = _TEXT.sub(r"\1", text)
    if not re.fullmatch(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*", inner.strip()):
        return None
    said = fold(inner)
    bare = any(len(word) >= 4 and re.search("[aeiou]", word) for word in said.split()) and said not in _FUNCTIONS
    return said if bare or (inner != text and len(said) > 1) else None


def same(gold: str, answer: str) -> bool | None:
    """Whether two cleaned answers are equal by value or by letter; None where only algebra can tell."""
    one, other = value(gold), value(answer)
    if one and other and one[1] == other[1]:
        difference = abs(one[0] - other[0]) / (100 if one[1] else 1)
        return True if not difference else False if difference > _TOLERANCE else None
    said, answered = words(gold), words(answer)
    if said is not None and answered is not None:
        return said == answered
    return True if gold == answer else None


def refuses(answer: str) -> bool:
    """Whether a text declines to answer, in English or Portuguese."""
    return _REFUSAL.search(" ".join(answer.lower().replace("’", "'").split())) is not None
