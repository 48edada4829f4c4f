"""Push: a customer and a product become a push notification of at most 120 characters.

It checks what can be checked by rule: length, grounding, language, a call to act, no boilerplate, no repetition.
Whether a person would tap it is not judged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caderno.shop.profile import split_of
from caderno.tasks.base import Score, fold, make_row, need, nothing, numbers, rng_for, says, scored, without
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop

NAME = "push"
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
# Verbs that invite to act.
CALLS = tuple(
    "aproveite garanta compre confira peça leve corra veja descubra volte visite use clique experimente renove".split()
)
BOILERPLATE = (
    "prezado cliente", "caro cliente", "não perca", "oferta imperdível", "clique aqui", "como modelo de linguagem",
    "aqui está", "segue a notificação", "lorem ipsum", "saiba mais",
)  # fmt: skip
PORTUGUESE = set("a o as os de da do em no na com sem seu sua para por que e é está hoje já só você até".split())
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
    """Format: one line of 20 to 120 characters. Partial: customer, product, discount, and no other figure.
    Task: grounded, and Portuguese, a call to act, no boilerplate, no repetition, no copy of the prompt."""
    text, facts = answer_of(completion), row["facts"]
    if not text:
        return nothing("resposta vazia")
    shape = MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS and "\n" not in text
    figures = numbers(without(text, [facts["product"]]))
    grounded = {
        f"não chama {facts['customer']}": facts["customer"] is None or says(text, facts["customer"]),
        f"não diz {facts['product']}": says(text, facts["product"]),
        "figura que não está no pedido ou desconto ausente": figures == [float(facts["discount"])],
    }
    manner = _manner(row, text)
    missing = [why for why, holds in {"tamanho ou linhas": shape, **grounded, **manner}.items() if not holds]
    partial = sum(grounded.values()) / len(grounded) if shape else 0.0
    task = all(grounded.values()) and shape and sum(manner.values()) / len(manner)
    return scored(shape, partial * manner["copia o pedido"], task * manner["copia o pedido"], missing)


def _manner(row: dict, text: str) -> dict[str, bool]:
    """How it is said: each rule with what breaking it is called."""
    words = re.findall(r"\w+", fold(text))
    return {
        "não convida a agir": any(says(text, call) for call in CALLS),
        "frase pronta": not any(says(text, phrase) for phrase in BOILERPLATE),
        "não parece português": len(PORTUGUESE.intersection(text.casefold().split())) >= 2,
        "palavras repetidas": len(words) > 0 and len(set(words)) / len(words) > 0.7,
        "copia o pedido": fold(row["prompt"][-1]["content"])[:40] not in fold(text) and "produto:" not in fold(text),
    }
