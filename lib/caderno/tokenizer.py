"""The tiny base's tokenizer: one token per known word, digit and cluster of punctuation; letters for the rest.

White space is not kept: decoding puts it back by rule, so ids -> text -> ids is exact and only spacing may change.
Other models bring their own tokenizer; `caderno.models` loads those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedTokenizerFast

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
THOUGHT = ("<think>", "</think>")
LETTERS = "abcdefghijklmnopqrstuvwxyzáàâãéêíóôõúüçABCDEFGHIJKLMNOPQRSTUVWXYZÁÂÃÉÊÍÓÔÕÚÇ0123456789_"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~·“”–—…ºª°"
_PIECES = r"\d|[^\W\d]+|[^\w\s]+"
_DECIMAL_POINT = "·"  # a point between digits, so that 4.5 and "4. 5" stay apart
# What decoding does to the space that stands between any two tokens: (pattern, replacement), in order.
_SPACING = (
    (rf" ?{_DECIMAL_POINT} ?", "."),
    (r"(?<=\d) (?=\d)", ""),
    (r" (?=[.,;:!?%)\]}])", ""),
    (r"(?<=[(\[{]) ", ""),
    # JSON: no space inside a string's quotes, so that {"produto":"caneca"} comes back as it was.
    (r"(?<=\w) (?=[^\w\s]*\")", ""),
    (r"(?<=\") ", ""),
    # SQL: city='recife', days_late>0, items.price.
    (r" (?=[=<>])|(?<=[<>]) (?=\d)|(?<=\w) (?='( |$|;))|(?<==') ", ""),
    (r"(?<=[a-z]\.) (?=[a-z_]+\))", ""),
)

CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message['role'] }}
{{ message['content'] }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false -%}
<think>

</think>

{% endif -%}
{%- endif -%}
"""


def pieces(text: str) -> list[str]:
    """The words, digits and clusters of punctuation of a text."""
    return re.findall(_PIECES, re.sub(r"(?<=\d)\.(?=\d)", _DECIMAL_POINT, text))


def build(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer whose words are those of `texts`, with a chat template that has a thinking switch."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = sorted({piece for text in texts for piece in pieces(text)} - set(LETTERS) - set(PUNCTUATION))
    letters = [*LETTERS, *PUNCTUATION, *(f"##{c}" for c in LETTERS + PUNCTUATION)]
    special = [END_OF_TEXT, TURN_START, TURN_END, *THOUGHT]
    vocabulary = {token: i for i, token in enumerate([*special, "<unk>", *letters, *words])}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    core.normalizer = normalizers.Replace(Regex(r"(?<=\d)\.(?=\d)"), _DECIMAL_POINT)
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(_PIECES), "isolated")]
    )
    spacing = [decoders.Replace(Regex(pattern), text) for pattern, text in _SPACING]
    core.decoder = decoders.Sequence([decoders.WordPiece(cleanup=False), decoders.Fuse(), *spacing])
    core.add_special_tokens([END_OF_TEXT, TURN_START, TURN_END])
    core.add_tokens([AddedToken(token, normalized=False) for token in THOUGHT])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=TURN_END, pad_token=END_OF_TEXT, unk_token="<unk>",
        chat_template=CHAT_TEMPLATE, padding_side="left", clean_up_tokenization_spaces=False,
    )  # fmt: skip
