"""A shop as a read-only DuckDB file: what a worker opens, written once per shop and process and removed with either.

It writes our own tables and runs no query of anybody's. A process that is killed leaves its files, caderno-sql-*, in
the temporary directory.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
import weakref
from multiprocessing import util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caderno.shop import Shop

BLOCK_BYTES = 16384  # DuckDB's smallest: a shop of a few hundred orders is then a small file

_lock = threading.Lock()
_files: weakref.WeakKeyDictionary[Shop, Path] = weakref.WeakKeyDictionary()
_directory: Path | None = None
_numbers = itertools.count()


def database_file(shop: Shop) -> Path:
    """The shop's tables as a DuckDB file that nobody writes to any more. No path is ever used for two shops."""
    with _lock:
        if shop not in _files:
            path = _own_directory() / f"{next(_numbers)}.duckdb"
            _write(shop, path)
            _files[shop] = path
            weakref.finalize(shop, _remove, path, os.getpid())
        return _files[shop]


def _write(shop: Shop, path: Path) -> None:
    link = shop.connect()
    try:
        link.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS written (BLOCK_SIZE {BLOCK_BYTES})")
        link.execute("COPY FROM DATABASE memory TO written")
        link.execute("DETACH written")
    finally:
        link.close()
    path.chmod(0o444)


def _own_directory() -> Path:
    global _directory
    if _directory is None:
        _directory = Path(tempfile.mkdtemp(prefix="caderno-sql-"))
        # Not atexit, which the processes of multiprocessing leave out.
        util.Finalize(None, _remove, args=(_directory, os.getpid()), exitpriority=0)
    return _directory


def _remove(path: Path, owner: int) -> None:
    if os.getpid() != owner:  # a fork ends without taking its parent's files along
        return
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _after_fork() -> None:
    """A fork writes files of its own: the parent's go when the parent does."""
    global _lock, _files, _directory
    _lock, _files, _directory = threading.Lock(), weakref.WeakKeyDictionary(), None


os.register_at_fork(after_in_child=_after_fork)
