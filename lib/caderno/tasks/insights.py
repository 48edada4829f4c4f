"""Insights: a small table becomes an analysis with a recommendation.

Three labelled parts (destaque, atenção, recomendação), every figure from the table, the largest and the smallest named
rightly, and an action for one of the table's rows. The wisdom of the action is not judged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caderno.tasks.base import (
    Score,
    figure,
    make_row,
    need,
    nothing,
    numbers,
    rng_for,
    says,
    scored,
    without,
)
from caderno.tasks.panels import MEASURES, panel, panel_text
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop

NAME = "insights"
THINK_BUDGET_TOKENS = 800
MAX_CHARACTERS = {"small": 300, "full": 1200}
SYSTEM_PROMPT = {
    "small": "analise a tabela.",
    "full": (
        "Você é analista de uma loja online. Leia a tabela e escreva três partes, cada uma em uma linha: "
        "'destaque:' com a linha de maior valor e seu número, 'atenção:' com a de menor valor e seu número, "
        "'recomendação:' com uma ação concreta para uma das linhas. Use só números da tabela."
    ),
}
ACTIONS = "reforçar investir ampliar rever melhorar divulgar reduzir priorizar revisar promover negociar".split()
SECTIONS = ("destaque", "atenção", "recomendação")
TABLE_ROWS = (3, 4)
SEASONS, SEASON_ORDERS = 8, 300


def rows(shop: Shop, n: int, seed: int) -> list[dict]:
    """n rows, each a table of three or four lines drawn from the shop, no two values equal."""
    rng, shops = rng_for(NAME, shop, seed), seasons(shop)
    drawn: dict[str, tuple] = {}
    for _ in range(30 * n):
        if len(drawn) == n:
            break
        measure = rng.choice(MEASURES)
        lines = panel(rng.choice(shops), measure, rng.choice(TABLE_ROWS), rng)
        if lines and len({value for _, value in lines}) == len(lines):
            drawn[panel_text(measure, lines)] = (measure, lines)
    return [_row(shop, *facts, i, seed, rng) for i, facts in enumerate(need(list(drawn.values()), n, NAME, shop))]


def seasons(shop: Shop) -> list[Shop]:
    """Shops of the same names with other figures, for a generated shop; an Olist shop alone.

    From one shop every city would always have the same figure, and its rank could be learnt by heart.
    """
    from caderno import shop as shops

    if shop.source["source"] != "shop":
        return [shop]
    seeds = range(1000 * (shop.source["seed"] + 1), 1000 * (shop.source["seed"] + 1) + SEASONS)
    return [shops.rebuild(shop.source | {"seed": seed, "orders": SEASON_ORDERS}) for seed in seeds]


def _row(shop: Shop, measure, lines: list[tuple[str, float]], index: int, seed: int, rng) -> dict:
    (top, most), (low, least) = max(lines, key=lambda x: x[1]), min(lines, key=lambda x: x[1])
    action = rng.choice(ACTIONS)
    answer = (
        f"destaque: {top} com {figure(most)}. atenção: {low} com {figure(least)}. "
        f"recomendação: {action} {measure.noun} em {low}."
    )
    profile = shop.source.get("profile", "full")
    return make_row(
        NAME, shop, index, seed, SYSTEM_PROMPT[profile], panel_text(measure, lines),
        f"maior {top} {figure(most)}; menor {low} {figure(least)}.",
        answer if profile == "small" else answer.replace(". atenção", ".\natenção").replace(". recom", ".\nrecom"),
        entities=[f"{measure.entity}:{name}" for name, _ in lines],
        facts={"lines": lines, "limit": MAX_CHARACTERS[profile]},
    )  # fmt: skip


def parts_of(text: str) -> dict[str, str]:
    """The three labelled parts, by label; a label that comes twice or out of order is left out."""
    labels = [(m.group(1).lower(), m.start(), m.end()) for m in re.finditer(_LABEL, text)]
    if [label for label, _, _ in labels] != list(SECTIONS):
        return {}
    ends = [start for _, start, _ in labels[1:]] + [len(text)]
    return {label: text[end:stop].strip() for (label, _, end), stop in zip(labels, ends, strict=True)}


_LABEL = re.compile(r"(?i)\b(destaque|atenção|recomendação)\W*:")


def score(row: dict, completion: str) -> Score:
    """Format: three labelled parts within the limit. Partial: maximum and minimum named with their figures (four
    facts), halved by any figure that is not in the table. Task: all of it, and an action for a line of the table."""
    text, lines = answer_of(completion), row["facts"]["lines"]
    if not text:
        return nothing("resposta vazia")
    parts = parts_of(text)
    if not parts or len(text) > row["facts"]["limit"]:
        return nothing("faltam as três partes, na ordem, no tamanho")
    known = {float(figure(value)) for _, value in lines}
    invented = [x for x in numbers(without(text, [name for name, _ in lines])) if x not in known]
    facts = _extremes(parts["destaque"], lines, max) | _extremes(parts["atenção"], lines, min)
    advice = parts["recomendação"]
    acts = any(says(advice, action) for action in ACTIONS) and any(says(advice, name) for name, _ in lines)
    missing = [why for why, holds in facts.items() if not holds]
    missing += [f"figura {figure(x)} não está na tabela" for x in invented]
    missing += [] if acts else ["nenhuma ação concreta"]
    partial = sum(facts.values()) / len(facts) * (0.5 if invented else 1.0)
    return scored(1.0, partial, all(facts.values()) and not invented and acts, missing)


def _extremes(part: str, lines: list[tuple[str, float]], pick) -> dict[str, bool]:
    """Whether a part names the extreme line, and it alone, with its figure, and it alone."""
    name, value = pick(lines, key=lambda line: line[1])
    word = "maior" if pick is max else "menor"
    others = [other for other, _ in lines if other != name and says(part, other)]
    return {
        f"{word} é {name}": says(part, name) and not others,
        f"{word} vale {figure(value)}": numbers(without(part, [name for name, _ in lines])) == [float(figure(value))],
    }
