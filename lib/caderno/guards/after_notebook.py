"""After-guards on the executed notebook: it is what people copy, mail and open in a browser.

They judge what `facts_after.notebook` found; they never see the secret itself.
"""

from __future__ import annotations

from caderno.guards.guard import Facts, Finding, failed, guard, passed, warned


@guard(
    "notebook-secrets", stage="after", needs=("notebook",), threshold=0, unit="secrets",
    source="nteract/papermill#706, nteract/papermill#271", classes=("X5",),
)  # fmt: skip
def notebook_secrets(facts: Facts) -> Finding:
    """No token, key or password stands in the executed notebook: its source, its outputs, its metadata."""
    found = facts["notebook"]["secrets"]
    if found:
        return failed(len(found), f"{'; '.join(found)}. Revoke it, and take the notebook out of whatever it was put in")
    return passed(0, f"{facts['notebook']['texts']} texts of the notebook hold nothing that looks like a secret")


@guard(
    "notebook-html", stage="after", needs=("notebook",), threshold=0, unit="outputs that can act",
    source="CVE-2026-42557, CVE-2026-44727", classes=("X6",),
)  # fmt: skip
def notebook_html(facts: Facts) -> Finding:
    """No output of the notebook brings scripts, buttons, forms or frames: a click on one would run code."""
    found = facts["notebook"]["active"]
    if found:
        return warned(len(found), f"{'; '.join(found)}: clear these outputs before anybody opens it in JupyterLab")
    return passed(0, "outputs show, and do nothing")
