"""Pretraining's pieces: the schedule, the batches, the length of the stream, and a start that repeats itself."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from materials import FakeStage, params

from caderno import tokenizer
from caderno.training import pretrain
from caderno.training.muon import MuonWithAdamW

DATA = {"orders": 300}
SMALL = {"hidden_size": 32, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 32, "intermediate_size": 64}


def given(**spec):
    """Parameters of a small pretraining."""
    return params(data=DATA, pretrain={"batch_rows": 4} | spec, tracking={"mode": "disabled"})


def documents(tok, steps: int = 32, seed: int = 0, **spec) -> list[dict]:
    return list(pretrain.Documents(given(**spec), tok, steps, seed))


@pytest.mark.parametrize("final_share", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("decay_start", [0.0, 0.4, 0.9, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 50, 200, 1000])
def test_the_rate_warms_up_stays_and_falls_to_its_end(steps, decay_start, final_share):
    rates = [pretrain.rate_at(step, steps, decay_start, final_share) for step in range(steps + 1)]
    warm = min(pretrain.WARMUP_STEPS, steps)
    assert rates[0] == pytest.approx(1 / warm) and all(0 <= rate <= 1 for rate in rates)
    assert all(later <= rate + 1e-12 for rate, later in itertools.pairwise(rates[warm - 1 :])), "no rise after warm-up"
    level = rates[warm - 1 : int(decay_start * steps)]
    assert all(rate == 1 for rate in level)
    assert rates[-1] == pytest.approx(final_share if decay_start < 1 else 1.0)


def test_the_rate_at_places_worked_out_by_hand():
    found = [pretrain.rate_at(step, 1000, 0.4, 0.02) for step in (0, 24, 49, 400, 700, 999, 1000)]
    assert found == pytest.approx([0.02, 0.5, 1.0, 1.0, 0.51, 0.02 + 0.98 / 600, 0.02])


def test_padding_is_on_the_right_and_masked_twice():
    batch = [{"input_ids": [5, 6, 7], "labels": [5, 6, 7]}, {"input_ids": [8], "labels": [8]}]
    found = {name: tensor.tolist() for name, tensor in pretrain.collate(batch).items()}
    assert found == {
        "input_ids": [[5, 6, 7], [8, 0, 0]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "labels": [[5, 6, 7], [8, -100, -100]],
    }


def test_the_stream_is_as_long_as_it_says_and_repeats_itself(small_tokenizer):
    stream = pretrain.Documents(given(), small_tokenizer, 37, 0)  # not a whole number of buckets
    found = list(stream)
    assert len(found) == len(stream) == 37 * 4
    assert found == list(stream) == documents(small_tokenizer, 37)
    assert found != documents(small_tokenizer, 37, seed=1)
    end = small_tokenizer.convert_tokens_to_ids(tokenizer.END_OF_TEXT)
    assert all(one["labels"] == one["input_ids"] for one in found)
    assert all(one["input_ids"].count(end) == 1 and one["input_ids"][-1] == end for one in found)


def test_batches_are_of_like_lengths_in_no_order(small_tokenizer):
    lengths = [len(one["input_ids"]) for one in documents(small_tokenizer, 64)]
    batches = [lengths[i : i + 4] for i in range(0, len(lengths), 4)]
    within = sum(max(batch) - min(batch) for batch in batches) / len(batches)
    assert within < 0.15 * (max(lengths) - min(lengths)), "little of a batch is padding"
    means = [sum(batch) for batch in batches[: pretrain.BUCKET_BATCHES]]
    assert means != sorted(means) and means != sorted(means, reverse=True)


def test_drills_lead_the_first_part_of_training_only(small_tokenizer):
    found = documents(small_tokenizer, 64, drill_share_start=1.0, drill_share=0.0)
    texts = [small_tokenizer.decode(one["input_ids"][:-1], skip_special_tokens=False) for one in found]
    recall = [text.count(";") >= 2 and text.count(",") >= 2 and not any(c in text for c in '{<"-') for text in texts]
    assert all(recall[:64]), "the bucket that holds the first 15 %"
    assert sum("<|im_start|>" in text for text in texts[:64]) == 0
    assert sum("<|im_start|>" in text for text in texts[64:]) > 60


def test_drill_words_are_whole_words_in_a_fixed_order(small_tokenizer):
    words = pretrain.drill_words(small_tokenizer)
    assert words == sorted(words) and {"caneca", "recife", "ana"} <= set(words)
    assert all(len(small_tokenizer.tokenize(word)) == 1 and len(word) > 2 for word in words)


def test_planned_steps_make_up_the_tokens(small_tokenizer):
    tokens = 40_000
    steps = pretrain.planned_steps(given(tokens=tokens), small_tokenizer)
    seen = sum(len(one["input_ids"]) for one in documents(small_tokenizer, steps))
    assert seen == pytest.approx(tokens, rel=0.15)
    assert pretrain.planned_steps(given(tokens=2 * tokens), small_tokenizer) == pytest.approx(2 * steps, abs=1)
    assert pretrain.planned_steps(given(tokens=tokens, batch_rows=8), small_tokenizer) == pytest.approx(
        steps / 2, abs=1
    )
    assert pretrain.planned_steps(given(tokens=1), small_tokenizer) == 1


def test_the_start_depends_on_the_seed_alone():
    def weights(seed: int) -> torch.Tensor:
        policy = pretrain.start(params(seed=seed, data=DATA, pretrain={"architecture": SMALL}))
        assert policy.model.config.vocab_size == len(policy.tokenizer)
        return policy.model.model.embed_tokens.weight

    first = weights(0)
    torch.rand(3)  # what was drawn before must not matter
    assert torch.equal(first, weights(0)) and not torch.equal(first, weights(1))


def test_examples_show_tokens_apart_and_spell_the_documents(small_tokenizer):
    found = pretrain.examples(given(), small_tokenizer, 3)
    expected = documents(small_tokenizer, 10**6 // 10**5)  # the same seed opens with the same bucket
    assert len(found) == 3 and all(text.endswith(f"·{tokenizer.END_OF_TEXT}") for text in found)
    assert found == ["·".join(small_tokenizer.convert_ids_to_tokens(one["input_ids"])) for one in expected[:3]]


def begun(tok, stage_class, directory, monkeypatch, **more):
    """A trainer of five steps or so on an untrained model, and its stage."""
    spec = {"architecture": SMALL, "tokens": 800, "batch_rows": 4, "eval_documents": 6, "eval_steps": 2} | more
    chosen = params(data=DATA, tracking={"mode": "disabled"}, pretrain=spec)
    monkeypatch.setattr(pretrain, "build_tokenizer", lambda _: tok)
    policy, stage = pretrain.start(chosen), stage_class(directory, chosen, watched=False)
    return pretrain.trainer(policy.model, tok, stage), stage


def test_the_trainer_takes_the_planned_steps_and_tells_what_it_did(small_tokenizer, tmp_path, monkeypatch):
    found, stage = begun(small_tokenizer, FakeStage, tmp_path, monkeypatch)
    assert isinstance(found.optimizer, MuonWithAdamW) and len(found.eval_dataset) == 8, "whole batches of held-out"
    told = pretrain.train(found, stage)
    assert told["steps"] == found.args.max_steps == pretrain.planned_steps(stage.params, small_tokenizer) > 3
    assert told["tokens"] == sum(len(one["input_ids"]) for one in found.train_dataset)
    assert told["uniform_loss"] == pytest.approx(math.log(len(small_tokenizer)))
    assert told["loss"]["first"] == pytest.approx(told["uniform_loss"], abs=0.5), "an untrained model knows nothing"
    assert told["heldout_loss"]["first"] == pytest.approx(told["uniform_loss"], abs=0.5)
    assert told["heldout_loss"]["last"] == found.state.log_history[-1]["eval_loss"], "judged after the last step"
    assert [line["step"] for line in stage.lines if "loss" in line] == list(range(1, told["steps"] + 1))


class Stopped(FakeStage):
    """A stage that is asked to stop once it has logged its second step."""

    def metrics(self, **values) -> None:
        super().metrics(**values)
        self.stop_requested = values["step"] == 2


def test_a_stopped_training_goes_on_to_the_same_weights(small_tokenizer, tmp_path, monkeypatch):
    whole, stage = begun(small_tokenizer, FakeStage, tmp_path / "whole", monkeypatch)
    pretrain.train(whole, stage)
    cut, stage = begun(small_tokenizer, Stopped, tmp_path / "cut", monkeypatch)
    pretrain.train(cut, stage)
    assert cut.state.global_step == 3 < whole.state.global_step
    resumed, stage = begun(small_tokenizer, FakeStage, tmp_path / "cut", monkeypatch)
    told = pretrain.train(resumed, stage)
    assert stage.resumed_at == 3 and told["steps"] == whole.state.global_step
    assert told["tokens"] == whole.state.num_input_tokens_seen
    for (name, expected), weight in zip(whole.model.named_parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(expected, weight), name
