"""The interface through which a search reports its progress, without knowing what shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol

from autofi.core.progress import Progress
from autofi.errors import StoreError
from autofi.store import StudyHandle
from autofi.supernet.proposal import Proposal

Told = ParamSpec("Told")


class SearchObserver(Protocol):
    """An observer of a search, such as the notes of a dashboard; it is called in the thread of the search."""

    def proposal_made(self, handle: StudyHandle, proposal: Proposal) -> None:
        """Show the work before the first trial, which is complete."""

    def trial_measured(self, handle: StudyHandle, number: int) -> None:
        """Show a trial whose predictions are stored and which is about to end."""

    def trial_ended(self, handle: StudyHandle, number: int) -> None:
        """Show a trial that is complete, pruned or failed."""

    def trials_counted(self, handle: StudyHandle, ended: int) -> None:
        """Show the state of the study: how many of its trials have ended, in any process."""

    def trials_done(self, handle: StudyHandle) -> None:
        """Show the study's trials; no further one begins."""

    def models_trained(self, handle: StudyHandle) -> None:
        """Show the models besides the trials: the winner, the baselines or others were trained and recorded."""


@dataclass(frozen=True)
class Observed:
    """An observer that cannot end a search: its errors become notes of `progress`."""

    observer: SearchObserver
    progress: Progress

    def tell(
        self,
        moment: Callable[Concatenate[SearchObserver, Told], None],
        *args: Told.args,
        **named: Told.kwargs,
    ) -> None:
        """Call a method of the observer, given as that of `SearchObserver`, with its arguments."""
        try:
            getattr(self.observer, moment.__name__)(*args, **named)
        except (StoreError, OSError) as error:
            self.progress.note(f"The dashboard will show less: {error}")
