"""What a person sees while stages run: a live table on a terminal, printed lines elsewhere.

Both only read the run's files; neither is needed for the run.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from caderno.params.sections import Params
from caderno.pipeline.progress import StageRow, stage_rows

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES = {"passed": "green", "running": "cyan", "failed": "red", "gated": "magenta", "interrupted": "yellow"}
POLL_S = 0.5


class View(Protocol):
    """What the runner needs of a view."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def note(self, text: str) -> None:
        """One event in one line."""


def choose(run_dir: Path, params: Params, console: Console | None = None) -> View:
    """The live table where the console is a terminal, else lines."""
    from rich.console import Console

    console = console or Console()
    return LiveView(run_dir, params, console) if console.is_terminal else LineView(run_dir, params, console)


class LiveView:
    """A table that is drawn again twice a second, with the last event under it."""

    def __init__(self, run_dir: Path, params: Params, console: Console):
        from rich.live import Live

        self._run_dir, self._params, self._note = run_dir, params, ""
        # Output of libraries goes above the table, not through it: Live's redirection does that.
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=1 / POLL_S)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        self._note = text

    def _draw(self) -> Table:
        view = table(str(self._run_dir), stage_rows(self._run_dir, self._params))
        view.caption = self._note
        return view


class LineView:
    """One line an event and one line every tenth of a stage's steps."""

    def __init__(self, run_dir: Path, params: Params, console: Console):
        self._run_dir, self._params, self._console = run_dir, params, console
        self._told: dict[str, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def note(self, text: str) -> None:
        # Not Console.print: it would wrap a long path at 80 columns, and nobody could grep for it.
        print(text, file=self._console.file, flush=True)

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            for row in stage_rows(self._run_dir, self._params):
                self._tell(row)

    def _tell(self, row: StageRow) -> None:
        """Says how far a running stage is, when it has come a tenth further."""
        every = max(1, (row.total or 100) // 10)
        if row.state != "running" or row.step is None or row.step // every == self._told.get(row.stage, 0):
            return
        self._told[row.stage] = row.step // every
        reward = "" if row.reward is None else f"  reward {row.reward:.3f}"
        loss = "" if row.loss is None else f"  loss {row.loss:.4f}"
        self.note(f"{row.stage}: step {steps(row)}{reward}{loss}  {clock(row.elapsed_s)}, {clock(row.eta_s)} to go")


def table(title: str, rows: list[StageRow]) -> Table:
    """The stages of a run as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    columns = ("stage", "state", "step", "elapsed", "to go", "reward", "loss", "try")
    # Light lines: the whole table, names uncut, fits the 80 columns of a plain terminal.
    view = Table(*columns, title=escape(title), title_justify="left", caption_justify="left", box=SIMPLE_HEAD,
                 padding=(0, 1), pad_edge=False)  # fmt: skip
    view.columns[0].no_wrap = True
    for row in rows:
        style = STYLES.get(row.state)
        view.add_row(
            row.stage,
            f"[{style}]{row.state}[/]" if style else row.state,
            steps(row),
            clock(row.elapsed_s),
            clock(row.eta_s),
            _figure(row.reward, 3),
            _figure(row.loss, 4),
            str(row.attempt or ""),
        )
    return view


def steps(row: StageRow) -> str:
    """'12/60', '12' where the total is not known, '' where no step has been logged."""
    if row.step is None:
        return ""
    return f"{row.step}/{row.total}" if row.total else str(row.step)


def clock(seconds: float | None) -> str:
    """Seconds as m:ss or h:mm:ss; '–' where not known."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
