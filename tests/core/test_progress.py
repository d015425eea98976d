"""What progress shows: lines far apart, one line per finished phase, figures as people write them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from autofi.core.progress import RichProgress, SilentProgress, describe_figures
from autofi.core.units import describe_seconds


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def written(*, terminal: bool, clock: Clock) -> tuple[RichProgress, io.StringIO]:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=120, color_system=None)
    return RichProgress(console=console, every=10.0, clock=clock), screen


def test_without_a_terminal_lines_are_at_least_the_pause_apart() -> None:
    clock = Clock()
    progress, screen = written(terminal=False, clock=clock)
    with progress:
        progress.phase("train", 100)
        for _ in range(100):
            clock.now += 1.0
            progress.advance(1, epoch=2)
    lines = screen.getvalue().splitlines()
    assert lines[0] == "train: 10/100, 10.0 s, about 1 min 30 s left, epoch 2"
    assert lines[-1] == "train: done in 1 min 40 s (epoch 2)"
    assert len(lines) == 100 // 10 + 1


def test_a_phase_ends_when_the_next_begins() -> None:
    clock = Clock()
    progress, screen = written(terminal=False, clock=clock)
    with progress:
        progress.phase("encode")
        clock.now = 3.0
        progress.phase("search", 5)
        progress.note("trial 3 [kept]")
    assert screen.getvalue().splitlines() == [
        "encode: done in 3.0 s",
        "trial 3 [kept]",
        "search: done in 0.0 s",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_work_that_fails_is_not_called_done(terminal: bool) -> None:
    progress, screen = written(terminal=terminal, clock=Clock())
    progress.phase("search", 5)
    with pytest.raises(KeyboardInterrupt), progress:
        raise KeyboardInterrupt
    assert "done" not in screen.getvalue()


def test_a_terminal_shows_phase_count_and_figures() -> None:
    clock = Clock()
    progress, screen = written(terminal=True, clock=clock)
    with progress:
        progress.phase("search", 8)
        clock.now = 1.0
        progress.advance(3, best=0.78123, rows_per_second=81_000.0)
    shown = screen.getvalue()
    assert "3/8" in shown
    assert "best 0.7812, 81,000 rows/s" in shown


def test_silent_progress_takes_the_same_calls(capsys: pytest.CaptureFixture[str]) -> None:
    progress = SilentProgress()
    progress.phase("encode", 3)
    progress.advance(2, epoch=1)
    progress.note("kept")
    assert capsys.readouterr() == ("", "")


def test_figures_and_seconds_read_as_people_write_them() -> None:
    figures = describe_figures({"epoch": 3, "rows_per_second": 81_000.4, "best": 0.5, "model": "fm"})
    assert figures == "epoch 3, 81,000 rows/s, best 0.5000, model fm"
    assert [describe_seconds(s) for s in (4.21, 65, 7380)] == ["4.2 s", "1 min 05 s", "2 h 03 min"]
