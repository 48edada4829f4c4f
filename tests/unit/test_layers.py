"""The library's order: a module imports only from rows above its own or from its own row, and in no circle.

Imports inside functions and under TYPE_CHECKING count as well; the faults that must trip the check are planted here.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import caderno

LIBRARY = Path(caderno.__file__).parent
ROWS = (
    ("errors", "params", "runs", "tracking", "workers"),
    ("shop", "sql", "tasks", "data", "corpus", "conversations", "tokenizer", "thinking"),
    ("chat", "models", "generation", "lengths"),
    ("rewards", "stats", "evaluation", "advice", "compare", "calibration", "trl_arguments"),
    ("guards",),
    ("training", "abstract"),
    ("plots", "tables", "writeup"),
    ("pipeline", "cli"),
)
ROW = {module: number for number, row in enumerate(ROWS) for module in row}
ONLY = {"papermill": "pipeline", "vllm": "generation", "unsloth": "models"}


def module_name(path: Path, library: Path) -> str:
    """caderno.runs.stage for runs/stage.py, caderno.runs for runs/__init__.py."""
    parts = path.relative_to(library.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import under `tree`; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def faults(library: Path) -> list[str]:
    """Every import that breaks the order, and every module that has no row."""
    found = []
    for path in sorted(library.rglob("*.py")):
        name = module_name(path, library)
        top = name.partition(".")[2].partition(".")[0]
        if top and top not in ROW:
            found.append(f"{name}: {top} has no row")
            continue
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for line, imported in imports(ast.parse(path.read_text(encoding="utf-8")), package):
            if why := fault(top, imported):
                found.append(f"{name}:{line}: {why}")
    return found


def fault(top: str, imported: str) -> str | None:
    """Why module `top` may not import that name, or None. The package's own `__init__` (top "") is below every row."""
    root, _, rest = imported.partition(".")
    if root in ONLY and top != ONLY[root]:
        return f"only {ONLY[root]} imports {root}"
    target = rest.partition(".")[0]
    if root == "caderno" and target in ROW and ROW[target] > ROW.get(top, -1):
        return f"imports {target}, which is in a later row"
    return None


def cycle(library: Path) -> list[str] | None:
    """Modules that import each other in a circle when they are loaded, or None."""
    known = {module_name(path, library): path for path in library.rglob("*.py")}
    graph = {}
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        loaded = ast.Module([node for node in ast.parse(path.read_text()).body if not lazily(node)], [])
        names = {imported for _, imported in imports(loaded, package)}
        wanted = {known_part(imported, known) for imported in names} - {None, name}
        graph[name] = {one for one in wanted if not name.startswith(f"{one}.")}  # a package is there before its parts
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return None


def lazily(node: ast.stmt) -> bool:
    """Whether a statement's imports do not run when the module is loaded."""
    typing_only = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    return typing_only or isinstance(node, ast.FunctionDef | ast.ClassDef)


def known_part(imported: str, known: dict[str, Path]) -> str | None:
    """The module behind `package.module.name`."""
    return next((part for part in (imported, imported.rpartition(".")[0]) if part in known), None)


def test_the_library_keeps_its_order():
    assert faults(LIBRARY) == []


def test_no_module_imports_itself_through_others():
    assert cycle(LIBRARY) is None


@pytest.fixture
def planted(tmp_path):
    """A small library in order; `plant` adds a module to it and returns what the check finds."""
    library = tmp_path / "caderno"

    def plant(module: str, text: str) -> list[str]:
        path = library / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return faults(library)

    plant.library = library
    assert plant("__init__.py", "") == []
    assert plant("errors.py", "import json\nfrom pathlib import Path\n") == []
    assert plant("stats.py", "from caderno import errors\nfrom caderno.errors import BadInput\n") == []
    return plant


@pytest.mark.parametrize(
    ("module", "text", "expected"),
    [
        ("errors.py", "from caderno.stats import Estimate", "errors:1: imports stats"),
        ("errors.py", "from caderno import stats", "errors:1: imports stats"),
        ("errors.py", "import caderno.stats as s", "errors:1: imports stats"),
        ("errors.py", "def f():\n    from caderno.stats import Estimate", "errors:2: imports stats"),
        ("errors.py", "from .stats import Estimate", "errors:1: imports stats"),
        ("runs/stage.py", "from ..pipeline import run", "runs.stage:1: imports pipeline"),
        ("runs/__init__.py", "from ..pipeline import run", "runs:1: imports pipeline"),
        ("errors.py", "import importlib\nimportlib.import_module('caderno.stats')", "errors:2: imports stats"),
        ("__init__.py", "from caderno import errors", "caderno:1: imports errors"),
        ("stats.py", "import papermill", "stats:1: only pipeline imports papermill"),
        ("cli/__init__.py", "def f():\n    import papermill.execute", "cli:2: only pipeline imports papermill"),
        ("models.py", "from vllm import LLM", "models:1: only generation imports vllm"),
        ("training/grpo.py", "import unsloth", "training.grpo:1: only models imports unsloth"),
        ("news.py", "", "news has no row"),
    ],
)
def test_a_planted_fault_trips(planted, module, text, expected):
    found = planted(module, text)
    assert len(found) == 1 and expected in found[0], found


def test_a_planted_circle_trips(planted):
    planted("runs/stage.py", "from caderno.runs import status")
    planted("runs/status.py", "def f():\n    from caderno.runs import stage")
    planted("runs/__init__.py", "from caderno.runs.stage import x")
    assert cycle(planted.library) is None
    planted("runs/status.py", "from caderno.runs.stage import y")
    assert set(cycle(planted.library)) == {"caderno.runs.stage", "caderno.runs.status"}
