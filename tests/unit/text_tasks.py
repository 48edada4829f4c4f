"""The attack corpora of extraction, push and insights as tests use them, and an Olist directory; it asserts nothing.

A corpus is a JSON line per row, then one per case. In a case's completion «gold» stands for the row's answer, «gold-»
for it less its last character, «prompt» for the row's prompt, «megabyte» for a million characters; `times` repeats it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

CORPORA = Path(__file__).parents[1] / "attacks"
NAMES = ("extraction", "push", "insights")
MARGIN = 0.2
SHOP = {"source": "shop", "seed": 0, "split": "train", "orders": 600, "profile": "small"}


@cache
def corpus(task: str) -> tuple[dict[str, dict], list[dict]]:
    """Rows by name, and cases in their order."""
    lines = [json.loads(line) for line in (CORPORA / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()]
    return {line["name"]: line for line in lines if line["kind"] == "row"}, [x for x in lines if x["kind"] != "row"]


def row_named(task: str, name: str) -> dict:
    return corpus(task)[0][name]


def answer(row: dict) -> str:
    """The row's gold without its thought."""
    return row["gold"].rpartition("</think>")[2].strip()


def completion(case: dict, row: dict) -> str:
    gold = answer(row)
    text = case["completion"].replace("«gold»", gold).replace("«gold-»", gold[:-1])
    text = text.replace("«prompt»", row["prompt"][-1]["content"]).replace("«megabyte»", "x " * 500_000)
    return text * case.get("times", 1)


def fault(case: dict, total: float) -> str | None:
    """What a total has against what the case expects of it, or None."""
    if case["kind"] == "good":
        return None if total >= case["at_least"] - 1e-9 else f"a good answer earns {total}"
    return None if total <= case["at_most"] + 1e-9 else f"an attack earns {total}, at most {case['at_most']} expected"


def write_olist(directory: Path) -> Path:
    """Olist's files with 60 orders of as many customers, ten cities, six categories with names as Olist writes them."""
    categories = (
        "cama_mesa_banho beleza_saude moveis_decoracao informatica_acessorios relogios_presentes fashion_bolsas"
    )
    cities = "sao goncalo,sao goncalo do amarante,osasco,ouro branco,recife,natal,belem,mirassol d'oeste,ji-parana,itu"
    lines: dict[str, list[str]] = {
        "customers": ["customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state"],
        "orders": [
            "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,"
            "order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date"
        ],
        "order_items": ["order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value"],
        "order_reviews": [
            "review_id,order_id,review_score,review_comment_title,review_comment_message,"
            "review_creation_date,review_answer_timestamp"
        ],
    }
    lines["products"] = ["product_id,product_category_name", *(f"p{i},{c}" for i, c in enumerate(categories.split()))]
    for i in range(240):
        city = cities.split(",")[(i * i) % 10]
        lines["customers"].append(f"c{i},u{i},1000,{city},SP")
        day = f"2018-03-{1 + i % 28:02d} 10:00:00"
        lines["orders"].append(f"o{i},c{i},delivered,{day},,,{day},{day}")
        lines["order_items"].append(f"o{i},1,p{i % 6},s1,{day},{10 + i}.90,5.00")
        lines["order_reviews"].append(f"r{i},o{i},{1 + i % 5},,texto número {i},{day},{day}")
    for table, written in lines.items():
        (directory / f"olist_{table}_dataset.csv").write_text("\n".join(written) + "\n", encoding="utf-8")
    return directory
