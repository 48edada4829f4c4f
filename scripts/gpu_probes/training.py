"""Probes that train the random model for a step: memory, TRL's GRPO, Unsloth; and loading it in 4 bits.

Whether training learns anything is not asked: only that a step runs, moves the weights, and what it costs.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

from gpu_probes.base import TRAIN_TOKENS, Outcome, expect, need, peak_gib

LORA_RANK = 32
GROUP_SIZE, COMPLETION_TOKENS = 4, 32  # of the GRPO step


def load(folder: Path, **options):
    """The random model on the device, in the precision of the run."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa", **options)


def with_lora(model):
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, lora)


def adapter_norm(model) -> float:
    """Sum of |B| over the adapters: 0 before the first step, by LoRA's initialisation."""
    return sum(float(p.detach().abs().sum()) for name, p in model.named_parameters() if "lora_B" in name)


def train_memory(options: argparse.Namespace) -> Outcome:
    """Two optimizer steps with LoRA and recomputed activations; time and memory of the second."""
    import torch

    model = with_lora(load(options.folder, dtype=torch.bfloat16, device_map={"": options.device}))
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-4)
    tokens = torch.randint(0, 256, (1, TRAIN_TOKENS), device=options.device)  # (B=1, T)
    for _ in range(2):
        started = time.monotonic()
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        value = float(loss.detach())  # waits for the GPU
        elapsed_s = time.monotonic() - started
    expect(math.isfinite(value), f"the loss is {value}; expected a finite one")
    expect(adapter_norm(model) > 0, "two steps left the adapters at zero")
    measured = {"peak_gib": peak_gib(), "time_s": elapsed_s, "tokens_per_s": TRAIN_TOKENS / elapsed_s}
    return measured, f"1 x {TRAIN_TOKENS} tokens, LoRA r {LORA_RANK}, recomputed activations"


def grpo_step(model, options: argparse.Namespace) -> Outcome:
    """One step of TRL's GRPOTrainer with a reward that differs between completions."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    on_cpu = options.device == "cpu"
    config = GRPOConfig(
        output_dir=str(options.folder / "grpo"),
        max_steps=1,
        per_device_train_batch_size=GROUP_SIZE,
        num_generations=GROUP_SIZE,
        max_completion_length=COMPLETION_TOKENS,
        learning_rate=1e-4,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        bf16=not on_cpu,
        use_cpu=on_cpu,
    )
    trainer = GRPOTrainer(
        model=model,
        args=config,
        processing_class=AutoTokenizer.from_pretrained(options.folder),
        train_dataset=Dataset.from_dict({"prompt": ["Uma loja vende"] * GROUP_SIZE}),
        reward_funcs=lambda completion_ids, **_: [sum(ids) % 101 / 100 for ids in completion_ids],
    )
    started = time.monotonic()
    trainer.train()
    elapsed_s = time.monotonic() - started
    logged = next(entry for entry in trainer.state.log_history if "reward_std" in entry)
    expect(logged["reward_std"] > 0, "all completions of the group got the same reward")
    expect(math.isfinite(logged["loss"]), f"the loss is {logged['loss']}; expected a finite one")
    expect(adapter_norm(trainer.model) > 0, "the step left the adapters at zero")
    return {
        "peak_gib": peak_gib(),
        "time_s": elapsed_s,
    }, f"{GROUP_SIZE} x {COMPLETION_TOKENS} tokens, LoRA r {LORA_RANK}"


def grpo(options: argparse.Namespace) -> Outcome:
    """TRL alone, generating with transformers."""
    import torch

    dtype = torch.float32 if options.device == "cpu" else torch.bfloat16
    return grpo_step(with_lora(load(options.folder, dtype=dtype)), options)


def unsloth(options: argparse.Namespace) -> Outcome:
    """Unsloth's loader and its patched TRL. It must be imported before trl, transformers and peft."""
    need("unsloth")
    from unsloth import FastLanguageModel

    started = time.monotonic()
    model, _ = FastLanguageModel.from_pretrained(str(options.folder), max_seq_length=512, load_in_4bit=False)
    load_s = time.monotonic() - started
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = FastLanguageModel.get_peft_model(model, r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules=targets)
    measured, remark = grpo_step(model, options)
    return {"load_s": load_s, **measured}, remark


def bitsandbytes(options: argparse.Namespace) -> Outcome:
    """4-bit (NF4) weights, one forward pass."""
    need("bitsandbytes")
    import torch
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    started = time.monotonic()
    model = load(options.folder, quantization_config=quantization, device_map={"": 0}, dtype=torch.bfloat16)
    load_s = time.monotonic() - started
    layers = sum(type(module).__name__ == "Linear4bit" for module in model.modules())
    expect(layers > 0, "no layer was loaded in 4 bits")
    with torch.no_grad():
        logits = model(torch.zeros(1, 16, dtype=torch.long, device="cuda")).logits
    expect(bool(logits.isfinite().all()), "the logits are not finite")
    return {"load_s": load_s, "peak_gib": peak_gib()}, f"{layers} layers in 4 bits"
