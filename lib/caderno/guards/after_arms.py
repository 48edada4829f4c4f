"""An after-guard on the arms of a comparison: each is measured beside a control that was trained for as long.

It is asked by name (`NAMES`) where there are arms; what the traces of an arm are like is `after_traces`'.
"""

from __future__ import annotations

from caderno.guards.guard import Facts, Finding, failed, guard, passed, unknown, warned

NAMES = ("matched-controls",)
CONTROLS = {"warmup": "direct", "selection": "direct", "staged": "direct_staged", "stepwise": "direct_stepwise"}


@guard(
    "matched-controls", stage="after", needs=("arms",), threshold=1, unit="the control's steps over the arm's",
    source="proposed", classes=("E2",),
)  # fmt: skip
def matched_controls(facts: Facts) -> Finding:
    """Every arm that claims something has its direct-answer control, trained for at least as many steps."""
    steps = {one["arm"]: one["steps"] for one in facts["arms"]}
    claims = [arm for arm in CONTROLS if arm in steps]
    if not claims:
        return unknown("no arm here has a control of its own")
    bare = [arm for arm in claims if CONTROLS[arm] not in steps]
    if bare:
        return warned(0, "; ".join(f"{arm} has no {CONTROLS[arm]} beside it" for arm in bare))
    shares = {arm: steps[CONTROLS[arm]] / steps[arm] for arm in claims}
    told = "; ".join(f"{CONTROLS[arm]} {steps[CONTROLS[arm]]:,} steps, {arm} {steps[arm]:,}" for arm in claims)
    least = min(shares.values())
    return passed(least, told) if least >= 1 else failed(least, f"{told}: a gain may be the steps' own")
