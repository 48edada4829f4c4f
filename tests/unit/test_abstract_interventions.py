"""Each intervention changes what it says and nothing else, and is paired with the trace kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from caderno.abstract import interventions
from caderno.errors import BadInput

ROWS = [str(i // 2) for i in range(40)]
KEPT = [tuple(one) for one in np.random.default_rng(3).integers(16, size=(40, 6)).tolist()]


def test_each_variant_changes_what_it_says_and_nothing_else():
    made = interventions.variants(ROWS, KEPT, list(range(16)), seed=1, truncate_to=(0, 4))
    assert made["kept"] == KEPT and made["dropped"] == [()] * 40 == made["truncated_0"]
    assert [len(one) for one in made["randomised"]] == [6] * 40 and made["randomised"] != KEPT
    assert all(Counter(a) == Counter(b) and a != b for a, b in zip(made["shuffled"], KEPT, strict=True))
    assert Counter(made["swapped"]) == Counter(KEPT)
    owner = dict(zip(KEPT, ROWS, strict=True))
    assert all(owner[trace] != row for trace, row in zip(made["swapped"], ROWS, strict=True))
    assert made["truncated_4"] == [trace[:4] for trace in KEPT]
    assert made == interventions.variants(ROWS, KEPT, list(range(16)), seed=1, truncate_to=(0, 4))
    assert made != interventions.variants(ROWS, KEPT, list(range(16)), seed=2, truncate_to=(0, 4))


def test_a_trace_without_another_order_stays():
    assert interventions.shuffle([(1, 1, 1), (), (2,)], seed=0) == [(1, 1, 1), (), (2,)]
    assert interventions.shuffle([(1, 2)] * 20, seed=0) == [(2, 1)] * 20


@pytest.mark.parametrize(
    ("rows", "traces", "codes", "said"),
    [
        (["a"], [(1,)], [1, 2], "1 of 1 traces are of one row"), (["a", "a", "b"], [(1,)] * 3, [1], "2 of 3 traces"),
        (["a"], [], [1], "1 rows, 0 traces"), ([], [], [1], "0 rows"), (["a", "b"], [(1,)] * 2, [], "0 codes"),
    ],
)  # fmt: skip
def test_what_cannot_be_swapped_or_drawn_is_refused(rows, traces, codes, said):
    with pytest.raises(BadInput, match=said):
        interventions.variants(rows, traces, codes)


def test_judge_pairs_with_what_was_kept():
    rows, kept = [str(i) for i in range(100)], [(i % 16, (i + 5) % 16) for i in range(100)]

    def answer(items):
        return [None if row == "7" else kept[int(row)] == trace or int(row) < 20 for row, trace in items]

    found = {one["name"]: one for one in interventions.judge(answer, rows, kept, list(range(16)), truncate_to=(1,))}
    assert list(found) == ["kept", "dropped", "randomised", "shuffled", "swapped", "truncated_1"]
    assert found["kept"]["accuracy"] == 1 and found["kept"]["difference"] is None and found["kept"]["left_out"] == 1
    dropped = found["dropped"]
    assert dropped["n"] == 99 and dropped["accuracy"] == pytest.approx(19 / 99) and dropped["tokens"] == 0
    assert dropped["difference_low"] < dropped["difference"] < dropped["difference_high"] < 0
    assert dropped["difference"] == pytest.approx(-80 / 99)
    assert dropped["p"] <= dropped["p_holm"] < 1e-9 and "McNemar" in dropped["method"] and dropped["changed"] == 1


def test_samples_of_one_row_are_no_rows_of_their_own():
    def answer(items):
        return [sum(z) % 3 > 0 for _, z in items]

    found = interventions.judge(answer, ROWS, KEPT, list(range(16)))
    assert all(one["n"] == 40 and one["rows"] == 20 for one in found)
    assert "group means" in found[0]["method"] and "McNemar" not in found[2]["method"]


def test_an_answer_that_loses_rows_is_a_defect():
    with pytest.raises(ValueError, match="1 outcomes for 40 traces"):
        interventions.judge(lambda items: [True], ROWS, KEPT, [1])
    with pytest.raises(BadInput, match="no row that can be judged"):
        interventions.judge(lambda items: [None] * len(items), ROWS, KEPT, [1])
