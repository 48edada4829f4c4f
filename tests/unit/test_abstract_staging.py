"""What the stages of staged EM are taught, prefixes with their answers or a thought's next step; and who cannot be."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import abstract_items
import pytest

from caderno.abstract import rows, staging
from caderno.errors import BadInput
from caderno.params.abstract_sections import AbstractParams
from caderno.tasks import arithmetic


def campaign(made: list[dict], max_codes: int = 4, lora=None, **staged) -> SimpleNamespace:
    """What `staging` asks of a campaign."""
    tokenizer = abstract_items.base().tokenizer
    spec = AbstractParams(traces={"min_codes": 1, "max_codes": max_codes}, staged=staged)
    return SimpleNamespace(
        rows={row["id"]: row for row in made}, train=[rows.encode_one(row, tokenizer) for row in made],
        tokenizer=tokenizer, spec=spec, params=SimpleNamespace(model=SimpleNamespace(lora=lora)),
    )  # fmt: skip


def test_a_prefixs_lesson_is_its_answer():
    made = arithmetic.rows("train", 6, 0)
    lessons = staging.LESSONS["staged"](campaign(made))
    assert [len(lesson) for lesson in lessons] == [6] * 4
    tokenizer = abstract_items.base().tokenizer
    for stage, lesson in enumerate(lessons, 1):
        for row, item in zip(made, lesson, strict=True):
            assert item == rows.encode_one(arithmetic.prefix(row, stage), tokenizer)
            assert tokenizer.decode(item.y[:-1]) == str(row["facts"]["values"][stage - 1])
    assert lessons[-1] == campaign(made).train


@pytest.mark.parametrize("tokens", [1, 3])
def test_a_next_steps_lesson_is_the_beginning_of_the_step_after_it(tokens):
    made = arithmetic.rows("train", 6, 0)
    given = campaign(made, witness_tokens=tokens)
    lessons, tokenizer = staging.LESSONS["stepwise"](given), given.tokenizer
    assert len(lessons) == 4 and lessons[-1] == given.train, "after the last step comes the answer"
    for stage, lesson in enumerate(lessons[:-1], 1):
        for row, item, whole in zip(made, lesson, given.train, strict=True):
            assert item.x == whole.x and len(item.y) == tokens, "the prompt is whole"
            told = "".join(tokenizer.decode(item.y).split())
            assert "".join(row["facts"]["steps"][stage].split()).startswith(told)
            assert told.startswith(str(row["facts"]["values"][stage - 1])), "which begins with the value so far"


@pytest.mark.parametrize("arm", ["staged", "stepwise"])
def test_rows_have_to_have_one_number_of_stages_and_a_code_for_each(arm):
    made = arithmetic.rows("train", 3, 0)
    mixed = [*made, *arithmetic.rows("train", 3, 0, operations=3)]
    with pytest.raises(BadInput, match="rows of 3, 4 "):
        staging.LESSONS[arm](campaign(mixed))
    with pytest.raises(BadInput, match="at most 3"):
        staging.LESSONS[arm](campaign(made, max_codes=3))
    with pytest.raises(BadInput, match=r"model\.lora"):
        staging.LESSONS[arm](campaign(made, lora={"rank": 2}))


def test_rows_of_other_tasks_have_no_prefixes():
    made = arithmetic.rows("train", 3, 0)
    with pytest.raises(BadInput, match="1 rows of other tasks"):
        staging.LESSONS["staged"](campaign([*made[:2], {**made[2], "task": "math"}]))


def test_other_tasks_are_refused_also_where_arithmetic_was_never_asked_for():
    """In a fresh process: tasks are imported when they are asked for, and here nobody has."""
    code = (
        "from types import SimpleNamespace as S\nfrom caderno.abstract import staging\n"
        "rows = {'r': {'id': 'r', 'task': 'math'}}\n"
        "staging.LESSONS['staged'](S(rows=rows, train=[S(row_id='r')]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "BadInput" in found.stderr and "1 rows of other tasks" in found.stderr, found.stderr
