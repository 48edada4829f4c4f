"""Reviews of the full profile state their facts letter for letter, state no others, and seldom repeat."""

from __future__ import annotations

import random
import re

import pytest

from caderno.shop import SPLITS, ReviewFacts, generate, load_profile
from caderno.shop.full_grammar import alternatives, make_speaker, say
from caderno.shop.full_typing import without_accents
from caderno.shop.full_words import is_feminine

# Words that give a fact away, without accents. Found in the comment while the label is silent, they are unfounded.
REQUEST = r"\btroca|\btroquem|reembolso|estorno|dinheiro de volta|devolv|aguardo|me responda|no lugar\b"
ADVICE = r"recomend|\bindi(c|que)|fujam|comprem|pode(m)? comprar"
PRAISE = r"\bprecos?\b|precinho|barat|qualidade|rapid|antes do prazo|atendi|atencios[oa]s?\b|educad"
DAYS = r"\d+ dias?\b"


@pytest.fixture(scope="module")
def reviews():
    shop = generate(11, "train", 6200, "full")
    return shop.tables["reviews"].merge(shop.labels.drop(columns="score"), on="review_id").to_dict("records")


@pytest.fixture(scope="module")
def entities():
    pools = [load_profile("full").pools(split) for split in SPLITS]
    kinds = {
        "customer": [name for split in pools for name in split.customers],
        "city": [name for split in pools for name, _ in split.cities],
        "product": [name for split in pools for name, _, _ in split.products],
    }
    return {
        kind: re.compile("|".join(rf"\b{re.escape(n.casefold())}\b" for n in names)) for kind, names in kinds.items()
    }


def unfounded(row, entities):
    """What the comment of a row states and its label does not."""
    comment = row["comment"].casefold()
    found = [kind for kind, pattern in entities.items() if row[kind] is None and pattern.search(comment)]
    bare = without_accents(comment)
    found += ["late_days"] if row["late_days"] is None and re.search(DAYS, bare) else []
    found += ["request"] if row["request"] == "nada" and re.search(REQUEST, bare) else []
    found += ["recommends"] if row["recommends"] is None and re.search(ADVICE, bare) else []
    contented = row["score"] >= 4 and row["problem"] == "nenhum"
    return found + (["praise"] if row["praise"] == "nada" and contented and re.search(PRAISE, bare) else [])


def test_more_than_95_percent_of_5000_reviews_are_distinct(reviews):
    comments = [row["comment"] for row in reviews][:5000]
    assert len(set(comments)) / len(comments) > 0.95


def test_named_facts_stand_letter_for_letter(reviews):
    for row in reviews:
        for kind in ("product", "city", "customer"):
            assert row[kind] is None or row[kind] in row["comment"], row
        assert row["late_days"] is None or re.search(rf"\b{row['late_days']}\b", row["comment"]), row


def test_nothing_is_stated_that_the_label_does_not_say(reviews, entities):
    assert not [(row["comment"], kinds) for row in reviews if (kinds := unfounded(row, entities))]


@pytest.mark.parametrize(
    ("planted", "kind"),
    [
        ("Ass: Lívia Prado", "customer"),
        ("moro em Recife", "city"),
        ("a cafeteira elétrica", "product"),
        ("atrasou 3 dias", "late_days"),
        ("quero meu reembolso", "request"),
        ("não recomendo", "recommends"),
        ("ótimo preço", "praise"),
    ],
)
def test_an_unfounded_statement_would_be_found(planted, kind, entities):
    silent = dict.fromkeys(("customer", "city", "product", "late_days", "recommends"))
    row = {
        **silent,
        "request": "nada",
        "praise": "nada",
        "score": 5,
        "problem": "nenhum",
        "comment": f"Amei. {planted}",
    }
    assert unfounded(row, entities) == [kind]


@pytest.mark.parametrize(
    ("column", "value", "pattern"),
    [
        ("recommends", True, ADVICE),
        ("recommends", False, ADVICE + "|nao caiam|nao percam|n caiam|caiam|percam|facam essa"),
        ("request", "troca", r"troc|troquem|outr[oa] no lugar|outr[oa]"),
        ("request", "reembolso", r"reembolso|estorno|devol|dinheiro|\$"),
        ("request", "resposta", r"retorno|respo|posicionamento|contato|explicacao"),
        ("praise", "preco", r"preco|precinho|barat|centavo|custo|em conta|quase metade|pag(uei|ar) (bem menos|caro)"),
    ],
)
def test_what_the_label_says_is_said(reviews, column, value, pattern):
    """Slips of the pen may break a keyword here and there, so a few misses are let pass."""
    said = [without_accents(row["comment"].casefold()) for row in reviews if row[column] == value]
    assert len(said) > 20
    assert sum(bool(re.search(pattern, comment)) for comment in said) / len(said) > 0.95


def test_sarcasm_keeps_to_the_discontented(reviews):
    sarcastic = [row for row in reviews if re.search(r"pombo|jegue|enfeite|jangada", row["comment"])]
    assert sarcastic and {row["sentiment"] for row in sarcastic} == {"negativo"}


@pytest.mark.parametrize("split", SPLITS)
def test_every_fact_at_once_can_be_said(split):
    pools = load_profile("full").pools(split)
    for number, (product, _, _) in enumerate(pools.products):
        city, customer = pools.cities[number % len(pools.cities)][0], pools.customers[number % len(pools.customers)]
        facts = ReviewFacts(1, "negativo", "atraso", 12, product, city, customer, False, "reembolso", "preco")
        _, comment = load_profile("full").review(random.Random(number), facts)
        assert all(part in comment for part in (product, city, customer, "12")), comment


def test_alternatives_reach_every_branch():
    drawn = {alternatives(random.Random(seed), "[a|b[1|2]|]c") for seed in range(60)}
    assert drawn == {"ac", "b1c", "b2c", "c"}


@pytest.mark.parametrize(
    ("product", "said"),
    [("cafeteira elétrica", "uma \ue000 quebrada"), ("guarda-roupa de casal", "um \ue000 quebrado")],
)
def test_adjectives_agree_with_the_product(product, said):
    facts = ReviewFacts(1, "negativo", "defeito", product=product)
    rng = random.Random(0)
    assert say(rng, "{U} quebrad{x}", make_speaker(rng, facts)) == said


def test_gender_of_heads_that_mislead():
    assert [
        is_feminine(noun) for noun in ("papete esportiva", "pijama de dinossauro", "ômega 3", "tv 43 polegadas")
    ] == [
        True,
        False,
        False,
        True,
    ]


def test_rio_takes_an_article():
    facts = ReviewFacts(5, "positivo", city="Rio de Janeiro")
    comments = [load_profile("full").review(random.Random(seed), facts)[1] for seed in range(40)]
    assert all(re.search(r"\b(no|do|NO|DO) Rio de Janeiro", comment) for comment in comments)
