"""Carry pip's settings (configuration files and PIP_* variables) over to uv, which reads neither by itself.

It translates what decides where packages come from and how they are fetched; settings about pip's own output,
caches and target directories are left out. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import ast
import math
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

# pip's precedence, weakest first: [global], then the section of the command, then PIP_* variables.
SECTIONS = ("global", "install", ":env:")

# pip's option -> (uv's variable, what joins several values); lists keep pip's order.
UV_VARIABLE = {
    "index-url": ("UV_DEFAULT_INDEX", ""),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "constraint": ("UV_CONSTRAINT", " "),
    "no-index": ("UV_NO_INDEX", ""),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
    "retries": ("UV_HTTP_RETRIES", ""),
    "keyring-provider": ("UV_KEYRING_PROVIDER", ""),
    "client-cert": ("SSL_CLIENT_CERT", ""),
}
PLACES = ("extra-index-url", "find-links")


def parse(listing: str) -> dict[str, str]:
    """Options by their long names from the text of `pip config list`; the strongest section wins, as in pip."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listing.splitlines():
        match = re.fullmatch(r"(:env:|[\w-]+)\.([\w-]+)=(.+)", line.strip())
        if not match or match[1] not in found:
            continue
        name = match[2].lower().replace("_", "-").replace("default-timeout", "timeout")
        value = str(ast.literal_eval(match[3])).strip()
        if value:  # pip, too, passes over empty values
            found[match[1]][name] = value
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def read(python: str | Path) -> dict[str, str]:
    """pip's settings as the pip of `python` sees them. Raises CalledProcessError when that pip does not run."""
    command = [str(python), "-m", "pip", "config", "list", "--disable-pip-version-check"]
    return parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def local_path(place: str) -> Path | None:
    """The directory or file that an index or find-links entry names, or None for one on a network."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in place else Path(place).expanduser().absolute()


def existing(places: str, notes: list[str]) -> list[str]:
    """The entries of a list that can be read. pip warns about a missing local one and goes on; uv would stop."""
    kept = []
    for place in places.split():
        path = local_path(place)
        if path is not None and not path.exists():
            notes.append(f"pip's settings name {place}, which does not exist: passed over, as pip does")
        else:
            kept.append(place if path is None or "://" in place else str(path))
    return kept


def _certificates(settings: dict[str, str]) -> dict[str, str]:
    """pip's `cert` is a file or a directory; uv has one variable for each."""
    cert = settings.get("cert")
    if not cert:
        return {}
    return {"SSL_CERT_DIR" if Path(cert).is_dir() else "SSL_CERT_FILE": cert}


def _builds(settings: dict[str, str]) -> dict[str, str]:
    """`only-binary`: everything, or the packages it names."""
    names = settings.get("only-binary", "").replace(",", " ").split()
    if ":all:" in names:
        return {"UV_NO_BUILD": "1"}
    return {"UV_NO_BUILD_PACKAGE": " ".join(names)} if names and names != [":none:"] else {}


def translate(settings: dict[str, str], notes: list[str]) -> dict[str, str]:
    """uv's variables for pip's settings. `notes` receives a sentence for each place that was passed over."""
    variables = {**_certificates(settings), **_builds(settings)}
    for name, (variable, joint) in UV_VARIABLE.items():
        value = settings.get(name, "")
        if name in PLACES:
            value = joint.join(existing(value, notes))
        elif joint:
            value = joint.join(value.split())
        elif name == "timeout" and value:
            value = str(math.ceil(float(value)))  # pip takes seconds as a float, uv as a whole number
        if value:
            variables[variable] = value
    if "UV_INDEX" in variables:
        # pip looks through every index and takes the best; uv stops at the first that has the name, which may
        # hold only other versions than the pinned one.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if "proxy" in settings:
        variables.update(HTTP_PROXY=settings["proxy"], HTTPS_PROXY=settings["proxy"])
    return variables


def uv_environment(settings: dict[str, str], notes: list[str]) -> dict[str, str]:
    """The environment to run uv in: this process's and pip's settings. A UV_* variable of the user's wins over pip's.

    Values go by environment and not on the command line, where an index URL's password could be read by others.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    for name, value in translate(settings, notes).items():
        if name.startswith("UV_"):
            environment.setdefault(name, value)
        else:
            environment[name] = value
    return environment
