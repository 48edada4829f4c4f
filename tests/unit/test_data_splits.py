"""Splits by the hash of a group: nobody moves, groups stay whole, shares come out, and overlaps are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caderno import data, params
from caderno.data import splitting
from caderno.data.selection import select, told
from caderno.errors import BadInput
from caderno.shop import SPLITS, split_of

SHARES = {"train": 0.6, "heldout": 0.2, "test": 0.2}


def row(number: int, **more) -> dict:
    prompt = [{"role": "system", "content": "s"}, {"role": "user", "content": f"pergunta {number}"}]
    return {"id": f"r{number}", "task": "push", "prompt": prompt, "gold": "oi"} | more


shares = st.tuples(*[st.integers(1, 20)] * 3).map(
    lambda parts: dict(zip(SPLITS, (part / sum(parts) for part in parts), strict=True))
)
groups = st.text(max_size=8)
rows = st.lists(
    st.builds(
        lambda number, extra: row(number, **extra),
        st.integers(0, 10**6),
        st.one_of(
            st.just({}),
            groups.filter(bool).map(lambda g: {"group": g}),
            st.lists(groups.filter(bool), min_size=1, max_size=3).map(lambda e: {"entities": e}),
            st.sampled_from(SPLITS).map(lambda s: {"split": s}),
        ),
    ),
    max_size=20,
)


@settings(max_examples=200, deadline=None)
@given(old=rows, new=rows, shares=shares)
def test_adding_rows_moves_no_old_row_and_a_group_stands_in_one_split(old, new, shares):
    def splits(found):
        return [splitting.with_split(one, shares)["split"] for one in found]

    before = splits(old)
    assert splits([*new, *old])[len(new) :] == before
    both = [one for one in (*old, *new) if "split" not in one]
    by_group: dict[str, set[str]] = {}
    for one, split in zip(both, splits(both), strict=True):
        by_group.setdefault(data.group_of(one), set()).add(split)
    assert all(len(found) == 1 for found in by_group.values())


def test_a_declared_split_stays_and_a_group_is_the_declared_one_the_first_entity_or_the_prompt():
    assert splitting.with_split(row(1, split="test", group="g"), {"train": 1.0})["split"] == "test"
    assert data.group_of(row(1, group="g", entities=["e"])) == "g"
    assert data.group_of(row(1, entities=["e", "f"])) == "e"
    plain = data.group_of(row(1))
    changed = row(1) | {
        "prompt": [{"role": "system", "content": "other"}, {"role": "user", "content": " PERGUNTÁ  1\n"}]
    }
    assert data.group_of(changed) == plain, "another system prompt, case, accents and spaces make no other question"
    assert data.group_of(row(2)) != plain


def test_the_split_is_the_hash_of_the_group_and_of_nothing_else():
    for key in ("", "maria", "customer:7", "é"):
        assert data.split_of(key, SHARES) == split_of(key), "the shop's own rule at the same shares"
    # Written down: another hash would send an old run's test rows into training.
    known = {"a": "heldout", "b": "train", "c": "train", "maria": "train", "joão": "test", "customer:7": "heldout"}
    assert {key: data.split_of(key, SHARES) for key in known} == known


def test_every_task_has_about_the_shares_and_the_numbers_are_told(tmp_path):
    path = tmp_path / "rows.jsonl"
    found = [row(i, task=("push", "insights", "extraction")[i % 3]) for i in range(6000)]
    path.write_text("".join(json.dumps(one) + "\n" for one in found))
    _, counts = select(str(path), {}, ["push"], {"train": 0.5, "heldout": 0.2, "test": 0.3})
    for name in ("push", "insights", "extraction"):
        total = sum(counts[name, split] for split in SPLITS)
        assert total == 2000
        # 4.5 standard errors of a binomial share: the hash is fixed, so this either holds for good or not at all
        for split, share in (("train", 0.5), ("heldout", 0.2), ("test", 0.3)):
            assert abs(counts[name, split] / total - share) < 4.5 * (share * (1 - share) / total) ** 0.5
    numbers = [counts["push", split] for split in SPLITS]
    assert "push {:,} train, {:,} heldout, {:,} test (".format(*numbers) in told(counts)


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(BadInput, match=r"split shares that sum to 1\.1"):
        params.load("params/base.yaml", ["data.split_shares.train=0.7"])
    with pytest.raises(BadInput, match="split_shares"):
        params.load("params/base.yaml", ["data.split_shares={train: 1.0, heldout: 0.0, test: 0.0}"])
    assert splitting.default_shares() == SHARES


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"id": "r2"}, {}, "id r2"),
        ({"prompt": row(2)["prompt"]}, {}, "prompt"),
        ({"entities": ["a", "maria"]}, {"entities": ["maria", "b"]}, "maria"),
        ({"group": "g"}, {"group": "g"}, "group g"),
    ],
)
def test_what_two_splits_share_is_refused_by_name(one, other, said):
    train, test = row(1) | one, row(2) | other
    data.require_disjoint({"train": [row(1)], "test": [row(2)]})
    data.require_disjoint({"train": [train, test]})
    with pytest.raises(BadInput, match=said):
        data.require_disjoint({"train": [train], "test": [test]})
