"""RL on abstract traces: one distribution for sampler, trainer and reference, and a gradient on both segments."""

from __future__ import annotations

import pytest
import rl_runs
import torch
from trl import GRPOTrainer

from caderno.abstract import rl, rl_trainer
from caderno.errors import BadInput

IDS = [row["id"] for row in rl_runs.ROWS]
CLOSE = 1e-4  # float32 through a cache and without one


@pytest.fixture(autouse=True)
def _reward_of_a_random_model(monkeypatch):
    monkeypatch.setattr("caderno.tasks.arithmetic.score", rl_runs.early_letters)
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.fixture
def made(tmp_path):
    return rl_runs.maker(tmp_path)


def gap_to_sampler(grpo, logprobs_of) -> float:
    """Largest difference, nats, between the sampler's log-probabilities and those `logprobs_of` finds."""
    rollout, ids, mask, tokens = rl_runs.batch(grpo, IDS[:6] * 2)
    with torch.no_grad():
        found, _, _ = logprobs_of(grpo, grpo.model, ids, mask, tokens)
    return max(
        abs(one - other)
        for row, kept in zip(found.tolist(), rollout["logprobs"], strict=True)
        for one, other in zip(row, kept, strict=False)
    )


@pytest.mark.parametrize("adapters", [False, True])
def test_the_trainers_log_probabilities_are_the_samplers_also_after_a_real_update(made, adapters):
    given, _, grpo = made({"learning_rate": 1e-2}, adapters=adapters, dropout=0.3 * adapters)
    ours, naive = type(grpo)._get_per_token_logps_and_entropies, GRPOTrainer._get_per_token_logps_and_entropies
    assert gap_to_sampler(grpo, ours) < CLOSE
    before = rl_runs.weights(given)
    result = rl.train(grpo)
    assert all((rl_runs.weights(given)[name] - one).abs().max() > 1e-3 for name, one in before.items() if "A" in name)
    assert any((rl_runs.weights(given)[name] - one).abs().max() > 1e-3 for name, one in before.items())
    assert gap_to_sampler(grpo, ours) < CLOSE
    assert result["logprob_gap"]["last"] < CLOSE, "the training watches this itself"
    assert gap_to_sampler(grpo, naive) > 0.5, "planted: log-probabilities over the whole vocabulary"


def test_at_another_temperature_they_are_what_a_softmax_over_the_allowed_says(made):
    _, abstract, grpo = made({"temperature": 0.6})
    rollout, ids, mask, tokens = rl_runs.batch(grpo, IDS[:4] * 2)
    assert rollout["logprobs"] is None, "the sampler records those of temperature 1 alone"
    found, entropies, _ = grpo_values(grpo, ids, mask, tokens)
    logits = grpo.model(input_ids=ids, attention_mask=mask).logits[:, -tokens - 1 : -1] / 0.6
    for row, completion in enumerate(rollout["completion_ids"]):
        end = completion.index(abstract.end_id)
        for place, token in enumerate(completion):
            allowed = list(abstract.code_ids) if place < 1 else list(abstract.allowed_ids)
            allowed = list(range(logits.shape[-1])) if place > end else [abstract.end_id] if place == 3 else allowed
            chances = logits[row, place, allowed].softmax(-1)
            assert found[row, place].item() == pytest.approx(chances[allowed.index(token)].log().item(), abs=1e-4)
            spread = -(chances * chances.log()).sum().item()
            assert entropies[row, place].item() == pytest.approx(spread, abs=1e-4)


def grpo_values(grpo, ids, mask, tokens):
    grpo._taken = {}
    with torch.no_grad():
        return grpo._get_per_token_logps_and_entropies(grpo.model, ids, mask, tokens, compute_entropy=True)


def test_gradient_reaches_codes_and_answer_and_a_forced_end_has_none(made, monkeypatch):
    _, _, grpo = made({"kl_coef": 0.1, "loss_type": "dapo"})
    kept, taken, logits_of = [], [], type(grpo)._completion_logits

    def keeping(self, model, *given):
        logits = logits_of(self, model, *given)
        if logits.requires_grad:
            logits.retain_grad()
            kept.append(logits)
            taken.append(self._taken)
        return logits

    monkeypatch.setattr(type(grpo), "_completion_logits", keeping)
    rl.train(grpo)
    for logits, inputs in zip(kept, taken, strict=True):
        tokens, mask = inputs["completion_ids"], inputs["completion_mask"].bool()
        where, size = rl_trainer.places(tokens, grpo.constraint), logits.grad.abs().sum(-1)
        moved = (inputs["advantages"] != 0)[:, None] & mask
        assert where.forced.any() and (size[where.forced] == 0).all(), "no gradient at all"
        assert (inputs["tool_mask"][where.forced] == 0).all(), "and no token in any mean"
        assert (inputs["ref_per_token_logps"][where.forced] == 0).all()
        assert (size[moved & where.trace & ~where.forced] > 0).all() and (size[moved & ~where.trace] > 0).all()
        assert (size[~mask] == 0).all()
        codes_only = where.early.nonzero().tolist()
        assert all((logits.grad[row, place] != 0).sum() == 4 for row, place in codes_only if moved[row, place])


@pytest.mark.parametrize("adapters", [False, True])
def test_the_kl_is_0_at_the_warm_start_and_positive_after_updates(made, adapters):
    lines = []
    given, _, grpo = made(
        {"kl_coef": 0.05, "max_steps": 3, "learning_rate": 1e-2}, adapters=adapters,
        report=lambda step, values: lines.append(values),
    )  # fmt: skip
    rl.train(grpo)
    assert [lines[0][key] for key in ("kl", "z/kl", "y/kl")] == [0.0, 0.0, 0.0]
    assert all(lines[2][key] > 1e-4 for key in ("kl", "z/kl", "y/kl"))
    assert "ref" not in getattr(given.model, "peft_config", {})


def test_the_reference_is_a_copy_of_the_warm_start_and_nothing_is_loaded_by_name(made, monkeypatch):
    monkeypatch.setattr("trl.trainer.grpo_trainer.create_model_from_path", lambda *_, **__: pytest.fail("by name"))
    lines = []
    given, _, grpo = made({"kl_coef": 0.05}, report=lambda step, values: lines.append(values))
    assert all(torch.equal(*pair) for pair in zip(given.model.parameters(), grpo.ref_model.parameters(), strict=True))
    with torch.no_grad():  # planted: the reference of another model
        grpo.ref_model.get_input_embeddings().weight[rl_runs.policy()[1].code_ids[0]] += 1.0
    rl.train(grpo)
    assert lines[0]["z/kl"] > 1e-3


def test_a_reference_without_the_constraint_trips_the_kl_at_the_start(made, monkeypatch):
    lines = []
    _, _, grpo = made({"kl_coef": 0.05}, report=lambda step, values: lines.append(values))
    ours, naive = type(grpo)._get_per_token_logps_and_entropies, GRPOTrainer._get_per_token_logps_and_entropies
    monkeypatch.setattr(
        type(grpo), "_get_per_token_logps_and_entropies",
        lambda self, model, *given, **named: (naive if model is self.ref_model else ours)(self, model, *given, **named),
    )  # fmt: skip
    rl.train(grpo)
    assert lines[0]["z/kl"] > 0.1 and lines[0]["y/kl"] == pytest.approx(0, abs=1e-6)


def test_adapters_that_are_not_fresh_are_refused_as_a_reference(tmp_path):
    given, abstract = rl_runs.policy()
    given = rl_runs.lora(given, abstract)
    with torch.no_grad():
        next(one for name, one in given.model.named_parameters() if "lora_B" in name).fill_(0.01)
    with pytest.raises(BadInput, match="the adapters change a logit"):
        rl_runs.trainer(tmp_path, given, abstract, {"kl_coef": 0.1})
    assert rl_runs.trainer(tmp_path, given, abstract, {"kl_coef": 0.0}).beta == 0


@pytest.mark.parametrize("adapters", [False, True])
def test_a_prompt_read_once_for_its_group_gives_what_reading_it_for_every_row_gives(made, adapters):
    given, _, grpo = made(adapters=adapters)
    grpo._taken = {}
    found = {}
    _, ids, mask, tokens = rl_runs.batch(grpo, ["r0"] * 4 + ["r11"] * 4 + ["r2"])
    assert len(mask.sum(1).unique()) > 1 and not mask[:, 0].all(), "prompts and completions of several lengths"
    for whole in (False, True):
        grpo.args.gradient_checkpointing = whole
        given.model.zero_grad()
        logps, entropies, _ = grpo._get_per_token_logps_and_entropies(given.model, ids, mask, tokens, None, True)
        (logps * torch.arange(tokens).cos()).sum().backward()
        gradients = [one.grad for one in given.model.parameters() if one.grad is not None]
        found[whole] = [logps, entropies, *gradients]
    assert len(found[True]) == len(found[False]) > 20
    for one, other in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
