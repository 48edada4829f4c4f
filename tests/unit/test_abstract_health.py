"""Measures of traces against plain counting, nulls against what they claim, interventions against what they promise."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import numpy as np
import pytest

from caderno.abstract import health
from caderno.abstract.health_alike import edit_similarity, jaccard
from caderno.abstract.health_codes import entropy
from caderno.abstract.health_entropy import miller_madow, plug_in
from caderno.abstract.health_flat import flat
from caderno.errors import BadInput


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


def uneven(n: int, shares, length: int = 20, seed: int = 0) -> list[list[int]]:
    return np.random.default_rng(seed).choice(len(shares), (n, length), p=shares).tolist()


def levenshtein(a, b) -> int:
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        now = [i]
        for j, y in enumerate(b, 1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (x != y)))
        before = now
    return before[-1]


def test_every_measure_of_a_file_one_can_count():
    traces = [[1, 2, 3], [1, 2, 3], [1, 5], [], [1, 2, 9, 9]]
    found = health.measures(traces, prompts=["a", "b", "c", "d", "e"], seeds=[1, 2, 3, 4, 4])
    assert (found["n"], found["empty"], found["tokens"], found["prompts"]) == (5, 1, 12, 5)
    assert found["unique"]["count"] == 4 and found["unique"]["share"] == 0.8
    assert found["unique"]["most_frequent"] == {"trace": [1, 2, 3], "length": 3, "count": 2, "share": 0.4}
    assert found["unique"]["first"]["next_is_new"]["value"] == 0.6
    length = found["length"]
    assert (length["min"], length["median"], length["max"], length["mode"]) == (0, 3.0, 4, 3)
    assert length["histogram"] == {"0": 1, "2": 1, "3": 2, "4": 1} and length["share_at_max"] == 0.2
    assert length["variance"] == pytest.approx(np.var([3, 3, 2, 0, 4]))
    assert [one["n"] for one in found["positions"]] == [4, 4, 3, 1]
    assert [one["types"] for one in found["positions"]] == [1, 2, 2, 1]
    assert found["positions"][1]["commonest"] == 2 and found["positions"][1]["share"] == 0.75
    assert found["prefix"] == {"length": 0, "trace": []}, "the empty trace begins with nothing"
    assert found["seeds"] == {"given": 5, "requests": 5, "distinct": 4, "commonest": 4, "commonest_share": 0.4}
    assert found["codebook"]["top"][0] == {"token": 1, "count": 4, "share": 4 / 12}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_strings_are_codes_like_any():
    words, ids = [["<A>", "<B>"], ["<B>"]], [[7, 8], [8]]
    first, second = health.measures(words), health.measures(ids)
    assert first["codebook"]["top"][0]["token"] == "<B>" and second["codebook"]["top"][0]["token"] == 8
    assert first["entropy"] == second["entropy"] and first["length"] == second["length"]


@pytest.mark.parametrize("traces", [[[]], [[], []], [[1]], [[1, 1, 1]], [[2**80], [3]]])
def test_the_smallest_files_are_measured(traces):
    found = health.measures(traces)
    assert found["n"] == len(traces)
    json.dumps(found, allow_nan=False)


def test_bad_input_is_refused():
    with pytest.raises(BadInput, match="no traces"):
        health.measures([])
    with pytest.raises(BadInput, match="2 prompts"):
        health.measures([[1]], prompts=["a", "b"])
    with pytest.raises(BadInput, match="3 different codes; expected at most the 2 of the codebook"):
        health.measures([[1, 2, 3]], spec={"codes": 2})


def test_the_seed_decides_all_that_is_drawn():
    traces = uneven(60, np.full(8, 1 / 8))
    prompts = [i // 2 for i in range(60)]
    assert health.measures(traces, prompts=prompts, seed=3) == health.measures(traces, prompts=prompts, seed=3)


# Entropy


def test_miller_madow_mends_most_of_the_bias(rng):
    draws = rng.multinomial(100, np.full(16, 1 / 16), size=400)
    plain, mended = np.mean([plug_in(one) for one in draws]), np.mean([miller_madow(one) for one in draws])
    assert 4 - plain > 0.08 and abs(4 - mended) < 0.02
    assert miller_madow(np.array([0, 0])) is None and miller_madow(np.array([7])) == 0


def test_the_interval_of_the_entropy_holds_over_traces_whose_codes_depend(rng):
    """A trace that repeats one code is one draw, not twenty: an interval over codes would be far too narrow."""
    inside = 0
    for seed in range(60):
        codes = np.random.default_rng(seed).integers(8, size=150)
        found = entropy(flat([[int(code)] * 20 for code in codes]), 8, np.random.default_rng(seed))
        inside += found["low"] <= 3.0 - 7 / (2 * 150 * np.log(2)) <= found["high"]
    assert inside >= 48


def test_what_uniform_draws_would_repeat(rng):
    assert health.uniform_distinct({1: 100}, 10) == pytest.approx(10 * (1 - 0.9**100))
    drawn = [len({tuple(one) for one in rng.integers(4, size=(50, 3)).tolist()}) for _ in range(500)]
    assert health.uniform_distinct({3: 50}, 4) == pytest.approx(np.mean(drawn), rel=0.02)
    assert health.uniform_distinct({100: 7, 0: 3}, 64) == 8 and health.uniform_distinct({5: 9}, 1) == 1


def test_good_turing_covers_the_chance_of_a_new_trace(rng):
    shares = rng.dirichlet(np.full(200, 0.5))
    covered = 0
    for seed in range(100):
        drawn = np.random.default_rng(seed).choice(200, 150, p=shares)
        truth = 1 - shares[np.unique(drawn)].sum()
        found = health.next_is_new(Counter(drawn.tolist()).values(), 150)
        covered += found["low"] <= truth <= found["high"]
    assert covered >= 88


# Likeness and information


def test_edit_similarity_is_levenshtein(rng):
    traces = [rng.integers(3, size=int(n)) for n in rng.integers(0, 9, 40)]
    pairs = list(itertools.combinations(traces, 2))
    found = edit_similarity([a for a, _ in pairs], [b for _, b in pairs])
    expected = [1 - levenshtein(a, b) / max(len(a), len(b), 1) for a, b in pairs]
    assert found == pytest.approx(expected)


def test_jaccard_is_of_neighbouring_codes():
    one, other = np.array([1, 2, 3]), np.array([2, 3, 1])
    assert jaccard(one, one) == 1 and jaccard(one, other) == pytest.approx(1 / 3) and jaccard(one[:1], one[:0]) == 1


def test_samples_of_one_prompt_are_alike_where_traces_say_what_it_is(rng):
    content = [rng.integers(10, size=4).tolist() for _ in range(100) for _ in range(1)]
    prompts = [i for i in range(100) for _ in range(3)]
    noisy = [[code if rng.random() < 0.7 else int(rng.integers(10)) for code in content[i]] for i in prompts]
    found = health.measures(noisy, prompts=prompts)
    assert found["likeness"]["within"]["difference"] > 0.2 and found["likeness"]["within"]["p"] < 0.01
    assert found["mutual_information"]["first_code"]["excess_bits"] > 0.5
    assert found["mutual_information"]["first_code"]["p"] < 0.01
    noise = health.measures(rng.integers(10, size=(300, 4)).tolist(), prompts=prompts)
    assert abs(noise["likeness"]["within"]["difference"]) < 0.05
    assert abs(noise["mutual_information"]["first_code"]["excess_bits"]) < 0.15


def test_traces_that_all_differ_tell_no_information():
    traces = uneven(200, np.full(64, 1 / 64))
    found = health.measures(traces, prompts=[i // 2 for i in range(200)])["mutual_information"]["trace"]
    assert found["saturated"] and found["excess_bits"] == pytest.approx(0) and found["p"] == 1
    assert health.measures(traces, prompts=list(range(200)))["mutual_information"] is None
