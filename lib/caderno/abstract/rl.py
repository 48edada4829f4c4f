"""Warm-started GRPO under the constraint (arXiv 2604.22709, Eq. 5): abstract trace, then free answer, both trained.

Completions are `rl_rollouts`', log-probabilities `rl_trainer`'s. The ratio, its clipping and the averaging, which the
paper does not print, are TRL's as the parameters say. It saves no finished weights and evaluates nothing held out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from caderno import runs, trl_arguments
from caderno.abstract import rl_rollouts
from caderno.errors import BadInput
from caderno.training import references

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig

    from caderno.abstract.rl_trainer import AbstractGRPOTrainer
    from caderno.abstract.vocabulary import AbstractVocabulary
    from caderno.models import Policy
    from caderno.params.abstract_sections import TraceParams
    from caderno.params.training_sections import GrpoParams

Prompts = Sequence[tuple[str, Sequence[int]]]
Report = Callable[[int, dict[str, float]], None]


def dataset(row_ids: Sequence[str], spec: GrpoParams, seed: int) -> Dataset:
    """The prompts of the whole training in their order: `prompt` and `row_id`, both the row's id.

    Passes over the rows, each in an order of its own, end to end: TRL's sampler would begin every pass of a resumed run
    with the first pass's order. The rollout function finds the prompt's tokens by the id; no text is tokenised twice.
    """
    from datasets import Dataset

    needed = -(-spec.max_steps // spec.updates_per_rollout) * spec.prompts_per_step
    order, draw = [], random.Random(f"{seed} order of the prompts")
    while len(order) < needed:
        order += draw.sample(row_ids, len(row_ids))
    return Dataset.from_dict({"prompt": order[:needed], "row_id": order[:needed]})


def trainer(
    policy: Policy, vocabulary: AbstractVocabulary, train_rows: Sequence[dict], prompts: Prompts, spec: GrpoParams,
    traces: TraceParams, *, output_dir: str | Path, seed: int, max_length: int, answer_tokens: int, run: str = "rl",
    worth: rl_rollouts.Worth = rl_rollouts.correct, report: Report | None = None,
    callbacks: Iterable[TrainerCallback] = (), batch_tokens: int = 16384,
) -> AbstractGRPOTrainer:  # fmt: skip
    """A trainer over `policy`, which is the warm start: the KL of `spec.kl_coef` is to it as it is given here.

    `prompts` hold (row id, token ids up to BEGIN, without it); rows come with `id`, `task` and what their task judges
    by. Of `traces` the bounds count; the temperature is the RL's, for trace and answer. `worth` makes a reward of a
    score. `report` is called with each logged step; `run` and `seed` make the noise. Checkpoints go to
    `output_dir`/checkpoints.

    With adapters the reference is the policy with them disabled, the merged warm start, and they must be fresh; under
    full fine-tuning it is a copy. The trainer's `ledger` says what was left out or set otherwise than asked.
    Raises BadInput for what this training cannot do as asked, and for too few prompts that fit `max_length`.
    """
    from caderno.abstract.rl_trainer import AbstractGRPOTrainer
    from caderno.generation.constraint import Constraint
    from caderno.generation.hf import HfEngine

    _require_possible(spec)
    constraint = Constraint(vocabulary.code_ids, vocabulary.end_id, traces.min_codes, traces.max_codes)
    engine = HfEngine(policy.model, policy.tokenizer, max_length, batch_tokens)
    tokens = traces.max_codes + 1 + answer_tokens
    prompt_ids, ledger = _fitting(prompts[: spec.train_prompts], vocabulary.begin_id, max_length - tokens, spec)
    rollouts = rl_rollouts.Rollouts(engine, prompt_ids, constraint, answer_tokens, run, seed)
    reward = rl_rollouts.Reward(train_rows, worth)
    make = partial(
        AbstractGRPOTrainer, model=policy.model, reward_funcs=[reward], rollout_func=rollouts,
        train_dataset=dataset(list(prompt_ids), spec, seed), processing_class=policy.tokenizer,
        callbacks=[*callbacks, *([_reporter(report)] if report else [])],
    )  # fmt: skip
    config = _config(policy, spec, tokens, output_dir, seed)
    found = references.made(make, policy, config, where="the RL's warm start")
    found.constraint, found.reward, found.prompts_per_step = constraint, reward, spec.prompts_per_step
    asked = {"what": "max_completion_length", "requested": spec.max_completion_length, "effective": tokens}
    about_kl = references.rows(found, spec.kl_coef, adapters=hasattr(policy.model, "peft_config"))
    found.ledger = [*ledger, asked, *about_kl]
    return found


def train(grpo: AbstractGRPOTrainer) -> dict[str, Any]:
    """Train, from the newest complete checkpoint where there is one; the headline numbers, of all steps together.

    `seconds` are this attempt's. First and last are means of ten logged steps, None where there is no such figure.
    """
    from transformers import PrinterCallback, ProgressCallback

    grpo.remove_callback(PrinterCallback)
    grpo.remove_callback(ProgressCallback)
    checkpoint = runs.newest_complete_checkpoint(Path(grpo.args.output_dir))
    started = monotonic()
    grpo.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds, steps = monotonic() - started, grpo.state.global_step
    met = grpo.train_dataset["row_id"][: -(-steps // grpo.num_iterations) * grpo.prompts_per_step]
    return {
        "steps": steps, "prompts": len(set(met)), "seconds": seconds, "unjudged": len(grpo.reward.unjudged),
        **{name: _ends(grpo.state.log_history, key) for name, key in HEADLINES.items()},
    }  # fmt: skip


HEADLINES = {
    "reward": "reward", "kl": "kl", "kl_z": "z/kl", "kl_y": "y/kl", "entropy_z": "z/entropy", "entropy_y": "y/entropy",
    "codes": "z/mean_length", "forced_share": "z/forced_share", "unique_share": "z/unique_share",
    "answer_tokens": "y/mean_length", "frac_reward_zero_std": "frac_reward_zero_std",
    "logprob_gap": "sampling/logprob_gap",
}  # fmt: skip


def _ends(logged: list[dict], key: str, n: int = 10) -> dict[str, float | None]:
    """Means of the first and of the last n logged values."""
    values = [line[key] for line in logged if line.get(key) is not None]
    if not values:
        return {"first": None, "last": None}
    return {"first": sum(values[:n]) / len(values[:n]), "last": sum(values[-n:]) / len(values[-n:])}


def _require_possible(spec: GrpoParams) -> None:
    """Refuse what would be ignored, or would make the trainer's log-probabilities others than the sampler's."""
    wrong = {
        "top_p": (spec.top_p != 1, "1: log-probabilities of a cut nucleus are not the trainer's"),
        "use_vllm": (spec.use_vllm, "false: TRL's vLLM knows no constraint that changes after END"),
        "zero_advantage_noise": (spec.zero_advantage_noise != 0, "0: under group scaling a random gradient"),
        "eval_steps": (spec.eval_steps is not None, "null: arms are evaluated when they are trained, alike"),
        "save_steps": (
            spec.save_steps % spec.updates_per_rollout != 0,
            f"a multiple of updates_per_rollout ({spec.updates_per_rollout}): a resumed run begins with a new rollout",
        ),
    }  # fmt: skip
    for name, (refused, expected) in wrong.items():
        if refused:
            raise BadInput(f"{name} = {getattr(spec, name)}", expected=expected, where=f"abstract.rl.{name}")


def _fitting(
    prompts: Prompts, begin_id: int, room: int, spec: GrpoParams
) -> tuple[dict[str, list[int]], list[dict[str, Any]]]:
    """Prompts with BEGIN by row id, and the ledger's line on those that are too long: never cut, left out and named."""
    found = {row_id: [*ids, begin_id] for row_id, ids in prompts}
    long = [row_id for row_id, ids in found.items() if len(ids) > room]
    kept = {row_id: ids for row_id, ids in found.items() if len(ids) <= room}
    if long:
        print(f"{len(long)} of {len(prompts)} prompts have over {room} tokens and are left out: {long[:20]}")
    if len(kept) < spec.prompts_per_step:
        raise BadInput(
            f"{len(kept)} of {len(prompts)} prompts have {room} tokens or fewer", where="the RL's prompts",
            expected=f"at least one step's, {spec.prompts_per_step}", mend="Raise max_length, or give more rows.",
        )  # fmt: skip
    return kept, [{"what": "RL prompts", "requested": len(prompts), "effective": len(kept), "left_out": long}]


def _config(policy: Policy, spec: GrpoParams, tokens: int, output_dir: str | Path, seed: int) -> GRPOConfig:
    """TRL's arguments, without dropout: it would make the log-probabilities noisy."""
    import torch
    from trl import GRPOConfig

    asked = spec.model_copy(update={"max_completion_length": tokens})
    sections = SimpleNamespace(grpo=asked, processes=1)
    gpu, dtype = torch.cuda.is_available(), policy.model.dtype
    return GRPOConfig(
        **trl_arguments.grpo(sections), output_dir=str(Path(output_dir) / "checkpoints"), seed=seed, data_seed=seed,
        use_cpu=not gpu, bf16=gpu and dtype == torch.bfloat16, fp16=gpu and dtype == torch.float16, report_to=[],
        logging_nan_inf_filter=False, disable_tqdm=True, shuffle_dataset=False, disable_dropout=True,
        gradient_checkpointing=policy.model.is_gradient_checkpointing, dataloader_pin_memory=gpu,
        restore_callback_states_from_checkpoint=True,
    )  # fmt: skip


def _reporter(report: Report) -> TrainerCallback:
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Hands each logged step's numbers on."""

        def on_log(self, args, state, control, logs=None, **_):
            if logs and "train_loss" not in logs:  # the closing summary is no step
                report(state.global_step, {key: value for key, value in logs.items() if isinstance(value, int | float)})

    return Reporter()
