"""Early stopping that knows the noise of its evaluations: it waits for a decline, not for an improvement.

Transformers' own callback stops when nothing improves, and so, sooner or later, every run on which nothing changes
(`stats.stopping` has the simulations). Which delta is noise comes from the calibration's samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from caderno import stats
from caderno.errors import BadInput
from caderno.runs import whole_lines

if TYPE_CHECKING:
    from caderno.runs import Stage

METRIC = "eval_reward"
FALSE_STOPS = 0.05  # of runs on which nothing happens


class StopOnDecline(TrainerCallback, ExportableState):
    """Ends training after `patience` evaluations in a row that are each more than `delta` below the best so far.

    Its state travels with the checkpoints, so that a resumed run goes on counting.
    """

    def __init__(self, patience: int, delta: float):
        self.patience, self.delta = patience, delta
        self.best: float | None = None
        self.below = 0

    def on_evaluate(self, args, state, control, metrics, **_):
        rule = stats.DeclineStop(self.patience, self.delta, below=self.below)
        rule.best = rule.best if self.best is None else self.best
        stop = rule.update(metrics[METRIC])
        self.best, self.below = rule.best, rule.below
        if stop:
            told = f"the last {self.patience} evaluations are each more than {self.delta:.3g} below {self.best:.3g}"
            print(f"stopped at step {state.global_step}: {told}", flush=True)
            control.should_training_stop = True
        return control

    def state(self) -> dict:
        """What a checkpoint keeps (transformers' form)."""
        return {
            "args": {"patience": self.patience, "delta": self.delta},
            "attributes": {"best": self.best, "below": self.below},
        }


def delta(stage: Stage) -> float:
    """The decline that counts: as given, or that which noise alone makes in 5 % of runs on which nothing happens.

    Evaluations draw once for the same prompts, so their noise is what varies within a prompt; the calibration's
    training samples measure it (`stats.evaluation_noise`, `stats.delta_for`). Raises BadInput where nothing does.
    """
    spec = stage.params.grpo
    if spec.early_stop.delta != "standard_error":
        return spec.early_stop.delta
    if "calibration" not in stage.params.stages or stage.params.calibration.samples < 2:
        raise BadInput(
            "early_stop.delta is 'standard_error' and no calibration measures it", where="grpo.early_stop.delta",
            expected="a calibration stage with at least two samples a prompt",
            mend="Add calibration to stages and raise calibration.samples, or give a number.",
        )  # fmt: skip
    scores, prompts = _calibration_scores(stage)
    noise = stats.evaluation_noise(scores, prompts, prompts=spec.eval_rows)
    evaluations = spec.max_steps // spec.eval_steps + 1  # one before the first step
    return stats.delta_for(noise.same_prompts, spec.early_stop.patience, evaluations, FALSE_STOPS)


def _calibration_scores(stage: Stage) -> tuple[list[float], list[str]]:
    """Scores and prompts of the samples drawn as training draws, of prompts that were judged at least twice."""
    temperature = stage.params.calibration.training.temperature
    by_prompt: dict[str, list[float]] = {}
    for sample in whole_lines(stage.parent("calibration") / "samples.jsonl"):
        if sample["temperature"] == temperature and sample["score"] is not None:
            by_prompt.setdefault(sample["id"], []).append(sample["score"])
    pairs = [(score, prompt) for prompt, found in by_prompt.items() if len(found) > 1 for score in found]
    if not pairs:
        raise BadInput(
            "no calibration sample was judged", expected="scores to measure the noise of an evaluation by",
            where="grpo.early_stop.delta", mend="Give a number, or rows that can be judged.",
        )  # fmt: skip
    scores, prompts = zip(*pairs, strict=True)
    return list(scores), list(prompts)
