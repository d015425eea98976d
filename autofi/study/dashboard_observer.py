"""The observer of a search that writes its notes and figures for optuna-dashboard."""

from __future__ import annotations

from autofi.space.architecture import Architecture
from autofi.store import StudyHandle
from autofi.study.dashboard_notes import attach_files, draw_study, is_drawn_after, note_trial, show_winner
from autofi.study.dashboard_stages import show_proposal, show_trained
from autofi.supernet.proposal import Proposal


class DashboardObserver:
    """The observer that adds notes and files of trials, figures of the study, and its stages as further studies."""

    def proposal_made(self, handle: StudyHandle, proposal: Proposal) -> None:
        """Write the stages before the first trial."""
        show_proposal(handle, proposal)

    def trial_measured(self, handle: StudyHandle, number: int) -> None:
        """Attach the predictions and the architecture of a trial."""
        attach_files(handle, number, Architecture.from_json(handle.trial(number).architecture))

    def trial_ended(self, handle: StudyHandle, number: int) -> None:
        """Add the note of a trial."""
        note_trial(handle, number)

    def trials_counted(self, handle: StudyHandle, ended: int) -> None:
        """Draw the figures of a running search from time to time."""
        if is_drawn_after(ended):
            draw_study(handle)

    def trials_done(self, handle: StudyHandle) -> None:
        """Draw the figures of the study."""
        draw_study(handle)

    def models_trained(self, handle: StudyHandle) -> None:
        """Draw the figures once more, list the winner's manifests, and write the retrained models."""
        show_winner(handle)
        show_trained(handle)
