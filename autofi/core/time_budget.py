"""The time of a run, which all of its stages share."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from autofi.core.progress import Progress, SilentProgress


class OutOfTime(Exception):
    """A piece of work was given up, as it does not fit in its time."""


@dataclass(frozen=True)
class TimeBudget:
    """The time that a run, or one of its stages, may take; without a limit everything fits.

    Stages ask before they begin a piece of work, so that a run ends late by one piece at most. They say what they leave
    out or shorten, for the record of the run.

    Attributes:
        seconds: The limit; None for none.
        progress: Shows what the clock ended.
        begun: The start, in seconds of the monotonic clock.
        left_out: Names of the work that did not fit.
        cut: Names of the work that the clock ended.
    """

    seconds: float | None = None
    progress: Progress = field(default_factory=SilentProgress)
    begun: float = field(default_factory=time.monotonic)
    left_out: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    @property
    def spent(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self.begun

    @property
    def left(self) -> float:
        """The seconds until the end; infinite without a limit."""
        return math.inf if self.seconds is None else self.seconds - self.spent

    def fits(self, seconds: float) -> bool:
        """Return True if work of so many seconds would end in time; none fits when the time is up."""
        return self.left > 0 and self.left >= seconds

    def check(self, seconds: float) -> None:
        """Raise OutOfTime unless so many seconds fit."""
        if not self.fits(seconds):
            raise OutOfTime

    def share(self, part: float) -> TimeBudget:
        """Return the budget of a stage that may take a part of what is left."""
        seconds = None if self.seconds is None else max(0.0, self.left * part)
        return TimeBudget(seconds, self.progress, left_out=self.left_out, cut=self.cut)

    def leave_out(self, name: str) -> None:
        """Record that a piece of work does not fit; the run says all of it in one line at its end."""
        self.left_out.append(name)

    def cut_short(self, name: str) -> None:
        """Say that the clock ended a piece of work, whose result is kept."""
        self.cut.append(name)
        self.progress.note(f"Cut short for time: {name}.")


#: A budget without a limit, for work that nobody waits for.
UNLIMITED = TimeBudget()
