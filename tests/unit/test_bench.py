"""The benchmark program: comparisons, limits and what a partial run keeps, with slow or wrong measures planted.

No time is asserted here but a planted one: what this machine reaches stands in docs/benchmarks.md.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from caderno import runs
from caderno.errors import BadInput, StageFailed

ROOT = runs.checkout()
MODULES = ("bench", "bench_lines", "bench_table", "bench_watch", "bench_library")
MACHINE = {
    "cpu": "a planted CPU", "cores": 2, "memory_gib": 8.0, "gpus": [], "python": "3.11.0", "torch": "2.13.0",
    "threads": None, "load": 0.1, "commit": "0123456789",
}  # fmt: skip


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch):
    """The program's modules by name."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return {name: importlib.import_module(name) for name in MODULES}


@pytest.fixture
def planted(parts, monkeypatch, tmp_path):
    """Run the program with planted sections: {name: lines, or an error to raise}. Returns (code, page, kept)."""
    bench = parts["bench"]
    monkeypatch.setattr(bench, "machine", lambda: MACHINE)

    def run(found: dict, *arguments: str):
        def measure(name):
            def answer(repeats):
                if isinstance(found[name], Exception):
                    raise found[name]
                return found[name]

            return answer

        sections = {name: bench.Section(name.title(), measure(name), 1, f"how {name} is done") for name in found}
        monkeypatch.setattr(bench, "SECTIONS", sections)
        code = bench.main([*arguments, "--output", str(tmp_path)])
        page = tmp_path / "benchmarks.md"
        kept = runs.read_json(tmp_path / "benchmarks.json", {"sections": {}})["sections"]
        return code, page.read_text() if page.exists() else "", kept

    return run


def line(parts, values, **more):
    return parts["bench_lines"].Line("a thing", "s", values, **more)


# Lines and limits


def test_an_overhead_and_a_ratio_are_taken_repeat_by_repeat(parts):
    over = line(parts, [1.1, 2.4], baseline="b", baseline_values=[1.0, 2.0], against="overhead")
    assert over.compared() == pytest.approx([10.0, 20.0])
    assert line(parts, [1.0, 9.0], baseline="b", baseline_values=[2.0, 3.0], against="ratio").compared() == [0.5, 3.0]
    assert line(parts, [1.0]).compared() == []


def test_values_without_their_baseline_are_an_error(parts):
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        line(parts, [1.0, 2.0], baseline="b", baseline_values=[1.0], against="ratio").compared()


@pytest.mark.parametrize(
    ("values", "baseline", "against", "limits", "met"),
    [
        ([0.1, 0.2, 0.9], [], "", {"at_most": 0.3}, True),  # the median
        ([0.1, 0.4, 0.9], [], "", {"at_most": 0.3}, False),
        ([1999.0], [], "", {"at_least": 2000}, False),
        ([104.9], [100.0], "overhead", {"at_most": 5.0}, True),  # of the overhead, not of the value
        ([106.0], [100.0], "overhead", {"at_most": 5.0}, False),
        ([106.0], [100.0], "ratio", {"at_most": 5.0}, False),  # of the value
        ([1.0], [], "", {}, None),
    ],
)
def test_a_limit_that_is_missed_is_shown(parts, values, baseline, against, limits, met):
    one = line(parts, values, baseline="b" if baseline else "", baseline_values=baseline, against=against, **limits)
    assert one.met() is met
    cell = parts["bench_table"]._limit(one)
    assert cell.endswith({True: ": met", False: ": **not met**", None: "–"}[met])


def test_actions_take_turns(parts):
    order = []
    found = parts["bench_lines"].in_turn(3, *(lambda n, name=name: order.append(name) or n for name in "ab"))
    assert ("".join(order), found) == ("abbaab", [[0, 1, 2], [0, 1, 2]])


def test_a_measured_process_that_fails_says_so(parts):
    command = [sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"]
    with pytest.raises(StageFailed, match=r"exit code 3.*\nthe reason"):
        parts["bench_lines"].process(command)
    with pytest.raises(StageFailed, match=r"exit code 3.*\nthe reason"):
        parts["bench_watch"].watch(command, {})


# The table


def test_a_partial_run_keeps_the_other_sections(planted, parts):
    first = {"one": [line(parts, [1.0, 3.0, 2.0])], "two": [line(parts, [5.0])]}
    before = planted(first)[2]["one"]
    code, page, kept = planted({"one": [line(parts, [7.0])], "two": [line(parts, [6.0])]}, "two")
    assert (code, kept["one"], kept["two"]["lines"][0]["values"]) == (0, before, [6.0])
    assert "| a thing | 2 s | 1 to 3 | 3 |" in page and "| a thing | 6 s | – | 1 |" in page and "7 s" not in page


def test_the_page_names_machine_date_and_the_absent_gpu(planted, parts):
    _, page, kept = planted({"one": [line(parts, [1.0])]})
    assert f"M1, {kept['one']['at'][:10]}" in page
    assert "a planted CPU, 2 cores usable, 8 GiB of memory, Python 3.11.0, torch 2.13.0" in page
    assert "| **GPU** | not run on a GPU |" in page and "commit 01234567" in page and "how one is done" in page


def test_two_machines_are_told_apart(parts):
    table, texts = parts["bench_table"], {"one": ("One", "how"), "two": ("Two", "how"), "three": ("Three", "how")}
    kept = table.merged({"sections": {}}, "one", [line(parts, [1.0])], "2026-01-01T00:00", MACHINE)
    other = {**MACHINE, "gpus": ["an L4"], "load": 3.0}
    kept = table.merged(kept, "two", [line(parts, [1.0])], "2026-01-02T00:00", other)
    kept = table.merged(kept, "three", [line(parts, [1.0])], "2026-01-03T00:00", {**MACHINE, "load": 9.0})
    page = table.render(kept["sections"], texts)
    assert "M1, 2026-01-01 |" in page and "M2, 2026-01-02 |" in page and "M1, 2026-01-03 |" in page
    assert "GPU: an L4" in page and "not run on a GPU |" not in page


def test_what_cannot_be_measured_is_left_out_and_told(planted, parts, capsys):
    found = {"one": BadInput("no run", mend="Make one."), "two": [line(parts, [1.0])]}
    code, _, kept = planted(found)
    assert (code, list(kept)) == (0, ["two"])
    assert "one is left out: no run. Make one." in capsys.readouterr().err
    assert planted(found, "one", "two")[0] == 2
    code, _, kept = planted({"one": [line(parts, [1.0])], "two": StageFailed("it broke")})
    assert (code, set(kept)) == (4, {"one", "two"})  # the earlier figures stay


@pytest.mark.parametrize("text", ["{", "[]", '{"sections": {"one": {"lines": [{"other": 1}]}}}'])
def test_a_file_of_something_else_is_not_overwritten(planted, parts, tmp_path, text):
    (tmp_path / "benchmarks.json").write_text(text)
    with pytest.raises(BadInput):
        parts["bench_table"].read(tmp_path / "benchmarks.json")
    assert parts["bench"].main(["import", "--output", str(tmp_path)]) == 2
    assert (tmp_path / "benchmarks.json").read_text() == text


@pytest.mark.parametrize("arguments", [["imports"], ["--repeats", "0"]])
def test_wrong_usage_is_2(parts, arguments):
    with pytest.raises(SystemExit) as left:
        parts["bench"].main(arguments)
    assert left.value.code == 2


def test_what_takes_long_only_comes_when_asked_for(parts):
    chosen, sections = parts["bench"].chosen, parts["bench"].SECTIONS
    assert "demo-run" not in chosen([], False) and chosen([], True) == list(sections)
    long = ["leaks", "watch", "bottleneck", "traces", "demo-run"]
    assert chosen(["shop"], False) == ["shop"] and chosen(["shop"], True) == ["shop", *long]


# The real ones, small


def test_the_shop_and_the_scorers_are_measured(parts, monkeypatch):
    library, scorers = parts["bench_library"], importlib.import_module("bench_scores")
    monkeypatch.setattr(library, "ORDERS", {"small": 300, "full": 100})
    monkeypatch.setattr(scorers, "ORDERS", 300)
    monkeypatch.setattr(scorers, "SCORED_ROWS", 10)
    monkeypatch.setattr(scorers, "MATH_ROWS", 6)
    monkeypatch.setattr(scorers, "NEW_QUERIES", 20)
    lines = [*library.shops(1), *scorers.scores(2)]
    assert [one.what for one in lines[4:9]] == ["extraction", "sql_qa", "push", "insights", "math"]
    assert len(lines) == 11 and "endless" in lines[10].what
    assert all(value > 0 for one in lines for value in (*one.values, *one.baseline_values))


def test_generation_is_measured_against_the_plain_one(parts, monkeypatch):
    generation = importlib.import_module("bench_generation")
    monkeypatch.setattr(generation, "BATCHES", (4, 8))
    monkeypatch.setattr(generation, "NEW_TOKENS", 4)
    lines = generation.generating(1)
    assert [len(one.compared()) for one in lines] == [1, 1] and all(one.compared()[0] > 0 for one in lines)
    assert (generation.length([5, 2, 0, 0], 2), generation.length([5, 4], 2)) == (2, 2)


def test_this_machine_is_described(parts):
    found = parts["bench_lines"].machine()
    assert set(found) == set(MACHINE) and found["cores"] >= 1 and Path(parts["bench_lines"].caderno_command()).exists()
