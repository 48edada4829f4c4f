"""From `ModelParams` to a checked model: transformers' `from_pretrained`, 4-bit and unsloth where there is a GPU.

It decides who loads and verifies the outcome; files are `source`'s business, adapters are `adapters`'.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput
from caderno.models import Policy, checks
from caderno.models.source import Source, resolve

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from caderno.params.sections import ModelParams


def load(params: ModelParams, *, for_training: bool) -> Policy:
    """See `caderno.models.load`."""
    source = resolve(params.name, params.revision)
    if params.backend == "unsloth":
        model, tokenizer = _by_unsloth(source, params, for_training)
    else:
        model, tokenizer = _by_transformers(source, params)
    checks.require_tie(model, source.name)
    checks.require_fit(model, tokenizer, source.name)
    checks.context_tokens(model.config, params.max_length)
    extra: dict[str, Any] = {}
    if params.adapter:
        from caderno.models import adapters

        model, extra = adapters.attach_and_merge(model, params.adapter)
    model = _prepare(model, params, for_training)
    info = {"source": source.name, "init": params.init, "adapter": params.adapter, **extra}
    info |= checks.describe(model, tokenizer, params.max_length)
    return Policy(model, tokenizer, info | {"ledger": checks.ledger(model, params)})


def _by_transformers(source: Source, params: ModelParams) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    _require_hardware(params)
    tokenizer = load_tokenizer(source)
    model = _initialised(source, params, tokenizer) if params.init else _pretrained(source, params)
    return model, tokenizer


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The tokenizer beside a model; never code from its repository."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source.name, **source.arguments)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable("tokenizer", source, error) from error


def _pretrained(source: Source, params: ModelParams) -> PreTrainedModel:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            source.name,
            dtype=params.dtype,
            attn_implementation=params.attention,
            output_loading_info=True,
            # Mismatches are let through here to be named below: transformers' own message names none.
            ignore_mismatched_sizes=True,
            **_quantization(params),
            **source.arguments,
        )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise _unreadable("model", source, error) from error
    checks.require_complete(model, found, source.name)
    return model


def _initialised(source: Source, params: ModelParams, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The architecture of `model.name` with the weights of `model.init`, and no others."""
    from transformers import AutoConfig

    from caderno.models.init import init_from

    if params.load_in_4bit:
        raise BadInput(
            "model.init with load_in_4bit",
            expected="exact weights, which 4 bits are not",
            where="model.init",
            mend="Drop load_in_4bit, or give the directory as model.name.",
        )
    config = AutoConfig.from_pretrained(source.name, **source.arguments)
    config._attn_implementation = params.attention
    config.dtype = params.dtype
    return init_from(config, params.init, tokenizer=tokenizer)


def _by_unsloth(source: Source, params: ModelParams, for_training: bool) -> tuple[Any, Any]:
    """Unsloth rewrites trl's trainers when it is imported, so it has to come first."""
    _require_hardware(params)
    if params.init:
        raise BadInput("model.init with the unsloth backend", expected="backend: hf", where="model.init")
    if "trl" in sys.modules and "unsloth" not in sys.modules:
        raise BadInput(
            "trl was imported before unsloth, which can then no longer patch it",
            expected="models.load as the first thing a kernel does",
            where="model.backend",
            mend="Restart the kernel and run the cells in order.",
        )
    try:
        from unsloth import FastLanguageModel
    except ImportError as error:
        raise _not_installed("unsloth", "model.backend", error) from error
    import torch

    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=source.name,
        revision=source.revision,
        max_seq_length=params.max_length,
        dtype=getattr(torch, params.dtype),
        load_in_4bit=params.load_in_4bit,
        full_finetuning=for_training and params.lora is None,
    )
    return model, tokenizer


def _require_hardware(params: ModelParams) -> None:
    """Refuse what this machine cannot do before reading gigabytes."""
    import torch

    gpu = torch.cuda.is_available()
    wishes = {
        "model.backend": (params.backend == "unsloth", "unsloth"),
        "model.load_in_4bit": (params.load_in_4bit, "4-bit loading (bitsandbytes)"),
        "model.attention": (params.attention == "flash_attention_2", "flash attention"),
    }
    for where, (wanted, what) in wishes.items():
        if wanted and not gpu:
            raise BadInput(
                f"{what} needs an NVIDIA GPU, and torch sees none here",
                expected="backend: hf, load_in_4bit: false and attention: sdpa on a CPU",
                where=where,
                mend="Change it, or run where there is a GPU.",
            )


def _quantization(params: ModelParams) -> dict[str, Any]:
    """QLoRA's setting (arXiv 2305.14314): 4-bit NormalFloat, double quantization, computed in the dtype asked for."""
    if not params.load_in_4bit:
        return {}
    import importlib.util
    import os

    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise _not_installed("bitsandbytes", "model.load_in_4bit", None)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=params.dtype,
    )
    return {"quantization_config": config, "device_map": {"": int(os.environ.get("LOCAL_RANK", 0))}}


def _prepare(model: PreTrainedModel, params: ModelParams, for_training: bool) -> PreTrainedModel:
    """Training or evaluation mode. A trainer places the model itself; a generator expects it placed."""
    import torch

    if for_training:
        if params.gradient_checkpointing and params.backend == "hf":
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            # Frozen embeddings would otherwise cut the graph, and adapters would never move.
            model.enable_input_require_grads()
        return model.train()
    if torch.cuda.is_available() and not params.load_in_4bit:
        model = model.to("cuda")
    return model.eval()


def _unreadable(what: str, source: Source, error: Exception) -> BadInput:
    first_line = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
    return BadInput(
        f"the {what} cannot be loaded ({type(error).__name__}: {first_line})",
        expected="complete, uncorrupted files of a causal language model",
        where=source.name,
        mend="Copy or download it again; if a library is missing, install it.",
    )


def _not_installed(package: str, where: str, error: ImportError | None) -> BadInput:
    return BadInput(
        f"{package} cannot be imported ({error or 'not installed'})",
        expected="the GPU set of packages",
        where=where,
        mend="Run make setup on a machine with an NVIDIA driver.",
    )
