"""Each kind of bad parameter file is refused with its place, what was expected and the nearest valid key."""

from __future__ import annotations

import pytest

from caderno.errors import BadInput
from caderno.params import load
from caderno.params.sections import ModelParams

TINY = "model: {name: tiny}\n"


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """Loads `a.yaml` of the given files, in their folder, and gives the message it is refused with."""
    monkeypatch.chdir(tmp_path)

    def _refusal(text: str | bytes = TINY, *overrides: str, **others: str) -> str:
        (tmp_path / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, other in others.items():
            (tmp_path / f"{name}.yaml").write_text(other)
        with pytest.raises(BadInput) as caught:
            load("a.yaml", overrides)
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return _refusal


def test_unknown_key_names_the_nearest(refusal):
    message = refusal(TINY + "grpo:\n  learning_rate: 5e-7\n  max_step: 3\n")
    assert message.startswith("a.yaml:4: unknown key grpo.max_step;")
    assert "nearest valid key is grpo.max_steps" in message


def test_unknown_section_names_the_nearest(refusal):
    message = refusal(TINY + "gpro: {}\n")
    assert message.startswith("a.yaml:2: unknown key gpro") and "nearest valid key is grpo." in message


def test_unknown_key_without_a_neighbour_lists_the_valid_ones(refusal):
    assert "Valid are mode, project" in refusal(TINY + "tracking: {qqqq: 1}\n")


def test_a_key_in_the_wrong_section_is_told_where_it_belongs(refusal):
    message = refusal(TINY + "max_steps: 3\n")
    assert message.startswith("a.yaml:2: unknown key max_steps") and "sft.max_steps or grpo.max_steps" in message


@pytest.mark.parametrize(
    ("line", "got", "expected"),
    [
        ("grpo: {max_steps: many}", "grpo.max_steps is 'many' (text)", "an integer (optimizer steps)"),
        ("grpo: {max_steps: '8'}", "grpo.max_steps is '8' (text)", "an integer"),
        ("grpo: {max_steps: true}", "grpo.max_steps is true", "an integer"),
        ("grpo: {max_steps: 2.5}", "grpo.max_steps is 2.5 (a number)", "an integer"),
        ("grpo: {max_steps: -5}", "grpo.max_steps is -5", "a number above 0"),
        ("grpo: {max_steps: 0}", "grpo.max_steps is 0", "a number above 0"),
        ("grpo: {learning_rate: .inf}", "grpo.learning_rate is inf", "a finite number"),
        ("grpo: {learning_rate: 1e999}", "grpo.learning_rate is inf", "a finite number"),
        ("grpo: {learning_rate: .nan}", "grpo.learning_rate is nan", "a finite number"),
        ("grpo: {top_p: 1.5}", "grpo.top_p is 1.5", "at most 1"),
        ("grpo: {group_size: 1}", "grpo.group_size is 1", "at least 2"),
        ("grpo: {early_stop: {delta: tiny}}", "delta is 'tiny'", "a number or 'standard_error'"),
        ("grpo: 3", "grpo is 3 (an integer)", "a mapping"),
        ("grpo:", "grpo is empty", "a mapping"),
        ("stages: sft", "stages is 'sft'", "a list"),
        ("stages: []", "stages is []", "at least 1"),
        ("stages: [sft, grop]", "stages[1] is 'grop'", "Did you mean 'grpo'?"),
        ("tracking: {mode: off}", "tracking.mode is false", "put a word in quotes"),
        ("hardware: 4090", "hardware is 4090", "Put it in quotes"),
        ("name: ../up", "name is '../up'", "letters, digits"),
        ("validation: {temperatures: []}", "validation.temperatures is []", "at least 1"),
    ],
)
def test_wrong_types_and_ranges(refusal, line, got, expected):
    message = refusal(f"{TINY}# a comment\n{line}\n")
    assert message.startswith("a.yaml:3: ") and got in message and expected in message


@pytest.mark.parametrize(("section", "key"), [("tasks", "pusk: {}"), ("data", "proportions: {pusk: 1}")])
def test_unknown_task(refusal, section, key):
    message = refusal(f"{TINY}{section}:\n  {key}\n")
    assert message.startswith("a.yaml:3: unknown key") and "pusk" in message and ".push." in message


def test_missing_value_is_told_at_the_nearest_section(refusal):
    assert refusal("seed: 1\n").startswith("a.yaml: model is missing")
    assert refusal("seed: 1\nmodel: {dtype: float32}\n").startswith("a.yaml:2: model.name is missing")


def test_the_spelling_is_told_before_what_it_leaves_missing(refusal):
    message = refusal("model:\n  nmae: tiny\nsft:\n  epochs: x\n")
    assert message.startswith("a.yaml:2: unknown key model.nmae")
    assert "2 more to mend: model.name, sft.epochs." in message


def test_the_line_is_the_parents_where_the_parent_said_it(refusal):
    text = "extends: old.yaml\nsft: {learning_rate: 1e-4}\n"
    assert refusal(text, old=TINY + "sft:\n  epochs: -1\n").startswith("old.yaml:3: sft.epochs is -1")


def test_the_place_of_an_override_is_the_override(refusal):
    message = refusal(TINY + "sft: {epochs: 2}\n", "sft.epochs=-1")
    assert message.startswith("--set sft.epochs=-1: sft.epochs is -1")


@pytest.mark.parametrize("text", ["grpo.max_steps", "=3", "a..b=3", "", ".a=1"])
def test_malformed_overrides(refusal, text):
    message = refusal(TINY, text)
    assert message.startswith(f"--set {text}: not an override") and "key.sub=value" in message


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("seed.x=1", "seed is a mapping"),
        ("grpo.max_step=1", "The nearest valid key is grpo.max_steps"),
        ("seed=[", "not YAML"),
        ("tasks.pusk.weight=1", "The nearest valid key is tasks.push"),
    ],
)
def test_overrides_that_do_not_fit(refusal, text, story):
    message = refusal(TINY, text)
    assert message.startswith(f"--set {text}: ") and story in message


def test_missing_parent(refusal):
    message = refusal("seed: 1\nextends: nowhere/old.yaml\n")
    assert message.startswith("a.yaml:2: extends nowhere/old.yaml") and "not a file" in message


def test_parents_in_a_circle(refusal):
    message = refusal("extends: b.yaml\n", b="extends: c.yaml\n", c="seed: 1\nextends: a.yaml\n")
    assert message.startswith("c.yaml:2: extends goes in a circle: a.yaml -> b.yaml -> c.yaml -> a.yaml")
    assert "circle" in refusal("extends: ./a.yaml\n")


@pytest.mark.parametrize("value", ["3", "[b.yaml, c.yaml]", "''", "null"])
def test_extends_is_one_path(refusal, value):
    assert refusal(f"extends: {value}\n").startswith("a.yaml:1: extends is ")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("model:\n  name: tiny\n  name: big\n", "a.yaml:3: the key model.name is there twice (first on line 2)"),
        ("seed: 1\nseed: 1\n", "a.yaml:2: the key seed is there twice"),
        ("", "a.yaml: the file is empty"),
        ("# nothing\n", "a.yaml: the file is empty"),
        ("- 1\n", "a.yaml: the top level is a list"),
        ("hello\n", "a.yaml: the top level is text"),
        ("seed: 1\nmodel: [\n", "a.yaml:3: not YAML"),
        ("seed: 1\n\tmodel: 2\n", "a.yaml:2: not YAML"),
        ("seed: 1\n---\nseed: 2\n", "a.yaml:2: not YAML"),
        ("seed: 1\non: 2\n", "a.yaml:2: a key is `on`"),
        ("model: &m\n  name: *m\n", "a.yaml:1: model.name contains itself"),
        (b"name: \xff\xfe\x00", "a.yaml: not UTF-8 text"),
        ("[" * 1500, "a.yaml:1: nested too deeply"),
    ],
)
def test_files_that_are_not_parameters(refusal, text, start):
    assert refusal(text).startswith(start)


@pytest.mark.parametrize(("path", "story"), [("nowhere.yaml", "no such file"), (".", "cannot be read")])
def test_files_that_cannot_be_read(tmp_path, monkeypatch, path, story):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=story):
        load(path)


@pytest.mark.parametrize(
    ("overrides", "story"),
    [
        (["stages=[sft, sft]"], "stages names sft twice"),
        (["pretrain.architecture.kv_heads=3"], "a divisor of heads (4)"),
        (["pretrain.architecture.head_dim=33"], "an even number"),
        (["grpo.gradient_accumulation_steps=5"], "grpo has 64 sequences a step"),
        (["processes=3"], "sft has 16 sequences a step"),
        (["data.source=olist"], "data.source olist without data.path"),
        (["data.source=jsonl"], "data.source jsonl without data.path"),
        (["data.path=rows.jsonl"], "with data.source shop"),
        (["data.sft_rows=401"], "at most data.train_rows (400)"),
        (["model.backend=unsloth"], "model.backend unsloth with model.dtype float32"),
        (["model.attention=flash_attention_2"], "flash_attention_2 with model.dtype float32"),
        (["model.load_in_4bit=true"], "an adapter to train"),
        (["grpo.max_completion_length=512"], "less than model.max_length (512)"),
        (["grpo.eval_max_tokens=512"], "less than model.max_length (512)"),
        (["calibration.deployment.max_new_tokens=600"], "less than model.max_length (512)"),
        (["validation.max_new_tokens=512"], "less than model.max_length (512)"),
        (["sft.max_length=513"], "at most model.max_length (512)"),
        (["grpo.eval_steps=5", "grpo.eval_rows=201"], "at most data.heldout_rows (200)"),
        (["calibration.rows=201"], "at most data.heldout_rows (200)"),
        (["grpo.train_prompts=401"], "at most data.train_rows (400)"),
        (["grpo.train_prompts=10", "grpo.prompts_per_step=16"], "at most grpo.train_prompts (10)"),
        (["grpo.early_stop={patience: 3}"], "grpo.early_stop without grpo.eval_steps"),
        (["grpo.early_stop={}", "grpo.eval_steps=15"], "a multiple of eval_steps"),
        (["data.proportions={extraction: 0, sql_qa: 0, insights: 0, push: 0}"], "no rows for any task"),
    ],
)
def test_combinations_that_cannot_run(refusal, overrides, story):
    message = refusal(TINY, *overrides)
    assert story in message
    assert any(message.startswith(f"--set {text}: ") for text in overrides)


def test_a_combination_written_in_a_file_names_its_line(refusal):
    message = refusal("model:\n  name: tiny\n  dtype: float32\n  backend: unsloth\n")
    assert message.startswith("a.yaml:4: model.backend unsloth")


@pytest.mark.parametrize(
    "overrides",
    [
        ["stages=[sft]", "grpo.gradient_accumulation_steps=5"],
        ["stages=[pretrain]", "model.max_length=8"],
        ["stages=[validation]", "model.load_in_4bit=true"],
        ["model.backend=unsloth", "model.dtype=bfloat16"],
        ["grpo.eval_rows=300"],
        ["grpo.zero_advantage_noise=0.005"],  # unwise, not impossible: guards judge it
        ["data.source=olist", "data.path=somewhere"],
    ],
)
def test_what_can_run_is_not_refused(tmp_path, overrides):
    path = tmp_path / "a.yaml"
    path.write_text(TINY)
    assert load(path, overrides).model.name == "tiny"


def test_sections_made_in_python_are_checked_too():
    with pytest.raises(ValueError, match=r"model.backend unsloth with model.dtype float32; expected bfloat16"):
        ModelParams(name="x", backend="unsloth")
