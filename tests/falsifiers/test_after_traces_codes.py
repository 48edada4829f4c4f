"""Abstract traces at fault in lengths, bounds, codes, positions or prompts, and answers that do not read them."""

from __future__ import annotations

import numpy as np
import pytest

from caderno.abstract import interventions
from falsifiers.drawn_traces import BOUNDS, CODES, drawn, judged
from falsifiers.registry import control, falsifies


@falsifies("trace-length-variance", "fail")
def test_end_that_is_always_forced():
    found = judged(**drawn(low=40))
    assert "forced" in next(one.why for one in found if one.guard == "trace-length-variance")
    return found


@falsifies("trace-length-variance", "warn")
def test_a_single_trace_of_another_length():
    rng = np.random.default_rng(0)
    return judged(traces=[[1, 2, 3, 4], *rng.integers(CODES, size=(399, 13)).tolist()])


@falsifies("trace-length-variance", "not_applicable")
def test_one_length_by_design():
    return judged(BOUNDS | {"min_codes": 13, "max_codes": 13}, **drawn(low=13, high=13))


@falsifies("trace-bounds", "fail")
@pytest.mark.parametrize(("low", "high"), [(1, 40), (4, 50)])
def test_a_constraint_that_was_not_in_force(low, high):
    return judged(**drawn(low=low, high=high))


@falsifies("trace-bounds", "not_applicable")
def test_bounds_that_nobody_states():
    return judged({}, **drawn())


@falsifies("trace-codebook-use", "fail")
def test_two_codes_of_64():
    rng = np.random.default_rng(0)
    found = judged(traces=[rng.integers(2, size=int(n)).tolist() for n in rng.integers(20, 40, 400)])
    assert {one.guard: one.verdict for one in found}["trace-uniqueness"] == "pass"
    return found


@falsifies("trace-codebook-use", "warn")
def test_six_codes_of_64():
    rng = np.random.default_rng(0)
    return judged(traces=[rng.integers(6, size=int(n)).tolist() for n in rng.integers(20, 40, 400)])


@falsifies("trace-codebook-use", "fail")
def test_empty_traces_use_no_code():
    return judged({"codes": CODES}, traces=[[]] * 400)


@falsifies("trace-codebook-use", "unknown")
def test_a_handful_of_codes_tells_no_entropy():
    return judged(traces=[[1, 2, 3, 4], [5, 6, 7, 8]])


@falsifies("trace-frozen-positions", "fail")
def test_a_fixed_string_with_a_free_tail():
    given = drawn()
    fixed = list(range(30))
    return judged(BOUNDS | {"max_codes": 70}, traces=[fixed + one for one in given["traces"]])


@falsifies("trace-frozen-positions", "warn")
def test_a_fixed_beginning():
    return judged(BOUNDS | {"max_codes": 70}, traces=[[1, 2, 3, 4, *one] for one in drawn()["traces"]])


@falsifies("trace-prompt-dependence", "warn")
def test_random_codes_do_not_depend_on_the_prompt():
    given = drawn(200, 2)
    return judged(**(given | {"traces": given["traces"][1:] + given["traces"][:1]}))


@falsifies("trace-prompt-dependence", "unknown")
@pytest.mark.parametrize("prompts", [None, list(range(400))], ids=["prompts not known", "one sample a prompt"])
def test_one_sample_tells_nothing_of_dependence(prompts):
    return judged(traces=drawn()["traces"], prompts=prompts)


@control("trace-prompt-dependence")
def test_greedy_traces_that_differ_depend_on_the_prompt():
    return judged(BOUNDS | {"temperature": 0.0}, **drawn())


# The answer and the trace


def asked(right, n: int = 500) -> dict:
    """Interventions on n rows of a model of which `right(row, trace, kept)` says whether it answers rightly."""
    rng = np.random.default_rng(0)
    rows = [str(i) for i in range(n)]
    kept = {row: tuple(rng.integers(16, size=4).tolist()) for row in rows}

    def answer(items):
        return [right(int(row), trace, kept[row]) for row, trace in items]

    return {"interventions": interventions.judge(answer, rows, list(kept.values()), list(range(16)))}


@control("trace-matters")
def test_an_answer_that_reads_the_trace():
    return asked(lambda row, trace, kept: trace == kept or row % 10 == 0)


@falsifies("trace-matters", "fail")
def test_an_answer_that_does_not():
    return asked(lambda row, trace, kept: row % 2 == 0)


@falsifies("trace-matters", "fail")
def test_an_answer_that_reads_only_whether_it_is_a_usual_trace():
    """Random codes hurt, another prompt's trace does not: what is read is not the content."""
    found = asked(lambda row, trace, kept: row % 2 == 0)
    next(one for one in found["interventions"] if one["name"] == "randomised").update(
        accuracy=0.1, difference=-0.4, difference_low=-0.5, difference_high=-0.3
    )
    return found


@falsifies("trace-matters", "warn")
def test_too_few_rows_to_tell():
    return asked(lambda row, trace, kept: row % 2 == 0 or (trace == kept and row == 1), n=20)


@falsifies("trace-matters", "unknown")
def test_nothing_right_is_nothing_to_lose():
    return asked(lambda row, trace, kept: False)


@falsifies("trace-matters", "unknown")
def test_without_a_model_it_is_unknown():
    return judged(**drawn(50))


@falsifies("trace-matters", "not_applicable")
def test_a_pause_token_cannot_be_changed():
    rows = [str(i) for i in range(50)]
    return {"interventions": interventions.judge(lambda items: [True] * len(items), rows, [(1, 1)] * 50, [1])}
