"""What a parsed query says: its tables, columns, filters and aggregation, and how its result is to be compared.

It reads trees that the guard has passed (bounded in depth and size) and scores nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import Expression, exp


@dataclass(frozen=True)
class Facts:
    """Sets of normal forms, one per kind of partial credit, and the rules that hold where this query is the gold."""

    tables: frozenset[str]
    columns: frozenset[str]
    foreign: frozenset[str]  # names of columns that the query does not make itself: they must be the tables' own
    filters: frozenset[str]
    aggregation: frozenset[str]
    literals: tuple[str, ...]  # texts that the rows are filtered by
    constant: bool  # no output depends on a table
    ordered: bool  # ORDER BY at the top
    order_keys: tuple[int, ...] | None  # output columns that the order is by; None where they are not all outputs
    decimals: tuple[int | None, ...]  # per output column, the decimals of a ROUND around it


def facts(tree: Expression) -> Facts:
    """Everything that scoring needs of a query's tree, which can then be forgotten."""
    from sqlglot import exp

    nodes = list(tree.walk())
    ctes = {node.alias.lower() for node in nodes if isinstance(node, exp.CTE)}
    tables = frozenset(node.name.lower() for node in nodes if isinstance(node, exp.Table)) - ctes
    conjuncts = [part for node in nodes for part in _conjuncts(_condition(node))]
    joins = {id(side) for part in conjuncts if _is_join(part) for side in (part.this, part.expression)}
    made = {name.lower() for node in nodes for name in _names_made(node)}
    aliases = {node.alias.lower() for node in nodes if isinstance(node, exp.Alias) and not _keeps_name(node)}
    columns = {node.name.lower() for node in nodes if isinstance(node, exp.Column) and id(node) not in joins}
    outputs = _top(tree).selects
    return Facts(
        tables=tables,
        columns=frozenset(columns - aliases),
        foreign=frozenset(node.name.lower() for node in nodes if _names_column(node)) - made,
        filters=frozenset(_key(part) for part in conjuncts if not _is_join(part)),
        aggregation=frozenset(part for node in nodes for part in _aggregation(node)),
        literals=tuple(_literals(conjuncts)),
        constant=not tables or not any(_reads(output) for output in outputs),
        ordered=bool(_top(tree).args.get("order")),
        order_keys=_order_keys(tree),
        decimals=tuple(_decimals(output) for output in outputs),
    )


def _names_made(node: Expression) -> list[str]:
    """Names that columns get in the query: `AS n`, and the n of `AS q(n)`."""
    from sqlglot import exp

    if isinstance(node, exp.Alias):
        return [node.alias]
    return [column.name for column in node.columns] if isinstance(node, exp.TableAlias) else []


def _names_column(node: Expression) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Column) and not isinstance(node.this, exp.Star)


def _key(node: Expression) -> str:
    """A normal form: no qualifiers, no parentheses, letters of names folded, both sides of `=` in one order."""
    from sqlglot import exp

    if isinstance(node, exp.Column):
        return "*" if isinstance(node.this, exp.Star) else node.name.lower()
    if isinstance(node, exp.Literal):
        return repr(node.this) if node.is_string else f"{float(node.this):g}"
    if isinstance(node, exp.Paren):
        return _key(node.this)
    if isinstance(node, exp.Boolean):
        return str(node.this).lower()
    if isinstance(node, exp.Identifier | exp.Var | exp.DataType):
        return node.name.lower() or node.sql().lower()
    parts, name = [_key(child) for child in node.iter_expressions()], node.key
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
    elif isinstance(node, exp.GT | exp.GTE):  # a > b is b < a
        name, parts = {"gt": "lt", "gte": "lte"}[name], parts[::-1]
    elif isinstance(node, exp.EQ | exp.NEQ | exp.And | exp.Or | exp.Add | exp.Mul):
        parts.sort()
    elif isinstance(node, exp.In):
        parts[1:] = sorted(parts[1:])
    return f"{name}({','.join(parts)})"


def _condition(node: Expression) -> Expression | None:
    """What the node chooses rows, groups or cases by."""
    from sqlglot import exp

    if isinstance(node, exp.Where | exp.Having | exp.Qualify | exp.If):
        return node.this
    return node.args.get("on") if isinstance(node, exp.Join) else None


def _conjuncts(condition: Expression | None) -> Iterator[Expression]:
    from sqlglot import exp

    if condition is None:
        return
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        for side in (condition.this, condition.expression):
            yield from _conjuncts(side)
    else:
        yield condition


def _is_join(part: Expression) -> bool:
    """`a.id = b.id`: how tables hang together, which USING says with no column at all."""
    from sqlglot import exp

    return isinstance(part, exp.EQ) and isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Column)


def _keeps_name(alias: exp.Alias) -> bool:
    """`lower(city) AS city` hides no column."""
    from sqlglot import exp

    return any(column.name.lower() == alias.alias.lower() for column in alias.find_all(exp.Column))


def _aggregation(node: Expression) -> Iterator[str]:
    from sqlglot import exp

    if isinstance(node, exp.AggFunc):
        yield _key(node)
    if not isinstance(node, exp.Select):
        return
    if node.args.get("distinct"):
        yield "distinct"
    if group := node.args.get("group"):
        if group.args.get("all"):
            yield from (f"by {_key(output.unalias())}" for output in node.selects if not output.find(exp.AggFunc))
        yield from (f"by {_key(_resolved(part, node))}" for part in group.expressions)


def _resolved(part: Expression, select: exp.Select) -> Expression:
    """The output that `GROUP BY 1` or `GROUP BY alias` means."""
    from sqlglot import exp

    if isinstance(part, exp.Literal) and not part.is_string and part.this.isdecimal():
        position = int(part.this) - 1
        return select.selects[position].unalias() if 0 <= position < len(select.selects) else part
    if isinstance(part, exp.Column) and not part.table:
        return next((out.this for out in select.selects if isinstance(out, exp.Alias) and out.alias == part.name), part)
    return part


def _literals(conjuncts: list[Expression]) -> Iterator[str]:
    """Texts in conditions that speak of a column."""
    from sqlglot import exp

    for part in conjuncts:
        if part.find(exp.Column):
            yield from (literal.this for literal in part.find_all(exp.Literal) if literal.is_string)


def _top(tree: Expression) -> Expression:
    """The query itself, out of the parentheses that may stand around it."""
    from sqlglot import exp

    while isinstance(tree, exp.Subquery) and not tree.args.get("order"):
        tree = tree.this
    return tree


def _reads(output: Expression) -> bool:
    """Whether an output follows the rows: `sum(1)` counts them, `max(1)` does not."""
    from sqlglot import exp

    return output.find(exp.Column, exp.Star, exp.Count, exp.CountIf, exp.Sum) is not None


def _order_keys(tree: Expression) -> tuple[int, ...] | None:
    from sqlglot import exp

    order = _top(tree).args.get("order")
    outputs = _top(tree).selects
    if not order or any(output.is_star for output in outputs):
        return None
    by_name = {output.alias_or_name.lower(): place for place, output in enumerate(outputs)}
    by_key = {_key(output.unalias()): place for place, output in enumerate(outputs)}
    places = []
    for ordered in order.expressions:
        key = ordered.this
        if isinstance(key, exp.Literal) and not key.is_string and key.this.isdecimal():
            places.append(int(key.this) - 1)
        else:
            plain = isinstance(key, exp.Column) and not key.table
            places.append(by_name.get(key.name.lower()) if plain else by_key.get(_key(key)))
    fine = all(place is not None and 0 <= place < len(outputs) for place in places)
    return tuple(places) if fine else None


def _decimals(output: Expression) -> int | None:
    """The decimals of `round(x, 2)`, 0 for `round(x)`, None for what is not rounded."""
    from sqlglot import exp

    output = output.unalias()
    if not isinstance(output, exp.Round):
        return None
    places = output.args.get("decimals")
    if places is None:
        return 0
    return int(places.this) if isinstance(places, exp.Literal) and places.this.isdecimal() else None
