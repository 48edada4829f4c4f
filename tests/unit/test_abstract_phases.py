"""A supervised training on [X; C; Z; Y]: what is learnt, by which weights, and that stopping changes nothing."""

from __future__ import annotations

import abstract_items
import pytest
import torch

from caderno import params
from caderno.abstract import bottleneck, phases, sequences
from caderno.errors import BadInput
from caderno.params.abstract_sections import FitParams, PhaseParams

SPEC = {"batch_size": 4, "learning_rate": 1e-2, "logging_steps": 1, "schedule": "constant", "warmup_share": 0.0}


@pytest.fixture
def fit(tmp_path):
    """A function: (policy, result) of a training of a fresh policy on random rows of lengths that differ."""

    def run(directory: str = "a", steps: int = 3, count: int = 8, given=None, made=None, more=(), **spec):
        policy, vocabulary = given or abstract_items.policy()
        made = made or abstract_items.rows(vocabulary, count)
        arguments = {"seed": 0, "steps": steps, **dict(more)}
        return policy, phases.fit(policy, made, FitParams(**(SPEC | spec)), tmp_path / directory, **arguments)

    return run


@pytest.mark.parametrize("muon", [None, 0.02])
def test_a_set_that_can_be_memorised_is(fit, muon):
    _, result = fit(steps=40, batch_size=8, muon_learning_rate=muon)
    assert result["steps"] == 40 and result["rows"] == 8 and result["seconds"] > 0
    for name in ("loss", "loss_z", "loss_y"):
        assert result[name]["last"] < 0.3 * result[name]["first"], name


def test_it_is_the_steps_that_learn(fit):
    """Planted: at a rate of next to nothing the same rows are not learnt."""
    policy, result = fit(steps=10, batch_size=8, learning_rate=1e-12)
    assert result["loss"]["last"] > 0.9 * result["loss"]["first"]
    assert abstract_items.apart(policy, abstract_items.policy()[0]) < 1e-6


@pytest.mark.parametrize("thought", [True, False])
def test_micro_batches_make_the_step_that_one_batch_makes(fit, monkeypatch, thought):
    """Rows differ in their tokens with loss, so that a mean of micro-batches' means is another gradient."""
    abstract_items.sgd(monkeypatch)
    made = abstract_items.rows(abstract_items.policy()[1], 8, thought=thought)
    counts = [sum(label != sequences.IGNORED for label in sequences.labels(row)) for row in made]
    assert sum(counts[:4]) != sum(counts[4:]) and len(set(counts)) > 2
    one, whole = fit("one", made=made, batch_size=4)
    two, split = fit("two", made=made, batch_size=4, gradient_accumulation_steps=2)
    assert abstract_items.apart(one, abstract_items.policy()[0]) > 1e-2, "there was something to learn"
    assert abstract_items.apart(one, two) < 1e-5
    assert split["loss"] == pytest.approx(whole["loss"], abs=1e-4)
    plain = bottleneck.loss
    monkeypatch.setattr(bottleneck, "loss", lambda model, batch, weight_z, _: halved(plain(model, batch, weight_z)))
    wrong, _ = fit("wrong", made=made, batch_size=4, gradient_accumulation_steps=2)
    assert abstract_items.apart(one, wrong) > 1e-3, "planted: each micro-batch's own mean"


def halved(found: dict) -> dict:
    return found | {"loss": found["loss"] / 2}


@pytest.mark.parametrize("muon", [None, 0.02])
def test_a_training_that_was_stopped_ends_as_the_unbroken_one(fit, muon):
    spec = {"schedule": "linear", "muon_learning_rate": muon, "count": 12, "steps": 7, "save_steps": 100}
    whole, straight = fit("straight", **spec)
    seen: list[int] = []
    stopping = {"report": lambda step, values: seen.append(step), "stop": lambda: len(seen) >= 4}
    _, broken = fit("broken", more=stopping.items(), **spec)
    assert broken["steps"] in (4, 5) and straight["steps"] == 7, "over one pass of the rows"
    resumed, again = fit("broken", **spec)
    assert {**again, "seconds": 0} == {**straight, "seconds": 0}
    assert abstract_items.apart(whole, resumed) < 1e-6
    other, _ = fit("other", more={"seed": 1}.items(), **spec)
    assert abstract_items.apart(whole, other) > 1e-3, "planted: rows in another order are another training"


@pytest.mark.parametrize("adapters", [False, True])
def test_a_training_that_came_to_its_end_is_reopened_as_it_was(fit, adapters):
    """Killed between its last checkpoint and its finished weights; Trainer would take a step too many."""
    first, told = fit(given=abstract_items.adapted() if adapters else None)
    again, result = fit(given=abstract_items.adapted() if adapters else None)
    assert told["steps"] == 3 and {**result, "seconds": 0} == {**told, "seconds": 0}
    fresh, _ = abstract_items.adapted() if adapters else abstract_items.policy()
    assert abstract_items.apart(first, again) == 0 and abstract_items.apart(first, fresh) > 1e-3


def test_muon_is_for_whole_weights(fit):
    with pytest.raises(BadInput, match="Muon for low-rank adapters"):
        fit("muon", given=abstract_items.adapted(), muon_learning_rate=0.02)
    given = abstract_items.adapted()
    frozen = {name: one.clone() for name, one in given[0].model.named_parameters() if not one.requires_grad}
    _, result = fit("adamw", given=given, steps=30, batch_size=8)
    assert result["loss"]["last"] < 0.9 * result["loss"]["first"]
    assert all(torch.equal(one, dict(given[0].model.named_parameters())[name]) for name, one in frozen.items())


def test_loss_on_y_alone_trains_no_z(fit, monkeypatch):
    abstract_items.sgd(monkeypatch)
    alone, result = fit("alone", more={"loss_on": ("y",)}.items())
    assert result["loss_z"] == {"first": None, "last": None} and result["loss_y"]["first"] is not None
    weightless, told = fit("weightless", more={"weight_z": 0.0}.items())
    assert abstract_items.apart(alone, weightless) < 1e-6 and told["loss_z"]["first"] is not None
    both, _ = fit("both")
    assert abstract_items.apart(alone, both) > 1e-3


def test_a_token_of_z_counts_by_its_weight(fit):
    made = abstract_items.rows(abstract_items.policy()[1], 4)
    z, y = sum(len(row.z) - 1 for row in made), sum(len(row.y) for row in made)
    for weight in (1.0, 3.0):
        _, result = fit(f"{weight}", steps=1, made=made, more={"weight_z": weight}.items())
        parts = result["loss_z"]["first"], result["loss_y"]["first"]
        assert parts[0] != pytest.approx(parts[1], abs=1e-2)
        expected = (weight * z * parts[0] + y * parts[1]) / (weight * z + y)
        assert result["loss"]["first"] == pytest.approx(expected, abs=1e-4)


def test_what_is_logged_is_reported_and_the_summary_is_not(fit):
    lines: list[tuple[int, dict]] = []
    fit(steps=4, more={"report": lambda *line: lines.append(line)}.items())
    assert [step for step, _ in lines] == [1, 2, 3, 4]
    assert all({"loss", "loss_z", "loss_y", "learning_rate", "grad_norm"} <= set(values) for _, values in lines)


@pytest.mark.parametrize(
    ("spec", "steps"), [({"rows": 100}, 4), ({"rows": 100, "epochs": 2.5}, 8), ({"steps": 7}, 7), ({"epochs": 0.01}, 1)]
)
def test_steps_come_from_rows_and_passes_or_are_asked_for(spec, steps):
    assert phases.steps_of(PhaseParams(batch_size=32, **spec), 100) == steps


def test_finished_weights_are_those_that_were_trained(tmp_path):
    trainable, vocabulary = abstract_items.adapted()
    rows = abstract_items.rows(vocabulary, 8)
    phases.fit(trainable, rows, FitParams(**SPEC), tmp_path, seed=0, steps=10)
    batch = sequences.collate(rows, 0)
    trained = bottleneck.token_nll(trainable.model.eval(), batch).nll
    phases.finish(trainable, tmp_path)
    given = params.Params(name="t", model={"name": "tiny", "max_length": 128, "lora": {"rank": 2, "alpha": 4}})
    merged = phases.open_model(given, tmp_path)
    assert not hasattr(merged.model, "peft_config")
    assert torch.allclose(bottleneck.token_nll(merged.model, batch).nll, trained, atol=1e-4)
    fresh = phases.open_model(given, tmp_path, for_training=True)
    assert torch.allclose(bottleneck.token_nll(fresh.model, batch).nll, trained, atol=1e-4), "adapters that do nothing"
    assert any("lora" in name for name, one in fresh.model.named_parameters() if one.requires_grad)
    assert not torch.allclose(bottleneck.token_nll(abstract_items.policy()[0].model, batch).nll, trained, atol=1e-2)
