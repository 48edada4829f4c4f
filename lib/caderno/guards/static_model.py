"""Static guards on hardware and model: what is asked of the machine, precisions, heads, ties, and files that run code.

A GPU or a model that is not here is unknown: this may not be the machine that runs.
"""

from __future__ import annotations

import re

from caderno.guards.guard import Facts, Finding, failed, guard, not_applicable, passed, unknown, warned, worst

FREE_SHARE = 0.9
BFLOAT16_CAPABILITY = 8.0  # Ampere; a T4 has 7.5


@guard(
    "hardware", stage="static", needs=("params", "gpu_reasons"), threshold="as asked", unit="device", source="proposed",
    classes=("V3",),
)  # fmt: skip
def hardware(facts: Facts) -> Finding:
    """The GPUs that the parameters ask for are here, as many and as large as they say."""
    params, reasons, gpus = facts["params"], facts["gpu_reasons"], facts.get("gpus")
    wanted = params.hardware
    if not reasons and params.processes == 1:
        return passed("CPU" if not gpus else gpus[0]["name"], "nothing asks for a GPU", wanted)
    if not gpus:
        told = "no GPU here" if gpus == [] else "the GPU's driver does not answer"
        return unknown(f"{told}, and {', '.join(reasons) or 'processes'} ask for one: judged on the machine that runs")
    if params.processes > len(gpus):
        return failed(f"{len(gpus)} GPUs", f"processes is {params.processes}", f"{params.processes} GPUs")
    size, asked = min(gpu["memory_gib"] for gpu in gpus), re.search(r"(\d+)\s*GB", wanted)
    if asked and size < 0.9 * float(asked[1]) * 1e9 / 2**30:
        return warned(f"{size:.0f} GiB", f"{gpus[0]['name']} is smaller than what the file was written for", wanted)
    return passed(f"{len(gpus)} x {gpus[0]['name']}, {size:.0f} GiB", "a GPU is here", wanted)


@guard(
    "gpu-free", stage="static", needs=("gpus",), threshold=FREE_SHARE, unit="share of the GPU's memory that is free",
    source="pytorch/pytorch#27600", classes=("N6",),
)  # fmt: skip
def gpu_free(facts: Facts) -> Finding:
    """Nothing else, such as a forgotten kernel, holds the GPU's memory."""
    if not facts["gpus"]:
        return not_applicable("no GPU here")
    free = min(1 - gpu["used_gib"] / gpu["memory_gib"] for gpu in facts["gpus"])
    if free < FREE_SHARE:
        return warned(free, "another process holds the rest: shut down old kernels")
    return passed(free, "the GPU is free")


@guard(
    "dtype-gpu", stage="static", needs=("params",), threshold="the model's", unit="precision",
    source="unslothai/unsloth#5074, unslothai/unsloth-zoo#866", classes=("O4",),
)  # fmt: skip
def dtype_gpu(facts: Facts) -> Finding:
    """The weights' precision is one that the model was made in and that the GPU knows."""
    dtype, gpus = facts["params"].model.dtype, facts.get("gpus")
    config = (facts.get("model") or {}).get("config") or {}
    native = config.get("dtype") or config.get("torch_dtype")
    if dtype == "float16" and native == "bfloat16":
        return failed(dtype, "the model was made in bfloat16: its activations overflow float16", native)
    if dtype == "float32":
        return passed(dtype, "float32 runs everywhere")
    if not gpus:
        return unknown("no GPU here to compare with")
    known = all(gpu["capability"] >= BFLOAT16_CAPABILITY for gpu in gpus)
    if dtype == "bfloat16" and not known:
        return failed(dtype, f"{gpus[0]['name']} has no bfloat16", "float16")
    if dtype == "float16" and known:
        return warned(dtype, f"{gpus[0]['name']} has bfloat16, whose range does not overflow", "bfloat16")
    return passed(dtype, f"{gpus[0]['name']} knows it", dtype)


@guard(
    "tensor-parallel", stage="static", needs=("params",), threshold=0, unit="heads left over",
    source="vllm-project/vllm, ModelConfig.verify_with_parallel_config", classes=("V3",),
)  # fmt: skip
def tensor_parallel(facts: Facts) -> Finding:
    """The GPUs of a vLLM engine divide the model's attention heads evenly."""
    size = facts["params"].engine.tensor_parallel
    if facts["params"].engine.name != "vllm" or size == 1:
        return not_applicable("one GPU per engine")
    config = (facts.get("model") or {}).get("config") or {}
    heads, groups = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if heads is None:
        return unknown("the model's configuration is not on this machine")
    told = f"{heads} heads and {groups or heads} key-value heads on {size} GPUs"
    if heads % size or (groups and groups % size and size % groups):
        return failed(heads % size, f"{told}: vLLM will not start. engine.tensor_parallel must divide them")
    return passed(0, told)


@guard(
    "tied-targets", stage="static", needs=("params",), threshold=0, unit="adapters on a tied matrix",
    source="huggingface/peft#2777, unslothai/unsloth#9331", classes=("M2",),
)  # fmt: skip
def tied_targets(facts: Facts) -> Finding:
    """No adapter trains the head or the embeddings of a model that ties them, as if they were two matrices."""
    lora = facts["params"].model.lora
    if lora is None:
        return not_applicable("no adapter is trained")
    named = [lora.targets] if isinstance(lora.targets, str) else list(lora.targets)
    loose = [name for name in named if name in ("lm_head", "embed_tokens")]
    if not loose:
        return passed(0, "the adapter leaves head and embeddings alone")
    config = (facts.get("model") or {}).get("config")
    if config is None:
        return unknown(f"{', '.join(loose)} would be trained, and whether the model ties them is not known here")
    if config.get("tie_word_embeddings"):
        return failed(
            len(loose), f"{', '.join(loose)}: the model ties head and embeddings, and merging loses one of them"
        )
    return passed(0, f"{', '.join(loose)}: the model does not tie them")


@guard(
    "pickle-weights", stage="static", needs=("model_files",), threshold=0, unit="directories with pickles only",
    source="CVE-2025-32434, CVE-2026-24747", classes=("X3",),
)  # fmt: skip
def pickle_weights(facts: Facts) -> Finding:
    """Weights are safetensors: a pickle runs whatever code it holds when it is opened."""
    files = facts["model_files"]
    if not files:
        return unknown("none of the model's files is on this machine")
    bad = {name: one["pickles"] for name, one in files.items() if one["pickles"] and not one["safetensors"]}
    if bad:
        told = "; ".join(f"{name}: {', '.join(names)}" for name, names in bad.items())
        return failed(len(bad), f"{told}. Convert them where it is safe, or take another model")
    return passed(0, "safetensors, or no weights at all")


@guard(
    "remote-code", stage="static", needs=("model_files",), threshold=0, unit="repositories with code",
    source="CVE-2026-5241", classes=("X4",),
)  # fmt: skip
def remote_code(facts: Facts) -> Finding:
    """The model's repository brings no code of its own that a loader may run."""
    files = facts["model_files"]
    if not files:
        return unknown("none of the model's files is on this machine")
    found = {name: one["code"] for name, one in files.items() if one["code"]}
    if found:
        told = "; ".join(f"{name}: {', '.join(names)}" for name, names in found.items())
        return warned(len(found), f"{told}. trust_remote_code stays off here, other loaders may run it: read it")
    return passed(0, "no code beside the weights")


@guard(
    "revision-pinned", stage="static", needs=("params", "hub_ids"), threshold="a commit", unit="revision",
    source="CVE-2026-5241", classes=("X4",),
)  # fmt: skip
def revision_pinned(facts: Facts) -> Finding:
    """A model from the hub is named by a commit: a branch or a tag may mean other weights next month."""
    model, hub = facts["params"].model, facts["hub_ids"]
    found = []
    if model.name in hub and not re.fullmatch(r"[0-9a-f]{40}", model.revision or ""):
        found.append(warned(model.revision or "default branch", f"{model.name}: set model.revision to a commit"))
    if model.adapter in hub:
        found.append(warned("default branch", f"{model.adapter} is no directory here, and from the hub any commit"))
    if found:
        return worst(found)
    return passed(model.revision, "a commit") if model.name in hub else not_applicable("local files")
