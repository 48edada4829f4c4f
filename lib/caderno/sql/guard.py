"""The first wall: a query is parsed and passes only if it is one SELECT over the shop's tables made of allowed parts.

It runs nothing. What then runs is `rendered(tree)`, the tree written out again with every name quoted and no comment,
and never the text that came in: two parsers may read one text in two ways, but nobody can read what is not there.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING

from caderno.sql import allowed

if TYPE_CHECKING:
    from sqlglot import Expression, exp

MAX_CHARACTERS = 4000
MAX_PARENTHESES = 40  # one inside the other, before anything recursive sees the text
MAX_DEPTH = 100
MAX_NODES = 1000
NAME = re.compile(r"[A-Za-z_]\w*")
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
ORDINARY_SPACE = "\n\t\r"
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")  # Unicode: control, format (zero width, direction), surrogates, no character


class Refused(ValueError):
    """The query is not one read-only SELECT over known tables. The message is the reason."""


def parse(query: str, tables: Collection[str]) -> Expression:
    """The query's tree (sqlglot, DuckDB dialect). Raises Refused with the reason.

    The text is the model's: call it in a worker, as `caderno.sql.run` and `judge` do, and not in the trainer.
    """
    check_text(query)
    tree = _only_tree(query)
    nodes = _bounded(tree)
    for node in nodes:
        _check_node(node)
    _check_tables(nodes, {table.lower() for table in tables})
    return tree


def rendered(tree: Expression) -> str:
    """The SQL that runs. It uses up the tree: read what you need of it before. Raises Refused where it cannot."""
    try:
        return tree.sql(dialect="duckdb", identify=True, comments=False, copy=False)
    except Exception as error:  # a tree of allowed parts in a place that the writer does not know
        raise Refused(f"não é SQL: {type(error).__name__}") from error


def check_text(query: str) -> None:
    """Raises Refused for a text that is too long, too nested or holds what cannot be seen; costs microseconds."""
    if len(query) > MAX_CHARACTERS:
        raise Refused(f"consulta com mais de {MAX_CHARACTERS} caracteres")
    if any(unicodedata.category(c) in INVISIBLE and c not in ORDINARY_SPACE for c in query if not " " <= c <= "~"):
        raise Refused("caractere de controle ou invisível")
    if "`" in query:  # a quote to DuckDB and a name to sqlglot
        raise Refused("não é SQL: acento grave")
    depth = deepest = 0
    for character in query:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_PARENTHESES:
        raise Refused(f"mais de {MAX_PARENTHESES} parênteses aninhados")


def _only_tree(query: str) -> Expression:
    import sqlglot
    from sqlglot import exp

    try:
        trees = sqlglot.parse(query, read="duckdb")
    except Exception as error:  # hostile text finds the parser's own bugs too: what it cannot read is no SQL
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refused(f"não é SQL: {reason[:120]}") from error
    found = [tree for tree in trees if tree is not None]
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise Refused("não é um único SELECT")
    return found[0]


def _bounded(tree: Expression) -> list[Expression]:
    """All nodes of a tree that is neither too large nor too deep; recursive functions may read it afterwards."""
    level, nodes = [tree], []
    for _ in range(MAX_DEPTH):
        nodes += level
        level = [child for node in level for child in node.iter_expressions()]
        if not level and len(nodes) <= MAX_NODES:
            return nodes
        if len(nodes) > MAX_NODES:
            break
    raise Refused(f"consulta com mais de {MAX_NODES} partes ou {MAX_DEPTH} níveis")


@functools.cache
def _allowed_kinds() -> frozenset[type]:
    from sqlglot import exp

    return frozenset(getattr(exp, name) for name in (*allowed.NODES, *allowed.FUNCTIONS))


@functools.cache
def _allowed_types() -> frozenset[exp.DataType.Type]:
    from sqlglot import exp

    return frozenset(exp.DataType.Type[name] for name in allowed.TYPES)


def _check_node(node: Expression) -> None:
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        if node.name.lower() not in allowed.NAMES:
            raise Refused(f"função não permitida: {node.name[:60]}")
    elif type(node) not in _allowed_kinds():
        what = "função não permitida" if isinstance(node, exp.Func) else "não é leitura simples"
        raise Refused(f"{what}: {type(node).__name__}")
    if isinstance(node, exp.Identifier) and node.name.lower() in allowed.RESERVED:
        raise Refused(f"nome reservado: {node.name}")
    if isinstance(node, exp.DataType) and node.this not in _allowed_types():
        raise Refused(f"tipo não permitido: {str(node.this).rpartition('.')[2]}")
    # Both are written out bare: nothing but a word and a number may stand there.
    if isinstance(node, exp.Var) and not NAME.fullmatch(node.name):
        raise Refused(f"não é leitura simples: {node.name[:60]}")
    if isinstance(node, exp.Literal) and not node.is_string and not NUMBER.fullmatch(node.this):
        raise Refused(f"não é um número: {node.this[:60]}")
    if isinstance(node, exp.Interval) and not node.args.get("unit") and not any(map(str.isalpha, node.name)):
        raise Refused("INTERVAL sem unidade")  # sqlglot puts the number between quotes, and then it is one
    if isinstance(node, exp.With) and node.args.get("recursive"):
        raise Refused("WITH RECURSIVE não é permitido")


def _check_tables(nodes: list[Expression], tables: set[str]) -> None:
    from sqlglot import exp

    for node in nodes:
        if isinstance(node, exp.CTE) and (not NAME.fullmatch(node.alias) or node.alias.lower() in tables):
            raise Refused(f"WITH não pode chamar-se {node.alias[:60]}")
        if isinstance(node, exp.Table):
            plain = isinstance(node.this, exp.Identifier) and not node.args.get("db") and not node.args.get("catalog")
            if not plain or (node.name.lower() not in tables and not _names_a_cte(node)):
                raise Refused(f"tabela desconhecida: {node.sql()[:60]}")


def _names_a_cte(table: exp.Table) -> bool:
    """Whether the name is a WITH's, seen from where the table stands: one defined before it or around it."""
    from sqlglot import exp

    name, node = table.name.lower(), table
    while node.parent is not None:
        parent = node.parent
        if isinstance(parent, exp.With):
            before = parent.expressions[: node.index]
            if any(cte.alias.lower() == name for cte in before):
                return True
            node = parent.parent  # the query that the WITH belongs to: all its names are not known in here
            continue
        if (with_ := parent.args.get("with_")) and any(cte.alias.lower() == name for cte in with_.expressions):
            return True
        node = parent
    return False
