"""The abstract vocabulary: rows of the real ones' scale, all different, trained alone, the same when reloaded."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
import torch
from conftest import build_model, build_tokenizer
from torch.nn.functional import normalize

from caderno import models
from caderno.abstract import vocabulary
from caderno.errors import BadInput
from caderno.generation import Completion, Request, completion, open_engine
from caderno.generation.hf import HfEngine
from caderno.models import checks
from caderno.params.abstract_sections import TraceParams
from caderno.params.sections import EngineParams, LoraParams, ModelParams

CODES = 64
LORA = LoraParams(rank=4, alpha=8)
RELOAD = """
import sys, torch
from caderno import models
from caderno.params.sections import ModelParams
policy = models.load(ModelParams(name=sys.argv[1]))
with torch.no_grad():
    torch.save(policy.model(torch.load(sys.argv[2])).logits, sys.argv[3])
"""


def small(**changes) -> models.Policy:
    """A random policy of its own, with as many rows as tokens unless `changes` say otherwise."""
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, **changes)
    return models.Policy(model, tokenizer, checks.describe(model, tokenizer))


@pytest.fixture
def extended() -> tuple[models.Policy, vocabulary.AbstractVocabulary]:
    return vocabulary.extend(small(), CODES, seed=0)


def largest_cosine(rows: torch.Tensor) -> float:
    alike = normalize(rows, dim=-1) @ normalize(rows, dim=-1).T
    return alike.fill_diagonal_(-1).max().item()


def trained(policy: models.Policy, new_ids: tuple[int, ...]) -> models.Policy:
    """The policy with adapters and rows, a few optimizer steps on."""
    policy = models.with_lora(policy, LORA, new_ids)
    weights = [p for p in policy.model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=0.5)
    ids = torch.tensor([[*range(8, 20), *new_ids]])
    for _ in range(3):
        optimizer.zero_grad()
        policy.model(ids, labels=ids).loss.backward()
        optimizer.step()
    return models.Policy(policy.model.eval(), policy.tokenizer, policy.info)


def test_names_go_on_after_z():
    names = [vocabulary.code_name(number) for number in (0, 1, 25, 26, 27, 51, 52, 701, 702)]
    assert names == [f"<abs_{x}>" for x in ("A", "B", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA")]


def test_rows_are_added_in_sixty_fours_where_none_are_spare(extended):
    policy, found = extended
    before, rows = len(build_tokenizer()), policy.model.get_input_embeddings().weight.shape[0]
    assert found.new_ids == tuple(range(before, before + CODES + 2)) and len(policy.tokenizer) == before + CODES + 2
    assert rows % 64 == 0 and 0 <= rows - len(policy.tokenizer) < 64 and policy.model.config.vocab_size == rows
    ledger = {row["what"]: (row["requested"], row["effective"]) for row in policy.info["ledger"]}
    assert ledger["abstract.embedding_rows"] == (before + CODES + 2, rows)
    assert ledger["abstract.rows_in_spare"] == (CODES + 2, 0) and ledger["abstract.tied"] == (True, True)
    assert policy.info["vocabulary"] == len(policy.tokenizer) and policy.info["tied"] and checks.is_tied(policy.model)


def test_spare_rows_are_taken_and_nothing_else_changes():
    base = small(vocab_size=len(build_tokenizer()) + 101)
    before = base.model.get_input_embeddings().weight.detach().clone()
    policy, found = vocabulary.extend(base, CODES, seed=0)
    after = policy.model.get_input_embeddings().weight.detach()
    assert after.shape == before.shape, "no resize, up or down"
    others = [row for row in range(len(before)) if row not in found.new_ids]
    assert torch.equal(after[others], before[others]) and not torch.equal(after, before)
    ledger = {row["what"]: (row["requested"], row["effective"]) for row in policy.info["ledger"]}
    assert ledger["abstract.rows_in_spare"] == (CODES + 2, CODES + 2)
    assert ledger["abstract.embedding_rows"] == (len(before), len(before))


def test_new_rows_have_the_real_rows_scale_and_differ():
    base = models.load(ModelParams(name="tiny"))
    real = base.model.get_input_embeddings().weight.detach().clone()
    policy, found = vocabulary.extend(base, CODES, seed=0)
    weight = policy.model.get_input_embeddings().weight.detach()
    new = weight[list(found.new_ids)]
    assert torch.equal(weight[: len(real)], real), "the real rows stay"
    assert torch.allclose(new.norm(dim=-1), real.norm(dim=-1).median(), rtol=1e-4)
    alike, usual = (normalize(rows, dim=-1).mean(0).norm() ** 2 for rows in (new, real))  # the mean cosine of pairs
    assert abs(alike - usual) < 0.05 and largest_cosine(new) < 0.65
    assert largest_cosine(real.mean(0) + 1e-3 * torch.randn(CODES, 128)) > 0.99, "the mean and a little noise trips"
    assert not torch.equal(new, vocabulary.extend(models.load(ModelParams(name="tiny")), CODES, seed=1)[0]
                           .model.get_input_embeddings().weight[list(found.new_ids)])  # fmt: skip


def test_a_row_that_only_pads_is_never_likely(extended):
    policy, _ = extended
    ids = torch.randint(len(policy.tokenizer), (4, 32), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        p = policy.model(ids).logits.softmax(-1)[..., len(policy.tokenizer) :]
    assert p.max() <= 1 / len(build_tokenizer())


def test_a_head_of_its_own_gets_rows_too():
    policy, found = vocabulary.extend(small(tie_word_embeddings=False), 8, seed=0)
    head, real = policy.model.get_output_embeddings().weight.detach(), len(build_tokenizer())
    assert torch.allclose(head[list(found.new_ids)].norm(dim=-1), head[:real].norm(dim=-1).median(), rtol=1e-4)
    adapted = trained(policy, found.new_ids)
    expected = adapters_logits(adapted, found)
    merged = models.adapters.merge(adapted)
    assert torch.allclose(adapters_logits(merged, found), expected, atol=1e-4) and not checks.is_tied(merged.model)


def adapters_logits(policy: models.Policy, found: vocabulary.AbstractVocabulary) -> torch.Tensor:
    with torch.no_grad():
        return policy.model(torch.tensor([[5, 9, *found.new_ids, 7]])).logits


def test_extending_again_is_the_same_or_refused(extended):
    policy, found = extended
    again, same = vocabulary.extend(policy, CODES, seed=5)
    assert again is policy and same == found
    with pytest.raises(BadInput, match="the model has 64 codes and 32 are asked for"):
        vocabulary.extend(policy, 32, seed=0)


def test_what_cannot_be_extended_is_refused():
    with pytest.raises(BadInput, match="a model with adapters"):
        vocabulary.extend(models.with_lora(small(), LORA), 4, seed=0)
    with pytest.raises(BadInput, match="0 codes"):
        vocabulary.extend(small(), 0, seed=0)
    biased = small(tie_word_embeddings=False)
    biased.model.lm_head.bias = torch.nn.Parameter(torch.zeros(len(biased.tokenizer)))
    with pytest.raises(BadInput, match="whose head has a bias"):
        vocabulary.extend(biased, 4, seed=0)


def test_it_is_found_in_a_saved_tokenizer(extended, tmp_path):
    from transformers import AutoTokenizer

    policy, found = extended
    policy.tokenizer.save_pretrained(tmp_path)
    assert vocabulary.of(AutoTokenizer.from_pretrained(tmp_path)) == found
    with pytest.raises(BadInput, match="no <beginabstract>, <endabstract>, <abs_A>"):
        vocabulary.of(build_tokenizer())
    partly = build_tokenizer()
    partly.add_tokens(["<abs_A>", vocabulary.BEGIN])
    with pytest.raises(BadInput, match="no <endabstract>"):
        vocabulary.of(partly)


def test_codes_are_single_tokens_and_never_text(extended):
    policy, found = extended
    ids = policy.tokenizer(f"total {vocabulary.BEGIN}<abs_A><abs_BC>", add_special_tokens=False)["input_ids"]
    assert ids[-3:] == [found.begin_id, found.code_ids[0], found.code_ids[vocabulary_number("BC")]]
    engine, word = HfEngine(policy.model, policy.tokenizer, 256), policy.tokenizer.convert_tokens_to_ids("total")
    said: Completion = completion(Request("a", 0, [1], 0), [*found.code_ids, found.end_id, word], None, False, engine)
    assert said.text.strip() == "total"


def vocabulary_number(letters: str) -> int:
    return next(n for n in range(1000) if vocabulary.code_name(n) == f"<abs_{letters}>")


def test_only_the_new_rows_train_and_ties_stay(extended):
    policy, found = extended
    before = policy.model.get_input_embeddings().weight.detach().clone()
    count = models.with_lora(small(), LORA).info["trainable"]
    adapted = trained(policy, found.new_ids)
    assert adapted.info["trainable"] == count + (CODES + 2) * before.shape[1]
    assert adapted.info["lora"]["trainable_rows"] == CODES + 2
    assert adapted.model.get_output_embeddings().bias is None, "trl reads it"
    merged = models.adapters.merge(adapted)
    after = merged.model.get_input_embeddings().weight.detach()
    changed = (after != before).any(dim=-1).nonzero().flatten().tolist()
    assert changed == list(found.new_ids) and checks.is_tied(merged.model)
    with pytest.raises(BadInput, match="rows 3 to 9999"):
        models.with_lora(small(), LORA, (9999, 3))


def test_merged_and_reloaded_in_a_fresh_process_it_is_the_adapter(extended, tmp_path):
    policy, found = extended
    adapted = trained(policy, found.new_ids)
    ids = torch.tensor([[5, 9, *found.new_ids, 7]])
    expected = adapters_logits(adapted, found)
    torch.save(ids, tmp_path / "ids.pt")
    models.save(adapted, tmp_path / "model")
    command = [sys.executable, "-c", RELOAD, tmp_path / "model", tmp_path / "ids.pt", tmp_path / "logits.pt"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=120)
    assert torch.allclose(torch.load(tmp_path / "logits.pt"), expected, atol=1e-4)


def test_a_merge_that_loses_the_rows_is_refused(extended, monkeypatch):
    from peft.tuners.trainable_tokens.layer import TrainableTokensLayer

    adapted = trained(*((policy := extended[0]), extended[1].new_ids))
    assert policy is extended[0]
    monkeypatch.setattr(TrainableTokensLayer, "merge", lambda self, *args, **kwargs: None)
    with pytest.raises(BadInput, match="merged weights differ"):
        models.adapters.merge(adapted)


def test_a_saved_adapter_with_rows_is_loaded_whole(extended, tmp_path):
    policy, found = extended
    models.save(policy, tmp_path / "base")
    adapted = trained(models.load(ModelParams(name=str(tmp_path / "base"))), found.new_ids)
    adapted.model.save_pretrained(tmp_path / "adapter")
    again = models.load(ModelParams(name=str(tmp_path / "base"), adapter=str(tmp_path / "adapter")))
    assert torch.allclose(adapters_logits(again, found), adapters_logits(adapted, found), atol=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed in this environment")
def test_merged_it_is_the_adapter_in_vllm(extended, tmp_path):
    from caderno.abstract import traces

    policy, found = extended
    adapted = trained(policy, found.new_ids)
    spec, prompts = TraceParams(min_codes=2, max_codes=12, temperature=0.0), [("a", [9, 12, 8]), ("b", [7, 30])]
    ours = traces.draw(HfEngine(adapted.model, adapted.tokenizer, 256), prompts, found, spec, run="r").traces
    models.save(adapted, tmp_path / "model")
    params = ModelParams(name=str(tmp_path / "model"), max_length=256)
    engine = open_engine(params.name, EngineParams(name="vllm"), params)
    theirs = traces.draw(engine, prompts, found, spec, run="r").traces
    engine.close()
    assert [t.codes for t in theirs] == [t.codes for t in ours]
    for a, b in zip(theirs, ours, strict=True):
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-3)
