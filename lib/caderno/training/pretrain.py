"""Pretraining of the tiny base from nothing: its tokenizer, its corpus, and transformers' Trainer with Muon.

The same seed and machine give the same weights. It knows only the generated corpus; continued pretraining on a user's
text is not this.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.utils.data import IterableDataset
from transformers import Trainer, TrainingArguments

from caderno import data, models, shop, tasks, tokenizer
from caderno.corpus import DRILL_START_SHARE, Corpus
from caderno.training import callbacks, ledgers
from caderno.training.muon import MuonWithAdamW

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from caderno.params import Params
    from caderno.runs import Stage

BUCKET_BATCHES = 16  # batches whose documents are sorted by length together
WORD_DOCUMENTS = 400  # documents of each kind that the vocabulary is read from
WORD_ORDERS, WORD_ROWS = 1000, 150  # the shop and the task rows that the vocabulary is read from, per split
WARMUP_STEPS = 50


def build_tokenizer(params: Params) -> PreTrainedTokenizerFast:
    """The tokenizer of every word the small profile can say, in any split and any task."""
    texts, names = ["system user assistant"], []
    for split in shop.SPLITS:
        source = data.open_shop(split, params.seed, orders=WORD_ORDERS)
        for task in tasks.SHOP_TASKS.values():
            for row in task.rows(source, WORD_ROWS, params.seed):
                texts += [row["gold"], *(message["content"] for message in row["prompt"])]
        pools = shop.load_profile("small").pools(split)
        names += [*pools.customers, *(city for city, _ in pools.cities), *(product for product, *_ in pools.products)]
        texts += [state for _, state in pools.cities] + [category for _, category, _ in pools.products]
    corpus = Corpus(data.open_shop("train", params.seed, orders=WORD_ORDERS), names, params.seed)
    kinds = dict.fromkeys([*corpus.documents_by_kind, *corpus.drills_by_kind])
    texts += names + [kind() for kind in kinds if kind.__name__ != "_spelling" for _ in range(WORD_DOCUMENTS)]
    return tokenizer.build(texts)


def drill_words(tok: PreTrainedTokenizerFast) -> list[str]:
    """The words drills draw on: every whole word the tokenizer knows, in a fixed order."""
    return sorted(word for word in tok.get_vocab() if len(word) > 2 and word.isalpha())


class Documents(IterableDataset):
    """Token ids of the corpus, document by document, batch after batch of like lengths.

    Yields {"input_ids", "labels"}; `steps` times `rows` documents in all, the drill share following training.
    """

    def __init__(
        self,
        params: Params,
        tok: PreTrainedTokenizerFast,
        steps: int,
        seed: int,
        *,
        first_share: float = DRILL_START_SHARE,
    ):
        self.params, self.tok, self.steps, self.seed, self.first_share = params, tok, steps, seed, first_share

    def __len__(self) -> int:
        return self.steps * self.params.pretrain.batch_rows

    def __iter__(self) -> Iterator[dict[str, list[int]]]:
        spec, given = self.params.pretrain, 0
        source = data.open_shop("train", self.params.seed, orders=self.params.data.orders)
        corpus = Corpus(source, drill_words(self.tok), self.seed)

        def first() -> bool:
            return given < self.first_share * len(self)

        stream = corpus.stream(lambda: spec.drill_share_start if first() else spec.drill_share, first)
        order = random.Random(f"batches {self.seed}")
        while given < len(self):
            texts = [
                text + tokenizer.END_OF_TEXT for text in itertools.islice(stream, spec.batch_rows * BUCKET_BATCHES)
            ]
            ids = sorted(self.tok(texts)["input_ids"], key=len)
            batches = [ids[i : i + spec.batch_rows] for i in range(0, len(ids), spec.batch_rows)]
            order.shuffle(batches)
            for batch in batches[: self.steps - given // spec.batch_rows]:
                yield from ({"input_ids": one, "labels": one} for one in batch)
                given += len(batch)


def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Right-padded (B, T) tensors; padding is masked in attention and in the loss."""
    longest = max(len(one["input_ids"]) for one in batch)

    def padded(key: str, value: int) -> torch.Tensor:
        return torch.tensor([one[key] + [value] * (longest - len(one[key])) for one in batch])

    mask = torch.tensor([[1] * len(one["input_ids"]) + [0] * (longest - len(one["input_ids"])) for one in batch])
    return {"input_ids": padded("input_ids", 0), "attention_mask": mask, "labels": padded("labels", -100)}


def rate_at(step: int, steps: int, decay_start: float, final_share: float) -> float:
    """The learning rate as a share of its peak: a short warm-up, level, then linear to `final_share`."""
    done = step / max(1, steps)
    decayed = 1.0 if done <= decay_start else 1 - (1 - final_share) * (done - decay_start) / (1 - decay_start)
    return max(final_share, decayed) * min(1.0, (step + 1) / min(WARMUP_STEPS, steps))


def trainer(model: PreTrainedModel, tok: PreTrainedTokenizerFast, stage: Stage) -> Trainer:
    """transformers' Trainer over the corpus, as many steps as make up `pretrain.tokens`."""
    spec = stage.params.pretrain
    if spec.threads:
        torch.set_num_threads(spec.threads)
    steps = planned_steps(stage.params, tok)
    optimizer = MuonWithAdamW(model, spec.muon_learning_rate, spec.adamw_learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_at(step, steps, spec.decay_start, spec.final_share)
    )
    arguments = TrainingArguments(
        **callbacks.common_arguments(stage),
        per_device_train_batch_size=spec.batch_rows, per_device_eval_batch_size=spec.batch_rows, max_steps=steps,
        max_grad_norm=spec.grad_clip, logging_steps=max(1, min(20, steps // 10)),
        eval_strategy="steps", eval_steps=spec.eval_steps, eval_on_start=True,
        include_num_input_tokens_seen="non_padding",
        save_steps=spec.save_steps, save_total_limit=2,
    )  # fmt: skip
    # Judged on the mixture that most of training has, without the drills it begins with.
    batches = math.ceil(spec.eval_documents / spec.batch_rows)
    heldout = Documents(stage.params, tok, batches, stage.params.seed + 1, first_share=0.0)
    return Trainer(
        model=model, args=arguments, data_collator=collate, optimizers=(optimizer, schedule),
        train_dataset=Documents(stage.params, tok, steps, stage.params.seed), eval_dataset=list(heldout),
    )  # fmt: skip


def planned_steps(params: Params, tok: PreTrainedTokenizerFast) -> int:
    """Optimizer steps that make up `pretrain.tokens`, from the mean length of a first sample of the corpus."""
    sample = list(itertools.islice(Documents(params, tok, 10**6, params.seed + 2), 2048))
    mean = sum(len(one["input_ids"]) for one in sample) / len(sample)
    return max(1, round(params.pretrain.tokens / (mean * params.pretrain.batch_rows)))


def train(pretrainer: Trainer, stage: Stage) -> dict:
    """Run the trainer and write the ledger; returns the stage's headline numbers (losses in nats per token)."""
    seconds = callbacks.run(pretrainer, stage)
    spec = stage.params.pretrain
    stage.ledger(ledgers.arguments(pretrainer, {"max_grad_norm": spec.grad_clip, "seed": stage.params.seed}))
    log = pretrainer.state.log_history
    losses = [line["loss"] for line in log if "loss" in line]
    heldout = [line["eval_loss"] for line in log if "eval_loss" in line] + [pretrainer.evaluate()["eval_loss"]]
    parameters = pretrainer.model.num_parameters()
    return {
        "steps": pretrainer.state.global_step,
        "tokens": int(pretrainer.state.num_input_tokens_seen),
        "parameters": parameters,
        "tokens_per_parameter": pretrainer.state.num_input_tokens_seen / parameters,
        "vocabulary": len(pretrainer.model.get_input_embeddings().weight),
        "loss": {"first": losses[0], "last": losses[-1]},
        "heldout_loss": {"first": heldout[0], "last": heldout[-1]},
        "uniform_loss": math.log(pretrainer.model.config.vocab_size),
        "seconds": seconds,
        "torch_threads": torch.get_num_threads(),
    }


def start(params: Params) -> models.Policy:
    """The untrained model and its tokenizer, from `params.pretrain.architecture` and the seed."""
    tok = build_tokenizer(params)
    torch.manual_seed(params.seed)
    return models.from_scratch(params.pretrain.architecture, tok)


def examples(params: Params, tok: PreTrainedTokenizerFast, n: int) -> list[str]:
    """n documents of the corpus, tokens set apart by a dot."""
    documents = itertools.islice(Documents(params, tok, 10**6, params.seed), n)
    return ["·".join(tok.convert_ids_to_tokens(one["input_ids"])) for one in documents]


def continuations(policy: models.Policy, n: int) -> list[str]:
    """n greedy continuations of the openings of the corpus's kinds of document."""
    openings = [
        "nota 5. pedi caneca. adorei. resumo:",
        "-- pedidos de recife\nSELECT",
        "vendas da loja: mesa 12; fone 48.",
    ]
    found = []
    policy.model.eval()
    for opening in openings[:n]:
        ids = policy.tokenizer(opening, return_tensors="pt")["input_ids"].to(policy.model.device)
        end = policy.tokenizer.convert_tokens_to_ids(tokenizer.END_OF_TEXT)
        drawn = policy.model.generate(ids, max_new_tokens=40, do_sample=False, eos_token_id=end)
        found.append(policy.tokenizer.decode(drawn[0], skip_special_tokens=True))
    return found
