"""What a notification says and how: who and what it names, which figures, and its faults.

Every rule here is decided by the text and the row's facts; what a rule costs is decided in `push`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from itertools import pairwise

from caderno.errors import BadInput
from caderno.tasks import names, wording
from caderno.tasks.base import fold
from caderno.tasks.figures import Figure, figures, money, ratios

# Verbs, and turns of phrase, that invite to act. Folded.
CALLS = frozenset(
    "abra aceite acesse adquira agende aproveita aproveite ative bora chegue clique comece complete compra compre "
    "confere confira conheca corra corre descubra economize encomende encontre entre escolha experimente finalize "
    "ganhe garanta garante leva leve monte olha olhe passe peca pegue prepare presenteie renove reserve resgate "
    "simbora toca toque traga troque use vem veja venha visite volte".split()
)
_INVITING = re.compile(
    r"(?<!\w)(?:que tal|hora de|ultima chance|so ate hoje|nao (?:fique sem|deixe|demore|espere|durma no ponto)|"
    r"te espera(?:ndo)?|espera(?:ndo)? (?:por )?voce|da uma olhada|da um pulo)(?!\w)"
)
MOST_CALLS = 3
MOST_TIMES_NAMED = 2
# What the order never grants.
_OFFERS = re.compile(
    r"(?<!\w)(?:frete (?:gratis|livre|zero)|entrega (?:gratis|gratuita)|gratis|gratuit[oa]|de graca|brindes?|cashback|"
    r"juros|parcel\w+|leve \w+ e? ?pague|mais car[oa]|aument\w+|acrescimo|sorteio|premio)(?!\w)"
)
_DEAL = "(?:desconto|oferta|promocao)"
_ENDED = "(?:nao|acabou|terminou|expirou|(?:foi )?(?:encerrad[oa]|cancelad[oa]|esgotad[oa]))"
_NO_DEAL = re.compile(
    rf"(?<!\w)(?:sem (?:nenhum |nenhuma |qualquer )?{_DEAL}|{_DEAL}(?: ja)? {_ENDED}|"
    rf"(?:nao (?:ha|tem|temos|existe|vale|e|esta|ganha|tera|havera)|nenhum|nenhuma)(?: \w+){{0,2}} {_DEAL}|"
    r"nao (?:aproveite|compre|leve|garanta|confira|clique|use|corra|peca|veja))(?!\w)"
)
_MARKUP = re.compile(r"[\"“”„«»#*`<>{}\[\]|\\^]|https?:|www\.|\.com(?!\w)|^'.*'$")
_LABEL = re.compile(r"\W*(?:notificacao|mensagem|push|texto|titulo|resposta)(?: \w+)?\s*:")
_COPIED = re.compile(rf"(?<!\w)(?:(?:cliente|produto)\W*[{names.MARKS}]|desconto\W*[0-9])")
COPY = "copia o pedido"


@dataclass(frozen=True)
class Wanted:
    """What a row asks to be said. `customer` is None where the shop knows no names."""

    customer: str | None
    product: str
    discount: float  # per cent
    names: names.Finder  # the product, and the customer by the whole name or the first
    customer_words: tuple[str, ...]


def wanted(customer: str | None, product: str, discount: float) -> Wanted:
    """The facts of a row, ready to be looked for. Raises BadInput for facts of another kind."""
    if not isinstance(product, str) or not isinstance(customer, str | None):
        got = f"customer {customer!r}, product {product!r}"
        raise BadInput(got, expected="text, or null for customer", where="facts")
    if type(discount) not in (int, float):
        raise BadInput(f"discount {discount!r}", expected="a number, in per cent", where="facts")
    return _wanted(customer, product, discount)


@functools.lru_cache(maxsize=8192)
def _wanted(customer: str | None, product: str, discount: float) -> Wanted:
    words = () if customer is None else tuple(names.key(customer).split())
    asked = (product,) if customer is None else (product, customer, *words[:1])
    return Wanted(customer, product, float(discount), names.finder(asked), words)


@dataclass(frozen=True)
class Said:
    """A notification read against its row: folded, with and without the names it was asked to name."""

    wanted: Wanted
    text: str  # folded
    bare: str  # and with marks for the names
    words: list[str]  # of `bare`
    figures: list[Figure]
    times_named: tuple[int, int]  # customer, product
    profile: str | None
    prompt: str

    @classmethod
    def of(cls, text: str, wanted: Wanted, row: dict) -> Said:
        """The notification `text` of a row."""
        folded = fold(text)
        bare = wanted.names.mark(folded)
        named = bare.count(names.mark(1)) + bare.count(names.mark(2)), bare.count(names.mark(0))
        told = figures(bare) + ([Figure(50.0, True, in_words=True)] if "metade" in bare else [])
        profile, prompt = names.profile_of(row), row["prompt"][-1]["content"]
        return cls(wanted, folded, bare, wording.words(bare), told, named, profile, prompt)

    def grounded(self) -> dict[str, bool]:
        """Customer, product and discount, each with what its lack is called. Naming another one is naming none."""
        people, things = self.times_named
        told = [figure for figure in self.figures if figure.per_cent]
        return {
            f"não chama {self.wanted.customer or 'ninguém'}": (people > 0 or not self.wanted.customer)
            and not self._others(),
            f"não diz {self.wanted.product}": things > 0 and not self._other_products(),
            "desconto ausente": bool(told) and all(map(self._is_discount, told)),
        }

    def invented(self) -> list[str]:
        """Figures, prices and offers that the row does not grant."""
        found = ["figura que não está no pedido"] if not all(map(self._is_discount, self.figures)) else []
        found += ["fração que não está no pedido"] if ratios(self.bare.replace("metade", "")) else []
        found += ["preço que não está no pedido"] if money(self.bare) else []
        return found + (["oferta que não está no pedido"] if _OFFERS.search(self.bare) else [])

    def faults(self) -> list[str]:
        """Faults of manner that leave the notification usable."""
        calls = sum(word in CALLS for word in set(self.words))
        found = {
            "não convida a agir": not calls and not _INVITING.search(self.bare),
            "convites demais": calls > MOST_CALLS,
            "frase pronta": wording.boilerplate(self.bare) or _LABEL.match(self.text) is not None,
            "não parece português": not wording.portuguese(self.words),
            "aspas, hashtags, marcas ou endereços": _MARKUP.search(self.bare) is not None,
        }
        return [why for why, holds in found.items() if holds]

    def grave(self) -> list[str]:
        """Faults that leave nothing of the task."""
        repeated = wording.repeats(self.words, most=2) or max(self.times_named) > MOST_TIMES_NAMED
        found = {
            COPY: self._copies(),
            "palavras repetidas": repeated,
            "sinais ou emojis demais": wording.spams(self.text),
            "nega o desconto": _NO_DEAL.search(self.bare) is not None,
        }
        betrayal = wording.betrays(self.bare)
        return [why for why, holds in found.items() if holds] + ([betrayal] if betrayal else [])

    def _is_discount(self, figure: Figure) -> bool:
        return figure.per_cent and abs(figure.value) == self.wanted.discount  # "-20%" is how shops write it

    def _others(self) -> list[str]:
        """Other people's names: first names that the shop uses, and family names right after this customer's."""
        mine, known, families = self.wanted.customer_words, names.first_names(), names.surnames()
        found = [word for word in self.words if word in known and word not in mine]
        told = self.text.split()
        after = [names.key(right) for left, right in pairwise(told) if mine and left == mine[0]]
        return found + [word for word in after if word not in mine and word in families]

    def _other_products(self) -> list[str]:
        return names.listed(self.words, self.profile, "product") if self.profile else []

    def _copies(self) -> bool:
        opening = fold(self.prompt)[:40]
        copied = len(opening) >= 15 and opening in self.text
        return copied or "produto:" in self.text or len(_COPIED.findall(self.bare)) >= 2
