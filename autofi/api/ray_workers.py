"""Further workers as tasks of Ray, which finds each of them a node; imported only where `--engine ray` asks for it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import torch

from autofi.api.work import Worked, work
from autofi.core.option_names import RAY
from autofi.core.progress import Progress
from autofi.errors import ConfigError, EngineError, MissingDependencyError
from autofi.store import StorageURL

#: Seconds that workers have to see that the search has ended, before they are interrupted.
GRACE = 3.0
#: Seconds that an interrupted worker has to give up its trial, before its process is ended.
PATIENCE = 20.0


@dataclass(frozen=True)
class RayPlan:
    """What each worker is declared to take of its node, and where the table lies there (None: where it lies here)."""

    cpus: float
    gpus: float
    data: str | None

    @classmethod
    def choose(
        cls,
        engine: str,
        *,
        workers: int,
        cpus: float | None,
        gpus: float | None,
        data: str | None,
        device: torch.device,
    ) -> RayPlan | None:
        """What was asked for; None with another engine. By default a worker takes a core, and a GPU if the search does.

        Raises ConfigError for what does not go together, MissingDependencyError without Ray.
        """
        if engine != RAY:
            given = {"worker cpus": cpus, "worker gpus": gpus, "worker data": data}
            for name, value in given.items():
                if value is not None:
                    raise ConfigError(
                        f"Ray's workers are declared with --engine ray: found {name} {value} with --engine {engine}."
                    )
            return None
        if importlib.util.find_spec("ray") is None:
            raise MissingDependencyError("--engine ray needs the package ray: pip install 'autofi[ray]'.")
        if workers < 2:
            raise ConfigError(
                f"With --engine ray all workers but the first run on Ray: found {workers} in all; give --workers."
            )
        plan = cls(
            1.0 if cpus is None else cpus, float(device.type == "cuda") if gpus is None else gpus, data
        )
        if plan.cpus <= 0 or plan.gpus < 0:
            raise ConfigError(
                f"A worker on Ray takes more than 0 cores and at least 0 GPUs: found {plan.cpus:g} and {plan.gpus:g}."
            )
        return plan

    @property
    def threads(self) -> int:
        """Cores that a worker computes on."""
        return max(1, int(self.cpus))

    def check(self, storage: StorageURL) -> None:
        """Raise ConfigError where the cluster that runs has no room for such a worker, or cannot reach the storage.

        Costs the seconds of joining it; without one there is nothing to ask before a local one is started.
        """
        with _Connection(start=False) as ray:
            if ray is not None:
                self.check_nodes(ray.nodes(), storage)

    def check_nodes(self, nodes: list[dict[str, Any]], storage: StorageURL) -> None:
        """The same of the nodes that `ray.nodes` tells of."""
        alive = [node for node in nodes if node["Alive"]]
        machines = {node["NodeManagerAddress"] for node in alive}
        if storage.file is not None and len(machines) > 1:
            raise ConfigError(
                f"SQLite is for the processes of one machine: found {len(machines)} in the Ray cluster and the file "
                f"{storage.file}; give --storage postgresql+psycopg://user@host/database."
            )
        if not any(
            node["Resources"].get("CPU", 0) >= self.cpus and node["Resources"].get("GPU", 0) >= self.gpus
            for node in alive
        ):
            most = ", ".join(
                f"{node['Resources'].get('CPU', 0):g} and {node['Resources'].get('GPU', 0):g}"
                for node in alive
            )
            raise ConfigError(
                f"A worker on Ray needs a node with {self.cpus:g} cores and {self.gpus:g} GPUs: found {most}; give "
                "smaller --worker-cpus and --worker-gpus."
            )


class RayWorkers:
    """`count` workers on the cluster that runs (RAY_ADDRESS, or one on this machine), else on a local one of their own.

    Those that Ray has no room for begin when it has. As with `LocalWorkers`, a worker that ends early, with its node
    or without, is told of and not replaced; the others take its trial over.
    """

    def __init__(
        self, study: str, storage: StorageURL, count: int, *, plan: RayPlan, progress: Progress
    ) -> None:
        self._study, self._storage, self._count = study, storage, count
        self._plan, self._progress = plan, progress
        self._connection = _Connection(start=True)
        self._ray: Any = None
        self._workers: dict[Any, int] = {}
        self._threads = torch.get_num_threads()

    def __enter__(self) -> Self:
        self._ray = self._connection.__enter__()
        try:
            self._plan.check_nodes(self._ray.nodes(), self._storage)
            # Not retried by Ray: what ended it may be the trial, and the claims count how many workers a trial costs.
            task = self._ray.remote(num_cpus=self._plan.cpus, num_gpus=self._plan.gpus, max_retries=0)(_work)
            for number in range(1, self._count + 1):
                self._workers[
                    task.remote(self._study, self._storage.url, self._plan, os.path.abspath(os.curdir))
                ] = number
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def share_cores(self) -> None:
        """Take no more cores here than every other worker does, until the crew has left."""
        torch.set_num_threads(min(self._threads, self._plan.threads))

    def check(self) -> None:
        """Tell of workers that ended since the last call and should not have."""
        if not self._workers:
            return
        ended, _ = self._ray.wait(list(self._workers), num_returns=len(self._workers), timeout=0)
        for worker in ended:
            number = self._workers.pop(worker)
            try:
                self._ray.get(worker)
            except self._ray.exceptions.RayError as error:
                # What a task raised is its cause; of a worker or node that died Ray tells in several lines.
                reason = str(getattr(error, "cause", None) or error).strip().splitlines()
                self._progress.note(f"Worker {number} ended: {reason[0] if reason else type(error).__name__}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self._threads)
        try:
            self._wait(0 if error is not None else GRACE)
            # Those that never found room are waiting still; those that run give their trials up.
            for worker in self._workers:
                self._ray.cancel(worker)
            self._wait(PATIENCE)
            for worker in self._workers:
                self._ray.cancel(worker, force=True)
        finally:
            self._workers.clear()
            self._connection.__exit__(kind, error, trace)

    def _wait(self, seconds: float) -> None:
        """Until all have ended, at most so long; those that have are forgotten."""
        if self._workers:
            ended, _ = self._ray.wait(list(self._workers), num_returns=len(self._workers), timeout=seconds)
            for worker in ended:
                del self._workers[worker]


def _work(study: str, storage: str, plan: RayPlan, folder: str) -> Worked:
    """What a task does, on whatever node it finds itself."""
    torch.set_num_threads(plan.threads)
    # Relative paths mean what they mean to the search, where its folder is there to be seen.
    with suppress(OSError):
        os.chdir(folder)
    # Its exceptions travel as they are: they need nothing of this process to be read.
    return work(study, storage=storage, data=plan.data, device="cuda" if plan.gpus else "cpu")


class _Connection:
    """Ray's module, connected for as long as the context lasts; one that the caller had made is left as it was.

    start  whether a local Ray is started where no cluster runs; otherwise the context is None then
    """

    def __init__(self, *, start: bool) -> None:
        self._start = start
        self._ray: Any = None

    def __enter__(self) -> Any:
        # Ray reports how it is used to its makers unless it is told not to, before it is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray = importlib.import_module("ray")
        if ray.is_initialized():
            return ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError as error:
            if os.environ.get("RAY_ADDRESS"):
                raise EngineError(
                    f"No Ray answers at RAY_ADDRESS ({os.environ['RAY_ADDRESS']}): start it, or unset the variable."
                ) from error
            if not self._start:
                return None
            ray.init(address="local", include_dashboard=False, **quiet)
        self._ray = ray
        return ray

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
