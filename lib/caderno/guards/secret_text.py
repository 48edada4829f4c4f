"""Finds what looks like a secret in text: access tokens by their makers' prefixes, private keys, named passwords.

It never returns the secret itself, only its kind, its line and its first characters. It reads no files.
"""

from __future__ import annotations

import re

# Prefixes as their makers document them; lengths are the shortest seen, so that a prefix in prose is not a secret.
PATTERNS = {
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "W&B API key": r"\bwandb_v1_[A-Za-z0-9_]{30,}\b|(?i:wandb[\w .:=\"'-]{0,24})\b[0-9a-f]{40}\b",
    "OpenAI or Anthropic key": r"\bsk-[A-Za-z0-9_-]{20,}",
    "GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b",
    "AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}",
    "Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "password or token by name": (
        r"(?i:\b(?:api[_-]?key|secret|password|passwd|access[_-]?token|auth[_-]?token)\b)"
        r"[\"']?\s*[:=]\s*[\"']?(?=[^\s\"']*\d)[A-Za-z0-9+/_.-]{16,}"
    ),
}
_COMPILED = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}


def find_secrets(text: str) -> list[str]:
    """What looks like a secret: "Hugging Face token on line 3 (hf_a...)", in the order of lines, a line once."""
    found: dict[int, str] = {}
    for kind, pattern in _COMPILED.items():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.setdefault(line, f"{kind} on line {line} ({match.group()[:4]}...)")
    return [found[line] for line in sorted(found)]
