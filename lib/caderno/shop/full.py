"""The full profile: a thousand Brazilians, and reviews in the Portuguese that people type, for real models.

It chooses what is said in which order; the words are in `full_words`, `full_tone`, `full_problems` and `full_extras`,
the grammar in `full_grammar`, the spelling in `full_typing`.
"""

from __future__ import annotations

import random

from caderno.shop import full_extras as extras
from caderno.shop import full_problems as problems
from caderno.shop import full_tone as tone
from caderno.shop import full_words
from caderno.shop.full_grammar import NOUN_SLOT, Speaker, make_speaker, names_product, restore, say
from caderno.shop.full_typing import choose_hand, type_out
from caderno.shop.profile import Pools, ReviewFacts

TITLED = 0.30
SARCASTIC = {1: 0.18, 2: 0.10}
# Words beyond the facts: none, some, many. People who have something to complain of write more.
TALKATIVE = {1: (30, 45, 25), 2: (35, 45, 20), 3: (50, 38, 12), 4: (52, 38, 10), 5: (50, 38, 12)}
PARCEL = ("produto", "pedido", "encomenda")
BUT = (", mas ", " mas ", ", porém ", ". mesmo assim ", ", mas tirando isso ", ". tirando isso ")
YET = (", só que ", " só que ", ", mas ", ", pena que ", ". só achei ruim que ", ". o porém é que ")
# First words of advice and requests that people tie to what they said before: "veio quebrado e quero trocar".
TIED = ("quero", "exijo", "aguardo", "gostaria", "preciso", "recomendo", "super", "indico")


def pools(split: str) -> Pools:
    """The customers, cities and products of one split."""
    return full_words.pools(split)


def review(rng: random.Random, facts: ReviewFacts) -> tuple[str | None, str]:
    """Title (or None) and comment. What the facts name stands in the comment letter for letter."""
    speaker, hand = make_speaker(rng, facts), choose_hand(rng)
    words = rng.choices((0, 1, 2), TALKATIVE[facts.score])[0]
    sentences = _opening(rng, facts, speaker, words) + _main(rng, facts, speaker, words)
    sentences += _details(rng, facts, speaker)
    sentences = _ending(rng, facts, speaker, sentences, words)
    signs = extras.SIGN if facts.score >= 3 else extras.SIGN_ANGRY
    signature = say(rng, rng.choice(signs), speaker) if facts.customer else ""
    comment = restore(type_out(rng, sentences, signature, hand, facts.score), facts)
    return (_title(rng, facts, speaker) if rng.random() < TITLED else None), comment


def _phrase(
    rng: random.Random, phrases: tuple[str, ...], speaker: Speaker, *, name: bool = True, nouns: tuple = ("produto",)
) -> str:
    """One of the phrases in words.

    A product not named yet is named by it (`name`) or not spoken of at all; "comprei uma …" goes only with its name.
    """
    fitting = phrases
    if speaker.facts.product and not speaker.named:
        fitting = [phrase for phrase in phrases if (names_product(phrase) if name else not NOUN_SLOT.search(phrase))]
    elif speaker.spoken or not speaker.facts.product:
        fitting = [phrase for phrase in phrases if "{U}" not in phrase]
    return say(rng, rng.choice(fitting), speaker, nouns)


def _opening(rng: random.Random, facts: ReviewFacts, speaker: Speaker, words: int) -> list[str]:
    """Small talk before the matter. Who a dress or pet food is for is left open: it might not suit them."""
    if rng.random() >= (0.0, 0.35, 0.70)[words]:
        return []
    personal = full_words.kinds().get(facts.product or "") in ("tecido", "calcado", "frasco", "seco")
    return [say(rng, rng.choice(extras.OPENING_TALK if personal or rng.random() < 0.65 else extras.GIFT_FOR), speaker)]


def _main(rng: random.Random, facts: ReviewFacts, speaker: Speaker, words: int) -> list[str]:
    """The impression and, if there is one, the problem, in the order that the stars suggest."""
    if facts.problem == "nenhum" and facts.late_days is None:
        return [_phrase(rng, tone.TONES[facts.score], speaker), *_more(rng, facts, speaker, words)]
    impression_first = rng.random() < 0.4
    said = [_impression(rng, facts, speaker, first=True)] if impression_first else []
    nouns = PARCEL if facts.problem in ("atraso", "nao_chegou") else ("produto",)
    said.append(_phrase(rng, _statements(facts), speaker, nouns=nouns))
    if not impression_first and (facts.score >= 4 or rng.random() < 0.6):
        said.append(_impression(rng, facts, speaker, first=False))
    if facts.score >= 4:
        return [said[0].rstrip("!.") + rng.choice(YET if impression_first else BUT) + said[1]]
    more = _more(rng, facts, speaker, words)
    return said + more if impression_first or rng.random() < 0.7 else [said[0], *more, *said[1:]]


def _statements(facts: ReviewFacts) -> tuple[str, ...]:
    if facts.late_days is not None:
        return problems.LATE_BY_DAYS
    if facts.problem == "defeito":
        return problems.DEFECTS[full_words.kinds().get(facts.product or "", "coisa")]
    return problems.PROBLEMS[facts.problem]


def _impression(rng: random.Random, facts: ReviewFacts, speaker: Speaker, *, first: bool) -> str:
    """The stars in words; nothing is judged that never came."""
    if facts.score >= 4:
        return _phrase(rng, tone.CONTENT if first else tone.FORGIVING, speaker, name=False)
    judges_thing = facts.problem not in ("nao_chegou", "atendimento")
    return _phrase(rng, (tone.TONES if judges_thing else tone.EXPERIENCE)[facts.score], speaker, name=False)


def _more(rng: random.Random, facts: ReviewFacts, speaker: Speaker, words: int) -> list[str]:
    """What the discontented add, sarcasm among it."""
    if facts.score > 2:
        return []
    count = words if rng.random() < 0.7 else 0
    phrases = rng.sample(problems.MORE[facts.problem], count)
    if rng.random() < SARCASTIC[facts.score]:
        phrases.insert(rng.randrange(count + 1), rng.choice(problems.SARCASM[facts.problem]))
    return [say(rng, phrase, speaker) for phrase in phrases]


def _details(rng: random.Random, facts: ReviewFacts, speaker: Speaker) -> list[str]:
    """Praise and place."""
    said = []
    if facts.praise != "nada":
        kind = extras.PRAISE if facts.score >= 4 else extras.GRUDGING
        said.append(_phrase(rng, kind[facts.praise], speaker, name=False))
    if facts.city:
        place = rng.choice(_places(rng, facts))
        said.insert(0 if rng.random() < 0.4 and place not in extras.CITY_FAST else len(said), say(rng, place, speaker))
    return said


def _places(rng: random.Random, facts: ReviewFacts) -> tuple[str, ...]:
    """Ways to name the city: some fit the problem or the praise at hand."""
    if facts.praise == "entrega" and facts.score >= 4 and rng.random() < 0.6:
        return extras.CITY_FAST
    fitting = {"atraso": extras.CITY_LATE, "nao_chegou": extras.CITY_MISSING}.get(facts.problem)
    if fitting and rng.random() < 0.6:
        return fitting
    return extras.CITY_GLAD if facts.score >= 4 and rng.random() < 0.5 else extras.CITY


def _ending(rng: random.Random, facts: ReviewFacts, speaker: Speaker, said: list[str], words: int) -> list[str]:
    """Advice and requests come last, at times tied to what went before; the talkative take leave."""
    last = []
    if facts.recommends is not None:
        advice = extras.LUKEWARM_ADVICE if facts.score == 3 else extras.ADVICE
        last.append(_phrase(rng, advice[facts.recommends], speaker, name=False))
    if facts.request != "nada":
        last.append(_phrase(rng, extras.ASKS[facts.request], speaker, name=False))
    rng.shuffle(last)
    plain = facts.score >= 3 or len(said) == 1
    if last and plain and said[-1][-1] not in "!?." and last[0].startswith(TIED) and rng.random() < 0.45:
        said = [*said[:-1], f"{said[-1]} e {last.pop(0)}"]
    goodbye = [say(rng, rng.choice(extras.CLOSING_TALK), speaker)] if words == 2 and rng.random() < 0.3 else []
    return [*said, *last, *goodbye]


def _title(rng: random.Random, facts: ReviewFacts, speaker: Speaker) -> str:
    """A title from one of the facts; the careless write it without a capital."""
    keys = [facts.score, f"advice {facts.recommends}"]
    keys.append(f"praise {facts.praise}" if facts.score >= 4 else f"problem {facts.problem}")
    choices = [extras.TITLES[key] for key in keys if key in extras.TITLES]
    title = say(rng, rng.choice(rng.choice(choices).split("/")), speaker)
    return title.lower() if rng.random() < 0.3 else title


class _Full:
    """The Profile this module is."""

    name = "full"
    pools = staticmethod(pools)
    review = staticmethod(review)


PROFILE = _Full()
