"""Every arm end to end in miniature: trained once, judged alike, paired with its control; nothing is done twice.

The whole of it takes half a minute on a core that is free: it is the loading and saving of some fifty tiny models.
"""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from caderno import data, runs
from caderno.abstract import arms, campaign, judging, phases, results, rl, staged, steps
from caderno.errors import BadInput, Interrupted
from caderno.runs import stage as stages

ARMS = [
    "verbal", "direct", "pause", "oracle", "cold_rl", "warmup", "selection", "selection_rl", "staged", "direct_staged",
]  # fmt: skip
BOUNDS = {"min_codes": 4, "max_codes": 4}
PHASE = {"rows": 6, "steps": 2, "batch_size": 4, "logging_steps": 1}
PARAMS = {
    "name": "mini", "description": "Every arm in miniature", "stages": ["abstract_cot"],
    "model": {"name": "tiny", "max_length": 128}, "tasks": {"arithmetic": {}}, "chat": {"enable_thinking": False},
    "data": {"proportions": {"arithmetic": 1}, "train_rows": 24, "heldout_rows": 2, "test_rows": 12},
    "tracking": {"mode": "disabled"},
    "abstract": {
        "arms": ARMS, "codes": 12, "rounds": 2, "answer_tokens": 3, "thought_tokens": 12,
        "traces": BOUNDS, "evaluation_traces": {**BOUNDS, "temperature": 0.0},
        "base": {**PHASE, "rows": 12}, "phase_a": PHASE, "phase_b": PHASE,
        "control": {"batch_size": 4, "logging_steps": 1}, "selection": {"candidates": 2},
        "staged": {"batch_size": 8, "first_steps": 3, "stage_steps": 2, "restarts": 1, "shared_code_nats": 1e-3},
        "rl": {"max_steps": 2, "prompts_per_step": 2, "group_size": 2, "save_steps": 2, "logging_steps": 1},
    },
}  # fmt: skip


@contextmanager
def opened(directory: Path, **changed):
    """The run's campaign with its base, from a stage that is given back; `changed` are parameters of `abstract`."""
    stage = runs.open_stage("abstract_cot", directory / "mini.yaml", directory / "run")
    spec = stage.params.abstract.model_copy(update=changed)
    stage.params = stage.params.model_copy(update={"abstract": spec})
    try:
        found = campaign.Campaign(stage, data.build(stage.params))
        found.open_base()
        yield found
    finally:
        stage._release()
        stages._open.pop(stage.directory, None)


@pytest.fixture(scope="session")
def done(tmp_path_factory) -> tuple[Path, dict]:
    """(directory, result) of a run of every arm. Arms may be added to it; leave those that there are alone."""
    directory = tmp_path_factory.mktemp("abstract")
    (directory / "mini.yaml").write_text(yaml.safe_dump(PARAMS))
    with opened(directory) as found:
        return directory, results.run_all(found)


@pytest.fixture
def idle(monkeypatch):
    """Whatever trains or judges raises: a step that is done is not done again."""

    def worked(*_, **__):
        raise AssertionError("a step was done again")

    for module, name in ((phases, "fit"), (staged, "run_stage"), (rl, "trainer"), (judging, "judge")):
        monkeypatch.setattr(module, name, worked)


def stage_of(directory: Path) -> Path:
    return runs.stage_directory(directory / "run", "abstract_cot")


def by_arm(result: dict) -> dict[str, dict]:
    return {line["arm"]: line for line in result["arms"]}


def test_the_result_has_every_arm_with_its_interval_and_tokens(done):
    _, result = done
    lines = by_arm(result)
    assert list(lines) == ARMS and result["test_rows"] == 12
    for arm, line in lines.items():
        accuracy = line["accuracy"]
        assert accuracy["n"] + line["unjudged"] == 12
        assert 0 <= round(accuracy["low"], 9) <= accuracy["value"] <= accuracy["high"] <= 1 and accuracy["high"] > 0
        assert line["kind"] == {"staged": "abstract"}.get(arm, arms.KINDS.get(arm, "abstract"))
        assert line["tokens_z"] == {"abstract": 6, "pause": 6}.get(line["kind"], 0)
        assert 1 <= line["tokens_y"] <= (3 if line["kind"] != "verbal" else 15)
        assert ("interventions" in line) == (line["kind"] == "abstract")
    assert result["chance"] >= 0.1


def test_controls_are_trained_for_as_long(done):
    lines = by_arm(done[1])
    taken = {arm: line["steps"] for arm, line in lines.items()}
    assert taken["warmup"] == taken["selection"] == taken["direct"] == taken["pause"] == taken["oracle"] == 8
    assert taken["staged"] == taken["direct_staged"] == 12 and taken["cold_rl"] == taken["selection_rl"] == 2
    assert lines["selection_rl"]["warm_steps"] == 8 and lines["cold_rl"]["warm_steps"] == 0
    assert lines["staged"]["training"]["stages"][0]["attempts"] == 2, "two digits shared a code: started again"


def test_arms_are_paired_with_their_control_on_the_same_rows(done):
    directory, result = done
    lines = by_arm(result)
    expected = dict.fromkeys(("verbal", "pause", "oracle", "cold_rl", "warmup", "selection", "direct_staged"), "direct")
    expected |= {"selection_rl": "selection", "staged": "direct_staged"}
    assert {arm: line["paired_with"] for arm, line in lines.items() if "paired_with" in line} == expected
    samples = list(runs.whole_lines(stage_of(directory) / "samples.jsonl"))
    right = {arm: {s["id"]: s["correct"] for s in samples if s["arm"] == arm} for arm in ARMS}
    assert len({frozenset(of) for of in right.values()}) == 1 and len(samples) == 120
    for arm, other in expected.items():
        gain = sum(right[arm].values()) / 12 - sum(right[other].values()) / 12
        assert lines[arm]["paired"]["difference"] == pytest.approx(gain) and lines[arm]["paired"]["n"] == 12


def test_every_abstract_arm_has_its_health_and_its_verdicts(done):
    directory, result = done
    abstract = [arm for arm in ARMS if by_arm(result)[arm]["kind"] == "abstract"]
    assert list(result["health"]) == list(result["verdicts"]) == abstract
    for arm in abstract:
        assert result["health"][arm]["n"] == 24, "two samples a row"
        answers = {one["guard"]: one["verdict"] for one in result["verdicts"][arm]}
        assert answers["trace-bounds"] == answers["trace-seed"] == "pass"
    told = runs.read_json(stage_of(directory) / "guards.json")
    assert {one["guard"] for one in told} == {*answers, "matched-controls"}
    assert next(one for one in told if one["guard"] == "matched-controls")["verdict"] == "pass"
    assert json.loads(json.dumps(result)) == runs.read_json(stage_of(directory) / "result.json")


def test_phases_take_fresh_rows_and_none_of_the_test(done):
    directory, _ = done
    place = stage_of(directory) / "arms"
    for arm in ("warmup", "selection"):
        used = [
            row["id"] for part in ("round-1/a", "round-1/b", "round-2/a", "round-2/b")
            for row in runs.whole_lines(place / arm / part / "traces" / "traces.jsonl")
        ]  # fmt: skip
        assert len(used) == len(set(used)) == 24
        tested = {row["id"] for row in runs.whole_lines(place / arm / "judged" / "samples.jsonl")}
        assert len(tested) == 12 and not tested & set(used)
    told = runs.read_json(place / "warmup/round-2/a/channel/done.json")["y_nats"]
    assert told["through_states"] > 0 and told["tokens_only"] > 0


def test_metrics_are_one_running_count_over_all_arms(done):
    lines = list(runs.whole_lines(stage_of(done[0]) / "metrics.jsonl"))
    assert [line["step"] for line in lines] == [*range(1, len(lines) + 1)]
    mine = [line["warmup/round-1/a/train/step"] for line in lines if "warmup/round-1/a/train/loss" in line]
    assert mine == [1, 2] and any("selection_rl/train/reward" in line for line in lines)


def test_a_second_run_does_nothing_and_says_the_same(done, idle):
    directory, result = done
    before = (stage_of(directory) / "metrics.jsonl").read_text()
    with opened(directory) as again:
        assert json.loads(json.dumps(results.run_all(again))) == json.loads(json.dumps(result))
    assert (stage_of(directory) / "metrics.jsonl").read_text() == before


def test_what_steps_depend_on_is_the_parameters_and_not_which_arms_there_are(done):
    directory, _ = done
    with opened(directory) as found:
        mine = steps.fingerprint(found._inputs("warmup/round-1/a/train"))
        changes = {
            "arms": found.spec.model_copy(update={"arms": ("direct",)}),
            "selection": found.spec.model_copy(
                update={"selection": found.spec.selection.model_copy(update={"candidates": 4})}
            ),
        }
        digests = {}
        for name, spec in changes.items():
            found.spec = spec
            digests[name] = steps.fingerprint(found._inputs("warmup/round-1/a/train"))
    assert digests["arms"] == mine != digests["selection"]


def test_an_arm_is_added_without_doing_the_others_again(done, idle, monkeypatch):
    directory, result = done
    with opened(directory, arms=("direct", "warmup")) as fewer:
        assert [line["arm"] for line in results.run_all(fewer)["arms"]] == ["direct", "warmup"]
    with opened(directory, arms=(*ARMS, "staged_rl")) as more, pytest.raises(AssertionError, match="done again"):
        results.run_all(more)  # planted: what is new is done, and nothing else stood in its way
    place = stage_of(directory) / "arms"
    assert [path.name for path in (place / "staged_rl").rglob("*.json")] == ["inputs.json"]
    monkeypatch.undo()
    stamps = {path: path.stat().st_mtime_ns for path in place.rglob(steps.DONE)}
    with opened(directory, arms=(*ARMS, "staged_rl")) as more:
        lines = by_arm(results.run_all(more))
    assert list(lines) == [*ARMS, "staged_rl"] and lines["staged_rl"]["paired_with"] == "staged"
    assert lines["staged_rl"]["warm_steps"] == 12
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert lines["warmup"] == json.loads(json.dumps(by_arm(result)["warmup"])) | {
        "training": lines["warmup"]["training"]
    }


def test_an_interrupted_training_goes_on_from_its_checkpoint(done, monkeypatch):
    with opened(done[0]) as found:
        place, made = found.directory / "probe", [item.segments() for item in found.train]
        log, stage = found.stage.metrics, found.stage

        def asked_to_stop(step: int, **values) -> None:
            log(step, **values)
            stage._signals.requested = signal.SIGTERM

        def train() -> dict:
            return found.phase(place, found.base, made, found.spec.control, inputs="made up", steps=4)

        monkeypatch.setattr(stage, "metrics", asked_to_stop)
        with pytest.raises(Interrupted):
            train()
        assert not (place / steps.DONE).exists() and not (place / "model").exists()
        assert [path.name for path in (place / "checkpoints").iterdir()] == ["checkpoint-2"]
        monkeypatch.undo()
        stage._signals.requested = None
        assert train()["steps"] == 4 and (place / "model").exists()
        lines = [
            line["probe/step"] for line in runs.whole_lines(stage.directory / "metrics.jsonl") if "probe/loss" in line
        ]
        assert lines == [1, 2, 3, 4], "no step was taken twice"


@pytest.mark.parametrize(
    ("changed", "arm", "expected"),
    [({"codes": 8}, "oracle", "values"), ({"rounds": 9}, "warmup", "24 rows for phases")],
)
def test_what_an_arm_cannot_be_is_said(done, monkeypatch, changed, arm, expected):
    """Before anything is written: the run's own steps stay as they are."""
    with opened(done[0]) as found:
        found.spec = found.spec.model_copy(update=changed)
        found.vocabulary = type(found.vocabulary)(
            found.vocabulary.code_ids[: found.spec.codes], found.vocabulary.begin_id, found.vocabulary.end_id
        )
        with pytest.raises(BadInput, match=expected):
            arms.run(found, arm, {})
