"""Arms judged alike: what of a completion is the answer, how many tokens each part took, and whose gain is whose."""

from __future__ import annotations

import copy

import abstract_items
import pytest

from caderno.abstract import judging, rows, vocabulary
from caderno.generation import completion, special_ids
from caderno.models import Policy
from caderno.params.abstract_sections import AbstractParams
from caderno.tasks import arithmetic

BOUNDS = {"min_codes": 1, "max_codes": 4, "temperature": 0.0}
SPEC = AbstractParams(codes=8, evaluation_traces=BOUNDS, answer_tokens=3, thought_tokens=40)


def seven() -> dict:
    """A row whose answer is 7."""
    return next(row for row in arithmetic.rows("test", 100, 0) if row["gold"] == "7")


class Spoken:
    """An engine that says what it was told, as far as it may; it keeps what it was asked."""

    context_tokens = 512

    def __init__(self, tokenizer, said: list[int]):
        self.tokenizer, self.said, self.special_ids = tokenizer, said, special_ids(tokenizer)

    def complete(self, requests, sampling, *, progress):
        self.requests, self.sampling = requests, sampling
        found = []
        for request in requests:
            ids = self.said[: sampling.max_new_tokens]
            found.append(completion(request, ids, None, ids[-1] == self.tokenizer.eos_token_id, self))
        return found


@pytest.fixture(scope="module")
def extended() -> tuple:
    """(tokenizer with codes, vocabulary)."""
    base = abstract_items.base()
    policy, found = vocabulary.extend(Policy(copy.deepcopy(base.model), base.tokenizer), 8, seed=0)
    return policy.tokenizer, found


@pytest.fixture
def judged(extended):
    """A function: what judging says of one row's completion, with the engine; `text` holds codes by name."""
    row = seven()
    tokenizer, abstract = extended

    def run(kind: str, text: str, spec=SPEC):
        engine = Spoken(tokenizer, tokenizer(text, add_special_tokens=False)["input_ids"])
        item = rows.encode_one(row, tokenizer)
        [sample] = judging.judge(engine, [item], {row["id"]: row}, kind, abstract, spec, arm="mine", run="test")
        assert sample["id"] == row["id"] and sample["arm"] == "mine"
        return sample, engine, item

    return run


EOS = "<|im_end|>"


@pytest.mark.parametrize(
    ("kind", "text", "correct", "c", "z", "y"),
    [
        ("direct", "7" + EOS, True, 0, 0, 2),
        ("direct", "8" + EOS, False, 0, 0, 2),
        ("direct", "7 7 7", False, 0, 0, 3),
        ("pause", "7" + EOS, True, 0, 6, 2),
        ("abstract", "<abs_A><abs_B><endabstract>7" + EOS, True, 0, 4, 2),
        ("abstract", "<abs_A><abs_B><abs_A><abs_B><endabstract>8" + EOS, False, 0, 6, 2),
        ("abstract", "<abs_A><endabstract><abs_C>7" + EOS, True, 0, 3, 3),
        ("verbal", "<think>3 + 4</think>7" + EOS, True, 5, 0, 2),
        ("verbal", "<think>7</think>8" + EOS, False, 3, 0, 2),
        ("verbal", "7" + EOS, True, 0, 0, 2),
        ("verbal", "<think>3 + 4 = 7", False, 6, 0, 0),
        ("verbal", "<think>3</think>8<think>4</think>7" + EOS, True, 7, 0, 2),
        ("verbal", "7<think>3" + EOS, False, 4, 0, 0),
    ],
)
def test_the_answer_is_judged_and_every_token_counted(judged, kind, text, correct, c, z, y):
    sample, engine, _ = judged(kind, text)
    assert sample["correct"] is correct
    assert (sample["tokens_c"], sample["tokens_z"], sample["tokens_y"]) == (c, z, y)
    expected = [name for name in ("A", "B", "A", "B") if kind == "abstract"][: z - 2]
    assert sample["trace"] == engine.tokenizer.convert_tokens_to_ids([f"<abs_{name}>" for name in expected])


def test_a_short_trace_does_not_buy_a_longer_answer(judged):
    """The engine's ceiling is of the longest trace with the answer: what a shorter one leaves is not the answer's."""
    late = "<abs_B><abs_B><abs_B>7" + EOS
    for length, codes in ((4, "<abs_A>" * 4), (1, "<abs_A>")):
        sample, engine, _ = judged("abstract", f"{codes}<endabstract>{late}")
        assert sample["correct"] is False and sample["tokens_y"] == 3, f"{length} codes"
        assert sample["finish_reason"] == "length" and "7" not in sample["completion"]
        assert engine.sampling.max_new_tokens == 4 + 1 + 3
    more = SPEC.model_copy(update={"answer_tokens": 5})
    assert judged("abstract", f"<abs_A><endabstract>{late}", more)[0]["correct"] is True


@pytest.mark.parametrize("kind", ["verbal", "direct", "pause", "abstract"])
def test_each_kind_is_asked_from_its_own_prompt(judged, extended, kind):
    _, engine, item = judged(kind, "<abs_A><endabstract>7" + EOS if kind == "abstract" else "7" + EOS)
    [request], abstract = engine.requests, extended[1]
    first, begin, end = abstract.code_ids[0], abstract.begin_id, abstract.end_id
    given = {"abstract": [begin], "pause": [begin, first, first, first, first, end]}.get(kind, [])
    assert request.prompt_ids == [*(item.x_thinking if kind == "verbal" else item.x), *given]
    assert (request.constraint is not None) == (kind == "abstract")
    assert engine.sampling.temperature == 0 and not engine.sampling.stop_ids
    assert engine.sampling.max_new_tokens == {"verbal": 43, "abstract": 8}.get(kind, 3)


def test_a_prompt_that_opens_the_thought_leaves_an_unclosed_one_wrong(extended):
    """Some templates put `<think>` into the prompt; without its end what follows is thought, not answer."""
    tokenizer, abstract = copy.deepcopy(extended[0]), extended[1]
    opening = "{% if not (enable_thinking is defined and enable_thinking is false) %}<think>{% endif %}"
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}" + opening
    row = seven()
    item = rows.encode_one(row, tokenizer)
    assert tokenizer.decode(item.x_thinking).endswith("<think>")
    for text, correct, c, y in (("7", False, 1, 0), ("3</think>7" + EOS, True, 2, 2)):
        engine = Spoken(tokenizer, tokenizer(text, add_special_tokens=False)["input_ids"])
        [sample] = judging.judge(engine, [item], {row["id"]: row}, "verbal", abstract, SPEC, arm="a", run="test")
        assert (sample["correct"], sample["tokens_c"], sample["tokens_y"]) == (correct, c, y)


def test_every_request_has_a_seed_of_its_own_and_a_run_repeats_itself(extended):
    tokenizer, abstract = extended
    made = arithmetic.rows("test", 8, 0)
    items, by_id = [rows.encode_one(row, tokenizer) for row in made], {row["id"]: row for row in made}
    seeds = []
    for run in ("one", "one", "other"):
        engine = Spoken(tokenizer, [tokenizer.eos_token_id])
        samples = judging.judge(engine, items, by_id, "direct", abstract, SPEC, arm="a", run=run)
        assert [one["id"] for one in samples] == [row["id"] for row in made]
        assert all(one["correct"] is False for one in samples), "an empty answer is wrong"
        seeds.append([request.seed for request in engine.requests])
    assert seeds[0] == seeds[1] != seeds[2] and len(set(seeds[0])) == 8


def test_answers_to_given_traces_are_asked_after_the_trace(extended):
    tokenizer, abstract = extended
    made = arithmetic.rows("test", 3, 0)
    items, by_id = [rows.encode_one(row, tokenizer) for row in made], {row["id"]: row for row in made}
    engine = Spoken(tokenizer, tokenizer(made[0]["gold"] + EOS, add_special_tokens=False)["input_ids"])
    answer = judging.answering(engine, items, by_id, abstract, SPEC)
    first, second = made[0]["id"], made[1]["id"]
    told = answer([(first, ()), (second, abstract.code_ids[:2]), (first, abstract.code_ids[:1])])
    assert told == [True, made[0]["gold"] == made[1]["gold"], True]
    ends = [
        request.prompt_ids[len(items[place].x) :] for request, place in zip(engine.requests, (0, 1, 0), strict=True)
    ]
    assert ends == [
        [abstract.begin_id, *codes, abstract.end_id] for codes in ([], abstract.code_ids[:2], abstract.code_ids[:1])
    ]


def sample(number: int, correct: bool | None, **tokens: int) -> dict:
    return {"id": f"r{number}", "correct": correct, "tokens_c": 0, "tokens_z": 0, "tokens_y": 1, **tokens}


def test_a_difference_is_mine_less_the_others_on_rows_both_were_judged_on():
    mine = [sample(n, n < 15) for n in range(20)] + [sample(20, None), sample(21, True)]
    others = [sample(n, n < 5) for n in reversed(range(20))] + [sample(20, False), sample(21, None)]
    gain, loss = judging.against(mine, others), judging.against(others, mine)
    assert gain["difference"] == pytest.approx(0.5) == -loss["difference"] and gain["n"] == 20
    assert gain["low"] > 0 > loss["high"] and gain["p"] < 0.01
    assert judging.against(mine[:3], [*mine, sample(99, False)])["difference"] == 0


def test_a_summary_counts_what_could_not_be_judged_and_does_not_score_it():
    samples = [sample(n, n < 3, tokens_c=n) for n in range(4)] + [sample(4, None, tokens_c=9)]
    told = judging.summary(samples, "mine")
    assert told["arm"] == "mine" and told["unjudged"] == 1 and told["accuracy"]["n"] == 4
    assert told["accuracy"]["value"] == 0.75 and 0 < told["accuracy"]["low"] < 0.75 < told["accuracy"]["high"] < 1
    assert told["tokens_c"] == 3.0 and told["tokens_y"] == 1.0, "tokens are of all rows"
