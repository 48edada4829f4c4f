"""Guards: small checks that answer with a verdict, a measure, its threshold and where the threshold comes from.

Modules named after a stage (`static_...`, `data_...`, `probe_...`, `running_...`, `after_...`) register guards and are
imported when their stage is asked for; `facts_...` modules measure. Importing this package imports neither.
"""

from caderno.guards.guard import (
    SEVERITY,
    STAGES,
    Facts,
    Finding,
    Guard,
    all_guards,
    by_name,
    failed,
    guard,
    judge,
    not_applicable,
    passed,
    stops,
    unknown,
    warned,
    worst,
)
from caderno.guards.verdict import Verdict

__all__ = [
    "SEVERITY",
    "STAGES",
    "Facts",
    "Finding",
    "Guard",
    "Verdict",
    "all_guards",
    "by_name",
    "failed",
    "guard",
    "judge",
    "not_applicable",
    "passed",
    "stops",
    "unknown",
    "warned",
    "worst",
]
