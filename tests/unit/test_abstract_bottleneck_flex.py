"""Packed rows under a FlexAttention block mask: the mask by its definition, and the forward pass on the CPU."""

from __future__ import annotations

import pytest
import torch
from bottleneck_rows import decoder, dense_mask, row, rows

from caderno.abstract import flex
from caderno.abstract.bottleneck import denominator, loss, token_nll
from caderno.abstract.sequences import collate
from caderno.errors import BadInput

SHAPES = [(5, 20, 6, 9), (2, 3, 4, 12), (9, 17, 2, 2), (3, 0, 5, 4), (4, 12, 0, 9)]


def test_rows_go_where_they_first_fit_longest_first():
    bins = flex.fitted(rows(SHAPES), 64)
    assert [[len(one) for one in inside] for inside in bins] == [[40, 21], [30, 25], [12]]


def test_a_packed_batch_starts_every_row_anew():
    packed = flex.pack([row((2, 1, 3, 2), 1, weight=0.5), row((1, 2, 2, 1), 2)], 0, 16)
    found = {name: packed[name][0].tolist() for name in ("position_ids", "segments", "documents", "weights")}
    assert found == {
        "position_ids": [*range(8), *range(6), 0, 0],
        "segments": [0, 0, 1, 2, 2, 2, 3, 3, 0, 1, 1, 2, 2, 3, -1, -1],
        "documents": [*[0] * 8, *[1] * 6, -1, -1],
        "weights": [*[0.5] * 8, *[1.0] * 6, 0.0, 0.0],
    }


def test_the_mask_is_the_definition_block_by_block():
    """Ten rows in sequences of 256 tokens: blocks that are whole, partial and empty."""
    segments = rows([(10, 90, 12, 9), (40, 40, 6, 30), (30, 150, 5, 20), (8, 20, 6, 9)])
    packed = flex.pack(segments, 0, 256)
    bins = flex.fitted(segments, 256)
    blocks = packed["packed"].mask
    index = torch.arange(256)
    for number, inside in enumerate(bins):
        expected = torch.zeros(256, 256, dtype=torch.bool)
        start = 0
        for one in inside:
            end = start + len(one)
            expected[start:end, start:end] = dense_mask([one], len(one))[0, 0]
            start = end
        place = torch.tensor(number)
        found = blocks.mask_mod(place, torch.tensor(0), index[:, None], index[None])
        assert torch.equal(found[:start], expected[:start])
    assert blocks.sparsity() > 0  # some block of 128 x 128 is skipped: keys after the queries


@pytest.mark.parametrize("kind", ["Qwen3", "Llama"])
def test_packed_rows_have_the_likelihoods_of_the_two_calls(kind):
    model, segments = decoder(kind), rows(SHAPES)
    packed = flex.pack(segments, 0, 64)
    with torch.no_grad():
        found = token_nll(model, packed)
        total = loss(model, packed, weight_z=0.5)
        expected = loss(model, collate(segments, 0), weight_z=0.5)
        alone = {one.row_id: token_nll(model, collate([one], 0)).nll for one in segments}
    ordered = [one for inside in flex.fitted(segments, 64) for one in inside]
    assert (found.nll - torch.cat([alone[one.row_id] for one in ordered])).abs().max() < 1e-5
    assert float(total["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-5)
    assert (total["tokens_z"], total["tokens_y"]) == (expected["tokens_z"], expected["tokens_y"])
    assert float(denominator(packed, 0.5)) == pytest.approx(float(denominator(collate(segments, 0), 0.5)))


def test_a_mask_that_forgets_the_segments_is_told():
    model, packed = decoder(), flex.pack(rows(SHAPES), 0, 64)
    with torch.no_grad():
        true = token_nll(model, packed).nll
        packed["packed"] = flex.Packed(flex.block_mask(packed["segments"].clamp(max=0), packed["documents"]))
        assert (token_nll(model, packed).nll - true).abs().max() > 1e-2


def test_on_a_cpu_there_is_no_backward_pass_and_that_is_said():
    with pytest.raises(Exception, match="backward"):
        loss(decoder().train(), flex.pack(rows(SHAPES), 0, 64))["loss"].backward()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: flex.pack([], 0, 64), "there are no rows"),
        (lambda: flex.pack(rows(SHAPES), 0, 39), "row row 0: 40 tokens; expected at most 39"),
        (lambda: loss(decoder(attention_dropout=0.1).train(), flex.pack(rows(SHAPES), 0, 64)), "attention dropout"),
    ],
)
def test_what_cannot_be_packed_is_refused(make, said):
    with pytest.raises(BadInput, match=said):
        make()
