"""Turns a phrase of the full profile into words: draws its alternatives, and fills its slots in the right gender.

It neither chooses phrases (`full`) nor imitates typing (`full_typing`).
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from caderno.shop.full_words import MEN, is_feminine
from caderno.shop.profile import ReviewFacts

# What the facts name stands as one private character until the end, so that no typing quirk can touch it.
PRODUCT, CITY, CUSTOMER, DAYS = "\ue000", "\ue001", "\ue002", "\ue003"
INNERMOST = re.compile(r"\[([^\[\]]*)\]")
NOUN_SLOT = re.compile(r"\{[SUDC]\}")
ARTICLE_CITIES = {"Rio de Janeiro"}  # "no Rio de Janeiro", but "em Recife"


@dataclass
class Speaker:
    """Who writes, about what: the grammar's genders, and what has been named so far."""

    facts: ReviewFacts
    woman: bool
    named: bool = False  # the product of the facts, by its name
    spoken: bool = False  # the thing bought, by any noun
    feminine: bool = False  # the noun it was last spoken of by

    def noun(self, choices: tuple[str, ...], rng: random.Random) -> str:
        """The thing bought: its name the first time, one of the general `choices` afterwards."""
        if self.facts.product and not self.named:
            self.named, word, feminine = True, PRODUCT, is_feminine(self.facts.product)
        else:
            word = rng.choice(choices)
            feminine = is_feminine(word)
        self.spoken, self.feminine = True, feminine
        return word


def make_speaker(rng: random.Random, facts: ReviewFacts) -> Speaker:
    """A speaker whose gender is that of the customer's given name where the review signs."""
    woman = facts.customer.split()[0] not in MEN if facts.customer else rng.random() < 0.55
    return Speaker(facts, woman)


def alternatives(rng: random.Random, phrase: str) -> str:
    """The phrase with every `[a|b|c]` replaced by one of its alternatives, innermost first."""
    while found := INNERMOST.search(phrase):
        phrase = phrase[: found.start()] + rng.choice(found[1].split("|")) + phrase[found.end() :]
    return phrase


def names_product(phrase: str) -> bool:
    """Whether a phrase has a slot for the thing bought, whatever alternatives are drawn."""
    outside = phrase
    while INNERMOST.search(outside):
        outside = INNERMOST.sub("", outside)
    return bool(NOUN_SLOT.search(outside))


def say(rng: random.Random, phrase: str, speaker: Speaker, nouns: tuple[str, ...] = ("produto",)) -> str:
    """The phrase in words, with private characters where the facts are named."""
    phrase = _without_subject(rng, alternatives(rng, phrase), speaker)
    noun = speaker.noun(nouns if "{U}" not in phrase else ("produto",), rng) if NOUN_SLOT.search(phrase) else ""
    return phrase.format(**_slots(speaker, noun)) if "{" in phrase else phrase


def _without_subject(rng: random.Random, phrase: str, speaker: Speaker) -> str:
    """Portuguese drops a subject that is known: "a cafeteira não liga", then "parou no primeiro uso"."""
    unnamed = speaker.facts.product and not speaker.named
    if unnamed or not phrase.startswith("{S} "):
        return phrase
    chance = rng.random()
    if chance < (0.75 if speaker.spoken else 0.30):
        return phrase.removeprefix("{S} ")
    if speaker.spoken and chance < 0.90:
        return ("ela " if speaker.feminine else "ele ") + phrase.removeprefix("{S} ")
    return phrase


def _slots(speaker: Speaker, noun: str) -> dict[str, str]:
    a, facts = ("a" if speaker.feminine else "o"), speaker.facts
    at_city, of_city = ("no", "do") if facts.city in ARTICLE_CITIES else ("em", "de")
    return {
        "S": f"{a} {noun}",
        "U": f"{'uma' if speaker.feminine else 'um'} {noun}",
        "D": f"d{a} {noun}",
        "C": f"com {a} {noun}",
        "x": a,
        "bom": "boa" if speaker.feminine else "bom",
        "g": "a" if speaker.woman else "o",
        "dias": f"{DAYS} {'dia' if facts.late_days == 1 else 'dias'}",
        "em": f"{at_city} {CITY}",
        "de": f"{of_city} {CITY}",
        "name": CUSTOMER,
        "o_name": f"{'a' if speaker.woman else 'o'} {CUSTOMER}",
    }


def restore(text: str, facts: ReviewFacts) -> str:
    """The text with the facts' own words, letter for letter, in place of the private characters."""
    for mark, value in (
        (PRODUCT, facts.product),
        (CITY, facts.city),
        (CUSTOMER, facts.customer),
        (DAYS, facts.late_days),
    ):
        text = text.replace(mark, str(value))
    return text
