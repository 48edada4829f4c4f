"""The pretraining corpus of the tiny base: documents about the shop's train split, conversations, and drills.

No document is a task's prompt with its reference completion, and none has a task's system prompt. Facts are those of
the train split; drills, and half of the slots for names, draw on every word of the vocabulary, the names of other
splits among them, so that copying a name does not depend on having met it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from caderno.conversations import conversation
from caderno.shop import small
from caderno.shop.profile import ReviewFacts
from caderno.tasks.base import figure
from caderno.tasks.panels import MEASURES, figures, panel

if TYPE_CHECKING:
    from caderno.shop import Shop

NAMED = {
    "problem": {"nenhum": "sem problema", "nao_chegou": "o pedido não chegou", "produto_errado": "veio errado"},
    "request": {"nada": "não pede nada"},
    "praise": {"nada": "não elogia", "preco": "elogia o preço"},
    "recommends": {"True": "recomenda", "False": "não recomenda"},
}
NAMES = {"product": "o produto é", "city": "a cidade é", "customer": "quem escreve é"}
PLAIN = {"problem": "problema de {}", "request": "pede {}", "praise": "elogia {}", "recommends": "recomenda {}"}
MOST_LINES = 5  # of a panel
DRILL_START_SHARE = 0.15  # of training: before it, drills take their larger share


class Corpus:
    """An endless, seeded stream of documents. `words` are what drills draw on."""

    def __init__(self, shop: Shop, words: list[str], seed: int):
        self.shop, self.words, self.rng = shop, words, random.Random(f"corpus {seed}")
        self.facts = [facts_of(label) for label in shop.labels.to_dict("records")]
        self.people = shop.tables["customers"].to_dict("records")
        self.goods = shop.tables["products"].to_dict("records")
        self.measures = [measure for measure in MEASURES if len(figures(shop, measure)) >= MOST_LINES]
        self.documents_by_kind = (
            self._review, self._record, self._query, self._panel, self._advert, *[self._conversation] * 5,
        )  # fmt: skip
        self.drills_by_kind = (
            self._recall, self._linked, self._pairs_as_json, self._extremes, self._extremes, self._spelling,
        )  # fmt: skip

    def stream(self, drill_share: Callable[[], float], first: Callable[[], bool] = lambda: False) -> Iterator[str]:
        """Documents without end. Both functions are asked before each, so that the mixture may follow training.

        While `first()`, the only drill is plain recall: copying by key has to be learnt before its variations help
        (mixed from the start, .07 of recalls were right after 650k tokens; with plain pairs alone, .78 after 460k).
        """
        while True:
            if self.rng.random() >= drill_share():
                yield self.rng.choice(self.documents_by_kind)()
            else:
                yield self._recall() if first() else self.rng.choice(self.drills_by_kind)()

    def _conversation(self) -> str:
        return conversation(self)

    def _review(self) -> str:
        """A review and what it says, told in any order."""
        review, said = self.review_and_facts()
        return f"{review} resumo: {'; '.join(said)}."

    def review_and_facts(self) -> tuple[str, list[str]]:
        """A review with its stars, and what it says in prose, in any order. Half of them name random words."""
        facts = self.rng.choice(self.facts)
        named = {key: self.stranger(value) for key in NAMES if (value := getattr(facts, key))}
        facts = replace(facts, **named)
        said = [f"sentimento {facts.sentiment}", f"{facts.score} estrelas"]
        for key in PLAIN:
            if (value := getattr(facts, key)) is not None:
                said.append(NAMED[key].get(str(value)) or PLAIN[key].format(value))
        said += [f"{word} {named.get(key, 'desconhecido')}" for key, word in NAMES.items()]
        said.append("nenhum atraso contado" if facts.late_days is None else f"{facts.late_days} dias de atraso")
        self.rng.shuffle(said)
        opening = self.rng.choice(("nota {}. ", "avaliação de {} estrelas: ", "({}) ")).format(facts.score)
        return opening + small.PROFILE.review(self.rng, facts)[1], said

    def stranger(self, name: str) -> str:
        """The name, or half the time any word in its place: a slot is known by where it stands, not by who is in it."""
        return name if self.rng.random() < 0.5 else self.rng.choice(self.words)

    def _record(self) -> str:
        """A sentence about a customer or a product, and the same as JSON."""
        if self.rng.random() < 0.5:
            one = self.rng.choice(self.people)
            text = f"{one['customer_name']} mora em {one['city']}, estado {one['state']}"
            fields = {"nome": one["customer_name"], "cidade": one["city"], "estado": one["state"], "cupom": None}
        else:
            one = self.rng.choice(self.goods)
            text = f"{one['product_name']} é da seção {one['category']} e custa {figure(one['price'])} reais"
            fields = {"produto": one["product_name"], "seção": one["category"], "preço": int(one["price"])}
        keys = self.rng.sample(list(fields), self.rng.randint(2, len(fields)))
        return f"{text}. ficha: {self.json({key: fields[key] for key in keys})}"

    def _query(self) -> str:
        """SQL with a comment that says what it asks."""
        measure = self.rng.choice(self.measures)
        if self.rng.random() < 0.3:
            return f"-- {measure.name} por cidade ou produto\n{measure.by_entity()};"
        [(name, value)] = panel(self.shop, measure, 1, self.rng)
        name = self.stranger(name)
        comment = self.rng.choice((f"{measure.name} de {name}", measure.question.format(v=name)))
        return f"-- {comment}\n{measure.query(name)};\n-- {figure(value)}"

    def _panel(self) -> str:
        """Figures of the shop with a comment on the largest and the smallest."""
        measure = self.rng.choice(self.measures)
        return self._commented(
            f"{measure.name} da loja", panel(self.shop, measure, self.rng.randint(2, MOST_LINES), self.rng)
        )

    def _advert(self) -> str:
        return f"promoção: {self.advert(*self.offer())}"

    def offer(self) -> tuple[str, str, int]:
        """A product, a customer and a discount in percent."""
        one, who = self.rng.choice(self.goods), self.rng.choice(self.people)
        return self.stranger(one["product_name"]), self.stranger(who["customer_name"]), 5 * self.rng.randint(1, 12)

    def advert(self, product: str, customer: str, discount: int) -> str:
        first, second = self.rng.choice((
            ("{p} com {d}% de desconto hoje na loja", "aproveite, {c}!"),
            ("atenção {c}", "{d}% de desconto em {p}, só hoje. corra!"),
            ("a loja oferece {d}% a menos em {p}", "garanta já o seu, {c}."),
        ))  # fmt: skip
        return f"{first}. {second}".format(p=product, c=customer, d=discount)

    def some_words(self, n: int) -> list[str]:
        """n different random words."""
        return self.rng.sample(self.words, n)

    def pairs(self, n: int) -> list[tuple[str, str | int]]:
        """n random words with a random word or number each."""
        words = self.some_words(2 * n)
        values = [word if self.rng.random() < 0.6 else self._number() for word in words[n:]]
        return list(zip(words[:n], values, strict=True))

    def numbered(self) -> list[tuple[str, float]]:
        """Two to five random words with different numbers of like size."""
        n, digits = self.rng.randint(2, 5), 1 if self.rng.random() < 0.2 else 0
        size = 5 if digits else self.rng.choice((9, 99, 99, 999, 999, 9999, 19999))
        values: dict[float, None] = {}
        while len(values) < n:
            values[round(self.rng.uniform(1, size), digits)] = None
        return list(zip(self.some_words(n), values, strict=True))

    @staticmethod
    def json(fields: dict) -> str:
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

    def _recall(self) -> str:
        """Random words in pairs, then every pair again in another order."""
        words = self.some_words(2 * self.rng.randint(3, 8))
        pairs = [f"{a} {b}" for a, b in zip(words[::2], words[1::2], strict=True)]
        return f"{'; '.join(pairs)}. {', '.join(self.rng.sample(pairs, len(pairs)))}."

    def _linked(self) -> str:
        """Pairs of words and numbers, linked in some way, and some of them asked again."""
        link = self.rng.choice((" ", ": ", " é "))
        pairs = [f"{a}{link}{b}" for a, b in self.pairs(self.rng.randint(2, 8))]
        return f"{'; '.join(pairs)}. {', '.join(self.rng.choices(pairs, k=self.rng.randint(2, 6)))}."

    def _pairs_as_json(self) -> str:
        """Pairs, some of them written again as JSON in another order."""
        pairs = dict(self.pairs(5))
        kept = self.rng.sample(list(pairs), self.rng.randint(1, 5))
        return "; ".join(f"{a} {b}" for a, b in pairs.items()) + ". " + self.json({a: pairs[a] for a in kept})

    def _extremes(self) -> str:
        """Random words with numbers, and which is the largest and the smallest."""
        return self._commented(self.rng.choice(self.words), self.numbered())

    def _spelling(self) -> str:
        """A made-up word among known ones, said again: letters are tokens too."""
        made = "".join(self.rng.choices("abcdefghijlmnopqrstuvxz", k=self.rng.randint(3, 6)))
        a, b = self.some_words(2)
        return f"{a} {made}; {b} {self._number()}. {a} {made}."

    def _number(self) -> int:
        return self.rng.randint(0, 10 ** self.rng.randint(1, 5) - 1)

    def _commented(self, title: str, lines: list[tuple[str, float]]) -> str:
        (top, most), (low, least) = max(lines, key=lambda x: x[1]), min(lines, key=lambda x: x[1])
        listed = "; ".join(f"{name} {figure(value)}" for name, value in lines)
        comments = (
            f"o maior é {top}, {figure(most)}, e o menor é {low}, {figure(least)}.",
            f"maior {top} {figure(most)}; menor {low} {figure(least)}.",
            f"menor: {low} {figure(least)}. maior: {top} {figure(most)}.",
            f"ordem: {', '.join(name for name, _ in sorted(lines, key=lambda x: -x[1]))}.",
        )
        return f"{title}: {listed}. {self.rng.choice(comments)}"


def facts_of(label: dict) -> ReviewFacts:
    """A label's row as the facts it came from."""
    known = {field.name: label[field.name] for field in fields(ReviewFacts)}
    known = {key: None if value is None or value != value else value for key, value in known.items()}
    late = known["late_days"]
    return ReviewFacts(**known | {"score": int(known["score"]), "late_days": None if late is None else int(late)})
