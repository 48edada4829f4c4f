"""What reaches Y from C: through Z's states only, and not at all without Z; the two-pass way cuts that channel.

Two-pass, as the public reproduction came to train: [X; C; Z] for Z's loss, then [X; Z; Y] anew for Y's. It stands here
as the fault that the tests must tell from the real thing.
"""

from __future__ import annotations

import random

import pytest
import torch
from bottleneck_rows import VOCABULARY, decoder, dense_logits, row

from caderno.abstract.bottleneck import hidden_states, loss, token_nll
from caderno.abstract.sequences import Segments, collate

BEGIN, END, EOS, PROMPT = 3, 4, 2, 5
CODES, DIGITS = range(6, 14), range(20, 28)


def y_logits(model, batch, embeddings, y: int) -> torch.Tensor:
    """Logits at Y's own places (B, y, V), one pass, by the product's attention."""
    states = hidden_states(model, {**batch, "inputs_embeds": embeddings})
    return model.get_output_embeddings()(states[:, -y:])


def dense_y_logits(model, batch, embeddings, segments) -> torch.Tensor:
    return dense_logits(model, {**batch, "inputs_embeds": embeddings}, segments)[:, -len(segments[0].y) :]


def two_pass_y_logits(model, one: Segments, embeddings) -> torch.Tensor:
    """Y's logits as two-pass training has them: Z's states are made again, without C."""
    x, c, _, y = one.spans
    seen = torch.cat((embeddings[:, :x], embeddings[:, x + c :]), 1)
    return model(inputs_embeds=seen).logits[:, -y:]


def canary(model, one: Segments, how: str) -> torch.Tensor:
    """Gradient of Y's logits with respect to C's input embeddings, (c, H)."""
    batch = collate([one], 0)
    embeddings = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    made = {
        "bottleneck": lambda: y_logits(model, batch, embeddings, len(one.y)),
        "dense mask": lambda: dense_y_logits(model, batch, embeddings, [one]),
        "two-pass": lambda: two_pass_y_logits(model, one, embeddings),
    }[how]()
    weights = torch.randn(made.shape, generator=torch.Generator().manual_seed(0))
    (found,) = torch.autograd.grad((made * weights).sum(), embeddings)
    x, c, _, _ = one.spans
    return found[0, x : x + c]


@pytest.mark.parametrize("kind", ["Qwen3", "Llama"])
def test_the_canary_sings_through_z_and_equals_the_dense_masks(kind):
    model, one = decoder(kind), row((4, 9, 5, 6))
    found = canary(model, one, "bottleneck")
    assert (found.abs().amax(1) > 1e-3).all()  # every token of C
    assert (found - canary(model, one, "dense mask")).abs().max() < 1e-5 * found.abs().max()


@pytest.mark.parametrize("how", ["bottleneck", "dense mask"])
def test_without_z_nothing_of_c_reaches_y(how):
    assert canary(decoder(), row((4, 9, 0, 6)), how).abs().max() == 0


def test_one_layer_is_too_shallow_for_the_channel():
    """Z takes C in with the first layer; only a second layer's Y can read it there."""
    assert canary(decoder(num_hidden_layers=1), row((4, 9, 5, 6)), "bottleneck").abs().max() == 0
    assert canary(decoder(num_hidden_layers=2), row((4, 9, 5, 6)), "bottleneck").abs().max() > 1e-3


def test_two_pass_fails_the_canary():
    assert canary(decoder(), row((4, 9, 5, 6)), "two-pass").abs().max() == 0


def test_without_z_y_starts_unseen():
    """Its first token would be predicted by C's last state: there is no loss on it, and so none that sees C."""
    model, one = decoder(), row((4, 9, 0, 6))
    batch = collate([one], 0)
    embeddings = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    found = token_nll(model, {**batch, "inputs_embeds": embeddings})
    assert found.places.tolist() == list(range(14, 19))
    (gradient,) = torch.autograd.grad(found.nll.sum(), embeddings)
    assert gradient[0, 4:13].abs().max() == 0 and gradient[0, :4].abs().max() > 0


# Random traces: what Z's tokens say is nothing, what its states carry is all


def told(n: int, seed: int) -> list[Segments]:
    """Rows whose answer is the two digits of C, with random codes for Z: the prompt says nothing."""
    rng = random.Random(seed)
    found = []
    for number in range(n):
        digits = tuple(rng.choice(DIGITS) for _ in range(2))
        codes = tuple(rng.choice(CODES) for _ in range(rng.randint(2, 4)))
        found.append(Segments(f"{seed}-{number}", (PROMPT,), digits, (BEGIN, *codes, END), (*digits, EOS)))
    return found


def two_pass_loss(model, segments: list[Segments]) -> torch.Tensor:
    """Y's loss with its own pass, without C."""
    cut = [Segments(one.row_id, one.x, (), one.z, one.y) for one in segments]
    return loss(model, collate(cut, 0, loss_on=("y",)))["loss"]


def one_pass_loss(model, segments: list[Segments]) -> torch.Tensor:
    return loss(model, collate(segments, 0, loss_on=("y",)))["loss"]


def trained(step_loss, steps: int = 150) -> float:
    """Y's loss per token on fresh rows, after training by `step_loss` on random traces."""
    model = decoder("Qwen3", 1, initializer_range=0.05, num_hidden_layers=2, intermediate_size=64).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * min(1, step / 20) * (1 - step / steps)
        optimizer.zero_grad()
        step_loss(model, told(32, step)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        return float(step_loss(model.eval(), told(64, 10**6)))


def test_on_random_traces_the_true_mask_learns_the_answer_and_two_pass_does_not():
    """Answers of two free digits and EOS: without C the best there is is 2 ln 8 / 3 = 1.386 nats a token."""
    direct = 2 * torch.log(torch.tensor(8.0)).item() / 3
    assert trained(one_pass_loss) < 0.05
    assert trained(two_pass_loss) > 0.95 * direct


def test_the_vocabulary_holds_what_the_rows_use():
    assert max(DIGITS) < VOCABULARY
