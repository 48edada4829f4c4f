"""The running guards beside a Trainer: what it logs is judged as it comes, and a verdict warns, saves or stops.

What a guard measures is `caderno.guards`' business; which verdict does what is the parameters' (`guards.stop_on`,
`guards.actions`).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from transformers import TrainerCallback

from caderno import guards
from caderno.guards import facts_logs
from caderno.runs import whole_lines

if TYPE_CHECKING:
    from caderno.guards import Verdict
    from caderno.runs import Stage

FIRED = ("fail", "warn")


class Watch(TrainerCallback):
    """Judges the log at every logged step; a guard is told of once, when it first fires."""

    def __init__(self, stage: Stage):
        self.stage = stage
        self.settings = facts_logs.settings_of(stage.params, stage.name)
        self.running = list(guards.all_guards("running").values())
        self.history: list[dict[str, float]] = []
        self.fired: dict[str, Verdict] = {}
        self.seconds = 0.0  # what judging has cost so far

    def on_train_begin(self, args, state, control, **_):
        """A resumed run is judged with what it had logged before."""
        lines = whole_lines(self.stage.directory / "metrics.jsonl") if state.global_step else []
        self.history = facts_logs.merged(line for line in lines if line["step"] <= state.global_step)

    def on_log(self, args, state, control, logs=None, **_):
        values = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, int | float)}
        if "train_loss" in values:  # the closing summary is no step
            return control
        started = perf_counter()
        self.history = [
            *self.history[:-1],
            *facts_logs.merged([*self.history[-1:], {"step": state.global_step} | values]),
        ]
        for guard in self.running:
            self._act(guard({"history": self.history, "settings": self.settings}, state.global_step), control)
        self.seconds += perf_counter() - started
        return control

    def _act(self, verdict: Verdict, control) -> None:
        """The first time at this gravity: tell, record, and do what the parameters say."""
        known = self.fired.get(verdict.guard)
        if verdict.verdict not in FIRED or (known and (known.verdict == "fail" or known.verdict == verdict.verdict)):
            return
        self.fired[verdict.guard] = verdict
        self.stage.guards([verdict.as_dict()])
        print(f"{verdict.verdict} at step {verdict.step}: {verdict.guard}: {verdict.why}", flush=True)
        action = self.stage.params.guards.action(verdict.guard, verdict.verdict)
        control.should_save = control.should_save or action != "warn"
        control.should_training_stop = control.should_training_stop or action == "stop"

    def close(self) -> None:
        """Record what the guards that never fired say at the end."""
        facts = {"history": self.history, "settings": self.settings}
        quiet = [guard(facts) for guard in self.running if guard.name not in self.fired]
        self.stage.guards([verdict.as_dict() for verdict in quiet])
