"""Refuses combinations of parameters that cannot run at all, before anything is loaded.

What can run but should not is left to guards, which measure and give reasons; nothing here judges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from caderno.params.reward_sections import RewardStageParams
    from caderno.params.sections import Params


def refuse(keys: Sequence[str], got: str, expected: str, mend: str = "") -> NoReturn:
    """Raise inside a validator; `keys` (relative to its section) are the ones that do not go together."""
    context = {"keys": list(keys), "got": got, "expected": expected, "mend": mend}
    raise PydanticCustomError("conflict", "{got}; expected {expected}", context)


def refuse_bad_stages(stages: Sequence[RewardStageParams]) -> None:
    """A schedule of reward weights that leaves a moment without weights, or whose weights do not sum to 1."""
    ends = [stage.until for stage in stages]
    if ends != sorted(set(ends)) or ends[-1] != 1:
        got = f"rewards.stages end at {', '.join(f'{end:g}' for end in ends)}"
        refuse(["stages"], got, "shares of training that increase up to 1", "Order them and let the last be 1.")
    for number, stage in enumerate(stages, start=1):
        total = stage.format + stage.partial + stage.task
        if not math.isclose(total, 1, abs_tol=1e-6):
            got = f"the weights of reward stage {number} sum to {total:g}"
            refuse(["stages"], got, "1, so that gold earns 1 at any time", "Change format, partial or task.")


def refuse_impossible(params: Params) -> None:
    """Every check that needs more than one section; the first that fails raises."""
    _stages_are_distinct(params)
    _batches_divide(params)
    _lengths_fit(params)
    _rows_suffice(params)
    _phases_take_fresh_rows(params)
    _quantised_weights_have_adapters(params)
    _rollouts_can_be_limited(params)
    _forced_thoughts_leave_an_answer(params)


def _stages_are_distinct(params: Params) -> None:
    twice = [name for name in dict.fromkeys(params.stages) if params.stages.count(name) > 1]
    if twice:
        refuse(["stages"], f"stages names {twice[0]} twice", "each stage once, as each has one directory")


def _batches_divide(params: Params) -> None:
    """A step's sequences split evenly over processes and micro-batches (TRL refuses anything else)."""
    factors = {"sft": ["batch_size"], "grpo": ["prompts_per_step", "group_size"]}
    for stage, names in factors.items():
        section = getattr(params, stage)
        sequences = math.prod(getattr(section, name) for name in names)
        parts = section.gradient_accumulation_steps * params.processes
        if stage in params.stages and sequences % parts:
            refuse(
                [*(f"{stage}.{name}" for name in (*names, "gradient_accumulation_steps")), "processes"],
                f"{stage} has {sequences} sequences a step ({' x '.join(names)})",
                f"a multiple of {parts} (gradient_accumulation_steps x processes)",
            )


def _completion_ceilings(params: Params) -> Iterator[tuple[str, int | None]]:
    """Ceilings on completions, tokens, of the stages that will run."""
    if "grpo" in params.stages:
        yield "grpo.max_completion_length", params.grpo.max_completion_length
        yield "grpo.eval_max_tokens", params.grpo.eval_max_tokens
    if "calibration" in params.stages:
        yield "calibration.training.max_new_tokens", params.calibration.training.max_new_tokens
        yield "calibration.deployment.max_new_tokens", params.calibration.deployment.max_new_tokens
    if "validation" in params.stages:
        yield "validation.max_new_tokens", params.validation.max_new_tokens


def _lengths_fit(params: Params) -> None:
    limit = params.model.max_length
    for key, tokens in _completion_ceilings(params):
        if tokens is not None and tokens >= limit:
            refuse(
                [key, "model.max_length"],
                f"{key} is {tokens}",
                f"less than model.max_length ({limit}), which holds the prompt too",
            )
    if "sft" in params.stages and (params.sft.max_length or 0) > limit:
        got = f"sft.max_length is {params.sft.max_length}"
        refuse(["sft.max_length", "model.max_length"], got, f"at most model.max_length ({limit})")


def _row_demands(params: Params) -> Iterator[tuple[str, int, str, int]]:
    """(key, rows it asks for, key of what there is, rows there are) of the stages that will run."""
    grpo, data = params.grpo, params.data
    if "grpo" in params.stages:
        prompts = grpo.train_prompts or data.train_rows
        source = "grpo.train_prompts" if grpo.train_prompts else "data.train_rows"
        yield "grpo.train_prompts", prompts, "data.train_rows", data.train_rows
        yield "grpo.prompts_per_step", grpo.prompts_per_step, source, prompts
    if "grpo" in params.stages and grpo.eval_steps:
        yield "grpo.eval_rows", grpo.eval_rows, "data.heldout_rows", data.heldout_rows
    if "calibration" in params.stages:
        yield "calibration.rows", params.calibration.rows, "data.heldout_rows", data.heldout_rows
    if "abstract_cot" in params.stages and params.abstract.base:
        yield "abstract.base.rows", params.abstract.base.rows, "data.train_rows", data.train_rows


def _phases_take_fresh_rows(params: Params) -> None:
    """No row serves two phases of an abstract warm-up; found out at its second round, it would cost the first."""
    spec, available = params.abstract, params.data.train_rows
    wanted = spec.rounds * (spec.phase_a.rows + spec.phase_b.rows)
    if "abstract_cot" in params.stages and wanted > available:
        refuse(
            ["abstract.rounds", "data.train_rows"],
            f"{spec.rounds} rounds with phases of {spec.phase_a.rows} and {spec.phase_b.rows} rows take {wanted}",
            f"at most data.train_rows ({available}), each row once", "Lower them or raise data.train_rows.",
        )  # fmt: skip


def _rows_suffice(params: Params) -> None:
    for key, wanted, source, available in _row_demands(params):
        if wanted > available:
            refuse(
                [key, source], f"{key} is {wanted}", f"at most {source} ({available})", f"Lower it or raise {source}."
            )
    proportions, names = params.data.proportions, ", ".join(params.tasks)
    unnamed = [task for task in params.tasks if task not in proportions]
    if len(unnamed) == len(params.tasks):
        return  # equal shares
    if unnamed:
        got = f"no data.proportions.{unnamed[0]} where other tasks have one"
        refuse(["data.proportions"], got, "one for each task in play", f"Set data.proportions.{unnamed[0]}; 0 is none.")
    if not any(proportions[task] for task in params.tasks):
        refuse(["data.proportions"], f"no rows for any task in play ({names})", "a proportion above 0 for one of them")


def _quantised_weights_have_adapters(params: Params) -> None:
    """4-bit weights have no gradient: without an adapter there is nothing to train (transformers refuses)."""
    trains = {"sft", "grpo"} & set(params.stages)
    if params.model.load_in_4bit and params.model.lora is None and trains:
        got = "model.load_in_4bit without model.lora"
        refuse(["model.load_in_4bit", "model.lora"], got, "an adapter to train", "Set model.lora.")


def _rollouts_can_be_limited(params: Params) -> None:
    """TRL starts its own vLLM without a reasoning configuration, and vLLM ignores thinking budgets without one."""
    if not params.chat.hard_think_rollouts:
        return
    if params.chat.hard_think_budget is None:
        got = "chat.hard_think_rollouts without chat.hard_think_budget"
        refuse(["chat.hard_think_rollouts", "chat.hard_think_budget"], got, "a budget", "Set chat.hard_think_budget.")
    if "grpo" in params.stages and params.grpo.use_vllm:
        got = "chat.hard_think_rollouts with grpo.use_vllm"
        mend = "Set one of the two to false; rollouts by transformers can be limited."
        refuse(["chat.hard_think_rollouts", "grpo.use_vllm"], got, "rollouts whose thoughts can be ended", mend)


def _forced_thoughts_leave_an_answer(params: Params) -> None:
    """A thought that may take the whole completion is cut, not ended. What a task says of itself is judged later."""
    asked, everywhere = params.chat.hard_think_budget, params.chat.hard_think_rollouts
    if asked is None:
        return
    declared = {f"tasks.{name}.think_budget_tokens": task.think_budget_tokens for name, task in params.tasks.items()}
    known = declared if asked == "task" else {"chat.hard_think_budget": asked}
    for ceiling, tokens in _completion_ceilings(params):
        limited = everywhere or ceiling.startswith(("calibration.deployment", "validation"))
        for key, budget in known.items():
            if limited and tokens is not None and budget is not None and budget >= tokens:
                got = f"{key} is {budget}, by force"
                refuse([key, ceiling], got, f"less than {ceiling} ({tokens}), or no token is left for the answer")
