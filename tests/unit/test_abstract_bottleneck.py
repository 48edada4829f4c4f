"""Bottleneck attention equals the dense mask in output and gradient, for several decoders and any shape of batch."""

from __future__ import annotations

import pytest
import torch
from bottleneck_rows import apart, decoder, dense_logits, dense_loss, gradients, random_shapes, row, rows
from transformers import AutoModelForCausalLM

from caderno.abstract import bottleneck, layout, serving
from caderno.abstract.bottleneck import hidden_states, loss, token_nll
from caderno.abstract.sequences import collate
from caderno.errors import BadInput

SERVED = ("Qwen3", "Llama", "Mistral", "Gemma", "Granite")
SHAPES = {
    "one row": [(5, 20, 6, 9)],
    "rows alike": [(4, 11, 5, 7)] * 3,
    "ragged": [(5, 20, 6, 9), (2, 3, 4, 12), (9, 17, 2, 2)],
    "no C in one row": [(5, 0, 6, 9), (2, 13, 4, 12)],
    "no Z": [(5, 12, 0, 9), (3, 4, 0, 2)],
    "neither": [(5, 0, 0, 9), (3, 10, 4, 2)],
    "one token of each": [(1, 1, 1, 1), (1, 1, 2, 1)],
}


def compared(model, segments) -> tuple[float, float]:
    """Largest difference of the NLLs and of the gradients between the two calls and the dense mask."""
    batch = collate(segments, 0)
    expected = dense_logits(model, batch, segments).log_softmax(-1)
    nll, found_rows, places = token_nll(model, batch)
    wanted = -expected[found_rows, places - 1, batch["labels"][found_rows, places]]
    ours = gradients(model, loss(model, batch)["loss"])
    theirs = gradients(model, dense_loss(model, batch, segments))
    return float((nll - wanted).detach().abs().max()), apart(ours, theirs)


@pytest.mark.parametrize("kind", SERVED)
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_it_equals_the_dense_mask(kind, shapes):
    output, gradient = compared(decoder(kind), rows(shapes))
    assert output < 1e-5 and gradient < 1e-5


@pytest.mark.parametrize("seed", range(40))
def test_it_equals_the_dense_mask_on_random_shapes(seed):
    kind = ("Qwen3", "Llama")[seed % 2]
    changes = ({}, {"num_key_value_heads": 4}, {"num_key_value_heads": 1})[seed % 3]
    output, gradient = compared(decoder(kind, seed, **changes), rows(random_shapes(seed), seed))
    assert output < 1e-5 and gradient < 1e-5


@pytest.mark.parametrize("kind", SERVED)
@pytest.mark.parametrize("shapes", ["ragged", "rows alike"])
def test_states_equal_the_dense_mask_wherever_there_is_a_token(kind, shapes):
    model, segments = decoder(kind), rows(SHAPES[shapes])
    batch, kept = collate(segments, 0), []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    dense_logits(model, batch, segments)
    hook.remove()
    found = hidden_states(model, batch)
    real = batch["attention_mask"].bool()
    assert found.shape == kept[0].shape and (found - kept[0])[real].abs().max() < 1e-5


def test_a_plain_causal_mask_is_told_from_it():
    """The judge can judge: with C in Y's sight the same comparison fails by far."""
    model, segments = decoder(), rows(SHAPES["ragged"])
    batch = collate(segments, 0)
    batch["spans"] = torch.stack([batch["spans"][:, 0] + batch["spans"][:, 1], *batch["spans"].T[1:]], 1)
    batch["spans"][:, 1] = 0  # the same lengths, with C counted as prompt
    theirs = dense_loss(model, collate(segments, 0), segments)
    assert abs(float((loss(model, batch)["loss"] - theirs).detach())) > 1e-2


@pytest.mark.parametrize("fault", ["prefix", "suffix"])
def test_a_cut_one_token_off_is_told(monkeypatch, fault):
    whole = layout.Layout._places

    def off(self, spans, device):
        moved = [(x, c + 1, z - 1, y) if fault == "prefix" else (x + 1, c - 1, z - 1, y) for x, c, z, y in spans]
        return whole(self, moved, device)

    monkeypatch.setattr(layout.Layout, "_places", off)
    output, _ = compared(decoder(), rows([(5, 20, 6, 9), (2, 7, 4, 12)]))
    assert output > 1e-3


def test_without_any_c_it_is_the_plain_causal_model():
    model, segments = decoder(), rows([(5, 0, 6, 9), (2, 0, 0, 12), (9, 0, 2, 1)])
    batch = collate(segments, 0)
    plain = model(input_ids=batch["input_ids"], attention_mask=None, use_cache=False).logits
    nll, found_rows, places = token_nll(model, batch)
    wanted = torch.nn.functional.cross_entropy(
        plain[found_rows, places - 1], batch["labels"][found_rows, places], reduction="none"
    )
    assert torch.equal(nll, wanted)
    ours = gradients(model, nll.mean())
    theirs = gradients(model, model(input_ids=batch["input_ids"], labels=batch["labels"]).loss)
    assert apart(ours, theirs) < 1e-6


def test_labels_of_anyones_making_are_read_as_well():
    """Loss on C and X, which `collate` never asks for: then their last states are needed after all."""
    model, segments = decoder(), rows(SHAPES["rows alike"])
    batch = collate(segments, 0)
    batch["labels"] = batch["input_ids"].clone()
    ours, theirs = gradients(model, loss(model, batch)["loss"]), gradients(model, dense_loss(model, batch, segments))
    assert apart(ours, theirs) < 1e-5


def test_in_the_last_layer_x_and_c_do_not_attend(monkeypatch):
    queries, own = [], torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda query, *more, **given: queries.append(query.shape[2]) or own(query, *more, **given),
    )
    token_nll(decoder(), collate(rows(SHAPES["one row"]), 0))
    assert queries == [31, 20, 31, 20, 2 * 6, 20]  # [X; C; Z] and [X; Z; Y], then Z alone, two heads stacked


def test_logits_are_made_for_tokens_with_loss_alone():
    model, batch, made = decoder(), collate(rows(SHAPES["ragged"]), 0), []
    model.get_output_embeddings().register_forward_hook(lambda _, __, out: made.append(tuple(out.shape)))
    found = token_nll(model, batch)
    assert made == [(1, int((batch["labels"] != -100).sum()), 61)]
    assert len(found.nll) == made[0][1] and found.nll.dtype == torch.float32


def test_padding_and_company_change_nothing():
    model, segments = decoder(), rows(SHAPES["ragged"])
    together = token_nll(model, collate(segments, 0))
    for number, one in enumerate(segments):
        alone = token_nll(model, collate([one], 0)).nll
        assert (alone - together.nll[together.rows == number]).abs().max() < 1e-5


# The loss


def test_tokens_weigh_alike_and_rows_and_z_by_their_weights():
    segments = [row((4, 9, 5, 7), 1, weight=0.25), row((3, 6, 4, 3), 2, weight=2.0)]
    model, batch = decoder(), collate(segments, 0)
    nll, found_rows, places = (part.detach() for part in token_nll(model, batch))
    in_z = places < batch["spans"][found_rows, :3].sum(1)
    scale = torch.tensor([0.25, 2.0])[found_rows] * torch.where(in_z, 0.5, 1.0)
    found = loss(model, batch, weight_z=0.5)
    assert found["loss"].item() == pytest.approx(float((nll * scale).sum() / scale.sum()), rel=1e-6)
    assert (found["tokens_z"], found["tokens_y"]) == (4 + 3, 7 + 3)
    assert float(bottleneck.denominator(batch, 0.5)) == pytest.approx(float(scale.sum()))
    assert not found["loss_z"].requires_grad and found["loss"].requires_grad


def test_micro_batches_under_one_denominator_add_up_to_the_batch():
    model, segments = decoder(), rows(SHAPES["ragged"])
    whole, parts = collate(segments, 0), [collate(segments[:1], 0), collate(segments[1:], 0)]
    total = sum(bottleneck.denominator(part) for part in parts)
    added = sum(loss(model, part, denominator=total)["loss"].item() for part in parts)
    assert added == pytest.approx(loss(model, whole)["loss"].item(), rel=1e-6)


def test_a_loss_that_is_not_there_is_not_a_number():
    model = decoder()
    found = loss(model, collate(rows([(3, 4, 0, 5)]), 0))
    assert found["loss_z"].isnan() and found["tokens_z"] == 0 and found["loss_y"].isfinite()
    with pytest.raises(BadInput, match="weights of the loss sum to 0"):
        loss(model, collate([row((3, 4, 3, 5), weight=0.0)], 0))
    batch = collate(rows([(3, 4, 3, 5)]), 0)
    with pytest.raises(BadInput, match="no token of the batch has a label"):
        token_nll(model, {**batch, "labels": torch.full_like(batch["labels"], -100)})


# The model it is given


def test_without_spans_an_attached_model_is_as_it_was(tmp_path):
    model, ids = decoder(), torch.randint(3, 61, (2, 9))
    mask = torch.tensor([[1] * 9, [0] * 4 + [1] * 5])
    before = model(input_ids=ids, attention_mask=mask).logits
    drawn = model.generate(ids, attention_mask=mask, max_new_tokens=5, do_sample=False)
    assert serving.attach(model) is model and serving.attach(model).config._attn_implementation == serving.NAME
    assert torch.equal(before[mask.bool()], model(input_ids=ids, attention_mask=mask).logits[mask.bool()])
    assert torch.equal(drawn, model.generate(ids, attention_mask=mask, max_new_tokens=5, do_sample=False))
    model.save_pretrained(tmp_path)
    assert serving.NAME not in (tmp_path / "config.json").read_text()
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("Mistral", {"sliding_window": 16}, "layers of sliding_attention"),
        ("Qwen3", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}, "sliding_attention"),
        ("Gemma2", {}, "layers of sliding_attention"),
        ("Bloom", {"attention": "eager", "n_head": 4}, "not served by transformers' AttentionInterface"),
    ],
)
def test_a_model_whose_layers_could_leak_is_refused(kind, changes, said):
    model = decoder(kind, **changes)
    with pytest.raises(BadInput, match=said):
        loss(model, collate(rows(SHAPES["one row"]), 0))
    assert model.config._attn_implementation != serving.NAME


def test_a_layer_that_does_not_attend_by_the_layout_is_refused():
    model = decoder()
    model.model.layers[1].self_attn.forward = lambda hidden_states, **_: (hidden_states, None)
    with pytest.raises(BadInput, match="2 of 3 layers of Qwen3ForCausalLM attended by the layout"):
        loss(model, collate(rows(SHAPES["one row"]), 0))


@pytest.mark.parametrize("asked", ["sliding_window", "softcap", "s_aux", "position_bias"])
def test_a_layer_that_asks_for_more_than_causal_attention_is_refused(asked):
    model = decoder()
    own = model.model.layers[1].self_attn.forward
    model.model.layers[1].self_attn.forward = lambda **given: own(**given, **{asked: 3.0})
    if asked == "sliding_window":
        model.model.layers[1].self_attn.forward = own
        model.model.layers[1].self_attn.sliding_window = 3
    with pytest.raises(BadInput, match=f"a layer attends with {asked}"):
        loss(model, collate(rows(SHAPES["one row"]), 0))


def test_the_head_is_whole_again_after_a_failure():
    model = decoder()
    broken = model.model.layers[2].mlp.forward
    model.model.layers[2].mlp.forward = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        loss(model, collate(rows(SHAPES["one row"]), 0))
    model.model.layers[2].mlp.forward = broken
    assert model(input_ids=torch.ones(1, 4, dtype=torch.long)).logits.shape == (1, 4, 61)
