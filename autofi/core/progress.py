"""Progress of long work, shown while a user waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from autofi.core.units import describe_seconds

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars, TaskID

Figure = float | int | str
REDRAW_SECONDS = 0.1


class Progress(Protocol):
    """The interface to which the library reports its progress.

    One phase runs at a time and ends when the next begins. Calls are cheap enough for one per batch. `advance` may be
    called from several threads, where trainings run side by side.
    """

    def phase(self, name: str, total: int | None = None) -> None:
        """Begin a phase of `total` steps (None: unknown)."""

    def advance(self, amount: int = 1, **figures: Figure) -> None:
        """Report `amount` more steps as done.

        Values such as `epoch=3, rows_per_second=81_000, best=0.78` stay on view until they are given again or the
        phase ends.
        """

    def note(self, text: str) -> None:
        """Show a line that stays on the screen, such as a finished trial or a fallback."""


class SilentProgress:
    """Progress that shows nothing: the default of the Python API."""

    def phase(self, name: str, total: int | None = None) -> None:
        return

    def advance(self, amount: int = 1, **figures: Figure) -> None:
        return

    def note(self, text: str) -> None:
        return


class RichProgress:
    """A progress bar per phase on standard error; without a terminal, a plain line every few seconds.

    Use it as a context manager: the cursor comes back and the last phase is closed however the work ends.

    Args:
        console: Where to write; standard error by default.
        every: Seconds between two lines where there is no terminal.
        clock: A clock in seconds.
    """

    def __init__(
        self,
        *,
        console: Console | None = None,
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Imported here, because every module of the library imports this one for its protocol.
        from rich.console import Console as RichConsole

        self._console = console if console is not None else RichConsole(stderr=True)
        self._live = self._console.is_terminal
        self._pause = REDRAW_SECONDS if self._live else every
        self._clock = clock
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._name: str | None = None
        self._total: int | None = None
        self._done = 0
        self._figures: dict[str, Figure] = {}
        self._began = self._shown = clock()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(finished=kind is None)

    def phase(self, name: str, total: int | None = None) -> None:
        self._close(finished=True)
        self._name, self._total, self._done, self._figures = name, total, 0, {}
        self._began = self._shown = self._clock()
        if self._live:
            self._bars = _bars(self._console)
            self._task = self._bars.add_task(name, total=total, figures="")
            self._bars.start()

    def advance(self, amount: int = 1, **figures: Figure) -> None:
        with self._lock:
            self._done += amount
            self._figures.update(figures)
            now = self._clock()
            if now - self._shown < self._pause:
                return
            self._shown = now
            if self._bars is not None and self._task is not None:
                self._bars.update(self._task, completed=self._done, figures=describe_figures(self._figures))
            elif not self._live:
                self._say(self._line(now - self._began))

    def note(self, text: str) -> None:
        self._say(text)

    def _line(self, elapsed: float) -> str:
        parts = [describe_seconds(elapsed)]
        if self._total:
            parts.insert(0, f"{self._done:,}/{self._total:,}")
            if 0 < self._done < self._total:
                left = elapsed * (self._total - self._done) / self._done
                parts.append(f"about {describe_seconds(left)} left")
        elif self._done:
            parts.insert(0, f"{self._done:,}")
        if self._figures:
            parts.append(describe_figures(self._figures))
        return f"{self._name}: {', '.join(parts)}"

    def _close(self, *, finished: bool) -> None:
        """End the running phase; a finished one leaves a line on the screen."""
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
                self._bars = self._task = None
            if self._name is not None and finished:
                tail = f" ({describe_figures(self._figures)})" if self._figures else ""
                self._say(f"{self._name}: done in {describe_seconds(self._clock() - self._began)}{tail}")
            self._name = None

    def _say(self, text: str) -> None:
        # The bars share this console, so a line printed to it appears above them.
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _bars(console: Console) -> Bars:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        console=console,
        transient=True,
    )


def describe_figures(figures: dict[str, Figure]) -> str:
    """Return a text such as `epoch 3, 81,000 rows/s, best 0.7812`: a name that ends in `_per_second` becomes a rate."""
    return ", ".join(_figure(name, value) for name, value in figures.items())


def _figure(name: str, value: Figure) -> str:
    if name.endswith("_per_second") and not isinstance(value, str):
        return f"{value:,.0f} {name.removesuffix('_per_second').replace('_', ' ')}/s"
    text = f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
    return f"{name.replace('_', ' ')} {text}"


def watch(progress: Progress) -> Callable[[int, float, float, float], None]:
    """Return a function that shows every evaluation of a training."""

    def show(number: int, valid_auc: float, valid_logloss: float, speed: float) -> None:
        progress.advance(0, evaluation=number, auc=round(valid_auc, 5), rows_per_second=int(speed))

    return show
