"""Benchmark of traces: one constraint and as many tokens for every arm, a limit or a baseline for every line."""

from __future__ import annotations

import importlib

import pytest
import torch

from caderno import runs
from caderno.generation.constraint import Constraint, TraceProcessor
from caderno.params.abstract_sections import TraceParams


@pytest.fixture
def bench_traces(monkeypatch):
    """The script, imported as `scripts/bench.py` imports it."""
    monkeypatch.syspath_prepend(str(runs.checkout() / "scripts"))
    return importlib.import_module("bench_traces")


def test_the_baseline_means_the_same_constraint(bench_traces):
    _, vocabulary = bench_traces._policy()
    spec = TraceParams(min_codes=1, max_codes=4)
    slow = bench_traces.LoopOverRows(vocabulary, spec)
    ours = TraceProcessor(Constraint(vocabulary.code_ids, vocabulary.end_id, 1, 4))
    ids, generator = torch.full((8, 2), vocabulary.begin_id), torch.Generator().manual_seed(0)
    for _ in range(7):
        scores = torch.randn(8, 896, generator=generator)
        scores[:, vocabulary.end_id] += 3
        left, right = ours(ids, scores), slow(ids, scores)
        assert torch.equal(left.softmax(-1), right.softmax(-1))
        ids = torch.cat([ids, left.argmax(-1, keepdim=True)], dim=1)


def test_lines_of_every_case(bench_traces, monkeypatch):
    monkeypatch.setattr(bench_traces, "CASES", ((None, 8, 3), (1024, 8, 3)))
    monkeypatch.setattr(bench_traces, "_by_vllm", lambda repeats: [])
    lines = bench_traces.tracing(2)
    assert [line.what for line in lines[::4]] == ["8 traces of 3 codes", "8 traces of 3 codes, 1,024 rows"]
    assert all(len(line.values) == 2 and min(line.values) > 0 for line in lines)
    assert [line.met() is None for line in lines] == [True, False, True, False] * 2
