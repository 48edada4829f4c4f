"""Reads records from Arrow columns: Parquet files, and data sets of the `datasets` library from disk or from the hub.

Batches are read one after the other. A data set of several splits gives all of them, each record with its split's
name; one that is named alone is given as it is, for it may be meant to be divided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from caderno.data.delimited import parsed
from caderno.data.reading import JSON_COLUMNS, Broken, Records
from caderno.errors import BadInput
from caderno.runs.paths import HUB_NAME

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

BATCH_ROWS = 1024
SPLIT_NAMES = {"train": "train", "validation": "heldout", "valid": "heldout", "dev": "heldout", "heldout": "heldout"}
SPLIT_NAMES |= {"test": "test"}


def parquet(path: str) -> Records:
    """The rows of a Parquet file, a batch at a time."""
    import pyarrow
    from pyarrow import parquet as files

    try:
        with files.ParquetFile(path) as file:
            yield from enumerate(_rows(batch.to_pylist() for batch in file.iter_batches(BATCH_ROWS)), 1)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(
            f"cannot be read ({error})", expected="a Parquet file", where=path, mend="Copy or write it again."
        ) from error


def saved(path: str) -> Records:
    """The rows of a directory that `save_to_disk` wrote."""
    from datasets import load_from_disk

    try:
        found = load_from_disk(path)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"cannot be read ({error})", expected="a directory of save_to_disk", where=path, mend="Save it again."
        ) from error
    return enumerate(_of_splits(found, path), 1)


def hub(name: str) -> Records:
    """The rows of `owner/name[@revision][:config][:split]`, from the hub or its cache."""
    return enumerate(_of_splits(_loaded(name), name), 1)


def _loaded(name: str) -> Dataset | DatasetDict:
    asked = HUB_NAME.fullmatch(name)
    assert asked, name
    _require_reach(asked["name"], asked["revision"], name)
    from datasets import load_dataset

    try:
        return load_dataset(
            asked["name"], asked["config"] or None, split=asked["split"] or None, revision=asked["revision"]
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise _refused(name, error) from error


def _require_reach(name: str, revision: str | None, where: str) -> None:
    """One quick question to the hub: `load_dataset` would retry for half a minute where there is no network."""
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        HfApi().dataset_info(name, revision=revision, timeout=10)
    except OfflineModeIsEnabled:
        return  # HF_HUB_OFFLINE is set: the cache is asked, and answers at once
    except (HFValidationError, HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise _refused(where, error) from error


def _refused(name: str, error: Exception) -> BadInput:
    return BadInput(
        f"no such file here, and the hub gives no such data set ({str(error).strip().splitlines()[0].rstrip('.')})",
        expected="a file, a directory, or owner/name[@revision][:config][:split] that is cached or within reach",
        where=name,
        mend="Check the spelling. Without a network: download it elsewhere and give the file; with the cache filled, "
        "set HF_HUB_OFFLINE=1.",
    )


def _of_splits(found: Dataset | DatasetDict, where: str) -> Iterator[dict]:
    if not hasattr(found, "values"):
        yield from _of_one(found)
        return
    unknown = [name for name in found if name not in SPLIT_NAMES]
    if unknown:
        raise BadInput(
            f"a split {unknown[0]!r}", expected=f"splits named {', '.join(SPLIT_NAMES)}", where=where,
            mend="Name the one split to read: owner/name:config:split.",
        )  # fmt: skip
    for name, part in found.items():
        for row in _of_one(part):
            yield {"split": SPLIT_NAMES[name], **row}


def _of_one(part: Dataset) -> Iterator[dict]:
    return _rows(table.to_pylist() for table in part.with_format("arrow").iter(BATCH_ROWS))


def _rows(batches: Iterable[list[dict[str, Any]]]) -> Iterator[dict]:
    return (row for batch in batches for row in batch)


def with_json(record: dict) -> dict:
    """The record with the JSON that stands as text in the columns of a row read."""
    return record | {name: parsed(record[name]) for name in JSON_COLUMNS if isinstance(record.get(name), str)}


def ambiguous_null(record: dict) -> Broken | None:
    """Arrow fills every struct up to the same fields: a null may be a fact, or a field that the row never had."""
    for key in ("facts", "shop"):
        if _holds_null(record.get(key)):
            return Broken(f"{key} is an Arrow struct with a null in it, which may mean absent", "write it as JSON text")
    return None


def _holds_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(inner is None or _holds_null(inner) for inner in value.values())
    return isinstance(value, list) and any(_holds_null(inner) for inner in value)
