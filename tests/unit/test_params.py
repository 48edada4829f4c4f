"""Resolution: numbers, parents, overrides, names, round trips. Errors and the shipped files have tests of their own."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
import yaml

from caderno.params import default_name, difference, flatten, load, resolve, rich_table, table, to_yaml


@pytest.fixture
def write(tmp_path):
    """Writes files below params/ and gives the path of the last."""

    def _write(**texts: str):
        folder = tmp_path / "params"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        return folder / f"{name}.yaml"

    return _write


TINY = "model: {name: tiny}\n"


@pytest.mark.parametrize(
    ("text", "value"), [("5e-7", 5e-7), ("3e-4", 3e-4), ("1e5", 1e5), ("+1E-3", 1e-3), (".5e-1", 0.05), ("2", 2.0)]
)
def test_numbers_as_people_write_them(write, text, value):
    path = write(a=TINY + f"grpo: {{learning_rate: {text}}}\n")
    from_file = load(path).grpo.learning_rate
    from_override = load(path, [f"grpo.learning_rate={text}"]).grpo.learning_rate
    assert isinstance(from_file, float) and from_file == from_override == value


def test_nobody_elses_yaml_changes(write):
    load(write(a=TINY))
    assert yaml.safe_load("5e-7") == "5e-7"


def test_words_that_only_look_like_numbers_stay_words(write):
    params = load(write(a=TINY + "description: 5e-7x\nhardware: e5\n"))
    assert (params.description, params.hardware) == ("5e-7x", "e5")


def test_a_whole_number_may_be_written_with_an_exponent(write):
    tokens = load(write(a=TINY + "pretrain: {tokens: 2e6}\n")).pretrain.tokens
    assert tokens == 2_000_000 and isinstance(tokens, int)


def test_mappings_merge_scalars_and_lists_replace(write):
    path = write(
        old=TINY + "stages: [sft, grpo]\nsft: {epochs: 3.0, learning_rate: 1e-5}\nseed: 4\n",
        young="extends: old.yaml\nstages: [sft]\nsft: {epochs: 1.0}\n",
    )
    params = load(path)
    assert params.stages == ("sft",)
    assert (params.sft.epochs, params.sft.learning_rate, params.seed) == (1.0, 1e-5, 4)


def test_null_replaces_a_section_and_a_mapping_replaces_null(write):
    lora = "{name: tiny, lora: {rank: 8, alpha: 16}}"
    path = write(old=f"model: {lora}\n", young="extends: old.yaml\nmodel: {lora: null}\n")
    assert load(path).model.lora is None
    assert load(path, ["model.lora={rank: 2, alpha: 4}"]).model.lora.rank == 2


def test_a_section_written_in_part_keeps_its_other_defaults(write):
    params = load(write(a=TINY + "calibration: {deployment: {top_k: 3}}\n"))
    assert params.calibration.deployment.temperature == 0.0


def test_grandparents_and_folders(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "top.yaml").write_text(TINY + "seed: 1\nsft: {epochs: 5.0}\n")
    (tmp_path / "sub" / "mid.yaml").write_text("extends: ../top.yaml\nseed: 2\n")
    (tmp_path / "sub" / "low.yaml").write_text("extends: mid.yaml\ngrpo: {max_steps: 3}\n")
    params = load(tmp_path / "sub" / "low.yaml")
    assert (params.seed, params.sft.epochs, params.grpo.max_steps) == (2, 5.0, 3)


def test_origins_are_lines_of_the_file_that_said_so(write):
    path = write(
        old=TINY + "sft:\n  epochs: 3.0\n  learning_rate: 1e-5\n", young="extends: old.yaml\nsft:\n  epochs: 1.0\n"
    )
    _, places = resolve(path, ["grpo.max_steps=3"])
    assert str(places["sft.epochs"]) == f"{path}:3"
    assert str(places["sft.learning_rate"]) == f"{path.with_name('old.yaml')}:4"
    assert str(places["grpo.max_steps"]) == "--set grpo.max_steps=3"


def test_overrides_come_last_and_in_order(write):
    path = write(a=TINY + "seed: 1\n")
    params = load(path, ["seed=2", "seed=3", "stages=[sft, grpo]", "writeup.context=x=y", "model.revision='12'"])
    assert (params.seed, params.stages) == (3, ("sft", "grpo"))
    assert (params.writeup.context, params.model.revision) == ("x=y", "12")


def test_resolving_changes_no_earlier_answer(write):
    path = write(a=TINY + "sft: {epochs: 3.0}\n")
    before, _ = resolve(path)
    resolve(path, ["sft.epochs=1.0"])
    assert before["sft"] == {"epochs": 3.0}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("params/demo.yaml", "demo"),
        ("params/tucano2/v3.yaml", "tucano2-v3"),
        ("params/a/params/b/c.yaml", "b-c"),
        ("elsewhere/v3.yaml", "v3"),
        ("params/v1.2.yaml", "v1.2"),
    ],
)
def test_names_come_from_the_path(tmp_path, file, name):
    assert default_name(tmp_path / file) == name


def test_a_name_is_kept_but_never_inherited(write):
    path = write(old=TINY + "name: mine\n", young="extends: old.yaml\n")
    assert load(path).name == "young"
    assert load(path.with_name("old.yaml")).name == "mine"


def test_anchors_and_merge_keys_work(write):
    text = TINY + "calibration:\n  training: &s {temperature: 0.5}\n  deployment: {<<: *s, top_k: 3}\n"
    deployment = load(write(a=text)).calibration.deployment
    assert (deployment.temperature, deployment.top_k) == (0.5, 3)


def test_round_trip(write, tmp_path):
    overrides = [
        "model.lora={rank: 8, alpha: 16, targets: [q_proj]}",
        "grpo.learning_rate=5e-7",
        "grpo.eval_steps=20",
        "grpo.early_stop={patience: 3, delta: 0.005}",
        "writeup.context='ação: 1\n# not a comment'",
    ]
    params = load(write(a=TINY), overrides)
    copy = tmp_path / "elsewhere.yaml"
    copy.write_text(to_yaml(params), encoding="utf-8")
    assert load(copy) == params
    assert to_yaml(load(copy)) == to_yaml(params)
    assert yaml.safe_load(to_yaml(params))["grpo"]["learning_rate"] == 5e-7  # for readers other than ours, too


def test_difference_is_flat_and_complete(write):
    path = write(a=TINY)
    a = load(path)
    b = load(path, ["grpo.max_steps=3", "model.lora={rank: 8, alpha: 16}", "validation.temperatures=[1.0]"])
    assert difference(a, a) == []
    rows = {key: (before, after) for key, before, after in difference(a, b)}
    assert rows["grpo.max_steps"] == (60, 3)
    assert rows["validation.temperatures"] == ((0.0, 1.0), (1.0,))
    assert rows["model.lora.rank"] == (None, 8)
    others = {key for key in rows if not key.startswith("model.lora")}
    assert others == {"grpo.max_steps", "validation.temperatures"}
    assert {key: (after, before) for key, before, after in difference(b, a)} == rows


def test_table_has_every_leaf_and_says_what_it_is(write):
    params = load(write(a=TINY))
    rows = table(params)
    assert [key for key, _, _ in rows] == list(flatten(params))
    assert all(text for _, _, text in rows)
    assert ("grpo.max_steps", 60, "optimizer steps") in rows


def test_rich_table_shows_lists(write):
    from rich.console import Console

    screen = io.StringIO()
    Console(width=160, file=screen).print(rich_table(load(write(a=TINY + "stages: [sft, grpo]\n"))))
    assert "[sft, grpo]" in screen.getvalue()


def test_importing_loads_nothing_heavy():
    code = "import sys, caderno.params; print([m for m in ('torch', 'pandas', 'rich', 'yaml') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_name_that_looks_like_a_number_stays_a_name(tmp_path):
    (tmp_path / "resolved.yaml").write_text(to_yaml(load("params/demo.yaml", ['name="1e3"'])))
    assert load(tmp_path / "resolved.yaml").name == "1e3"
