"""The abstract vocabulary: M codes and two delimiters as tokens of a model, in spare rows where the embedding has some.

It gives the rows a start at the real rows' scale; training them, alone or with the rest, is others' work.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caderno.errors import BadInput
from caderno.models import Policy, checks

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BEGIN, END = "<beginabstract>", "<endabstract>"
ROWS_MULTIPLE = 64  # matrix products like round sizes
MEASURED_ROWS = 16384  # of the real ones, for their scale: enough, and no float32 copy of a large embedding


@dataclass(frozen=True)
class AbstractVocabulary:
    """Token ids of the codes and of the two delimiters."""

    code_ids: tuple[int, ...]
    begin_id: int
    end_id: int

    @property
    def allowed_ids(self) -> tuple[int, ...]:
        """What a trace is drawn from: the codes and then END."""
        return (*self.code_ids, self.end_id)

    @property
    def new_ids(self) -> tuple[int, ...]:
        """Every id, ascending: the rows to train under LoRA."""
        return tuple(sorted((*self.code_ids, self.begin_id, self.end_id)))


def code_name(number: int) -> str:
    """`<abs_A>` ... `<abs_Z>`, `<abs_AA>` ... for 0, 1, ..."""
    letters, number = "", number + 1
    while number:
        number, last = divmod(number - 1, 26)
        letters = chr(ord("A") + last) + letters
    return f"<abs_{letters}>"


def of(tokenizer: PreTrainedTokenizerBase) -> AbstractVocabulary:
    """The abstract vocabulary of a tokenizer that has one. Raises BadInput where it has none, or only a part."""
    known = tokenizer.get_vocab()
    code_ids: list[int] = []
    while (name := code_name(len(code_ids))) in known:
        code_ids.append(known[name])
    missing = [name for name in (BEGIN, END) if name not in known] + ([] if code_ids else [code_name(0)])
    if missing:
        raise BadInput(
            f"the tokenizer has no {', '.join(missing)}", expected="the abstract vocabulary",
            where=str(tokenizer.name_or_path or "tokenizer"), mend="Extend the model by `abstract.vocabulary.extend`.",
        )  # fmt: skip
    return AbstractVocabulary(tuple(code_ids), known[BEGIN], known[END])


def extend(policy: Policy, codes: int, *, seed: int) -> tuple[Policy, AbstractVocabulary]:
    """The policy with `codes` codes and the delimiters; the model is changed in place, the tokenizer is a copy.

    New rows differ from each other and look like real ones: directions drawn at the mean and spread of each dimension,
    of the median length. Rows that only pad are the real ones' mean, so that none is likelier than 1/V. A policy that
    has as many codes already is returned as it is. Raises BadInput for another number, for adapters, for 4-bit weights.
    """
    if (held := _held(policy, codes)) is not None:
        return policy, held
    _require_plain(policy.model, codes)
    tokenizer = copy.deepcopy(policy.tokenizer)
    real_ids = sorted(tokenizer.get_vocab().values())
    names = [*(code_name(number) for number in range(codes)), BEGIN, END]
    tokenizer.add_special_tokens({"extra_special_tokens": names}, replace_extra_special_tokens=False)
    vocabulary = of(tokenizer)
    rows_before, tied_before = _rows(policy.model), checks.is_tied(policy.model)
    _make_room(policy.model, max(vocabulary.new_ids) + 1)
    _start(policy.model, real_ids, vocabulary.new_ids, rows_before, seed)
    checks.require_tie(policy.model, "the abstract vocabulary")
    described = checks.describe(policy.model, tokenizer, policy.info.get("context_tokens"))
    ledger = _ledger(policy, tokenizer, vocabulary, rows_before, tied_before)
    info = policy.info | described | {"ledger": [*policy.info.get("ledger", []), *ledger]}
    return Policy(policy.model, tokenizer, info), vocabulary


def _held(policy: Policy, codes: int) -> AbstractVocabulary | None:
    """The vocabulary that is there already; None where there is none."""
    if BEGIN not in policy.tokenizer.get_vocab():
        return None
    held = of(policy.tokenizer)
    if len(held.code_ids) != codes:
        raise BadInput(
            f"the model has {len(held.code_ids)} codes and {codes} are asked for", expected="the same number",
            where="abstract.codes", mend="Start from the model without codes, or keep their number.",
        )  # fmt: skip
    return held


def _require_plain(model: Any, codes: int) -> None:
    problems = {
        "a model with adapters": hasattr(model, "peft_config") or hasattr(model, "get_base_model"),
        "a model in 4 bits": getattr(model, "is_loaded_in_4bit", False),
        "a model whose head has a bias": getattr(model.get_output_embeddings(), "bias", None) is not None,
        f"{codes} codes": codes < 1,
    }
    found = [what for what, there in problems.items() if there]
    if found:
        raise BadInput(
            ", ".join(found), expected="full-precision weights without adapters or head bias, and at least one code",
            where="the abstract vocabulary", mend="Extend the base first, then add adapters.",
        )  # fmt: skip


def _rows(model: PreTrainedModel) -> int:
    return model.get_input_embeddings().weight.shape[0]


def _make_room(model: PreTrainedModel, needed: int) -> None:
    """Rows for ids below `needed`; none are added, and above all none taken away, where there are enough."""
    if needed > _rows(model):
        model.resize_token_embeddings(needed, pad_to_multiple_of=ROWS_MULTIPLE, mean_resizing=False)


def _start(model: PreTrainedModel, real_ids: list[int], new_ids: tuple[int, ...], rows_before: int, seed: int) -> None:
    """First values of the new rows, in the embedding and in a head of its own where there is one."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = [model.get_input_embeddings().weight]
    if not checks.is_tied(model) and model.get_output_embeddings() is not None:
        weights.append(model.get_output_embeddings().weight)
    padding = [row for row in range(rows_before, _rows(model)) if row not in set(new_ids)]
    for weight in weights:
        rows, mean = like_real(weight, real_ids, len(new_ids), generator)
        with torch.no_grad():
            weight[list(new_ids)] = rows.to(weight)
            weight[padding] = mean.to(weight)


def like_real(weight: Tensor, real_ids: list[int], count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """(`count` rows (count, H) drawn like the real ones, and their mean (H,)), float32 on the CPU."""
    import torch

    chosen = torch.tensor(real_ids)
    if len(chosen) > MEASURED_ROWS:
        chosen = chosen[torch.randperm(len(chosen), generator=generator)[:MEASURED_ROWS]]
    real = weight.detach()[chosen.to(weight.device)].float().cpu()
    length = real.norm(dim=-1, keepdim=True)
    # Of directions, not of rows: the few longest rows would else decide where all the new ones point.
    spread, centre = torch.std_mean(real / length.clamp(min=1e-12), dim=0)
    rows = centre + spread * torch.randn(count, real.shape[1], generator=generator)
    return rows * (length.median() / rows.norm(dim=-1, keepdim=True)), real.mean(dim=0)


def _ledger(
    policy: Policy, tokenizer: Any, vocabulary: AbstractVocabulary, rows_before: int, tied_before: bool
) -> list[dict[str, Any]]:
    spare, asked = sum(i < rows_before for i in vocabulary.new_ids), len(vocabulary.new_ids)
    rows_needed = max(rows_before, max(vocabulary.new_ids) + 1)
    rows = {
        "abstract.tokens": (len(policy.tokenizer) + asked, len(tokenizer)),
        "abstract.embedding_rows": (rows_needed, _rows(policy.model)),
        "abstract.rows_in_spare": (asked, spare),
        "abstract.tied": (tied_before, checks.is_tied(policy.model)),
    }
    return [{"what": what, "requested": wanted, "effective": held} for what, (wanted, held) in rows.items()]
