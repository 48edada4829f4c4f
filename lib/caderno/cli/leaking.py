"""The command `leaks`: does an evaluation row stand in a training set, or in any ancestor's.

`caderno.data.leaks` looks; this only reads arguments and prints what it found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

WHAT = "a file of rows, a run or a parameter file; :split takes one split of it"
LEAK = 3
KINDS = ("exact", "normalised", "entity", "ngram")
SAID = {
    "leak": "Leak: evaluation rows stand in a training set.",
    "unknown": "No leak in what could be looked through, but not every ancestor could: see above.",
    "review": "No leak. The n-gram hits above are for you to judge: a quotation, a set phrase, or a copy in part?",
    "clean": "No leak.",
}


def leaks(
    train: Annotated[str, typer.Argument(metavar="TRAIN", help=f"Training set: {WHAT}; its ancestors are followed.")],
    evals: Annotated[
        list[str] | None, typer.Argument(metavar="EVAL...", help=f"Evaluation sets: {WHAT}; none: those of the run.")
    ] = None,
    ancestor: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Another training set the weights have met; repeatable.")
    ] = None,
    ngram: Annotated[int, typer.Option(help="Words in an n-gram.")] = 8,
    min_share: Annotated[float, typer.Option(help="List rows of whose n-grams this share was met.")] = 0.1,
    common: Annotated[float, typer.Option(help="n-grams in more than this share of rows are boilerplate.")] = 0.01,
    pairs: Annotated[int, typer.Option(help="Most pairs to list of each kind.")] = 20,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="SIDE=NAME", help="Column for the prompt, completion or group: NAME+NAME|NAME."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look for evaluation rows in a training set and in every ancestor's.

    Exit: 0 no leak (n-gram hits are listed for review), 2 bad input, 3 a row stands there exactly, normalised, or by
    an entity.
    """
    from caderno.data import leaks as looking

    options = looking.Options(ngram, min_share, common, pairs, looking.columns_of(columns or []))
    found = looking.find(train, evals or [], ancestor or [], options)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found)
    if found["verdict"] == "leak":
        raise typer.Exit(LEAK)


def _show(found: Mapping[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False)  # a name may end in :train:
    console.print(_summary(found))
    for line in _remarks(found):
        console.print(line, markup=False)
    shown: list[dict[str, Any]] = []
    for entry in found["train"]:
        if entry["state"] != "scanned" or not (table := _pairs(entry)).row_count:
            continue
        hits = {kind: entry[kind]["pairs"] for kind in KINDS}
        if hits in shown:  # a child often has its parent's rows
            console.print(f"{entry['name']}: the same pairs as in a training set above.", markup=False)
        else:
            console.print(table)
            shown.append(hits)
    console.print(SAID[found["verdict"]], markup=False)


def _summary(found: Mapping[str, Any]) -> Table:
    """One line per training set and evaluation set: rows hit by kind."""
    from rich.table import Table
    from rich.text import Text

    view = Table("training set", "rows", "evaluation set", "rows", "exact", "normalised", "entity", _grams(found))
    for entry in found["train"]:
        name = Text(f"{entry['name']} ({entry['relation']})")
        if entry["state"] == "unknown":
            view.add_row(name, "unknown", *["–"] * 6)
            continue
        for place, one in enumerate(found["eval"]):
            hits = [_share(entry[kind]["by_set"][one["name"]], one["rows"]) for kind in KINDS]
            head = [name, f"{entry['rows']:,}"] if place == 0 else ["", ""]
            view.add_row(*head, Text(one["name"]), f"{one['rows']:,}", *hits)
    return view


def _grams(found: Mapping[str, Any]) -> str:
    return f"{found['ngram']}-gram, share >= {found['min_share']:g}"


def _share(rows: int, n: int) -> str:
    return f"{rows:,} ({rows / n:.2%})" if rows else "0"


def _remarks(found: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of the counts should know: rows not compared, ancestors not known, boilerplate put aside."""
    for one in found["eval"]:
        if one["empty"]:
            yield f"{one['name']}: {one['empty']:,} rows without text, compared by entity alone."
        if one["too_short"]:
            yield f"{one['name']}: {one['too_short']:,} rows have fewer than {found['ngram']} words and no n-gram."
    for entry in found["train"]:
        if entry["state"] == "unknown":
            yield f"Unknown: {entry['name']} ({entry['relation']}): {entry['why']}"
            continue
        if entry["empty"]:
            yield f"{entry['name']}: {entry['empty']:,} rows without text."
        idle, grams = entry["boilerplate"], entry["ngram"]
        if entry["normalised"]["same_completion"]:
            yield f"{entry['name']}: {entry['normalised']['same_completion']:,} rows have its completion as well."
        if grams["any"] > grams["rows"]:
            yield f"{entry['name']}: {grams['any'] - grams['rows']:,} more rows share some n-gram, below the share."
        if idle["ngrams"]:
            example = idle["examples"][0]
            yield (
                f"{entry['name']}: {idle['ngrams']:,} of {idle['of']:,} n-grams are boilerplate (in more than "
                f"{found['common']:.0%} of the rows of a side), {grams['only_boilerplate']:,} rows have no other; "
                f"for instance {example['text']!r}."
            )


def _pairs(entry: Mapping[str, Any]) -> Table:
    """The first pairs of each kind, with the text in common."""
    from rich.table import Table
    from rich.text import Text

    view = Table("kind", "evaluation row", "training row", "in rows", "share", "in common", title_justify="left")
    view.title = Text(f"{entry['name']}: first pairs")
    for kind in KINDS:
        for pair in entry[kind]["pairs"]:
            one, other = pair["eval"], pair["train"]
            share = f"{max(pair['shares'].values()):.0%}" if "shares" in pair else ""
            here = Text(f"{one['set']} {one['row']}" + (f" ({one['id']})" if one["id"] else ""))
            there = f"{other['row']}" + (f" ({other['id']})" if other["id"] else "")
            view.add_row(kind, here, Text(there), f"{other['rows']:,}", share, Text(pair["text"]))
    return view
