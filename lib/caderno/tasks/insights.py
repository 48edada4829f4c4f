"""Insights: a small table becomes an analysis with a recommendation.

Three labelled parts (destaque, atenção, recomendação), every figure from the table, the largest and the smallest named
rightly, and an action for one of the table's rows (`insights_rules`). The wisdom of the action is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caderno.tasks import wording
from caderno.tasks.base import FAULT_LEAVES, Score, figure, make_row, need, nothing, rng_for, scored
from caderno.tasks.insights_rules import Analysis, parts_of, table_of
from caderno.tasks.panels import MEASURES, panel, panel_text
from caderno.thinking import answer_of

if TYPE_CHECKING:
    from caderno.shop import Shop

NAME = "insights"
NEEDS_SHOP = True
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
# The references' verbs; they are drawn by their place. `insights_rules` knows more.
ACTIONS = "reforçar investir ampliar rever melhorar divulgar reduzir priorizar revisar promover negociar".split()
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


def score(row: dict, completion: str) -> Score:
    """Format: three labelled parts within the limit, in characters as a phone counts them, none hidden; halved by words
    before the first label. Partial: maximum and minimum named with their figures (four facts), halved by a figure or a
    name that is not in the table. Task: all of it, and an action for a line of the table; each fault of manner leaves
    40 % of it, a grave one nothing.

    Raises BadInput for facts without lines of a name and a number.
    """
    text, facts = answer_of(completion), row["facts"]
    if not text:
        return nothing("resposta vazia")
    if len(text) > 10 * facts["limit"] or wording.length(text) > facts["limit"]:
        return nothing("maior que o limite")
    if wording.odd_characters(text):
        return nothing("caracteres ocultos ou estranhos")
    table = table_of(facts["lines"])
    parts = parts_of(text, table)
    if parts is None:
        return nothing("faltam as três partes, na ordem")
    said = Analysis(parts, table, row)
    found, invented, advice, faults, grave = said.facts(), said.invented(), said.advice(), said.faults(), said.grave()
    prefaced = [] if wording.only_presents(parts.before) else ["texto antes de 'destaque:'"]
    missing = [why for why, holds in found.items() if not holds] + invented + advice + faults + grave + prefaced
    whole = all(found.values()) and not (invented or advice or grave or prefaced)
    partial = sum(found.values()) / len(found) * (0.5 if invented else 1.0)
    return scored(0.5 if prefaced else 1.0, partial, FAULT_LEAVES ** len(faults) if whole else 0.0, missing)
