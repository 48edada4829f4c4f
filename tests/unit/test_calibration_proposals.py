"""What calibration proposes: lengths, group sizes, prompts to drop; and how failures of form are grouped."""

from __future__ import annotations

import pytest
from calibrating import CUT, always, mixed, reason, sample, samples, ticket

from caderno import calibration
from caderno.calibration import failures, proposals


def test_the_longest_completion_is_proposed_from_those_that_finished():
    drawn = {"training": [sample(f"push-{i}", 0, 0.5, tokens=i + 1) for i in range(100)]}
    given = {"calibration": {"training": {"max_new_tokens": 256}}, "grpo": {"max_completion_length": 96}}
    longer = ticket(drawn, **given)["proposals"][0]
    assert (longer["proposed"], longer["change"]) == (128, True), "99 tokens, a quarter more, in eights"
    fits = ticket(drawn, room=100, **given)["proposals"][0]
    assert (fits["proposed"], fits["change"]) == (100, True) and "fits" in fits["why"]
    enough = ticket(drawn, grpo={"max_completion_length": 400}, calibration=given["calibration"])["proposals"][0]
    assert (enough["proposed"], enough["change"]) == (128, False)
    for one in drawn["training"][:5]:
        one |= {"finish_reason": "length", "tokens": 256}
    cut = ticket(drawn, **given)["proposals"][0]
    assert cut["proposed"] == 256 and "5 % of all are cut" in cut["why"], "beyond the ceiling nothing is known"
    none = ticket({"training": [one | CUT for one in drawn["training"]]}, **given)["proposals"][0]
    assert none["proposed"] is None and "no completion finished" in none["why"]


@pytest.mark.parametrize(("p", "proposed"), [(0.5, 4), (0.1, 16), (0.01, None)])
def test_the_group_size_follows_from_the_spread(p, proposed):
    drawn = {"training": samples("push", 400, 8, lambda rng, i: [float(rng.random() < p) for _ in range(8)])}
    found = ticket(drawn, grpo={"group_size": 8})["proposals"][1]
    assert found["proposed"] == proposed and found["change"] == (proposed == 16), found


def test_one_sample_a_prompt_proposes_no_group():
    found = ticket({"training": samples("push", 60, 1, mixed)})
    assert found["proposals"][1]["proposed"] is None and "calibration.samples" in found["proposals"][1]["why"]
    assert found["answer"] == "cannot be told" and reason(found, "equal rewards")["answer"] == "cannot be told"


def test_prompts_to_drop_come_with_what_k_cannot_know():
    drawn = {"training": samples("push", 10, 4, always(1.0)) + samples("sql_qa", 3, 4, always(0.0))
             + samples("extraction", 30, 4, mixed)}  # fmt: skip
    found = ticket(drawn)["drop"]
    assert {(one["kind"], one["task"]) for one in found if one["task"] != "extraction"} == {
        ("always solved", "push"), ("always 0", "sql_qa")
    }  # fmt: skip
    expected = 1 - proposals.JEFFREYS.after(4, 0).power(8) - proposals.JEFFREYS.after(4, 0).mirrored.power(8)
    assert found[0]["differs"] == pytest.approx(expected, abs=1e-3) and 0.3 < expected < 0.5
    longer = {"training": samples("push", 10, 16, always(1.0))}
    assert ticket(longer)["drop"][0]["differs"] < 0.5 * expected, "more samples, more certainty"


def test_others_of_the_task_tell_how_sure_four_of_four_is():
    """Where prompts are all or nothing, four of four says much; where all are alike, it is luck."""
    fixed = ticket({"training": samples("push", 60, 4, lambda rng, i: [float(i % 2)] * 4)})["drop"]
    lucky = ticket({"training": samples("push", 60, 4, lambda rng, i: [float(rng.random() < 0.7) for _ in range(4)])})[
        "drop"
    ]
    assert max(one["differs"] for one in fixed) < 0.1 < 0.7 < min(one["differs"] for one in lucky)


def test_failures_of_form_are_grouped_by_what_broke():
    def broken(i: int, why: str, **more) -> dict:
        return sample(f"extraction-{i}", 0, 0.1, parts={"format": 0.5, "partial": 0, "task": 0}, why=why, **more)

    found = [
        broken(0, "campo nota inválido; nota: '7', era 3"), broken(1, "campo pedido inválido"),
        broken(2, "problema: 'x', era 'y'; texto fora do objeto"),
        broken(3, "faltam 'sql:' e 'resposta:', uma vez cada"),
        broken(4, "resposta vazia", think_closed=False), broken(5, "nenhum objeto", **CUT),
        broken(6, f"não é SQL: Expected {'x' * 80}"), sample("extraction-7", 0, 1.0), sample("extraction-8", 0, None),
    ]  # fmt: skip
    told = failures.kinds({"training": found})
    assert told[0] == {
        "task": "extraction", "sampling": "training", "kind": "campo … inválido", "n": 2, "share": 0.25,
        "id": "extraction-0", "sample": 0, "why": "campo nota inválido; nota: '7', era 3",
    }  # fmt: skip
    assert {one["kind"] for one in told[1:]} == {
        "texto fora do objeto", "faltam 'sql:' e 'resposta:', uma vez cada", failures.UNCLOSED, failures.CUT,
        "não é SQL",
    }  # fmt: skip


def test_room_is_what_the_longest_prompt_leaves():
    class Engine:
        context_tokens = 100

        def tokenizer(self, text: str, add_special_tokens: bool) -> dict:
            return {"input_ids": text.split()}

    assert calibration.room_tokens(Engine(), [{"prompt": "um"}, {"prompt": "um pedido"}]) == 98
