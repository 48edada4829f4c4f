"""Named steps: done once, anew where the inputs changed, gone on with where an attempt was interrupted."""

from __future__ import annotations

import pytest

from caderno.abstract import steps
from caderno.runs import read_json


class Work:
    """Counts its calls, notes what it found in the directory, and fails when told to."""

    def __init__(self, fails: bool = False):
        self.found: list[list[str]] = []
        self.fails = fails

    def __call__(self, directory):
        self.found.append(sorted(path.name for path in directory.iterdir()))
        (directory / f"checkpoint-{len(self.found)}").write_text("half")
        if self.fails:
            raise KeyboardInterrupt
        return {"steps": 7}


def test_a_step_is_done_once(tmp_path):
    work, place = Work(), tmp_path / "arm" / "train"
    first = steps.once(place, {"rows": [1, 2]}, work)
    assert first == {"steps": 7, "inputs": steps.fingerprint({"rows": [1, 2]})} == read_json(place / steps.DONE, None)
    assert steps.once(place, {"rows": [1, 2]}, work) == first and len(work.found) == 1


@pytest.mark.parametrize("other", [{"rows": [2, 1]}, {"rows": [1, 2], "seed": 0}, {"rows": [1.5, 2]}, {}])
def test_changed_inputs_are_done_anew_in_an_empty_directory(tmp_path, other):
    work = Work()
    first = steps.once(tmp_path / "a", {"rows": [1, 2]}, work)
    second = steps.once(tmp_path / "a", other, work)
    assert work.found == [[steps.INPUTS]] * 2, "nothing of the other inputs is left to go on from"
    assert second["inputs"] == steps.fingerprint(other) != first["inputs"]
    assert steps.once(tmp_path / "a", {"rows": [1, 2]}, work) == first and len(work.found) == 3, "nor is there a memory"


def test_the_order_of_keys_is_no_change(tmp_path):
    work = Work()
    steps.once(tmp_path / "a", {"one": 1, "other": {"x": 2, "y": 3}}, work)
    steps.once(tmp_path / "a", {"other": {"y": 3, "x": 2}, "one": 1}, work)
    assert len(work.found) == 1


def test_an_interrupted_attempt_is_not_done_and_leaves_its_work(tmp_path):
    broken, whole = Work(fails=True), Work()
    with pytest.raises(KeyboardInterrupt):
        steps.once(tmp_path / "a", {"rows": 3}, broken)
    assert read_json(tmp_path / "a" / steps.DONE, None) is None
    result = steps.once(tmp_path / "a", {"rows": 3}, whole)
    assert whole.found == [["checkpoint-1", steps.INPUTS]] and result["steps"] == 7


def test_an_interrupted_attempt_with_other_inputs_is_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        steps.once(tmp_path / "a", {"rows": 3}, Work(fails=True))
    work = Work()
    steps.once(tmp_path / "a", {"rows": 4}, work)
    assert work.found == [[steps.INPUTS]]


def test_files_that_no_step_has_signed_are_removed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / steps.DONE).write_text('{"steps": 1000}')
    work = Work()
    assert steps.once(tmp_path / "a", {}, work)["steps"] == 7 and work.found == [[steps.INPUTS]]
