"""What preflight's notebook gathers and judges: a clean tiny policy raises no alarm, and is left as it was."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import conftest
import pytest
import torch
from materials import params, rows

from caderno import guards, models
from caderno.errors import BadInput
from caderno.generation.hf import HfEngine
from caderno.guards import facts_data, facts_probe_rewards, facts_probe_steps
from caderno.params.sections import LoraParams
from caderno.training import probing, references

SPLITS = {name: list(rows(name)) for name in ("train", "heldout", "test")}
ALARMS = {"fail", "warn"}


@pytest.fixture
def policy(small_tokenizer) -> models.Policy:
    """A random model under the tiny base's own tokenizer."""
    return models.Policy(conftest.build_model(small_tokenizer), small_tokenizer)


def answers(found: list[guards.Verdict]) -> dict[str, str]:
    return {one.guard: one.verdict for one in found}


def test_the_shipped_model_passes_with_everything_measured():
    given = params()
    policy = models.load(given.model, for_training=True)
    engine = HfEngine(policy.model, policy.tokenizer, 512)
    facts = probing.generation(engine, SPLITS["heldout"], given) | probing.data(policy, SPLITS, given)
    facts |= probing.scorers(SPLITS["heldout"]) | probing.weights(policy, SPLITS["train"], given)
    facts |= probing.trainer(policy, SPLITS["train"], given)
    found = answers(probing.judged(facts))
    assert not {name: verdict for name, verdict in found.items() if verdict in ALARMS}, probing.judged(facts)
    assert {name for name, verdict in found.items() if verdict == "unknown"} == {"leak-ancestors", "length-memory"}
    told = guards.all_guards("data") | guards.all_guards("probe")
    elsewhere = {name for name, one in told.items() if set(one.needs) & probing.ELSEWHERE}
    assert set(found) == set(told) - elsewhere and "thinking-switch" in elsewhere


@pytest.mark.parametrize("lora", [None, LoraParams(rank=4, alpha=8)], ids=["full", "lora"])
def test_a_probed_policy_is_as_before(policy, lora):
    given = params(grpo={"kl_coef": 0.1})
    if lora:
        policy = models.with_lora(policy, lora)
    policy.model.train()
    before = copy.deepcopy(policy.model.state_dict())
    attention = policy.model.config._attn_implementation
    facts = probing.weights(policy, SPLITS["train"], given)
    after = policy.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(p.grad is None for p in policy.model.parameters())
    assert policy.model.training and policy.model.config._attn_implementation == attention
    found = answers(probing.judged(facts))
    assert found["adapter-on-off"] == ("pass" if lora else "not_applicable")
    # also of a model built in memory, which names no directory that a reference could be loaded from
    assert found["ref-policy"] == "pass" and facts["reference"] == {
        "kl": 0.0, "how": references.DISABLED if lora else references.COPY,
    }  # fmt: skip
    assert found["sampler-sync-probe"] == found["tied-head"] == found["weights-move"] == "pass"


def test_what_raises_in_a_rehearsal_still_puts_back(policy):
    before = copy.deepcopy(policy.model.state_dict())
    with pytest.raises(RuntimeError), facts_probe_steps.rehearsed(policy.model):
        policy.model.get_input_embeddings().weight.data.zero_()
        raise RuntimeError
    assert all(torch.equal(policy.model.state_dict()[name], value) for name, value in before.items())


def test_without_grpo_nothing_is_asked_of_it(policy):
    given = params(stages=["preflight", "sft"])
    assert probing.sync(policy, SPLITS["train"], given) == {}
    assert set(probing.paths(policy, SPLITS["train"], given)) == {"sft"}
    engine = HfEngine(policy.model, policy.tokenizer, 512)
    found = answers(probing.judged(probing.generation(engine, SPLITS["heldout"], given)))
    assert found["ceiling-probe"] == found["distinct-samples"] == "not_applicable"


def test_with_vllm_the_sync_is_unknown(policy):
    given = params(grpo={"use_vllm": True})
    with facts_probe_steps.rehearsed(policy.model):
        assert "running guard" in probing.sync(policy, SPLITS["train"], given)["unknown"]


def test_the_paths_are_the_trainers_own(policy, monkeypatch):
    clean = probing.paths(policy, SPLITS["train"], params())
    assert clean["sft"] == clean["grpo"] and set(clean["sft"]) == {row["id"] for row in SPLITS["train"]}
    real = probing.sft.chat.for_trainer
    monkeypatch.setattr(probing.sft.chat, "for_trainer", lambda tok, text: real(tok, text).replace("\n", " "))
    assert probing.paths(policy, SPLITS["train"], params())["sft"] != clean["sft"]


def test_paths_leave_no_row_out_for_its_length(policy):
    tight = params(model={"name": "t", "max_length": 100}, grpo={"max_completion_length": 96})
    assert len(probing.paths(policy, SPLITS["train"], tight)["grpo"]) == len(SPLITS["train"])


def test_a_step_that_meets_the_end_of_memory_is_told(policy, monkeypatch):
    def full(*given):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(facts_probe_steps, "_stepped", full)
    found = answers(probing.judged(probing.weights(policy, SPLITS["train"], params())))
    assert (found["length-memory"], found["weights-move"], found["tied-head"]) == ("fail", "unknown", "unknown")


def test_the_spread_holds_the_longest_row():
    many = [row | {"id": str(place)} for place, row in enumerate(SPLITS["train"] * 100)]
    many[-2] = many[-2] | {"gold": "muito " * 500}
    found = facts_data.spread(many, 50)
    assert many[-2]["id"] in {row["id"] for row in found} and len(found) <= 50 + facts_data.LONGEST_ROWS
    assert len({row["id"] for row in found}) == len(found)


def test_exceptions_are_counted_one_by_one():
    def score(some, texts):
        if any(row["id"] == SPLITS["heldout"][0]["id"] for row in some):
            raise ValueError("no judge")
        return [SimpleNamespace(total=1.0)] * len(some)

    contract = facts_probe_rewards.contract(SPLITS["heldout"], score=score)
    spec = contract[SPLITS["heldout"][0]["task"]]
    kinds = len(facts_probe_rewards._answers(SPLITS["heldout"]))
    assert len(spec["exceptions"]) == kinds and "ValueError on the gold answer" in spec["exceptions"][0]
    assert spec["scores"]["gold"] == [None, 1.0, 1.0]


def test_a_run_behind_an_adapter_is_scanned(tmp_path, monkeypatch):
    run = tmp_path / "old"
    (run / "30-grpo" / "model").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    asked = []

    def refuse(name):
        asked.append(name)
        raise BadInput("its data has changed")

    monkeypatch.setattr(facts_data.leaks, "training", refuse)
    given = params(model={"name": "tiny", "adapter": str(run / "30-grpo" / "model")})
    found = facts_data.of_ancestors(SPLITS, given)
    assert asked == [str(run)]
    assert [one["state"] for one in found["train"]] == ["unknown", "unknown"]
    assert "its data has changed" in found["train"][1]["why"]
