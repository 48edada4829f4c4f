"""Which test plants which guard's fault, and which is its clean control.

A registered test returns what the guard is to judge: facts, a verdict, or several verdicts; the decorator judges and
asserts. Whether every guard has both is asked in `test_every_guard`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from caderno import guards
from caderno.guards import Verdict

FALSIFIERS: dict[str, list[str]] = defaultdict(list)
CONTROLS: dict[str, list[str]] = defaultdict(list)


def falsifies(guard: str, *answers: str) -> Callable:
    """The test plants a fault: this guard answers fail or warn (or one of `answers`), whatever the others say."""
    return _registered(guard, FALSIFIERS, answers or ("fail", "warn"))


def control(guard: str) -> Callable:
    """The test plants nothing: this guard passes."""
    return _registered(guard, CONTROLS, ("pass",))


def _registered(guard: str, registry: dict[str, list[str]], answers: tuple[str, ...]) -> Callable:
    def decorate(test: Callable) -> Callable:
        if not test.__name__.startswith("test_"):
            raise ValueError(f"{test.__name__} is registered and pytest would never run it: call it test_...")
        registry[guard].append(f"{test.__module__}.{test.__name__}")

        @functools.wraps(test)  # pytest reads the fixtures from the signature
        def judged(*arguments: Any, **fixtures: Any) -> None:
            verdict = verdict_of(guard, test(*arguments, **fixtures))
            assert verdict.verdict in answers, verdict

        return judged

    return decorate


def verdict_of(guard: str, returned: Mapping | Verdict | Iterable[Verdict]) -> Verdict:
    """The verdict of the guard of that name on what a test returned; several of its own: the gravest."""
    if isinstance(returned, Mapping):
        return guards.by_name(guard)(returned)
    found = [returned] if isinstance(returned, Verdict) else list(returned or ())
    mine = [one for one in found if one.guard == guard]
    assert mine, f"no verdict of {guard} among {[one.guard for one in found]}"
    return min(mine, key=lambda one: guards.SEVERITY.index(one.verdict))
