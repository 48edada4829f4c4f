"""A clean run's parameters and facts, to plant one fault at a time in. It asserts nothing."""

from __future__ import annotations

import copy
from typing import Any

from caderno import trl_arguments
from caderno.guards import facts_static
from caderno.params import Params
from caderno.params.layers import merge

# What a careful GRPO run on one GPU looks like; every guard that applies passes.
CLEAN: dict[str, Any] = {
    "name": "clean",
    "hardware": "one NVIDIA L4 (24 GB)",
    "stages": ["preflight", "calibration", "sft", "grpo", "validation"],
    "model": {
        "name": "org/model-4b", "revision": "0" * 40, "dtype": "bfloat16", "max_length": 2048,
        "lora": {"rank": 32, "alpha": 32},
    },
    "data": {"train_rows": 1200, "heldout_rows": 256, "test_rows": 500},
    "tasks": {"push": {"think_budget_tokens": 100}, "sql_qa": {"think_budget_tokens": 400}},
    "engine": {"name": "vllm"},
    "rewards": {"think_efficiency": 0.1},
    "calibration": {"training": {"max_new_tokens": 1024}, "deployment": {"max_new_tokens": 1024}},
    "sft": {"learning_rate": 2e-4},
    "grpo": {
        "max_steps": 300, "prompts_per_step": 4, "group_size": 8, "learning_rate": 2e-5, "kl_coef": 0.001,
        "schedule": "cosine", "warmup_share": 0.05, "max_completion_length": 1024, "eval_steps": 20, "eval_rows": 256,
        "early_stop": {"patience": 6, "delta": "standard_error"}, "save_steps": 20, "save_total_limit": 8,
    },
    "validation": {"max_new_tokens": 1024},
}  # fmt: skip
L4 = {"name": "NVIDIA L4", "memory_gib": 22.5, "used_gib": 0.2, "capability": 8.9}
CONFIG = {
    "hidden_size": 2560, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 9728, "num_hidden_layers": 36, "vocab_size": 151_936, "tie_word_embeddings": True,
    "dtype": "bfloat16",
}  # fmt: skip


def parameters(**sections: Any) -> Params:
    """The clean parameters with some values replaced, section by section."""
    return Params(**merge(CLEAN, sections))


def clean(**sections: Any) -> dict[str, Any]:
    """Every fact of a clean run on an L4 with the model at hand; `sections` change parameters."""
    params = parameters(**sections)
    arguments = trl_arguments.all_stages(params, gpu=True)
    taken = {stage: {"error": None, "changed": {}, "warnings": []} for stage in arguments}
    versions = {"torch": "2.13.0", "transformers": "5.17.0", "trl": "1.14.2", "jupyterlab": "4.6.6", "rich": "14.0.0"}
    listing = {"pickles": [], "safetensors": True, "code": []}
    return facts_static.of_parameters(params, arguments) | {
        "pins": dict(versions), "installed": versions | {"vllm": None}, "unsloth_stamps": None, "secrets": [],
        "notebooks": {stage: {"file": f"{stage}.ipynb", "missing": []} for stage in params.stages},
        "gpus": [dict(L4)], "idle_shutdown": {"google": True, "idle_s": 0.0},
        "run_root": {"where": "CADERNO_RUNS", "free_bytes": 500 * 2**30, "temporary": None},
        "model": {"directory": "/models/4b", "config": dict(CONFIG), "parameters": 4_022_468_096},
        "model_files": {params.model.name: listing}, "hub_ids": [params.model.name],
        "checkpoint_bytes": {stage: {"checkpoint": 800 * 2**20, "final": 8 * 2**30} for stage in ("sft", "grpo")},
        "data_budget": {}, "trl_configs": taken,
    }  # fmt: skip


def with_fact(name: str, value: Any, **sections: Any) -> dict[str, Any]:
    """Clean facts but for one."""
    return clean(**sections) | {name: value}


def inside(name: str, **values: Any) -> dict[str, Any]:
    """Clean facts with some entries of one mapping replaced."""
    facts = copy.copy(clean())
    return facts | {name: facts[name] | values}
