"""Faults of an executed notebook: a token in a cell, an output or the metadata, and outputs that run code."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from caderno.guards import facts_after
from falsifiers.registry import control, falsifies

KEY = "hf_" + "aB3dE5gH7jK9" * 3  # nobody's
HTML = "<table><tr><td>reward</td></tr></table><style>td {color: red}</style>"
v4 = nbformat.v4


def executed(directory: Path, source: str = "1 + 1", *outputs, **metadata) -> dict:
    """Facts of a notebook of one executed cell, written and read as the runner does."""
    cell = v4.new_code_cell(source, outputs=list(outputs), execution_count=1)
    book = v4.new_notebook(cells=[v4.new_markdown_cell("# A title"), cell], metadata=metadata)
    nbformat.write(book, directory / "notebook.ipynb")
    return {"notebook": facts_after.notebook(directory / "notebook.ipynb")}


def shown(kind: str, content: str):
    return v4.new_output("display_data", data={kind: content, "text/plain": "..."})


def printed(text: str):
    return v4.new_output("stream", name="stdout", text=text)


@control("notebook-secrets")
def test_hashes_and_a_picture_are_no_secrets(tmp_path):
    return harmless(tmp_path)


@control("notebook-html")
def test_a_table_does_not_act(tmp_path):
    return harmless(tmp_path)


def harmless(tmp_path) -> dict:
    picture = shown("image/png", "iVBORw0KGgo" + "AKIA" + "A" * 16)
    hashes = printed("sha256 " + "0f" * 32 + "\ncheckpoint-10 of run hf_demo\n")
    return executed(tmp_path, "display(table)", shown("text/html", HTML), picture, hashes, papermill={"version": "2"})


@falsifies("notebook-secrets", "fail")
@pytest.mark.parametrize("text", ["{}", "login(\n    token='{}',\n)", "# before\n{}", "\x1b[32m{}\x1b[0m"], ids=repr)
@pytest.mark.parametrize("place", ["source", "stream", "html", "error", "metadata"])
def test_a_token_wherever_it_stands(tmp_path, text, place):
    text = text.format(KEY)
    outputs = {
        "stream": printed(f"logged in\n{text}\n"), "html": shown("text/html", f"<pre>{text}</pre>"),
        "error": v4.new_output("error", ename="E", evalue=text, traceback=["Traceback", text]),
    }  # fmt: skip
    source = text if place == "source" else "pass"
    metadata = {"papermill": {"parameters": {"token": text}}} if place == "metadata" else {}
    facts = executed(tmp_path, source, *([outputs[place]] if place in outputs else []), **metadata)
    assert KEY not in str(facts), "the finding must not repeat the secret"
    return facts


@falsifies("notebook-secrets", "fail")
def test_a_parameter_that_is_named_a_password(tmp_path):
    return executed(tmp_path, papermill={"parameters": {"password": "tR4nsp0rt-9-winter"}})


@falsifies("notebook-html", "warn")
@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>", "<BUTTON formaction='x'>run</BUTTON>", "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>more</a>", "<iframe srcdoc='x'></iframe>", "< form action='/api'>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["text/html", "text/markdown", "image/svg+xml"])
def test_an_output_that_acts(tmp_path, html, kind):
    return executed(tmp_path, "display(row)", shown(kind, f"<div>{html}</div>"))


@falsifies("notebook-html", "warn")
def test_a_script_as_such(tmp_path):
    return executed(tmp_path, "display(js)", shown("application/javascript", "alert(1)"))


def test_what_is_only_told_as_text_does_not_act(tmp_path):
    facts = executed(tmp_path, "print(page)", printed("<script>alert(1)</script>"))
    assert facts["notebook"]["active"] == []
