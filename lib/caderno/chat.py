"""Messages into the text and tokens a model sees.

It neither generates nor trains, and it never tokenizes with `add_special_tokens`: a rendered prompt already carries
what the template puts first, and a second beginning-of-sequence token would go unnoticed.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

from caderno.errors import BadInput
from caderno.thinking import THINK_OPEN

if TYPE_CHECKING:
    from rich.text import Text
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Messages = list[dict[str, str]]


def render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Messages,
    *,
    add_generation_prompt: bool = True,
    enable_thinking: bool | None = None,
) -> str:
    """The prompt's text by the tokenizer's chat template.

    `enable_thinking=None` leaves the switch to the template's own default. Raises BadInput where there is no
    template, where the template refuses the messages, and where a switch is asked of a template that has none.
    """
    if enable_thinking is None:
        return _apply(tokenizer, messages, add_generation_prompt)
    if not switch(tokenizer):
        raise BadInput(
            f"enable_thinking is {enable_thinking}, and the chat template renders the same either way",
            expected="a template with a thinking switch",
            where="chat.enable_thinking",
            mend="Leave chat.enable_thinking empty for this model.",
        )
    return _apply(tokenizer, messages, add_generation_prompt, enable_thinking=enable_thinking)


def switch(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template knows `enable_thinking`: whether on and off render differently."""
    return _has_switch(tokenizer, str(tokenizer.chat_template))


@lru_cache(maxsize=16)
def _has_switch(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """`template` is part of the key: a tokenizer's template can be replaced."""
    probe = [{"role": "user", "content": "?"}]
    on, off = (_apply(tokenizer, probe, True, enable_thinking=value) for value in (True, False))
    return on != off


def _apply(tokenizer: PreTrainedTokenizerBase, messages: Messages, generation_prompt: bool, **switches: bool) -> str:
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise BadInput(
            f"the tokenizer of {tokenizer.name_or_path!r} has no chat template",
            expected="an instruct model, or a base model with a chat template beside its tokenizer",
            mend="Put a chat_template.jinja into the model's directory.",
        )
    try:
        return tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generation_prompt, **switches
        )
    except TemplateError as error:
        roles = [message.get("role") for message in messages]
        raise BadInput(
            f"the chat template refuses messages with roles {roles}: {error}",
            expected="the order of roles this model was trained on",
            mend="Merge or drop the message it names.",
        ) from error


def opens_thought(rendered_prompt: str) -> bool:
    """Whether the prompt ends inside a thought, so that the completion begins with the thought itself."""
    return rendered_prompt.rstrip().endswith(THINK_OPEN)


def encode(tokenizer: PreTrainedTokenizerBase, rendered: str) -> list[int]:
    """Token ids of a rendered text, adding nothing."""
    return tokenizer(rendered, add_special_tokens=False)["input_ids"]


def loss_mask_example(
    tokenizer: PreTrainedTokenizerBase,
    messages: Messages,
    completion: str,
    enable_thinking: bool | None = None,
) -> list[tuple[str, bool]]:
    """(token text, supervised) for every token of one training row, as TRL masks a rendered prompt and a completion.

    Supervised are the completion and the end-of-sequence token that the trainer puts after it. Raises BadInput where
    the last token of the prompt merges with the first of the completion: generation never sees that merged token.
    """
    prompt = render(tokenizer, messages, enable_thinking=enable_thinking)
    ending = "" if completion.endswith(tokenizer.eos_token) else tokenizer.eos_token
    prompt_ids, ids = encode(tokenizer, prompt), encode(tokenizer, prompt + completion + ending)
    shared = _shared(prompt_ids, ids)
    if shared < len(prompt_ids):
        raise BadInput(
            f"the prompt ends in {tokenizer.decode(prompt_ids[shared:])!r} alone, and in "
            f"{tokenizer.decode(ids[shared : shared + 1])!r} once the completion follows",
            expected="the same tokens, so that training sees the context that generation sees",
            where="chat template",
            mend="End the prompt on a token boundary, a line end for instance.",
        )
    return [(tokenizer.decode([token]), place >= shared) for place, token in enumerate(ids)]


def _shared(one: list[int], other: list[int]) -> int:
    """Length of the common beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def show_mask(example: list[tuple[str, bool]]) -> Text:
    """`loss_mask_example` for a notebook or a terminal: supervised tokens highlighted, the rest dimmed."""
    from rich.text import Text

    text = Text()
    for token, supervised in example:
        # Line ends are tokens too: they are shown, and then obeyed.
        shown = token.replace("\n", "⏎\n")
        text.append(shown, style="black on pale_green3" if supervised else "dim")
        text.append("" if shown.endswith("\n") else "·", style="dim")
    return text


def round_trip(tokenizer: PreTrainedTokenizerBase, text: str) -> str | None:
    """None when text -> ids -> text -> ids gives the same ids; otherwise what differs, in a sentence."""
    ids = encode(tokenizer, text)
    again = encode(tokenizer, tokenizer.decode(ids, skip_special_tokens=False))
    if ids == again:
        return None
    place = _shared(ids, again)
    before, after = (tokenizer.convert_ids_to_tokens(row[place : place + 4]) for row in (ids, again))
    return f"token {place} of {len(ids)}: {before} became {after} (of {len(again)}) after decoding and tokenizing again"


def double_bos(tokenizer: PreTrainedTokenizerBase, rendered: str) -> bool:
    """Whether tokenizing the rendered text the usual way, with special tokens, starts with two BOS tokens."""
    ids = tokenizer(rendered)["input_ids"]
    return tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2


def for_trainer(tokenizer: PreTrainedTokenizerBase, rendered: str) -> str:
    """A rendered prompt for trainers that tokenize text with special tokens: without the BOS they will add again."""
    return rendered.removeprefix(tokenizer.bos_token) if double_bos(tokenizer, rendered) else rendered


def eos_sources(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """End-of-sequence ids by who names them: tokenizer, config.json, generation_config.json."""
    generation = getattr(model, "generation_config", None)
    named = {
        "tokenizer": tokenizer.eos_token_id,
        "config": getattr(model.config, "eos_token_id", None),
        "generation_config": getattr(generation, "eos_token_id", None),
    }
    return {source: _as_list(ids) for source, ids in named.items()}


def eos_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every id that ends a completion: the union of `eos_sources`. Raises BadInput when nobody names one."""
    ids = sorted({i for named in eos_sources(model, tokenizer).values() for i in named})
    if not ids:
        raise BadInput(
            "neither tokenizer nor configuration names an end-of-sequence token",
            expected="eos_token_id",
            where=str(tokenizer.name_or_path),
            mend="Set eos_token in tokenizer_config.json.",
        )
    return ids


def turn_end_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token the template writes after an assistant's words, or None where it writes nothing.

    If it is not among `eos_ids`, a model trained on this template never stops.
    """
    said = "OK"
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": said}]
    _, _, after = render(tokenizer, turns, add_generation_prompt=False).rpartition(said)
    ids = encode(tokenizer, after.lstrip())
    return ids[0] if ids else None


def _as_list(ids: int | list[int] | None) -> list[int]:
    if ids is None:
        return []
    return [ids] if isinstance(ids, int) else list(ids)
