"""Mathematics: records become rows, answers are found and judged, and what attacks the grader earns nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from caderno import tasks, workers
from caderno.errors import BadInput
from caderno.tasks import math

ATTACKS = [json.loads(line) for line in (Path(__file__).parents[1] / "attacks/math.jsonl").read_text().splitlines()]
GSM8K = {
    "question": "Ann has 48 clips and half as many pins. How many things has she?",
    "answer": "She has 48/2 = <<48/2=24>>24 pins.\nSo 48+24 = <<48+24=72>>72 things.\n#### 72",
}
MATH = {
    "problem": "Solve $2x = 1$.",
    "solution": r"Divide by 2: $x = \boxed{\frac{1}{2}}$.",
    "level": "Level 1",
    "type": "Algebra",
}


def row(gold: str, question: str = "How many?") -> dict:
    return math.from_record({"question": question, "answer": "0"}, "test") | {"gold": gold}


@pytest.fixture
def service(tmp_path, monkeypatch):
    """Puts a service of the test's own in place of math-verify's, under a fresh module name."""

    def put(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(math, "SERVICE", name)
        math._equal.cache_clear()
        math._parses.cache_clear()

    yield put
    math._equal.cache_clear()
    math._parses.cache_clear()


@pytest.mark.parametrize("case", ATTACKS, ids=lambda case: case["name"])
def test_an_attack_earns_what_the_corpus_says(case, monkeypatch):
    monkeypatch.setattr(math, "GOLD_DEADLINE_S", 4.0)
    completion = case["completion"] * case.get("repeat", 1)
    found = math.score(row(case["gold"], case["question"]), completion)
    if case["expectation"] == "none":
        assert found is None
        return
    assert found is not None
    least, most = {"zero": (0, 0), "at_most_0.2": (0, 0.2), "guessed": (0.9, 0.9), "right": (1, 1)}[case["expectation"]]
    assert least - 1e-9 <= found.total <= most + 1e-9, found


def test_the_attack_corpus_has_a_name_and_a_reason_for_each():
    assert len({case["name"] for case in ATTACKS}) == len(ATTACKS) > 100
    assert all(case["what"] for case in ATTACKS)


def test_a_record_of_gsm8k_becomes_a_row():
    found = math.from_record(GSM8K, "a.jsonl, line 1")
    assert found["gold"] == "72" and found["prompt"][-1] == {"role": "user", "content": GSM8K["question"]}
    assert found["reference"] == (
        "<think>\nShe has 48/2 = 24 pins.\nSo 48+24 = 72 things.\n</think>\n\n" + r"\boxed{72}"
    )
    assert math.from_record(GSM8K | {"completion": "5"}, "elsewhere") == found
    spaced = GSM8K | {"question": f"  {GSM8K['question'].upper()}\n"}
    assert math.from_record(spaced, "")["id"] == found["id"]


@pytest.mark.parametrize(
    ("record", "gold", "reference"),
    [
        (MATH, r"\frac{1}{2}", "<think>\n" + MATH["solution"] + "\n</think>\n\n" + r"\boxed{\frac{1}{2}}"),
        (MATH | {"answer": "0.5"}, "0.5", "<think>\n" + MATH["solution"] + "\n</think>\n\n" + r"\boxed{0.5}"),
        ({"question": "q", "answer": 72}, "72", r"\boxed{72}"),
        ({"question": "q", "answer": 0.5}, "0.5", r"\boxed{0.5}"),
        ({"problem": "q", "answer": r"\text{Evelyn}"}, r"\text{Evelyn}", r"\boxed{\text{Evelyn}}"),
        ({"prompt": "q", "gold": "5"}, "5", r"\boxed{5}"),
        ({"prompt": [{"role": "user", "content": "q"}], "gold": r"so \boxed{5}"}, "5", r"\boxed{5}"),
        ({"question": "q", "solution": r"<think>h</think>\boxed{5}"}, "5", r"<think>h</think>\boxed{5}"),
    ],
)
def test_forms_of_records(record, gold, reference):
    found = math.from_record(record, "test")
    assert (found["gold"], found["reference"]) == (gold, reference)
    assert found["prompt"][-1] == {"role": "user", "content": record.get("problem", "q")}
    for completion in (found["gold"], found["reference"]):
        assert math.score(found, completion).fully_correct


def test_a_record_keeps_its_split_and_else_has_its_questions():
    assert math.from_record(GSM8K | {"split": "test"}, "")["split"] == "test"
    splits = [math.from_record({"question": f"How much is {n}?", "answer": n}, "")["split"] for n in range(300)]
    assert 0.5 < splits.count("train") / 300 < 0.7 and {"train", "heldout", "test"} == set(splits)


def test_a_row_is_taken_as_it_is():
    found = math.from_record(GSM8K, "")
    assert math.from_record(found, "") == found
    assert math.from_record(found | {"id": "mine", "reference": None}, "")["id"] == "mine"
    assert math.from_record(MATH, "")["facts"] == {"level": "Level 1", "type": "Algebra"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"answer": "5"}, "no problem"),
        ({"question": " ", "answer": "5"}, "no problem"),
        ({"prompt": [{"role": "system", "content": "q"}], "gold": "5"}, "no problem"),
        ({"question": "q"}, "no final answer"),
        ({"question": "q", "answer": None}, "no final answer"),
        ({"question": "q", "answer": True}, "no final answer"),
        ({"question": "q", "answer": ["5"]}, "no final answer"),
        ({"question": "q", "answer": "It took her five long hours, as one sees."}, "no final answer"),
        ({"question": "q", "answer": "work\n#### "}, "no final answer"),
        ({"question": "q", "solution": r"so $\boxed{}$"}, "no final answer"),
        ({"question": "q", "answer": "5", "split": "dev"}, "no such split"),
    ],
)
def test_a_record_that_is_none_says_where_and_why(record, expected):
    with pytest.raises(BadInput, match=expected) as raised:
        math.from_record(record, "a.jsonl, line 7")
    assert "a.jsonl, line 7" in str(raised.value)


def test_there_is_no_generator_of_problems():
    with pytest.raises(BadInput, match="--data"):
        math.rows("train", 5, 0)


def test_the_way_an_answer_was_found_is_told():
    whys = [math.score(row("72"), text).why for text in (r"\boxed{72}", "#### 72", "72", "It is 72.", r"\boxed{7}")]
    assert whys == ["tudo certo", "resposta em ####", r"resposta sem \boxed", r"último número, sem \boxed", "diz 7"]


def test_an_answer_that_takes_too_long_scores_nothing_in_any_thread(monkeypatch):
    monkeypatch.setattr(math, "DEADLINE_S", 0.3)
    found = []
    thread = threading.Thread(target=lambda: found.append(math.score(row(r"\sqrt{5}"), r"\boxed{9^{9^{9}}}")))
    thread.start()
    thread.join(60)
    assert [one.total for one in found] == [0.0] and "passou de 0.3 s" in found[0].why
    monkeypatch.setattr(math, "DEADLINE_S", 10.0)
    assert math.score(row(r"\sqrt{5}"), r"\boxed{5^{1/2}}").fully_correct  # by the worker that replaced it


def test_a_reference_that_takes_too_long_is_no_score(service, monkeypatch):
    service("slow_math", "import time\ndef prepare(): pass\ndef handle(request): time.sleep(60)\n")
    monkeypatch.setattr(math, "GOLD_DEADLINE_S", 0.2)
    assert math.score(row(r"\sqrt{5}"), r"\boxed{5}") is None
    assert math.score(row(r"\sqrt{5}"), "") is None
    assert math.score(row("5"), r"\boxed{5}").fully_correct  # a plain number asks nobody


def test_an_answer_that_ends_the_worker_scores_nothing(service):
    service(
        "deadly_math",
        "import os\ndef prepare(): pass\ndef handle(request):\n"
        "    if 'die' in request['answers']: os.abort()\n    return {'judgeable': True, 'equal': [False, False]}\n",
    )
    found = math.score(row(r"\sqrt{5}"), r"\boxed{die}")
    assert found.total == 0.0 and "derrubou" in found.why


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broken_math", "def prepare(): raise ImportError('no math-verify')\n"),
        ("absent_math", "import os\ndef prepare(): pass\ndef handle(request): os.abort()\n"),
    ],
)
def test_a_service_that_does_not_serve_is_an_error_and_no_score(service, name, text):
    service(name, text)
    with pytest.raises((math.Unserved, workers.WorkerDied)) as raised:
        math.score(row(r"\sqrt{5}"), r"\boxed{2}")
    assert isinstance(raised.value, math.Unserved)


def test_a_defect_of_the_service_is_an_error_with_the_row(service):
    service("faulty_math", "def prepare(): pass\ndef handle(request): return 1 / 0\n")
    with pytest.raises(workers.ServiceError, match="ZeroDivisionError") as raised:
        tasks.score_many([row(r"\sqrt{5}")], [r"\boxed{2}"])
    assert any("while scoring row math-" in note for note in raised.value.__notes__)
