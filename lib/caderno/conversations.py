"""Conversations for the tiny base's corpus: short turns in the chat template, with and without a thought.

They teach what turns and thoughts are, as a base model's own pretraining does; their system prompts, questions and
answers are none of the tasks'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno.tasks.base import figure
from caderno.tasks.panels import panel
from caderno.tokenizer import TURN_END, TURN_START

if TYPE_CHECKING:
    from caderno.corpus import Corpus

SYSTEMS = ("você ajuda uma loja.", "seja breve.", "responda em uma frase.", "pense e responda.", "")
Turn = tuple[str, str, str]  # question, thought, answer


def conversation(corpus: Corpus) -> str:
    """One exchange of a random kind, rendered as the tokenizer's chat template renders it."""
    question, thought, answer = corpus.rng.choice(KINDS)(corpus)
    system = corpus.rng.choice(SYSTEMS)
    turns = [("system", system)] * bool(system) + [("user", question)]
    head = "".join(f"{TURN_START}{role}\n{text}{TURN_END}\n" for role, text in turns)
    thinks = corpus.rng.random() < 0.8
    return f"{head}{TURN_START}assistant\n<think>\n{thought if thinks else ''}\n</think>\n\n{answer}{TURN_END}"


def _recall(corpus: Corpus) -> Turn:
    pairs = corpus.pairs(corpus.rng.randint(2, 6))
    name, value = corpus.rng.choice(pairs)
    told = "; ".join(f"{a} {b}" for a, b in pairs)
    return f"{told}. e {name}?", f"{name} {value}.", f"{name} é {value}."


def _json_of(corpus: Corpus) -> Turn:
    """Some of the pairs as JSON; what was not told is null."""
    pairs = dict(corpus.pairs(corpus.rng.randint(2, 6)))
    asked = corpus.rng.sample(list(pairs), corpus.rng.randint(1, len(pairs))) + corpus.some_words(2)
    corpus.rng.shuffle(asked)
    told = "; ".join(f"{a} {b}" for a, b in pairs.items())
    known = [f"{key} {pairs[key]}" for key in asked if key in pairs]
    answer = corpus.json({key: pairs.get(key) for key in asked})
    return f"{told}. json de {', '.join(asked)}", f"{'; '.join(known)}.", answer


def _summary(corpus: Corpus) -> Turn:
    review, said = corpus.review_and_facts()
    return f"resuma: {review}", f"{said[0]}; {said[1]}.", f"{'; '.join(said)}."


def _query(corpus: Corpus) -> Turn:
    measure = corpus.rng.choice(corpus.measures)
    [(name, _)] = panel(corpus.shop, measure, 1, corpus.rng)
    name = corpus.stranger(name)
    return f"consulta: {measure.question.format(v=name)}", f"{measure.name} em {name}.", f"{measure.query(name)};"


def _extreme(corpus: Corpus) -> Turn:
    lines = corpus.numbered()
    (top, most), (low, least) = max(lines, key=lambda line: line[1]), min(lines, key=lambda line: line[1])
    told = "; ".join(f"{a} {figure(b)}" for a, b in lines)
    word, name, value = corpus.rng.choice((("maior", top, most), ("menor", low, least)))
    thought = f"maior {top} {figure(most)}; menor {low} {figure(least)}."
    return f"{told}. qual o {word}?", thought, f"o {word} é {name} com {figure(value)}."


def _figure(corpus: Corpus) -> Turn:
    lines = corpus.numbered()
    name, value = corpus.rng.choice(lines)
    told = "; ".join(f"{a} {figure(b)}" for a, b in lines)
    return f"{told}. quanto vale {name}?", f"{name}: {figure(value)}.", f"{name} vale {figure(value)}."


def _advert(corpus: Corpus) -> Turn:
    product, customer, discount = corpus.offer()
    return (
        f"anuncie {product} para {customer} com {discount}% de desconto",
        f"{product}; {customer}; {discount}%.",
        corpus.advert(product, customer, discount),
    )


KINDS = (_recall, _json_of, _json_of, _summary, _summary, _query, _extreme, _extreme, _figure, _advert)
