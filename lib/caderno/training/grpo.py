"""Group relative policy optimisation on the tasks' scores, by TRL's GRPOTrainer.

Rewards come per task (`caderno.rewards`), prompts rendered once by `caderno.chat`. It adds to TRL the evaluation's own
temperature and thoughts that end at their budget (`rollouts`), and refuses what TRL cannot do as asked.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from caderno import chat, rewards, trl_arguments
from caderno.errors import BadInput
from caderno.training import callbacks, ledgers, references, rollouts, stopping

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from caderno.models import Policy
    from caderno.runs import Stage


def dataset(rows: list[dict], policy: Policy, stage: Stage) -> Dataset:
    """Columns `prompt` (rendered text) and `row_id`. Prompts that leave no room for a completion are left out.

    They are printed, and stand in the ledger with their ids. Raises BadInput where too few are left to fill a step: a
    sampler without one whole batch ends the training before its first step, in silence.
    """
    from datasets import Dataset

    spec, split = stage.params.grpo, rows[0].get("split", "train")
    room = stage.params.model.max_length - spec.max_completion_length
    kept, long = [], []
    for row in rows:
        text = chat.render(policy.tokenizer, row["prompt"], enable_thinking=stage.params.chat.enable_thinking)
        fits = len(chat.encode(policy.tokenizer, text)) <= room
        prompt = chat.for_trainer(policy.tokenizer, text)
        (kept if fits else long).append({"prompt": prompt, "row_id": row["id"]})
    found = {"what": f"prompts of split {split}", "requested": len(rows), "effective": len(kept)}
    if long:
        names = [row["row_id"] for row in long]
        found["left_out"] = names
        print(f"{len(long)} of {len(rows)} prompts have over {room} tokens and are left out: {names[:20]}")
    stage.ledger([found])
    needed = spec.prompts_per_step if split == "train" else 1
    if len(kept) < needed:
        raise BadInput(
            f"{len(long)} of {len(rows)} prompts of split {split} have over {room} tokens, which leaves {len(kept)}",
            expected=f"at least {needed}", where="model.max_length less grpo.max_completion_length",
            mend="Raise model.max_length, or lower grpo.max_completion_length; `caderno lengths` shows what fits.",
        )  # fmt: skip
    return Dataset.from_list(kept)


def trainer(policy: Policy, train_rows: list[dict], heldout_rows: list[dict], stage: Stage) -> GRPOTrainer:
    """TRL's trainer with this stage's parameters, rewards and evaluation; its KL is to `policy` as it is given here."""
    spec = stage.params.grpo
    if spec.zero_advantage_noise:
        raise BadInput(
            f"zero_advantage_noise = {spec.zero_advantage_noise}", expected="0", where="grpo.zero_advantage_noise",
            mend="Group scaling would make of this noise a full-strength random gradient; drop such prompts.",
        )  # fmt: skip
    tokenizer = policy.tokenizer

    def count_tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    rows = train_rows + heldout_rows
    judge = rewards.Judge(stage.params, rows, count_tokens, training=lambda: policy.model.training)
    functions, weights = judge.functions()
    train_set = dataset(train_rows, policy, stage)
    eval_set = dataset(heldout_rows[: spec.eval_rows], policy, stage) if spec.eval_steps else None
    make = partial(
        _trainer_class(), model=policy.model, reward_funcs=functions, train_dataset=train_set, eval_dataset=eval_set,
        processing_class=tokenizer, rollout_func=rollouts.limited(policy, stage, rows, [train_set, eval_set]),
    )  # fmt: skip
    found = references.made(make, policy, _config(stage, weights), where="grpo.kl_coef")
    found.judge = judge
    found.eval_temperature = spec.eval_temperature
    found.eval_max_tokens = spec.eval_max_tokens or spec.max_completion_length
    if spec.early_stop:
        delta = stopping.delta(stage)
        found.add_callback(stopping.StopOnDecline(spec.early_stop.patience, delta))
        stage.ledger([{"what": "early_stop.delta", "requested": spec.early_stop.delta, "effective": delta}])
    return found


def _config(stage: Stage, weights: list[float]) -> GRPOConfig:
    from trl import GRPOConfig

    return GRPOConfig(**callbacks.common_arguments(stage), **trl_arguments.grpo(stage.params, weights))


def _trainer_class() -> type[GRPOTrainer]:
    """GRPOTrainer that evaluates at its own temperature and ceiling; TRL's evaluates at the training ones."""
    from trl import GRPOTrainer

    class CadernoGRPOTrainer(GRPOTrainer):
        judge: rewards.Judge
        eval_temperature: float
        eval_max_tokens: int

        def evaluate(self, *args, **kwargs):
            if self.use_vllm:
                return self._evaluate_vllm(*args, **kwargs)
            config = self.generation_config
            kept = config.temperature, config.do_sample, config.max_new_tokens
            config.do_sample = self.eval_temperature > 0
            config.temperature = self.eval_temperature or 1.0
            config.max_new_tokens = self.eval_max_tokens
            try:
                return super().evaluate(*args, **kwargs)
            finally:
                config.temperature, config.do_sample, config.max_new_tokens = kept

        def _evaluate_vllm(self, *args, **kwargs):
            engine = self.vllm_generation
            kept = engine.temperature, engine.max_completion_length
            engine.temperature, engine.max_completion_length = self.eval_temperature, self.eval_max_tokens
            try:
                return super().evaluate(*args, **kwargs)
            finally:
                engine.temperature, engine.max_completion_length = kept

    return CadernoGRPOTrainer


def train(grpo: GRPOTrainer, stage: Stage) -> dict:
    """Run the trainer and write the ledger; returns the stage's headline numbers."""
    spec = stage.params.grpo
    seconds = callbacks.run(grpo, stage)
    unjudged = {"what": "rows no reward can judge", "requested": 0, "effective": len(grpo.judge.unjudged)}
    stage.ledger([*ledgers.grpo(grpo, stage.params, callbacks.common_arguments(stage)), unjudged])
    logged = [line for line in grpo.state.log_history if line.get("reward") is not None]
    prompts = grpo.state.global_step * spec.prompts_per_step
    return {
        "steps": grpo.state.global_step,
        "prompts": prompts,
        "coverage": prompts / len(grpo.train_dataset),
        "reward": _ends(logged, "reward"),
        "entropy": _ends(logged, "entropy"),
        "completion_tokens": _ends(logged, "completions/mean_length"),
        "contributions": rewards.contributions(logged, stage.params),
        "seconds": seconds,
    }


def _ends(logged: list[dict], key: str, n: int = 10) -> dict[str, float | None]:
    """Means of the first and of the last n logged values; None where the trainer logged none."""
    values = [line[key] for line in logged if line.get(key) is not None]
    if not values:
        return {"first": None, "last": None}
    return {"first": sum(values[:n]) / len(values[:n]), "last": sum(values[-n:]) / len(values[-n:])}
