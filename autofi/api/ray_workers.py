"""Further workers as tasks of Ray, which finds a node for each; imported only with `--engine ray`."""

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

#: The seconds that workers have to notice the end of the search, before they are interrupted.
GRACE = 3.0
#: The seconds that an interrupted worker has to give up its trial, before its process is ended.
PATIENCE = 20.0


@dataclass(frozen=True)
class RayPlan:
    """The resources of each worker on its node, and the place of the table there (None: the same place as here)."""

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
        """Return the plan of these settings; None with an engine other than Ray.

        By default a worker takes one core, and one GPU if the search uses one.

        Raises:
            ConfigError: The settings do not fit together.
            MissingDependencyError: Ray is not installed.
        """
        if engine != RAY:
            given = {"worker cpus": cpus, "worker gpus": gpus, "worker data": data}
            for name, value in given.items():
                if value is not None:
                    raise ConfigError(
                        f"{name} {value} needs --engine ray, but the engine is {engine}; change one of them."
                    )
            return None
        if importlib.util.find_spec("ray") is None:
            raise MissingDependencyError(
                "The package ray, which --engine ray needs, is not installed; run pip install 'autofi[ray]'."
            )
        if workers < 2:
            raise ConfigError(
                f"--workers {workers} leaves no worker for Ray, which runs all workers but the first; give 2 or more."
            )
        plan = cls(
            1.0 if cpus is None else cpus, float(device.type == "cuda") if gpus is None else gpus, data
        )
        if plan.cpus <= 0 or plan.gpus < 0:
            raise ConfigError(
                f"A worker on Ray cannot take {plan.cpus:g} cores and {plan.gpus:g} GPUs; give more than 0 "
                "cores and at "
                "least 0 GPUs."
            )
        return plan

    @property
    def threads(self) -> int:
        """The number of cores that a worker computes on."""
        return max(1, int(self.cpus))

    def check(self, storage: StorageURL) -> None:
        """Check that the running cluster has room for such a worker and can reach the storage.

        It takes the seconds of joining the cluster; without a running cluster there is nothing to check.

        Raises:
            ConfigError: There is no room, or no access to the storage.
        """
        with _Connection(start=False) as ray:
            if ray is not None:
                self.check_nodes(ray.nodes(), storage)

    def check_nodes(self, nodes: list[dict[str, Any]], storage: StorageURL) -> None:
        """Raise ConfigError where nodes, as `ray.nodes` returns them, have no room or no access to the storage."""
        alive = [node for node in nodes if node["Alive"]]
        machines = {node["NodeManagerAddress"] for node in alive}
        if storage.file is not None and len(machines) > 1:
            raise ConfigError(
                f"The Ray cluster has {len(machines)} machines, but the SQLite file {storage.file} serves only "
                "one; give "
                "--storage postgresql+psycopg://user@host/database."
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
                f"No node of Ray has {self.cpus:g} cores and {self.gpus:g} GPUs for a worker, the nodes have "
                f"{most}; give "
                "smaller --worker-cpus and --worker-gpus."
            )


class RayWorkers:
    """A pool of `count` workers on the running cluster (RAY_ADDRESS, or one on this machine), else on a local one.

    Workers that Ray has no room for start when it has. A worker that ends early, alone or with its node, is
    reported and not replaced, as by `LocalWorkers`; the other workers take over its trial.
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
        self._threads = torch.get_num_threads()
        self._ray = self._connection.__enter__()
        try:
            self._plan.check_nodes(self._ray.nodes(), self._storage)
            # Ray must not retry: the trial may have ended the worker, and claims count the workers lost by a trial.
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
        """Use no more cores here than every other worker does, until the context ends."""
        torch.set_num_threads(min(self._threads, self._plan.threads))

    def check(self) -> None:
        """Report workers that failed since the last call."""
        if not self._workers:
            return
        ended, _ = self._ray.wait(list(self._workers), num_returns=len(self._workers), timeout=0)
        for worker in ended:
            number = self._workers.pop(worker)
            try:
                self._ray.get(worker)
            except self._ray.exceptions.RayError as error:
                # The cause is the exception of a task; Ray reports a dead worker or node in several lines.
                reason = str(getattr(error, "cause", None) or error).strip().splitlines()
                self._progress.note(f"Worker {number} ended: {reason[0] if reason else type(error).__name__}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self._threads)
        try:
            self._wait(0 if error is not None else GRACE)
            # Workers that never found room are still waiting; running ones give up their trials.
            for worker in self._workers:
                self._ray.cancel(worker)
            self._wait(PATIENCE)
            for worker in self._workers:
                self._ray.cancel(worker, force=True)
        finally:
            self._workers.clear()
            self._connection.__exit__(kind, error, trace)

    def _wait(self, seconds: float) -> None:
        """Wait at most so long for all workers to end, and forget those that have."""
        if self._workers:
            ended, _ = self._ray.wait(list(self._workers), num_returns=len(self._workers), timeout=seconds)
            for worker in ended:
                del self._workers[worker]


def _work(study: str, storage: str, plan: RayPlan, folder: str) -> Worked:
    """Measure trials as a task of Ray, on any node."""
    torch.set_num_threads(plan.threads)
    # Relative paths mean the same as in the search, where its folder exists on this node.
    with suppress(OSError):
        os.chdir(folder)
    # Exceptions can be pickled as they are.
    return work(study, storage=storage, data=plan.data, device="cuda" if plan.gpus else "cpu")


class _Connection:
    """A context with Ray's module, connected; a connection that the caller had made before stays open.

    Attributes:
        start: True where a local Ray is started if no cluster runs; else the context is None then.
    """

    def __init__(self, *, start: bool) -> None:
        self._start = start
        self._ray: Any = None

    def __enter__(self) -> Any:
        # Ray sends usage statistics to its makers unless this is set before it is imported.
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
                    f"No Ray answers at RAY_ADDRESS ({os.environ['RAY_ADDRESS']}); start it, or unset the variable."
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
