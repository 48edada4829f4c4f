"""Guards: small checks that answer with a verdict, a measure, its threshold and where the threshold comes from."""

from caderno.guards.verdict import Verdict

__all__ = ["Verdict"]
