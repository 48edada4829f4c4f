"""Abstract traces that are all of one length, all one trace, all of one seed; and healthy ones, as they were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from falsifiers.drawn_traces import BOUNDS, CODES, drawn, judged
from falsifiers.registry import control, falsifies

MANY = 25_000


@pytest.fixture(scope="module")
def healthy() -> list:
    return judged(**drawn(200, 2))


def test_no_other_guard_speaks_of_healthy_traces(healthy):
    answers = {one.guard: one.verdict for one in healthy}
    assert answers.pop("trace-matters") == "unknown" and set(answers.values()) == {"pass"}, healthy


# Every guard's control


@control("trace-uniqueness")
def test_healthy_traces_differ(healthy):
    return healthy


@control("trace-length-variance")
def test_healthy_lengths_vary(healthy):
    return healthy


@control("trace-bounds")
def test_healthy_traces_keep_their_bounds(healthy):
    return healthy


@control("trace-codebook-use")
def test_healthy_traces_use_the_codebook(healthy):
    return healthy


@control("trace-frozen-positions")
def test_healthy_positions_vary(healthy):
    return healthy


@control("trace-prompt-dependence")
def test_healthy_traces_depend_on_the_prompt(healthy):
    return healthy


@control("trace-seed")
def test_healthy_seeds_are_apart(healthy):
    return healthy


# 25,000 traces of one length, one trace for all, one seed for all


@falsifies("trace-length-variance", "fail")
def test_25000_traces_of_one_length():
    rng = np.random.default_rng(0)
    found = judged({"codes": CODES}, traces=rng.integers(CODES, size=(MANY, 13)).tolist())
    assert {one.guard: one.verdict for one in found}["trace-uniqueness"] == "pass", "only the lengths are planted"
    return found


ONE = {"traces": [[int(code) for code in np.random.default_rng(1).integers(CODES, size=13)]] * MANY,
       "prompts": list(range(MANY))}  # fmt: skip


@pytest.fixture(scope="module")
def one_for_all() -> list:
    return judged(**ONE)


@falsifies("trace-uniqueness", "fail")
def test_one_trace_for_all(one_for_all):
    return one_for_all


@falsifies("trace-prompt-dependence", "fail")
def test_one_trace_for_all_prompts(one_for_all):
    return one_for_all


@falsifies("trace-frozen-positions", "fail")
def test_one_trace_for_all_varies_nowhere(one_for_all):
    return one_for_all


@falsifies("trace-uniqueness", "fail")
def test_one_trace_for_all_of_unknown_prompts():
    return judged(traces=ONE["traces"])


@falsifies("trace-seed", "fail")
def test_one_seed_for_all():
    found = judged(**(drawn() | {"seeds": [42] * 400}))
    assert [one.guard for one in found if one.verdict == "fail"] == ["trace-seed"], "only the seed is planted"
    return found


# Smaller and subtler plants


@falsifies("trace-seed", "fail")
def test_the_samples_number_as_the_seed():
    given = drawn(100, 4)
    return judged(**(given | {"seeds": [i % 4 for i in range(400)]}))


@falsifies("trace-seed", "warn")
def test_some_requests_share_a_seed():
    given = drawn()
    return judged(**(given | {"seeds": [seed // 2 for seed in given["seeds"]]}))


@control("trace-seed")
def test_one_seed_for_the_samples_of_one_prompt():
    given = drawn(100, 4)
    return judged(**(given | {"seeds": given["prompts"]}))


@falsifies("trace-seed", "unknown")
def test_no_seed_on_record_is_unknown():
    return judged(traces=drawn()["traces"])


@falsifies("trace-seed", "not_applicable")
def test_greedy_decoding_needs_no_seed():
    return judged(BOUNDS | {"temperature": 0.0}, **(drawn() | {"seeds": [0] * 400}))


@falsifies("trace-uniqueness", "fail")
def test_a_fifth_of_the_traces_copied():
    given = drawn()
    given["traces"][:80] = given["traces"][:1] * 80
    return judged(**given)


@falsifies("trace-uniqueness", "not_applicable")
def test_a_codebook_with_too_few_sequences():
    rng = np.random.default_rng(0)
    return judged({"codes": 4, "min_codes": 2, "max_codes": 3}, traces=rng.integers(4, size=(500, 3)).tolist())


@falsifies("trace-uniqueness", "warn")
def test_a_little_too_few_sequences_is_no_alarm():
    """Ten of sixteen codes in four places: what a perfect code for four digits looks like."""
    rng = np.random.default_rng(0)
    spec = {"codes": 16, "min_codes": 4, "max_codes": 4}
    return judged(spec, traces=rng.integers(10, size=(5000, 4)).tolist())


@falsifies("trace-uniqueness", "warn")
def test_traces_cut_short_though_longer_ones_are_allowed():
    rng = np.random.default_rng(0)
    return judged({"codes": 64, "min_codes": 1, "max_codes": 40}, traces=rng.integers(64, size=(5000, 1)).tolist())


@control("trace-uniqueness")
def test_greedy_samples_of_one_prompt_may_agree():
    given = drawn()
    return judged(traces=given["traces"] * 4, prompts=given["prompts"] * 4)


@falsifies("trace-uniqueness", "unknown")
def test_a_single_trace_is_unknown():
    return judged(traces=[[1, 2, 3, 4]])
