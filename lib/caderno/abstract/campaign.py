"""What all arms of one run share: rows, vocabulary, the base they start from, directories, and how they are judged.

Which arms there are and how each is trained is `arms`' and `rounds`'. A step here is done once, and skipped when done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caderno import generation, models, runs
from caderno.abstract import interventions, judging, phases, rows, steps, traces, vocabulary

if TYPE_CHECKING:
    from caderno.abstract.rows import Item
    from caderno.abstract.sequences import Segments
    from caderno.generation import Engine
    from caderno.models import Policy
    from caderno.params.abstract_sections import FitParams
    from caderno.runs import Stage

CUTS = 3  # truncations judged, spread over the longest trace


class Campaign:
    """One run's arms. `splits` are the rows by split, as `data.build` gives them; arms are judged on those of test.

    Rows that hold no thought or are too long are left out of training and named in the ledger. Directories lie under
    the stage's `arms/`.
    """

    def __init__(self, stage: Stage, splits: dict[str, list[dict]]):
        self.stage, self.params, self.spec, self.seed = stage, stage.params, stage.params.abstract, stage.params.seed
        self.directory = stage.directory / "arms"
        self.rows = {row["id"]: row for split in ("train", "test") for row in splits[split]}
        self._splits = splits
        self.base = self.directory / "base"
        self.logged = sum(1 for _ in runs.whole_lines(stage.directory / "metrics.jsonl"))
        stage.resume_step(self.logged)

    def open_base(self) -> dict[str, Any]:
        """The model with its abstract vocabulary, taught to reason in words where `abstract.base` asks for it."""
        start = phases.open_model(self.bare, None, for_training=True)
        if self.spec.architecture is not None:
            start = models.from_scratch(self.spec.architecture, start.tokenizer, seed=self.seed)
        policy, self.vocabulary = vocabulary.extend(start, self.spec.codes, seed=self.seed)
        self.stage.ledger([row for row in policy.info["ledger"] if row["what"].startswith("abstract.")])
        self.tokenizer = policy.tokenizer
        self.train = self._encoded("train", policy)
        self.test = self._encoded("test", policy)
        made = steps.once(self.base / "extended", self._inputs("extended"), partial(_save, policy))
        if self.spec.base is None:
            self.base, self.based = self.base / "extended", made
            return made
        extended, self.base = self.base / "extended", self.base / "verbal"
        spoken = [item.spoken() for item in self.train[: self.spec.base.rows]]
        count = phases.steps_of(self.spec.base, len(spoken))
        self.based = self.phase(
            self.base, extended, spoken, self.spec.base, inputs=made["inputs"], steps=count
        )  # fmt: skip
        return self.based

    @property
    def bare(self) -> Any:
        """The parameters with no adapter to train yet: the vocabulary is extended first."""
        return self.params.model_copy(update={"model": self.params.model.model_copy(update={"lora": None})})

    def _encoded(self, split: str, policy: Policy) -> list[Item]:
        room = self.spec.traces.max_codes + 2
        found = rows.encode(self._splits[split], policy.tokenizer, self.params.model.max_length, room)
        asked = {"what": f"rows of split {split} for abstract traces", "requested": len(self._splits[split])}
        self.stage.ledger([asked | {"effective": len(found.items), "left_out": found.left_out}])
        return found.items

    def _inputs(self, name: str, **more: Any) -> dict[str, Any]:
        """What a step depends on: its name, what its caller says, and the run's model, rows and parameters."""
        spec = self.spec.model_dump(mode="json", exclude={"arms"})
        data = {split: [row["id"] for row in found] for split, found in self._splits.items()}
        shared = {
            "model": self.params.model.model_dump(mode="json"),
            "seed": self.seed,
            "data": steps.fingerprint(data),
        }
        return {"step": name, **shared, "spec": spec, **more}

    def seed_of(self, name: str) -> int:
        """A seed of its own for each step: 31 bits."""
        return generation.request_seed("abstract", name, 0, self.seed) % 2**31

    def step(self, directory: Path, work: Callable[[Path], dict[str, Any]], **inputs: Any) -> dict[str, Any]:
        """`work` under `directory`, once for these inputs; told in a line when it begins."""
        name = str(directory.relative_to(self.directory))
        if not (directory / steps.DONE).exists():
            print(f"{name} ...", flush=True)
        return steps.once(directory, self._inputs(name, **inputs), work)

    def phase(
        self, directory: Path, start: Path, made: Sequence[Segments], spec: FitParams, *, inputs: str, steps: int,
        loss_on: Sequence[str] = ("z", "y"),
    ) -> dict[str, Any]:  # fmt: skip
        """A supervised training from the weights of `start`, its model under `directory`; `inputs` identify `made`."""
        name = str(directory.relative_to(self.directory))

        def work(place: Path) -> dict[str, Any]:
            policy = phases.open_model(self.params, start, for_training=True)
            with self.stage.graceful():
                found = phases.fit(
                    policy, made, spec, place, seed=self.seed_of(name), steps=steps, loss_on=loss_on,
                    weight_z=self.spec.weight_z, report=self.reporter(place), stop=lambda: self.stage.stop_requested,
                )  # fmt: skip
            phases.finish(policy, place)
            return found

        return self.step(directory, work, rows_of=inputs, steps=steps)

    def reporter(self, place: Path) -> Callable[[int, dict[str, float]], None]:
        """Hands a training's logged numbers to the stage's metrics: one running step over all arms, and their own."""
        name = str(place.relative_to(self.directory))

        def report(step: int, values: dict[str, float]) -> None:
            self.logged += 1
            found = {f"{name}/{key}": value for key, value in values.items()}
            self.stage.metrics(self.logged, **{f"{name}/step": step}, **found)

        return report

    def engine(self, directory: Path) -> Engine:
        """Who draws from the weights of a step."""
        by_name = self.params.engine.name == "vllm"
        source: Any = directory / "model" if by_name else phases.open_model(self.bare, directory)
        return generation.open_engine(source, self.params.engine, self.params.model)

    def judge(self, arm: str, model: Path, kind: judging.Kind, inputs: str) -> dict[str, Any]:
        """The arm on the test rows: a summary, and for abstract arms the panel's measures and the interventions."""

        def work(place: Path) -> dict[str, Any]:
            engine = self.engine(model)
            try:
                found = judging.judge(
                    engine, self.test, self.rows, kind, self.vocabulary, self.spec, arm=arm, run=f"test {self.seed}"
                )
                runs.write_jsonl(place / "samples.jsonl", found)
                told = judging.summary(found, arm)
                return told | (self._panel(engine, found, place) if kind == "abstract" else {})
            finally:
                engine.close()

        return self.step(self.directory / arm / "judged", work, model=inputs, test_rows=len(self.test))

    def _panel(self, engine: Engine, samples: list[dict], place: Path) -> dict[str, Any]:
        """Health of freshly drawn traces, and what interventions on the judged ones cost."""
        prompts = [(item.row_id, list(item.x)) for item in self.test]
        drawn = traces.draw(
            engine, prompts, self.vocabulary, self.spec.traces, run="panel", samples=self.spec.probe_samples,
            seed=self.seed, logprobs=False,
        ).traces  # fmt: skip
        told = [{"id": t.row_id, "trace": list(t.codes), "prompt": t.row_id, "seed": t.seed} for t in drawn]
        runs.write_jsonl(place / "traces.jsonl", told)
        longest = max(len(sample["trace"]) for sample in samples)
        cuts = sorted({round(longest * k / (CUTS + 1)) for k in range(1, CUTS + 1)} - {0, longest})
        tested = interventions.judge(
            judging.answering(engine, self.test, self.rows, self.vocabulary, self.spec),
            [s["id"] for s in samples], [tuple(s["trace"]) for s in samples], self.vocabulary.code_ids,
            seed=self.seed, truncate_to=cuts,
        )  # fmt: skip
        return {"interventions": tested}


def _save(policy: Policy, place: Path) -> dict[str, Any]:
    phases.finish(policy, place)
    return {"steps": 0}
