"""Advice from a model's own config, learning rates with their sources, and data budgets."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from caderno import advice
from caderno.advice.amounts import amount
from caderno.advice.architecture import from_config, read_architecture
from caderno.advice.rates import TRL_GRPO, TRL_SFT, formula
from caderno.errors import BadInput

QWEN3_4B = {
    "model_type": "qwen3", "hidden_size": 2560, "num_hidden_layers": 36, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9728, "vocab_size": 151936,
    "tie_word_embeddings": True, "max_position_embeddings": 262144,
}  # fmt: skip
QWEN25_05B = {
    "model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip
LLAMA31_8B = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip


@pytest.fixture
def qwen(tmp_path):
    """Qwen3-4B's config.json and a tokenizer.json of 151,669 ids."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN3_4B))
    vocabulary = {f"t{i}": i for i in range(151_643)}
    added = [{"id": i} for i in range(151_643, 151_669)]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": added}))
    return read_architecture(str(tmp_path))


def test_sizes_come_from_the_config(qwen):
    assert qwen.hidden_size == 2560 and qwen.tied
    assert qwen.parameters == 4_022_468_096  # as published: 4.0B, 3.6B without the embedding
    assert qwen.lora_parameters(32) == 66_060_288
    assert qwen.spare_rows == 267
    assert qwen.tensor_parallel_sizes == (1, 2, 4, 8, 16)
    assert qwen.kv_cache_bytes(1024) == 2 * 36 * 8 * 128 * 1024 * 2


@pytest.mark.parametrize(("config", "parameters"), [(QWEN25_05B, 494_032_768), (LLAMA31_8B, 8_030_261_248)])
def test_parameters_are_exact_for_known_families(config, parameters):
    assert from_config(config, "m").parameters == parameters


def test_the_shipped_model_is_counted_as_torch_counts_it():
    """The count from config.json against the tensors in model.safetensors."""
    from safetensors import safe_open

    from caderno.advice.architecture import config_path

    tiny = read_architecture("tiny")
    with safe_open(config_path("tiny").with_name("model.safetensors"), "np") as weights:
        stored = sum(weights.get_tensor(name).size for name in weights.keys())  # noqa: SIM118
    assert tiny.parameters == stored == 545_088
    assert tiny.spare_rows == 0


def test_what_a_config_does_not_tell_is_not_guessed():
    mixture = from_config({**QWEN3_4B, "model_type": "qwen3_moe", "num_experts": 128}, "m")
    assert mixture.parameters is None and mixture.lora_parameters(8) is None and mixture.spare_rows is None
    told = advice.advise(mixture, "lora", "sft")
    assert told["memory"]["total_gib"] is None and told["trainable_parameters"] is None
    nested = from_config({"text_config": QWEN3_4B, "model_type": "some_vl", "tie_word_embeddings": False}, "m")
    assert nested.hidden_size == 2560 and not nested.tied


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.json", "{", "not JSON"),
        ("config.json", "[]", "not a JSON object"),
        ("config.json", '{"hidden_size": 8}', "num_hidden_layers"),
        ("config.json", '{"hidden_size": "2560"}', "hidden_size"),
        ("else.json", "{}", "no config.json"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=said):
        read_architecture(str(tmp_path))


def test_heads_and_mlp_limit_tensor_parallelism():
    assert from_config(QWEN25_05B, "m").tensor_parallel_sizes == (1, 2)


def test_the_formula_at_hidden_2560_and_not_3584():
    assert formula(2560, 0.0775, lora=True) == pytest.approx(4.9e-4, rel=0.01)
    assert formula(2560, 0.781, lora=True) == pytest.approx(4.1e-4, rel=0.01)
    assert formula(3584, 0.781, lora=True) == pytest.approx(3.2e-4, rel=0.01)  # what a typed-in width gave


def test_rates_are_a_range_with_sources(qwen):
    found = advice.learning_rates(qwen, "lora", "sft")
    assert found.low < 4.1e-4 < 4.9e-4 < found.high
    assert all(rate.source for rate in found.rates) and len(found.rates) >= 4
    own = [rate for rate in found.rates if "this family's" in rate.source]
    assert len(own) == 1 and own[0].low == pytest.approx(4.9e-4, rel=0.01)


def test_rl_rates_are_not_those_fitted_to_sft(qwen):
    lora, full = (advice.learning_rates(qwen, method, "grpo") for method in ("lora", "full"))
    assert (lora.low, lora.high) == (pytest.approx(1e-5), pytest.approx(5e-5))
    assert any(rate.low == 4e-5 and "tinker" in rate.source for rate in lora.rates)
    assert any(rate.low > 4e-4 and not rate.counted for rate in lora.rates)
    assert full.low == 1e-6 and full.high == pytest.approx(4e-6)
    assert any("hardly moves" in warning for warning in lora.warnings)


def test_trls_defaults_are_trls():
    """Read from TRL's source: importing it takes a minute on a busy machine."""
    folder = Path(importlib.util.find_spec("trl").origin).parent / "trainer"
    for file, default in (("grpo_config.py", TRL_GRPO), ("sft_config.py", TRL_SFT)):
        text = (folder / file).read_text()
        assert float(re.search(r"learning_rate: float = field\(\s*default=([\d.e-]+)", text)[1]) == default


def test_small_or_unknown_models_are_warned_of():
    small = advice.learning_rates(from_config(QWEN25_05B, "m"), "full", "sft")
    assert any("outside" in warning for warning in small.warnings)
    other = advice.learning_rates(from_config({**QWEN3_4B, "model_type": "gemma3"}, "m"), "lora", "sft")
    assert any("guesses" in warning for warning in other.warnings)


def test_tinys_own_rates_are_the_demos():
    from caderno import params
    from caderno.runs import checkout

    found = advice.learning_rates(read_architecture("tiny"), "full", "grpo")
    assert found.high == params.load(checkout() / "params" / "demo.yaml").grpo.learning_rate
    assert [rate.counted for rate in found.rates].count(True) == 1


def test_ranks_follow_the_data_in_sft_and_not_in_rl(qwen):
    def rank(task: str, tokens: int | None) -> int:
        return advice.advise(qwen, "lora", task, completion_tokens=tokens)["lora"]["rank"]

    assert rank("sft", None) == 32 and rank("grpo", 10**9) == 32
    assert rank("sft", 2_000_000) == 8 and rank("sft", 100_000_000) == 64
    told = advice.advise(qwen, "lora", "sft", completion_tokens=10**10)["lora"]
    assert told["rank"] == 256 and "full fine-tuning" in told["rank_reason"]
    assert told["alpha"] == 32 and "all-linear" in told["targets"]
    assert advice.advise(read_architecture("tiny"), "lora", "sft", completion_tokens=10**9)["lora"]["rank"] == 32


def test_steps_cover_the_prompts(qwen):
    grpo = advice.advise(qwen, "lora", "grpo", prompts=1404)
    assert grpo["steps"]["one_pass"] == 176 and grpo["batch"]["completions"] == 64
    assert grpo["batch"]["group_range"] == [4, 16]
    assert advice.advise(qwen, "lora", "sft", prompts=1650)["batch"]["rows"] < 32
    assert advice.advise(qwen, "lora", "grpo")["steps"]["one_pass"] is None


def test_memory_states_its_formula(qwen):
    lora, full = (advice.advise(qwen, method, "sft")["memory"] for method in ("lora", "full"))
    assert lora["weights_gib"] == pytest.approx(4_022_468_096 * 2 / 2**30, abs=1e-3)
    assert lora["training_gib"] == pytest.approx(66_060_288 * 16 / 2**30, abs=1e-3)
    assert full["total_gib"] == pytest.approx(4_022_468_096 * 8 / 2**30, abs=1e-3)
    assert "trainable x 12" in lora["formula"] and "activations" in lora["left_out"]
    with pytest.raises(BadInput):
        advice.advise(qwen, dtype="int4")
    with pytest.raises(BadInput):
        advice.advise(qwen, prompts=0)


def test_a_tied_tokenizer_that_does_not_fit_is_said():
    model = from_config(QWEN3_4B, "m", tokens=151_937)
    assert "do not belong together" in advice.advise(model)["model"]["spare_rows_means"]


def test_a_budget_of_18M_tokens_for_370M_parameters():
    found = advice.budget(370_000_000, 18_000_000)
    assert found.verdict == "fail" and found.tokens_per_parameter == pytest.approx(0.0486, abs=1e-4)
    assert "0.049 tokens a parameter" in found.why and "7.4B" in found.why and "Hoffmann" in found.why
    assert "SmolLM-360M saw 600B" in found.reference


def test_the_rule_of_20_is_for_scratch_only():
    assert advice.budget(370_000_000, 7_400_000_000).verdict == "pass"
    assert advice.budget(370_000_000, 7_399_000_000).verdict == "fail"
    assert advice.budget(370_000_000, 18_000_000, init="pretrained").verdict == "not_applicable"


def test_repeats_lose_their_worth():
    four, many = advice.budget(10**6, 10**7, 4), advice.budget(10**6, 10**7, 40)
    assert four.repeats_verdict == "pass" and four.effective_tokens > 3.7e7
    assert many.repeats_verdict == "warn" and "Muennighoff" in many.repeats_why
    assert many.effective_tokens < 1.65e8 < many.seen_tokens  # U (1 + R*) at most
    # the planted trick: no number of epochs makes a corpus of 1 token a parameter enough
    assert advice.budget(10**6, 10**6, 10_000).verdict == "fail"


def test_amounts_are_read_as_people_write_them():
    assert amount("18M", "x") == 18_000_000 and amount("7.4b", "x") == 7_400_000_000
    assert amount("565_000_000", "x") == 565_000_000 and amount("2e7", "x") == 20_000_000
    for text in ("", "many", "-3M", "0", "nan", "inf"):
        with pytest.raises(BadInput):
            amount(text, "x")


@pytest.mark.parametrize("call", [(0, 1), (1, 0), (1, 1, 0), (1, 1, float("nan")), (1, 1, 1, "warm")])
def test_impossible_budgets_are_refused(call):
    with pytest.raises(BadInput):
        advice.budget(*call)


def test_a_parameter_files_budget():
    size, tokens, start, note = advice.of_params("params/tiny_base.yaml")
    assert (size, tokens, start) == (545_088, 20_000_000, "scratch") and "vocabulary" in note


def test_advice_loads_no_torch():
    program = (
        "import sys; from caderno import advice, compare; advice.advise(advice.read_architecture('tiny'), 'full');"
        "advice.budget(10, 10); print('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
