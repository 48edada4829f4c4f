"""How the answers of compare, estimate, advise and budget look in a terminal: short tables and sentences.

It rounds and lays out; JSON has every figure in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NONE = "–"


def comparison(found: Mapping[str, Any]) -> None:
    """Verdict first, then what differs, the figures, and what was left out."""
    before, after = found["before"], found["after"]
    who = f"{_side(after)} against {_side(before)}, {found['shared']:,} prompts in common"
    if found["comparable"]:
        print(f"comparable: {who}")
    else:
        print(f"NOT COMPARABLE: {who}; the evaluations differ in")
        for line in found["differs"]:
            print(f"  {line['what']}: {line['before']} | {line['after']}")
    if found["unknown"]:
        print(f"not known: {'; '.join(found['unknown'])}")
    if found["results"]:
        print(
            f"\ndifferences are B - A with {found['confidence']:.0%} intervals; p: Holm over the tasks; seen: the least"
        )
        print("difference that this n finds with 80 % power")
    for temperature in dict.fromkeys(row["temperature"] for row in found["results"]):
        _results([row for row in found["results"] if row["temperature"] == temperature], temperature)
    _parameters(found["parameters"])
    for note in found["notes"]:
        print(f"- {note}")


def _side(side: Mapping[str, Any]) -> str:
    return f"{side['name']} ({side['arm']})" if side["arm"] else side["name"]


def _results(rows: list[Mapping[str, Any]], temperature: float | None) -> None:
    """One table a temperature: two measures a task."""
    at = "" if temperature is None else f"temperature {temperature:g}"
    table = _table(at, ("task", "", "n", "A", "B", "difference", "p", "seen", "reading"))
    for row in rows:
        for measure in ("score", "correct"):
            if (one := row[measure]) is not None:
                p = one["p"] if one["p_holm"] is None else one["p_holm"]
                table.add_row(
                    row["task"] if measure == "score" else "", measure, f"{one['n']:,}", _share(one["before"]),
                    _share(one["after"]), _difference(one), _p(p), _share(one["detectable"]), one["reading"],
                )  # fmt: skip
    _show(table)


def _parameters(rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    if rows:
        table = _table(f"{len(rows)} parameters differ", ("parameter", "A", "B"))
        for row in rows:
            table.add_row(row["parameter"], str(row["before"]), str(row["after"]))
        _show(table)


def forecast(found: Mapping[str, Any]) -> None:
    """The range in hours, what it is and is not."""
    span = f"{_time(found['low_s'])} to {_time(found['high_s'])}"
    if found["verdict"] == "estimate":
        print(f"{found['steps']:,} steps: {span} (middle {_time(found['middle_s'])})")
    else:
        print(f"{found['verdict']}: {found['steps']:,} steps may take {span}")
    if found["low_usd"] is not None:
        print(f"cost: {_usd(found['low_usd'])} to {_usd(found['high_usd'])} USD")
    print(f"- {found['why']}")
    print(f"- {found['method']}; seconds: {found['seconds_from']}")
    print(f"- {found['warm_up']}")
    if line := found["regression"]:
        used = "used" if line["used"] else "not used: it explains less than half"
        print(
            f"- {line['fixed_s']:.3g} s + {1000 * line['per_token_s']:.3g} s [{1000 * line['low']:.3g}, "
            f"{1000 * line['high']:.3g}] per 1,000 {line['tokens_are']}, R² {line['r2']:.2f}, n = {line['n']} ({used})"
        )
    if found["steps_wanted"]:
        print(f"- about {found['steps_wanted']:,} probe steps would bring the ends within a factor of 1.5")
    print("- steps to come are taken to be like the probe's: longer completions, or a slow kind of step that the probe")
    print("  did not meet, are not in it; nor are start-up, and stages before and after")


def advice(found: Mapping[str, Any]) -> None:
    """The model, the range of rates with every source, the adapter, the batch, steps and memory."""
    from caderno.advice.rates import shown

    model, rate = found["model"], found["learning_rate"]
    print(f"{model['name']}: {model['family']}, hidden {model['hidden_size']}, {model['layers']} layers, "
          f"{model['heads']} heads ({model['kv_heads']} kv), vocabulary {model['vocab_size']:,}, "
          f"{_count(model['parameters'])} parameters")  # fmt: skip
    print(f"- {'tied' if model['tied'] else 'not tied'}: {model['tied_means']}")
    print(f"- spare rows: {NONE if model['spare_rows'] is None else model['spare_rows']} ({model['spare_rows_means']})")
    print(f"- tensor parallel over {', '.join(map(str, model['tensor_parallel_sizes']))} GPUs")
    print(f"\nlearning rate, {found['task']} by {found['method']}: {shown(rate['low'])} to {shown(rate['high'])}")
    for one in rate["rates"]:
        span = " to ".join(dict.fromkeys(map(shown, (one["low"], one["high"]))))
        remark = f" ({one['remark']})" if one["remark"] else ""
        print(f"  {'in the range ' if one['counted'] else 'left out     '} {span}: {one['source']}{remark}")
    for warning in rate["warnings"]:
        print(f"- {warning}")
    _adapter(found)
    _batch(found["batch"], found["steps"])
    _memory(found["memory"])


def _adapter(found: Mapping[str, Any]) -> None:
    if lora := found["lora"]:
        print(f"\nadapter: rank {lora['rank']}, alpha {lora['alpha']}, {lora['targets']}, "
              f"{_count(lora['parameters'])} parameters")  # fmt: skip
        for key in ("rank_reason", "alpha_reason", "targets_reason"):
            print(f"- {lora[key]}")
    else:
        print(f"\nevery weight is trained: {_count(found['trainable_parameters'])} parameters")


def _batch(batch: Mapping[str, Any], steps: Mapping[str, Any]) -> None:
    if "rows" in batch:
        print(f"\nbatch: {batch['rows']} rows a step")
    else:
        print(f"\nbatch: {batch['prompts_per_step']} prompts x {batch['group_size']} completions a step")
    print(f"- {batch['reason']}")
    print(f"steps for one pass: {NONE if steps['one_pass'] is None else format(steps['one_pass'], ',')}")
    print(f"- {steps['reason']}")


def _memory(memory: Mapping[str, Any]) -> None:
    if memory["total_gib"] is None:
        print("\nmemory: not known, since the parameters of this family are not counted")
    else:
        print(f"\nmemory: {memory['total_gib']:.3g} GiB = {memory['weights_gib']:.3g} weights "
              f"+ {memory['training_gib']:.3g} training ({memory['dtype']})")  # fmt: skip
    print(f"- {memory['formula']}")
    print(f"- KV cache {memory['kv_cache_mib_per_1k_tokens']:,} MiB ({memory['kv_cache_formula']})")
    print(f"- logits {memory['logits_mib_per_1k_tokens']:,} MiB ({memory['logits_formula']})")
    print(f"- not in it: {memory['left_out']}")


def budget(found: Mapping[str, Any]) -> None:
    """Verdict and reason, repeats, a reference."""
    verdict = {"fail": "TOO FEW", "pass": "enough", "not_applicable": "not applicable"}[found["verdict"]]
    print(f"{verdict}: {found['why']}")
    print(f"- repeats: {found['repeats_verdict']}; {found['repeats_why']}")
    print(f"- seen in all: {found['seen_tokens']:,.0f} tokens, worth {found['effective_tokens']:,.0f} different ones")
    print(f"- {found['reference']}")
    if found["note"]:
        print(f"- {found['note']}")


def _table(title: str, columns: tuple[str, ...]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right" if column in ("n", "A", "B", "p", "seen") else "left")
    return table


def _show(table: Any) -> None:
    """As wide as it needs to be where the output is no terminal: a file has no edge."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _p(p: float | None) -> str:
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _difference(one: Mapping[str, Any]) -> str:
    head = f"{one['difference']:+.3f}"
    return head if one["low"] is None else f"{head} [{one['low']:+.3f}, {one['high']:+.3f}]"


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value >= 1 else f"{value:.3g}"


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _time(seconds: float) -> str:
    """42 s, 8.5 min, 25 h."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.{0 if seconds / size >= 100 else 1}f} {unit}"
    return f"{seconds:.1f} s"
