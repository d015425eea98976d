"""Workers on one study of a database, all at once, and what has become of its trials."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from autofi.store import StudyStore, TrialState, resolve_storage
from benchmarks.trial_worker import NAME, STAGE, create

#: Counts of trials, by what became of them.
Audit = dict[str, int]


class LocalWorkers:
    """Workers that measure `most` trials, each of which takes some seconds beside the database."""

    def __init__(self, url: str, *, most: int, seconds: float, pairs: int = 10, study: str = NAME) -> None:
        self.url, self.most, self.study = url, most, study
        self.running: list[subprocess.Popen[str]] = []
        #: Of the trials of all workers that have finished, the seconds that each took in the database.
        self.spent: list[float] = []
        self._options = [f"--most={most}", f"--seconds={seconds}", f"--pairs={pairs}", f"--study={study}"]
        with StudyStore(resolve_storage(url)) as store:
            create(store, study).close()

    def join(self, *, before: tuple[str, ...] = (), count: int = 1) -> None:
        """So many workers more, which begin when all are ready; a command before theirs puts them elsewhere."""
        command = [*before, sys.executable, "-m", "benchmarks.trial_worker", self.url, *self._options]
        joined = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        for worker in joined:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdout.readline()
        for worker in joined:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        self.running += joined

    def kill(self, worker: subprocess.Popen[str]) -> None:
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        self.running.remove(worker)

    def finish(self) -> int:
        """Wait for all; how many ended with an error."""
        failed = 0
        for worker in self.running:
            said, _ = worker.communicate()
            if worker.returncode == 0:
                self.spent += json.loads(said)
            else:
                failed += 1
        self.running.clear()
        return failed

    def audit(self) -> Audit:
        """Lost, doubled and stuck trials."""
        with StudyStore(resolve_storage(self.url)) as store, store.open(self.study) as study:
            study.reap()
            trials = study.trials()
            complete = [trial.architecture_id for trial in trials if trial.state is TrialState.COMPLETE]
            return {
                "complete": len(complete),
                "lost": self.most - len(set(complete)),
                "doubled": len(complete) - len(set(complete)),
                "stuck": sum(trial.state is TrialState.RUNNING for trial in trials) + study.pending(STAGE),
                "taken over": sum("retry_of" in trial.attrs for trial in trials),
            }
