"""Low-rank adapters by PEFT: fresh ones to train, trained ones merged, each merge verified on logits.

It writes no files, and it never trusts a load that PEFT did not complain about: PEFT only warns when keys do not match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput
from caderno.models import Policy, checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from caderno.params.sections import LoraParams

# Unsloth takes names, not PEFT's "all-linear".
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# Largest difference of a logit between adapter and merged weights; half precision rounds the merged weights.
MERGE_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.5, "float16": 0.1}


def with_lora(policy: Policy, lora: LoraParams, trainable_rows: Sequence[int] = ()) -> Policy:
    """See `caderno.models.with_lora`. Raises BadInput when the policy has adapters, or no module matches."""
    from peft import PeftModel

    if isinstance(policy.model, PeftModel):
        raise BadInput("the policy has adapters already", expected="a plain model", where="model.lora")
    model = _wrap(policy.model, lora, sorted(trainable_rows))
    info = policy.info | checks.describe(model, policy.tokenizer, policy.info.get("context_tokens"))
    scale = lora.alpha / lora.rank**0.5 if lora.rslora else lora.alpha / lora.rank
    adapter = {"rank": lora.rank, "alpha": lora.alpha, "scale": scale, "targets": adapted_modules(model)}
    adapter["trainable_rows"] = len(trainable_rows)
    return Policy(model, policy.tokenizer, info | {"lora": adapter})


def _wrap(model: PreTrainedModel, lora: LoraParams, rows: list[int]) -> Any:
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    common = {"r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "use_rslora": lora.rslora}
    common |= _row_arguments(model, rows)
    if type(model).__module__.startswith("unsloth"):
        if rows:
            raise BadInput("single rows to train with unsloth", expected="backend: hf", where="model.backend")
        from unsloth import FastLanguageModel

        names = list(ALL_LINEAR) if targets == "all-linear" else targets
        return FastLanguageModel.get_peft_model(model, target_modules=names, **common)
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=model.is_gradient_checkpointing)
    try:
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=targets, **common))
    except ValueError as error:
        raise BadInput(
            f"no adapter fits targets {targets!r} ({str(error).splitlines()[0].rstrip('.')})",
            expected=f"'all-linear' or names of linear modules such as {', '.join(ALL_LINEAR[:3])}",
            where="model.lora.targets",
        ) from error


def _row_arguments(model: PreTrainedModel, rows: list[int]) -> dict[str, Any]:
    """PEFT's argument for training single rows; a tied head follows the embedding, an untied one trains its own."""
    if not rows:
        return {}
    from peft.utils.other import TrainableTokensWrapper

    held = model.get_input_embeddings().weight.shape[0]
    if rows[0] < 0 or rows[-1] >= held:
        raise BadInput(f"rows {rows[0]} to {rows[-1]} of {held}", expected="rows that exist", where="trainable_rows")
    if not hasattr(TrainableTokensWrapper, "bias"):
        # PEFT's wrapper passes on `weight` alone, and trl reads the head's `bias` too.
        TrainableTokensWrapper.bias = property(lambda wrapper: wrapper.original_module.bias)
    modules = [model.get_input_embeddings()] + ([] if checks.is_tied(model) else [model.get_output_embeddings()])
    names = [name.rsplit(".", 1)[-1] for name, module in model.named_modules() if any(module is m for m in modules)]
    return {"trainable_token_indices": dict.fromkeys(names, rows)}


def adapted_modules(model: Any) -> list[str]:
    """Last names of the modules that carry an adapter."""
    return sorted(
        {name.split(".lora_A")[0].rsplit(".", 1)[-1] for name, _ in model.named_parameters() if ".lora_A" in name}
    )


def attach_and_merge(model: PreTrainedModel, path: str) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model with the adapter at `path` (directory or hub id) merged in, and what the verification measured.

    Raises BadInput when the adapter's keys do not all land in the model, or when the adapter changes nothing.
    """
    attached, base_name = _attach(model, path)
    also = trained_rows(attached)
    on = probe_logits(attached, also)
    with attached.disable_adapter():
        effect = (on - probe_logits(attached, also)).abs().max().item()
    if effect == 0:
        raise BadInput(
            "logits are the same with the adapter and without it",
            expected="a trained adapter of this model",
            where=f"model.adapter {path}",
            mend="Its weights are zero or did not land; check how it was saved.",
        )
    merged, error = _merged(attached, on)
    return merged, {"adapter_base": base_name, "adapter_effect": effect, "merge_error": error}


def _attach(model: PreTrainedModel, path: str) -> tuple[Any, str | None]:
    from peft import PeftConfig, get_peft_model
    from safetensors import SafetensorError

    try:
        config = PeftConfig.from_pretrained(path)
        base_name = config.base_model_name_or_path
        attached = get_peft_model(model, config)
        result = attached.load_adapter(path, "default")
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise BadInput(
            f"the adapter does not load ({str(error).strip().splitlines()[0].rstrip('.')})",
            expected="adapter_config.json and adapter_model.safetensors, trained on this model",
            where=f"model.adapter {path}",
        ) from error
    ours = [key for key in result.missing_keys if "lora_" in key or "trainable_tokens_delta" in key]
    lost = ours + list(result.unexpected_keys)
    if lost:
        raise BadInput(
            f"keys of the adapter and of the model do not meet: {checks.named(lost)}",
            expected="an adapter trained on this architecture",
            where=f"model.adapter {path}",
            mend="Loaded as it is, it would silently leave the base as it was.",
        )
    return attached.eval(), base_name


def merge(policy: Policy) -> Policy:
    """The policy with its adapters folded into the weights; one without adapters is returned as it is."""
    from peft import PeftModel

    if not isinstance(policy.model, PeftModel):
        return policy
    policy.model.eval()
    model, error = _merged(policy.model, probe_logits(policy.model, trained_rows(policy.model)))
    described = checks.describe(model, policy.tokenizer, policy.info.get("context_tokens"))
    return Policy(model, policy.tokenizer, policy.info | described | {"merge_error": error})


def _merged(attached: Any, before: Tensor) -> tuple[PreTrainedModel, float]:
    """Merged model and the largest change of a logit. Raises BadInput when the merge is not the adapter."""
    also = trained_rows(attached)
    model = attached.merge_and_unload()
    error = (probe_logits(model, also) - before).abs().max().item()
    tolerance = MERGE_TOLERANCE[str(model.dtype).removeprefix("torch.")]
    if not error <= tolerance:
        raise BadInput(
            f"merged weights differ from the adapter by {error:.3g} in a logit",
            expected=f"at most {tolerance:g} in {model.dtype}",
            where="merging the adapter",
            mend="Usual causes: a tied head with its own trained copy, or a base in 4 bits.",
        )
    checks.require_tie(model, "merging the adapter")
    return model, error


def trained_rows(model: Any) -> list[int]:
    """Token ids whose rows an adapter trains."""
    indices = getattr(model.peft_config["default"], "trainable_token_indices", None) or {}
    listed = indices.values() if isinstance(indices, dict) else [indices]
    return sorted({row for rows in listed for row in rows})


def probe_logits(model: Any, also: Sequence[int] = (), tokens: int = 32) -> Tensor:
    """Logits (1, T, V) in float32 on fixed pseudo-random tokens and the ids `also`."""
    import torch

    rows = model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(rows, (tokens,), generator=torch.Generator().manual_seed(0))
    ids = torch.cat([ids, torch.tensor(also, dtype=ids.dtype)])[None].to(model.device)
    with torch.no_grad():
        return model(input_ids=ids).logits.float()  # (1, T, V)
