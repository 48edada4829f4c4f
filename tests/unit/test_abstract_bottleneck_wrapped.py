"""Bottleneck attention inside wrappers: adapters, gradient checkpointing, bfloat16, and two processes over gloo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bottleneck_rows import apart, decoder, dense_loss, gradients, rows
from peft import LoraConfig, get_peft_model

from caderno.abstract import bottleneck, serving
from caderno.abstract.bottleneck import loss
from caderno.abstract.sequences import collate

RAGGED = [(5, 20, 6, 9), (2, 3, 4, 12), (9, 17, 2, 2), (3, 0, 5, 4)]
CHILD = Path(__file__).with_name("bottleneck_processes.py")


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_attends_by_the_spans_a_second_time(monkeypatch, reentrant):
    model, segments = decoder().train(), rows(RAGGED)
    batch = collate(segments, 0)
    expected = gradients(model, dense_loss(model, batch, segments))
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    if reentrant:
        model.enable_input_require_grads()
    calls, own = [], bottleneck.Layout.attend
    monkeypatch.setattr(bottleneck.Layout, "attend", lambda self, *given: calls.append(1) or own(self, *given))
    found = gradients(model, loss(model, batch)["loss"])
    assert len(calls) == 6  # three layers, forward and again
    assert apart(found, expected) < 1e-5


@pytest.mark.parametrize("checkpointing", [False, True])
def test_adapters_and_trained_token_rows_get_the_dense_masks_gradient(checkpointing):
    config = LoraConfig(
        r=4, target_modules="all-linear", trainable_token_indices=[3, 4, 5], init_lora_weights=False, lora_dropout=0.0
    )
    model, segments = get_peft_model(decoder(), config).train(), rows(RAGGED)
    batch = collate(segments, 0)
    expected = gradients(model, dense_loss(model, batch, segments))
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    found = gradients(model, loss(model, batch)["loss"])
    assert any("lora_A" in name for name in found) and any("token_adapter" in name for name in found)
    assert apart(found, expected) < 1e-5


def test_the_trainable_model_is_found_inside_its_wrappers():
    inner = decoder()
    wrapped = get_peft_model(inner, LoraConfig(target_modules=["q_proj"]))
    assert serving.unwrapped(torch.nn.DataParallel(wrapped)) is inner


def test_bfloat16_stays_and_the_loss_is_float32():
    model, segments = decoder().to(torch.bfloat16), rows(RAGGED)
    batch = collate(segments, 0)
    found = loss(model, batch)["loss"]
    expected = float(dense_loss(model, batch, segments).detach())
    assert found.dtype == torch.float32 and float(found.detach()) == pytest.approx(expected, rel=0.02)


def test_two_processes_get_the_gradient_of_the_whole_batch(tmp_path):
    """Rows of unlike lengths, two each: the mean is over all tokens, not over the processes' means."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    done = subprocess.run(
        [*launch, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", str(CHILD), str(tmp_path)],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    model = decoder()
    batch = collate(rows(RAGGED), 0)
    expected = gradients(model, loss(model, batch)["loss"])
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert apart(first, second) == 0
    assert apart(first, expected) < 1e-5
    alone = [gradients(model, loss(model, collate(part, 0))["loss"]) for part in (rows(RAGGED)[:2], rows(RAGGED)[2:])]
    averaged = {name: (alone[0][name] + alone[1][name]) / 2 for name in expected}
    assert apart(averaged, expected) > 1e-3  # what leaving the denominator out would have given
