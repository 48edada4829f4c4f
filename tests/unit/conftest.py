"""A random tiny Qwen3 with a word-piece tokenizer and a chat template, saved once per session for every unit test.

It trains nothing and downloads nothing: what a test needs beyond random weights it plants itself.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

WORDS = (
    "o a de que produto pedido chegou atrasado nota bom ruim entrega cliente loja caixa frete valor sim nao "
    "qual total media por cidade mes recomenda gostei nunca mais compro voce um uma pessoa ajuda responde"
).split()
CHAT_TEMPLATE = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and enable_thinking %}{{ '<think>\n' }}{% endif %}{% endif %}"
)


def build_tokenizer(words: list[str] = WORDS, template: str = CHAT_TEMPLATE):
    """A word-piece tokenizer over `words`, letters and digits, with ChatML's tokens and thinking tags."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = ["<|pad|>", "<unk>", "system", "user", "assistant", "\n", *letters, *(f"##{x}" for x in letters)]
    pieces += [*"0123456789", *".,:;?!{}\"'()-/", *words]
    core = Tokenizer(models.WordPiece({p: i for i, p in enumerate(dict.fromkeys(pieces))}, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(" ", "removed"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Punctuation(),
        ]
    )
    core.decoder = decoders.WordPiece(cleanup=False)
    core.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    core.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<think>", "</think>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        unk_token="<unk>",
        chat_template=template,
        model_max_length=512,
    )


def build_model(tokenizer, seed: int = 0, **changes):
    """A random Qwen3 of width 32; the initial scale is raised so that its samples vary and its argmax is clear."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    sizes |= {"head_dim": 32, "intermediate_size": 64, "max_position_embeddings": 512, "tie_word_embeddings": True}
    config = Qwen3Config(
        **(sizes | {"vocab_size": len(tokenizer), "initializer_range": 0.3} | changes),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(seed)
    return Qwen3ForCausalLM(config).eval()


def save_model(directory: Path, seed: int = 0, **changes) -> Path:
    """Model and tokenizer as a directory that `caderno.models.load` takes."""
    tokenizer = build_tokenizer()
    build_model(tokenizer, seed, **changes).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the random tiny model. Read it; copy it before changing anything."""
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_pair(tiny_model_dir: Path):
    """(model, tokenizer) loaded from `tiny_model_dir`. Shared: leave the weights alone."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return (
        AutoModelForCausalLM.from_pretrained(tiny_model_dir).eval(),
        AutoTokenizer.from_pretrained(tiny_model_dir),
    )


@pytest.fixture
def directory(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to plant faults in."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


@pytest.fixture
def engine(tiny_pair):
    """transformers' engine over the tiny model, 256 tokens of context."""
    from caderno.generation.hf import HfEngine

    return HfEngine(*tiny_pair, context_tokens=256)


@pytest.fixture(scope="session")
def small_tokenizer():
    """The tiny base's own tokenizer, built anew from the seed."""
    from caderno import params
    from caderno.training.pretrain import build_tokenizer as build

    return build(params.Params(name="t", model={"name": "tiny"}))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made up. Copy it before changing anything."""
    from fake_run import make_run

    return make_run(tmp_path_factory.mktemp("finished") / "demo")


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change, written up without figures, which take seconds."""
    from caderno.writeup import images

    monkeypatch.setattr(images, "draw", lambda record: {})
    return shutil.copytree(finished, tmp_path / "demo")
