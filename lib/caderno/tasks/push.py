"""Push: a customer and a product become a push notification of at most 120 characters.

It checks what can be checked by rule: length, grounding, language, a call to act, no boilerplate, no repetition
(`push_rules`). Whether a person would tap it is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno.shop.profile import split_of
from caderno.tasks import wording
from caderno.tasks.base import FAULT_LEAVES, Score, make_row, need, nothing, rng_for, scored
from caderno.tasks.push_rules import COPY, Said, wanted
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop

NAME = "push"
NEEDS_SHOP = True
THINK_BUDGET_TOKENS = 100
MAX_CHARACTERS = 120
MIN_CHARACTERS = 20
SYSTEM_PROMPT = {
    "small": "escreva uma notificação curta.",
    "full": (
        "Você escreve notificações push para uma loja online. Escreva uma única notificação em português, com no "
        "máximo 120 caracteres: chame o cliente pelo nome, diga o produto e o desconto e convide a agir. Sem "
        "aspas, sem hashtags, sem frases prontas."
    ),
}
TEMPLATES = (
    "{customer}, {product} com {discount}% de desconto só hoje. aproveite!",
    "{customer}, leve {product} com {discount}% de desconto. corra!",
    "oi {customer}! {product} está com {discount}% de desconto. garanta já!",
    "{customer}, só hoje: {product} com {discount}% a menos. confira!",
    "seu desconto chegou, {customer}: {discount}% em {product}. aproveite hoje!",
)


def rows(shop: Shop, n: int, seed: int) -> list[dict]:
    """n rows, each a customer, a product of the shop and a discount. Raises BadInput without names to draw on."""
    rng = rng_for(NAME, shop, seed)
    products, customers = shop.tables["products"], shop.tables["customers"]["customer_name"].dropna().unique()
    names = products["product_name"].dropna().unique()
    if not len(
        names
    ):  # Olist names categories, not products; a category stands in all splits, so a hash deals them out
        names = [c for c in products["category"].dropna().unique() if split_of(c) == shop.split]
    pairs = [(c, p) for c in (sorted(customers) or [None]) for p in sorted(names)]
    need(pairs, min(n, 1), NAME, shop)
    drawn: dict[tuple, None] = {}
    for _ in range(20 * n):
        if len(drawn) == n:
            break
        drawn[(*rng.choice(pairs), 5 * rng.randint(1, 12))] = None
    return [_row(shop, *facts, i, seed, rng) for i, facts in enumerate(need(list(drawn), n, NAME, shop))]


def _row(shop: Shop, customer: str | None, product: str, discount: int, index: int, seed: int, rng) -> dict:
    facts = {"customer": customer, "product": product, "discount": discount}
    greeted = customer or "olá"
    gold = rng.choice(TEMPLATES).format(customer=greeted, product=product, discount=discount)
    user = f"produto: {product}. desconto: {discount}%."
    profile = shop.source.get("profile", "full")
    return make_row(
        NAME, shop, index, seed, SYSTEM_PROMPT[profile], f"cliente: {customer}. {user}" if customer else user,
        f"{greeted}; {product}; {discount}%.", gold if profile == "small" else gold[0].upper() + gold[1:],
        entities=[f"product:{product}", *([f"customer:{customer}"] if customer else [])],
        facts=facts,
    )  # fmt: skip


def score(row: dict, completion: str) -> Score:
    """Format: one line of 20 to 120 characters as a phone counts them, none of them hidden; without it nothing counts.
    Partial: customer (by the first name at least), product, discount; halved by an invented figure, price or offer.
    Task: all of that; each fault of manner leaves 40 % of it, a grave one nothing.

    Raises BadInput for facts that are not a customer or null, a product and a discount.
    """
    text, facts = answer_of(completion), row["facts"]
    if not text:
        return nothing("resposta vazia")
    if not fits(text):
        return nothing("tamanho ou linhas")
    if wording.odd_characters(text):
        return nothing("caracteres ocultos ou estranhos")
    said = Said.of(text, wanted(facts["customer"], facts["product"], facts["discount"]), row)
    grounded, invented, faults, grave = said.grounded(), said.invented(), said.faults(), said.grave()
    missing = [why for why, holds in grounded.items() if not holds] + invented + faults + grave
    partial = 0.0 if COPY in grave else sum(grounded.values()) / len(grounded) * (0.5 if invented else 1.0)
    whole = all(grounded.values()) and not invented and not grave
    return scored(1.0, partial, FAULT_LEAVES ** len(faults) if whole else 0.0, missing)


def fits(text: str) -> bool:
    """Whether a text is one line of the right length. A character may be several code points, but not ten."""
    if len(text) > 10 * MAX_CHARACTERS or len(text.splitlines()) != 1:
        return False
    return MIN_CHARACTERS <= wording.length(text) <= MAX_CHARACTERS
