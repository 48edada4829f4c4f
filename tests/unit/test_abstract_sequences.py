"""Rows [X; C; Z; Y] and their batches: labels, spans and padding, case by case."""

from __future__ import annotations

import pytest

from caderno.abstract.sequences import Segments, collate, labels, segment_ids
from caderno.errors import BadInput

ONE = Segments("a", (11, 12), (21, 22, 23), (3, 31, 4), (41, 2))
NO_C = Segments("b", (11,), (), (3, 4), (41, 42, 2), weight=0.5)
I = -100  # noqa: E741


def test_a_batch_is_padded_on_the_right_and_says_where_its_segments_are():
    batch = {name: value.tolist() for name, value in collate([ONE, NO_C], 0).items()}
    assert batch == {
        "input_ids": [[11, 12, 21, 22, 23, 3, 31, 4, 41, 2], [11, 3, 4, 41, 42, 2, 0, 0, 0, 0]],
        "attention_mask": [[1] * 10, [1] * 6 + [0] * 4],
        "labels": [[I, I, I, I, I, I, 31, 4, 41, 2], [I, I, 4, 41, 42, 2, I, I, I, I]],
        "spans": [[2, 3, 3, 2], [1, 0, 2, 3]],
        "weights": [1.0, 0.5],
    }


@pytest.mark.parametrize(
    ("loss_on", "expected"),
    [
        (("z", "y"), [I, I, I, I, I, I, 31, 4, 41, 2]),
        (("z",), [I, I, I, I, I, I, 31, 4, I, I]),
        (("y",), [I, I, I, I, I, I, I, I, 41, 2]),
    ],
)
def test_labels_are_the_tokens_with_loss(loss_on, expected):
    assert labels(ONE, loss_on) == expected


def test_without_z_the_answers_first_token_has_loss_only_where_no_thought_precedes_it():
    assert labels(Segments("a", (11,), (21,), (), (41, 2))) == [I, I, I, 2]
    assert labels(Segments("a", (11,), (), (), (41, 2))) == [I, 41, 2]


def test_segments_are_numbered_in_order():
    assert list(segment_ids(NO_C)) == [0, 2, 2, 3, 3, 3]
    assert (len(NO_C), NO_C.spans, NO_C.tokens) == (6, (1, 0, 2, 3), (11, 3, 4, 41, 42, 2))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Segments("q7", (), (1,), (2,), (3,)), "row q7: x is empty"),
        (lambda: Segments("q7", (1,), (), (2,), (3,), weight=-1.0), "row q7: weight is -1.0"),
        (lambda: Segments("q7", (1,), (), (2,), (3,), weight=float("nan")), "row q7: weight is nan"),
        (lambda: collate([], 0), "there are no rows"),
        (lambda: collate([ONE], 0, loss_on=("c",)), "loss_on is"),
        (lambda: collate([ONE], 0, loss_on=()), "loss_on is"),
        (lambda: collate([ONE, Segments("q7", (1,), (), (3,), ())], 0), "row q7: lengths of x, c, z, y are"),
        (lambda: collate([Segments("q7", (1,), (), (), (5,))], 0, loss_on=("z",)), "no token has loss"),
        (lambda: collate([Segments("q7", (1,), (9,), (), (5,))], 0), "no token has loss"),
    ],
)
def test_rows_that_teach_nothing_are_refused(make, said):
    with pytest.raises(BadInput, match=said):
        make()
