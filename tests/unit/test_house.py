"""House style that a linter does not know: sizes, docstrings, and notebooks that are what their source says."""

from __future__ import annotations

import ast
import json
import shutil
import statistics
from pathlib import Path

import pytest
from jupytext.cli import jupytext

from caderno import runs

ROOT = runs.checkout()
SOURCES = sorted(path for folder in ("lib", "scripts", "tests") for path in (ROOT / folder).rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
MAX_FILE, MAX_FUNCTION, MEDIAN_FUNCTION, MAX_CELL = 250, 60, 12, 12


def functions(text: str) -> list[tuple[str, int]]:
    """(name, lines) of every function, docstring included."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    return [(node.name, node.end_lineno - node.lineno + 1) for node in found]


def house_faults(text: str, name: str) -> list[str]:
    """What a source file does against the house's sizes, and a missing docstring."""
    found = [f"{name}: {function} has {n} lines" for function, n in functions(text) if n > MAX_FUNCTION]
    if len(text.splitlines()) > MAX_FILE:
        found.append(f"{name}: {len(text.splitlines())} lines")
    if not ast.get_docstring(ast.parse(text)):
        found.append(f"{name}: no module docstring")
    return found


def pair_faults(source: Path, work: Path) -> list[str]:
    """How the notebook beside `source` differs from what jupytext makes of it (cell ids, which are random, kept)."""
    notebook = source.with_suffix(".ipynb")
    if not notebook.exists():
        return [f"{source.name} has no notebook"]
    for path in (ROOT / "pyproject.toml", source, notebook):
        shutil.copy(path, work)
    jupytext(["--quiet", "--to", "ipynb", "--update", str(work / source.name)])
    found = [] if (work / notebook.name).read_bytes() == notebook.read_bytes() else [f"{notebook.name} is out of step"]
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    if any(cell["outputs"] or cell["execution_count"] for cell in cells):
        found.append(f"{notebook.name} has outputs")
    return found


def test_files_and_functions_are_short_and_modules_say_what_they_are():
    found = [fault for path in SOURCES for fault in house_faults(path.read_text(), str(path.relative_to(ROOT)))]
    assert found == []


def test_the_median_function_is_short():
    library = [path for path in SOURCES if path.is_relative_to(ROOT / "lib")]
    lengths = [lines for path in library for _, lines in functions(path.read_text())]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "no module docstring"),
        ('"""Doc."""\n' + "x = 1\n" * 250, "251 lines"),
        ('"""Doc."""\ndef f():\n' + "    x = 1\n" * 60, "f has 61 lines"),
    ],
)
def test_a_planted_fault_of_style_trips(text, expected):
    assert house_faults('"""Doc."""\ndef f():\n    return 1\n', "a.py") == []
    assert [fault for fault in house_faults(text, "a.py") if expected in fault]


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_what_jupytext_makes_of_its_source(source, tmp_path):
    assert pair_faults(source, tmp_path) == []


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_define_nothing(source):
    cells = json.loads(source.with_suffix(".ipynb").read_text())["cells"]
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert len(text.splitlines()) <= MAX_CELL and functions(text) == [], text


def test_every_stage_notebook_has_its_source():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in notebooks] == [path.stem for path in NOTEBOOKS]


def test_a_pair_out_of_step_trips(tmp_path):
    pairs, work = tmp_path / "pairs", tmp_path / "work"
    pairs.mkdir()
    work.mkdir()
    source, notebook = pairs / "05_a.py", pairs / "05_a.ipynb"
    shutil.copy(ROOT / "pyproject.toml", pairs)
    source.write_text("# %% [markdown]\n# # Run\n\n# %%\nx = 1\n")
    assert pair_faults(source, work) == ["05_a.py has no notebook"]
    jupytext(["--quiet", "--to", "ipynb", str(source)])
    assert pair_faults(source, work) == []
    whole = notebook.read_text()
    notebook.write_text(whole.replace("x = 1", "x = 2"))
    assert pair_faults(source, work) == ["05_a.ipynb is out of step"]
    notebook.write_text(whole.replace('"execution_count": null', '"execution_count": 1'))
    assert "05_a.ipynb has outputs" in pair_faults(source, work)
