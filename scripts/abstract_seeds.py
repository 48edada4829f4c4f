"""One page for several training seeds of an abstract chain-of-thought run: a table over seeds and a picture.

`abstract_seeds.py RUN RUN ... --output docs/checkpoints/NAME` writes NAME.md, NAME/accuracy-tokens.png and, from which
every figure of the page comes, NAME/seeds.json. Text by people between the page's markers is kept.
Exit codes: 0 done, 2 runs that are not seeds of one parameter file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from caderno import params, plots, runs, stats
from caderno.errors import BadInput, CadernoError
from caderno.runs.paths import run_path
from caderno.writeup import abstracted, images, people, words

KEPT = ("arm", "kind", "steps", "warm_steps", "accuracy", "tokens_c", "tokens_z", "tokens_y", "paired_with", "paired")


def read(run: Path) -> dict[str, Any]:
    """A run's result, its parameters without the seed, and where it came from."""
    stage = runs.stage_directory(run, "abstract_cot")
    result = runs.read_json(stage / "result.json", None)
    if result is None or runs.read_status(stage)["state"] != "passed":
        raise BadInput("no passed stage abstract_cot", expected="a run whose arms are all judged", where=str(run))
    spec = params.load(run / "params.yaml").model_dump(mode="json", exclude={"name", "seed"})
    opening = runs.read_json(run / "run.json")["openings"][-1]
    return {"run": run.name, "result": result, "spec": spec, "opening": opening}


def same(found: list[dict[str, Any]]) -> None:
    """Seeds of one parameter file, each once."""
    seeds = [one["result"]["seed"] for one in found]
    other = [one["run"] for one in found if one["spec"] != found[0]["spec"]]
    if other or len(set(seeds)) < len(seeds):
        got = f"runs with other parameters: {', '.join(other)}" if other else f"seeds {seeds}"
        raise BadInput(got, expected="one parameter file, every seed once", where="abstract_seeds")


def figures(found: list[dict[str, Any]]) -> dict[str, Any]:
    """By arm: every seed's line, the mean over seeds with its interval, and the paired differences over seeds."""
    lines: dict[str, list[dict]] = {}
    for one in found:
        for line in one["result"]["arms"]:
            own = {key: line[key] for key in KEPT if key in line}
            random = [i["accuracy"] for i in line.get("interventions", []) if i["name"] == "randomised"]
            lines.setdefault(line["arm"], []).append(own | {"random_z": random[0] if random else None})
    seeds = [one["result"]["seed"] for one in found]
    arms = {arm: {"seeds": mine, **_over(mine, seeds)} for arm, mine in lines.items()}
    return {
        "runs": [one["run"] for one in found], "seeds": seeds, "chance": [one["result"]["chance"] for one in found],
        "test_rows": found[0]["result"]["test_rows"], "hardware": _machines(found), "arms": arms,
    }  # fmt: skip


def _machines(found: list[dict[str, Any]]) -> str:
    """The processors and GPUs of all runs."""
    named = [one["opening"]["hardware"] for one in found]
    told = {", ".join([f"{one['cpu']}, {one['cores']} cores", *map(str, one["gpus"])]) for one in named}
    return "; ".join(sorted(told))


def _over(mine: list[dict], seeds: list[int]) -> dict[str, Any]:
    def mean(values: list[float]) -> dict[str, Any]:
        found = stats.over_seeds(values, seeds).mean
        return {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "method": found.method}

    pairs = [line["paired"]["difference"] for line in mine if "paired" in line]
    told = {"accuracy": mean([line["accuracy"]["value"] for line in mine])}
    told |= {key: sum(line[key] for line in mine) / len(mine) for key in ("tokens_c", "tokens_z", "tokens_y")}
    return told | ({"difference": mean(pairs), "against": mine[0]["paired_with"]} if len(pairs) == len(seeds) else {})


def table(found: dict[str, Any]) -> words.Table:
    """Arms by row, seeds by column."""
    columns = ("Arm", *(f">Seed {seed}" for seed in found["seeds"]), ">Mean over seeds", ">Tokens", ">Steps")
    columns += (">Random z", "Against", ">Difference over seeds")
    note = (
        f"Shares of {found['test_rows']:,} held-out expressions answered rightly, another set for each seed; intervals "
        f"are Student's t over {len(found['seeds'])} seeds, 95 %. Tokens: thought, trace and answer, mean. Random z: "
        "with random codes in place of the trace, mean over seeds."
    )
    return words.Table(columns, [_row(arm, one) for arm, one in found["arms"].items()], "`seeds.json`", note)


def _row(arm: str, one: dict[str, Any]) -> tuple[str, ...]:
    tokens = one["tokens_c"] + one["tokens_z"] + one["tokens_y"]
    steps = sorted({line["steps"] + line["warm_steps"] for line in one["seeds"]})
    random = [line["random_z"] for line in one["seeds"]]
    gap = ("", "")
    if "difference" in one:
        difference = one["difference"] | {"difference": one["difference"]["value"]}
        gap = (words.code(one["against"]), words.difference(difference))
    return (
        words.code(arm), *(f"{line['accuracy']['value']:.3f}" for line in one["seeds"]),
        words.estimate(one["accuracy"], n=False), f"{tokens:.1f}",
        f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,}–{steps[-1]:,}",
        words.NONE if None in random else f"{sum(random) / len(random):.3f}", *gap,
    )  # fmt: skip


def points(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Arms for the picture, seeds as rings."""
    return [
        {
            "name": arm, "accuracy": one["accuracy"]["value"], "low": None, "high": None, "n": found["test_rows"],
            "tokens_z": one["tokens_c"] + one["tokens_z"], "tokens_y": one["tokens_y"],
            "seeds": [line["accuracy"]["value"] for line in one["seeds"]],
        }
        for arm, one in found["arms"].items()
    ]  # fmt: skip


def page(found: dict[str, Any], name: str, kept: dict[str, str]) -> str:
    """The Markdown."""
    caveats = abstracted.caveats(found["arms"])
    title = f"# {name.replace('-', ' ')}: {len(found['seeds'])} training seeds"
    picture = f"![Accuracy of every arm against its tokens, seeds as rings]({name}/accuracy-tokens.png)"
    named = " ".join(f"runs/{one}" for one in found["runs"])
    command = f"python scripts/abstract_seeds.py {named} --output docs/checkpoints/{name}"
    parts = [
        title, people.block("context", kept["context"]), picture, str(table(found)), caveats,
        f"Made by `{command}` from the runs' `50-abstract-cot/result.json`; machine: {found['hardware']}.",
        *(people.block(name, kept[name]) for name in ("decisions", "next")), people.mark(kept),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="+", help="directories, such as runs/arithmetic-0")
    parser.add_argument("--output", type=Path, required=True, help="the page without .md")
    asked = parser.parse_args(arguments)
    try:
        found = [read(run_path(one)) for one in asked.runs]
        same(found)
        told, place = figures(found), asked.output.with_suffix(".md")
        kept = people.gather([place])
        asked.output.mkdir(parents=True, exist_ok=True)
        picture = plots.accuracy_tokens(points(told), chance=told["chance"][0])
        (asked.output / "accuracy-tokens.png").write_bytes(images.png(picture))
        runs.write_json(asked.output / "seeds.json", told)
        runs.write_text(place, page(told, asked.output.name, kept))
    except CadernoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps({arm: one["accuracy"]["value"] for arm, one in told["arms"].items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
