r"""Mathematics: a problem with one final answer, read from files in the manner of GSM8K and of MATH.

The answer is judged (`math_answers` finds it, math-verify compares it behind a worker), not the way to it: a right
answer by wrong reasoning is right, and so is an expression that equals the reference without being worked out.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from caderno.errors import BadInput
from caderno.shop.profile import SPLITS, split_of
from caderno.tasks import math_answers
from caderno.tasks.base import Score, nothing, scored
from caderno.thinking import THINK_CLOSE, THINK_OPEN, answer_of

if TYPE_CHECKING:
    from caderno import workers

NAME = "math"
WAITS = True
NEEDS_SHOP = False
THINK_BUDGET_TOKENS = 400
SERVICE = "caderno.tasks.math_service"
DEADLINE_S = 1.0  # for an answer: the model's doing, so that missing it scores 0
GOLD_DEADLINE_S = 10.0  # for a reference: the file's doing, so that missing it is no score at all
MAX_COMPLETION_CHARACTERS = 100_000
GUESSED_FORMAT = 0.5  # the last number: nothing in the answer says that it is meant to be the answer
# English, as the problems of GSM8K and MATH are: a model that is asked in one language and told to answer in another
# is measured for more than mathematics.
_PROMPT = r"Solve the problem. Put the final answer, and nothing else, in \boxed{}."
SYSTEM_PROMPT = {"small": _PROMPT, "full": _PROMPT}
_KEPT = ("id", "group", "entities", "facts", "reference")  # of a record that is a row already
_MARKS = re.compile(r"<<[^<>\n]*>>")  # GSM8K's calculator calls
_TOLD = {"whole": "resposta sem \\boxed", "hashes": "resposta em ####", "number": "último número, sem \\boxed"}


class Unserved(RuntimeError):
    """No worker compares answers: a defect of the machine or of the installation, never a verdict."""


def rows(split: str, n: int, seed: int) -> list[dict]:
    """There is no generator of problems: always raises BadInput, which says where rows come from."""
    raise BadInput(
        f"{n} {split} rows of task {NAME} without a file", expected="a file of problems", where=f"rows, seed {seed}",
        mend="Give one: `caderno rows math --data FILE`, or data.source files with data.path.",
    )  # fmt: skip


def from_record(record: dict, where: str) -> dict:
    r"""A row from a record of a file; of a row that names this task already, id, facts and reference are kept.

    The problem is `prompt` (chat messages), `problem` or `question`; the reference is `gold`, or `answer` (GSM8K's ends
    with `#### 72`), or what is boxed in `solution`. The row's `gold` is that answer alone; its `reference` is the
    solution as a thought, then `\boxed{gold}`.

    Raises:
        BadInput: no problem or no answer in it, or a split that is none.
    """
    messages = record.get("prompt")
    question = _question(record, messages, where)
    gold, solution = _gold(record, where)
    key = " ".join(question.casefold().split())
    split = record.get("split") or split_of(key)
    if split not in SPLITS:
        raise BadInput(f"no such split ({split!r})", expected=f"one of {', '.join(SPLITS)}, or none", where=where)
    if not isinstance(messages, list):
        messages = [{"role": "system", "content": _PROMPT}, {"role": "user", "content": question}]
    row = {
        "id": f"{NAME}-{hashlib.sha256(key.encode()).hexdigest()[:16]}",
        "task": NAME,
        "split": split,
        "prompt": messages,
        "gold": gold,
        "reference": _reference(gold, solution),
        "entities": [],
        "facts": {name: record[name] for name in ("level", "type", "subject") if record.get(name) is not None},
    }
    kept = _KEPT if record.get("task") == NAME else ()
    return row | {name: record[name] for name in kept if record.get(name) is not None}


def _question(record: dict, messages: object, where: str) -> str:
    if isinstance(messages, list):
        texts = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "user"]
        found = texts[-1] if texts else None
    else:
        found = next((record[key] for key in ("problem", "question", "prompt") if key in record), None)
    if not isinstance(found, str) or not found.strip():
        raise BadInput(
            f"no problem in the record (its fields: {', '.join(map(str, record)) or 'none'})",
            expected="problem, question or prompt (with a user's message)", where=where,
            mend="Name the problem's field so, and its answer's `answer`, `solution` or `gold`.",
        )  # fmt: skip
    return found.strip()


def _gold(record: dict, where: str) -> tuple[str, str]:
    """The reference answer, and the solution that leads to it or an empty text."""
    texts = {
        key: str(record[key]).strip()
        for key in ("gold", "answer", "solution")
        if isinstance(record.get(key), str | int | float) and not isinstance(record[key], bool)
    }
    solution = texts.get("solution", "")
    for key, text in texts.items():
        final = _final(text)
        if final:
            working = solution or (text if key != "gold" and final != text else "")
            return final, working or (text if THINK_CLOSE in text else "")
    raise BadInput(
        f"no final answer ({', '.join(f'{key} {text[:60]!r}' for key, text in texts.items()) or 'no such field'})",
        expected=r"`answer` (a value, or a solution that ends with #### and it), `solution` with \boxed{}, or `gold`",
        where=where,
    )  # fmt: skip


def _final(text: str) -> str:
    """The answer at the end of a solution, or a text that is nothing but an answer; empty where there is none."""
    text = answer_of(text)
    if "####" in text:
        return text.rpartition("####")[2].strip()
    closed, _ = math_answers.boxes(text)
    return closed[-1].strip() if closed else text if math_answers.whole(text) else ""


def _reference(gold: str, solution: str) -> str:
    r"""A completion to learn: the solution as a thought, without calculator marks, then the answer in a box."""
    if THINK_CLOSE in solution:  # it is a completion already
        return solution
    lines = [line for line in _MARKS.sub("", solution).splitlines() if not line.lstrip().startswith("####")]
    thought = "\n".join(lines).strip()
    boxed = rf"\boxed{{{gold}}}"
    return f"{THINK_OPEN}\n{thought}\n{THINK_CLOSE}\n\n{boxed}" if thought else boxed


def score(row: dict, completion: str) -> Score | None:
    """Format: 1 where the answer is told apart (boxed, after ####, or alone), 0.5 where the last number is taken for
    it. Partial and task: 1 where it equals the reference. None where the reference itself cannot be judged by.

    Several different answers are right only together, where the reference is the set of them. An answer that takes
    math-verify longer than `DEADLINE_S` or ends its process scores 0. Works in any thread.
    """
    gold = math_answers.without_unit(math_answers.clean(row["gold"]))
    if not judgeable(gold):
        return None
    answer = answer_of(completion)
    if len(answer) > MAX_COMPLETION_CHARACTERS:
        return nothing(f"resposta de mais de {MAX_COMPLETION_CHARACTERS} caracteres")
    if math_answers.refuses(answer):
        return nothing("recusa")
    found = math_answers.find(answer, row["prompt"][-1]["content"])
    if found.how == "none":
        return nothing(found.why if answer else "resposta vazia")
    right, why = _right(gold, found.candidates)
    if right is None:
        return nothing(why)
    shape = GUESSED_FORMAT if found.how == "number" else 1.0
    return scored(shape, right, right, [one for one in (_TOLD.get(found.how, ""), why) if one])


def judgeable(gold: str) -> bool:
    """Whether answers can be judged by a cleaned reference: a plain number, words, or what math-verify parses."""
    if math_answers.value(gold) or math_answers.words(gold):
        return True
    return bool(gold) and _parses(gold)


@lru_cache(maxsize=65536)
def _parses(gold: str) -> bool:
    """Whether math-verify parses a reference, finds it equal to itself, and survives comparing it to a number."""
    from caderno import workers

    try:
        return _ask({"gold": gold, "answers": ["0"]}, GOLD_DEADLINE_S)["judgeable"]
    except (workers.DeadlineMissed, workers.WorkerDied):
        return False


def _right(gold: str, candidates: tuple[str, ...]) -> tuple[bool | None, str]:
    """Whether the answers given are the reference, and why not; None where they could not be compared."""
    from caderno import workers

    told = " | ".join(candidates)[:80]
    known = [math_answers.same(gold, one) for one in candidates]
    if all(known):
        return True, ""
    single = len(candidates) == 1 or math_answers.value(gold) or math_answers.words(gold)
    try:
        right = False if False in known and single else _equal(gold, candidates)
    except workers.DeadlineMissed:
        return None, f"comparar a resposta passou de {DEADLINE_S:g} s: {told}"
    except workers.WorkerDied:
        return None, f"comparar a resposta derrubou o processo: {told}"
    several = f"{len(candidates)} respostas diferentes: " if len(candidates) > 1 else ""
    return right, "" if right else f"{several}diz {told}"


@lru_cache(maxsize=4096)
def _equal(gold: str, candidates: tuple[str, ...]) -> bool:
    """math-verify's verdict: every one of the answers is the reference, or all of them together are, as a list."""
    plain = [math_answers.without_unit(one) for one in candidates]
    together = [",".join(plain)] if len(plain) > 1 else []
    equal = _ask({"gold": gold, "answers": plain + together}, DEADLINE_S)["equal"]
    return all(equal[: len(plain)]) or equal[-1]


def _ask(request: dict, deadline_s: float) -> dict:
    """One reply of the service. A worker that died is tried once more: the machine may have ended it, not the answer.

    Raises workers.DeadlineMissed; workers.WorkerDied where this request ends workers that serve others; Unserved.
    """
    from caderno import workers

    pool = workers.shared(SERVICE)
    try:
        return pool.call(request, deadline_s)
    except workers.WorkerDied:
        _require_service(pool)
        return pool.call(request, deadline_s)


def _require_service(pool: workers.Pool) -> None:
    """Raise Unserved where no worker can be had: without it, a machine without math-verify would score 0 throughout."""
    from caderno import workers

    try:
        pool.call({"gold": "1", "answers": []}, GOLD_DEADLINE_S)
    except (workers.WorkerDied, workers.DeadlineMissed) as error:
        raise Unserved(f"the worker that compares answers does not serve: {error}") from error
