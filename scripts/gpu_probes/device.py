"""Probes of the GPU by itself: the driver, bfloat16 arithmetic, torch's flash attention. No model takes part."""

from __future__ import annotations

import argparse

from gpu_probes.base import GIB, NotAvailable, Outcome, expect, milliseconds


def driver(_: argparse.Namespace) -> Outcome:
    """The driver, and torch seeing a GPU through it."""
    from setup_env import has_nvidia_driver

    if not has_nvidia_driver():
        raise NotAvailable("no NVIDIA driver on this machine")
    import torch

    mend = "this is the cpu set; run CADERNO_SET=gpu make setup"
    expect(torch.version.cuda is not None, f"there is a driver, but torch {torch.__version__} is a CPU build: {mend}")
    torch.cuda.init()  # raises with the reason, where is_available() only says no
    free, total = torch.cuda.mem_get_info()
    card = torch.cuda.get_device_properties(0)
    remark = f"{torch.cuda.device_count()} x {card.name}, compute capability {card.major}.{card.minor}"
    return {"free_gib": free / GIB, "total_gib": total / GIB}, f"{remark}, torch for CUDA {torch.version.cuda}"


def bf16(_: argparse.Namespace) -> Outcome:
    """A bfloat16 matrix product against the same in float32."""
    import torch

    native = torch.cuda.is_bf16_supported(including_emulation=False)
    expect(native, "this GPU has no bfloat16 arithmetic (compute capability below 8.0)")
    size = 4096
    left, right = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    exact = left.float() @ right.float()
    error = float(((left @ right).float() - exact).abs().max() / exact.abs().max())
    expect(error < 1e-2, f"a bfloat16 product is {error:.1%} off the float32 one; expected less than 1 %")
    time_ms = milliseconds(lambda: left @ right)
    return {"time_ms": time_ms, "tflop_per_s": 2 * size**3 / time_ms / 1e9}, f"{size} x {size}, error {error:.2%}"


def flash_sdpa(_: argparse.Namespace) -> Outcome:
    """torch's flash attention kernel, causal, against the plain one in float32."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention as attend

    heads, tokens, width = 16, 2048, 128
    shape = (3, 1, heads, tokens, width)
    query, key, value = torch.randn(shape, device="cuda", dtype=torch.bfloat16)  # each (1, heads, T, head_dim)
    with sdpa_kernel(SDPBackend.MATH):
        exact = attend(query.float(), key.float(), value.float(), is_causal=True)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # raises where the kernel cannot be used
        error = float((attend(query, key, value, is_causal=True).float() - exact).abs().max())
        time_ms = milliseconds(lambda: attend(query, key, value, is_causal=True))
    expect(error < 2e-2, f"flash attention is {error:.3f} off the plain one; expected less than 0.02")
    return {"time_ms": time_ms}, f"{heads} heads x {tokens} tokens x {width}, error {error:.4f}"
