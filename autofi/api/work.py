"""A worker: it joins a search that another process leads, measures trials, and leaves when none are left."""

from __future__ import annotations

import time
from dataclasses import dataclass

from autofi.core.device import pick_device
from autofi.core.progress import Progress, SilentProgress
from autofi.data.load import open_again
from autofi.engine.observer import Observed
from autofi.engine.stopping import StoppingRule
from autofi.engine.trials import POLL_SECONDS, measure_trials, prepare
from autofi.errors import ConfigError, StoreError
from autofi.evaluation.cores import default_jobs, threads_for
from autofi.evaluation.workbench import Workbench
from autofi.space.search_space import SearchSpace
from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import PROPOSAL, STAGE, TREES
from autofi.study.dashboard_observer import DashboardObserver
from autofi.supernet.proposal import Proposal


@dataclass(frozen=True)
class Worked:
    """The work of a worker: the number of trials that it measured, and the total of the study."""

    study: str
    trials: int
    of: int
    seconds: float


def work(
    study: str,
    *,
    storage: str | None = None,
    data: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    trials: int | None = None,
    device: str = "auto",
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Worked:
    """Measure trials of a study that `autofi.search` leads, here or on another machine, until its goal is reached.

    The data is opened as the search opened it and must be the same. The result of a trial does not depend on the
    worker: its seed is the study's. A worker may leave or be killed at any moment; another one takes its trial over.

    Args:
        study: Name of the study.
        storage: Database of the study, as a URL.
        data: Path of the table on this machine, if the search read it from another one. Validation and test files are
            read from the paths of the search.
        header: Whether `data` has a header, if it is delimited text and differs from the search's file.
        delimiter: A character or `tab`, under the same condition.
        trials: Number of trials after which this worker leaves.
        device: `auto`, `cpu` or `cuda`.
        jobs: Trainings at once, each in a process of its own.
        progress: Receiver of progress.

    Raises:
        StudyNotFoundError: There is no study of that name.
        ConfigError: A tuner of NNI proposes the trials.
        DataError: The data cannot be read here, or is other data.
        StoreError: No search leads the study, and nothing has been proposed yet.
    """
    begun = time.monotonic()
    progress = progress or SilentProgress()
    chosen_device = pick_device(device)
    with StudyStore(resolve_storage(storage)) as store, store.open(study) as handle:
        rule = StoppingRule.read(handle)
        if not rule.shared:
            raise ConfigError(
                f"'{study}' is searched with --engine nni, which takes no workers; train several trials at once there "
                "with --jobs."
            )
        settings = SearchSettings.from_json(handle.record.settings)
        progress.phase("encode")
        dataset = open_again(
            settings,
            study=study,
            fingerprint=handle.record.data_fingerprint,
            source=data,
            header=header,
            delimiter=delimiter,
        )
        # Proposals one at a time: other workers may take the next.
        jobs = jobs or (default_jobs(chosen_device, dataset) if chosen_device.type == "cuda" else 1)
        bench = Workbench(dataset, device=chosen_device, seed=settings.seed, jobs=jobs)
        proposal = _await_proposal(handle, progress, trees=rule.until is not None)
        space = SearchSpace.model_validate(handle.record.space)
        candidates = prepare(handle, bench, space, proposal, progress=progress)
        observed = Observed(DashboardObserver(), progress)
        with threads_for(dataset, chosen_device):
            measured = measure_trials(
                handle, bench, candidates, seed=settings.seed, observed=observed, limit=trials
            )
        return Worked(study, measured, handle.counted(STAGE), time.monotonic() - begun)


def _await_proposal(handle: StudyHandle, progress: Progress, *, trees: bool) -> Proposal:
    """Return the leader's proposal as soon as it is made; with `trees`, as soon as it has grown its own, too."""
    waited = False
    while (kept := handle.stage(PROPOSAL)) is None or (trees and handle.stage(TREES) is None):
        if not handle.is_led():
            raise StoreError(
                f"No process searches '{handle.name}', and nothing has been proposed in it yet; run autofi search."
            )
        if not waited:
            progress.phase("wait for the supernet")
            waited = True
        time.sleep(POLL_SECONDS)
    return Proposal.from_json(kept)
