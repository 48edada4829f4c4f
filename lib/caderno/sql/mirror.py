"""A shop's mirror: the same names with other figures, on which a query that is right by chance on the shop is not.

It draws nothing: the same shop has the same mirror. What it holds is not meant to look like a shop's history.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from caderno.shop import Shop

PRICE_FACTOR = 1.5

_mirrors: weakref.WeakKeyDictionary[Shop, Shop] = weakref.WeakKeyDictionary()


def mirror(shop: Shop) -> Shop:
    """Every order stands there twice or three times with all that belongs to it, every score is the next one (after 5
    comes 1) and every amount half as much again. So any count, sum or average of something differs, above all a count
    of 1, which another seed may leave at 1 or 0.
    """
    if shop not in _mirrors:
        _mirrors[shop] = _mirrored(shop)
    return _mirrors[shop]


def _mirrored(shop: Shop) -> Shop:
    orders = shop.tables["orders"]["order_id"]
    copies = dict(zip(orders, [2 + place % 2 for place in range(len(orders))], strict=True))
    tables = {name: _repeated(_changed(frame), copies) for name, frame in shop.tables.items()}
    return replace(shop, tables=tables, source=shop.source | {"mirror": True})


def _changed(frame: pd.DataFrame) -> pd.DataFrame:
    changed = {name: frame[name] * PRICE_FACTOR for name in ("price", "freight", "amount") if name in frame}
    if "score" in frame:
        changed["score"] = frame["score"] % 5 + 1
    return frame.assign(**changed)


def _repeated(frame: pd.DataFrame, copies: dict[str, int]) -> pd.DataFrame:
    import pandas as pd

    if "order_id" not in frame:
        return frame
    count = frame["order_id"].map(copies).fillna(1)
    parts = []
    for copy in range(3):
        part = frame[count > copy]
        names = [name for name in ("order_id", "review_id") if name in frame]
        parts.append(part.assign(**{name: part[name] + f"-{copy}" for name in names}) if copy else part)
    return pd.concat(parts, ignore_index=True)
