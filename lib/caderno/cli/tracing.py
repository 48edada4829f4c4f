"""The command `traces`: the health of abstract traces from anywhere, as a table of measures and of verdicts.

`caderno.abstract` reads and measures, `caderno.guards` judges; this only reads arguments and prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from caderno.cli import verdict_table
from caderno.errors import BadInput, GuardRefused


def traces(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSONL: `trace`, and if known `id`, `prompt`, `seed`.")],
    null: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Traces of a training with random reward; repeatable.")
    ] = None,
    codes: Annotated[int | None, typer.Option(min=1, help="M, the size of the codebook; none: the codes met.")] = None,
    min_codes: Annotated[int | None, typer.Option(min=0, help="Fewest codes a trace may have.")] = None,
    max_codes: Annotated[int | None, typer.Option(min=1, help="Codes after which END is forced.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="Of the sampler; 0 is greedy.")] = None,
    drop: Annotated[
        list[str] | None, typer.Option(metavar="TOKEN", help="A delimiter to leave out of every trace; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated nulls and the sampled pairs.")] = 0,
    panel: Annotated[str | None, typer.Option(metavar="PNG", help="Also draw the measures into this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the health of abstract traces: how many differ, how long, which codes, by position, by prompt, by seed.

    Exit: 0 no guard fails, 2 bad input, 3 a guard fails.
    """
    from caderno import guards
    from caderno.abstract import health
    from caderno.abstract.health_reading import read
    from caderno.guards import after_traces

    if min_codes is not None and max_codes is not None and min_codes > max_codes:
        raise BadInput(f"--min-codes {min_codes}", expected=f"at most --max-codes {max_codes}", where="traces")
    found = read(file, drop or [])
    nulls = {name: read(name, drop or []).traces for name in null or []}
    spec = {"codes": codes, "min_codes": min_codes, "max_codes": max_codes, "temperature": temperature}
    measures = health.measures(
        found.traces, prompts=found.prompts, seeds=found.seeds, spec=spec, nulls=nulls, seed=seed
    )
    verdicts = guards.judge(after_traces.NAMES, {"traces": measures})
    verdicts.sort(key=lambda one: guards.SEVERITY.index(one.verdict))
    if panel:
        _draw(measures, panel)
    if as_json:
        rows = [one.as_dict() for one in verdicts]
        print(json.dumps({"measures": measures, "guards": rows}, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(file, measures)
        verdict_table.show(f"{file}: {measures['n']:,} traces", verdicts)
    if refused := guards.stops(verdicts, ("fail",)):
        names = ", ".join(one.guard for one in refused)
        raise GuardRefused(f"these traces fail {names}", where=file, mend="Each verdict says why.")


def _draw(measures: Mapping[str, Any], path: str) -> None:
    """Save the panel. Raises BadInput where the file cannot be written as a picture."""
    from caderno.plots import abstract

    try:
        abstract.panel(measures).savefig(path)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"cannot be written ({error})", expected="a file ending in .png, .svg or .pdf", where=str(Path(path)),
            mend="Check the directory and the ending.",
        ) from error  # fmt: skip


def _show(file: str, measures: Mapping[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    view = Table("measure", "value", title=Text(file), box=box.SIMPLE_HEAD)
    for name, value in lines(measures):
        view.add_row(name, Text(value))
    Console(highlight=False, emoji=False).print(view)


def lines(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(measure, value) in words, as people read them."""
    of = f" of {measures['prompts']:,} prompts" if measures["prompts"] else ", prompts not known"
    yield "traces", f"{measures['n']:,}{of}; {measures['empty']:,} empty; {measures['tokens']:,} codes in all"
    yield from _unique_lines(measures["unique"])
    length = measures["length"]
    quartiles = f"{length['min']} | {length['p25']:g} {length['median']:g} {length['p75']:g} | {length['max']}"
    ends = f"{length['share_at_max']:.1%} are as long as any"
    yield "length, codes", f"mean {length['mean']:.1f}, sd {length['sd']:.1f}; {quartiles}; {ends}"
    if measures["tokens"]:
        yield from _code_lines(measures)
    yield from _likeness_lines(measures)
    if seeds := measures["seeds"]:
        told = f"{seeds['distinct']:,} for {seeds['requests']:,} requests"
        yield "seeds", f"{told}; the commonest serves {seeds['commonest_share']:.1%}"


def _unique_lines(unique: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    first = unique["first"]
    text = f"{first['share']:.1%} of {first['n']:,} {first['of']} ({first['count']:,} different)"
    new = first["next_is_new"]
    yield "unique", f"{text}; uniform codes of these lengths: {first['uniform_share']:.1%}"
    yield "  a next one is new", _interval(new, "{:.1%}")
    most = unique["most_frequent"]
    shown = " ".join(map(str, most["trace"][:12])) + (" ..." if most["length"] > 12 else "")
    yield "  most frequent", f"{most['share']:.1%}: {shown or '(empty)'}"


def _code_lines(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    entropy, book, curve = measures["entropy"], measures["codebook"], measures["rank_frequency"]
    most = f"{entropy['codebook_bits']:.2f}" + ("" if book["size"] else " (the codes met)")
    yield "entropy, bits per code", f"{_interval(entropy, '{:.2f}')}; at most {most}"
    met = f"{book['seen']} of {book['size']}" if book["size"] else f"{book['seen']}"
    top = ", ".join(f"{one['token']} {one['share']:.1%}" for one in book["top"][:4])
    yield "codes met", f"{met}, as even as {book['effective']:.1f}; {top}"
    slope = "" if curve["slope"] is None else f"slope {curve['slope']:.2f}"
    for name in ("uniform", "drift"):
        if curve[name] and curve[name]["slope"]:
            low, high = curve[name]["slope"]
            slope += f"; {name} alone {low:.2f} to {high:.2f}"
    yield "rank and frequency", slope or "too few codes for a slope"
    yield "  reads as", curve["reading"]
    places = measures["positions"]
    shown = [places[i] for i in sorted({0, len(places) // 2, len(places) - 1})]
    bits = ", ".join(f"{one['position']}: {one['bits']:.2f} (n = {one['n']:,})" for one in shown)
    yield "bits at position", bits
    yield "common beginning", f"{measures['prefix']['length']} codes"


def _likeness_lines(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    likeness, shared = measures["likeness"], measures["mutual_information"]
    if between := likeness["between"]:
        text = f"{_interval(between, '{:.3f}')}, {between['n']:,} pairs of different {likeness['of']}"
        yield "alike (edits)", f"{text}; neighbouring codes (Jaccard) {likeness['between_jaccard']:.3f}"
    if within := likeness["within"]:
        yield "  of one prompt", f"{_interval(within, '{:.3f}')}, {within['n']} prompts, p {within['p']:.4f}"
    if shared:
        for name, one in (("trace", shared["trace"]), ("first code", shared["first_code"])):
            told = f"{one['excess_bits']:.2f} more than with shuffled prompts, p {one['p']:.3f}"
            saturated = one.get("saturated", False)
            yield f"bits, prompt and {name}", "every trace differs: nothing can be told" if saturated else told


def _interval(one: Mapping[str, Any], form: str) -> str:
    """ "0.12 (0.10 to 0.14)", or why there is no interval."""
    value = one.get("value", one.get("bits"))
    if one["low"] is None:
        return f"{form.format(value)} (no interval)"
    return f"{form.format(value)} ({form.format(one['low'])} to {form.format(one['high'])})"
