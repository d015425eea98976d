"""The metrics of a server for Prometheus, and the ASGI layer that counts them."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autofi import __version__
from autofi.serving.served_model import ServedModel

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_ROWS = (1, 4, 16, 64, 256, 1024, 4096, 16384)
_NO_ROUTE = "none"


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self, model: ServedModel) -> None:
        self.registry = CollectorRegistry()
        build = Info("autofi_build", "The served model and the version of AutoFI.", registry=self.registry)
        build.info(
            {
                "version": __version__,
                "model": model.name,
                "study": model.study,
                "architecture": model.architecture,
            }
        )
        self.requests = Counter(
            "autofi_requests", "Requests answered.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "autofi_request_seconds",
            "Seconds from the first byte of a request to the last byte of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "autofi_requests_in_flight", "Requests not yet answered.", registry=self.registry
        )
        self.rows = Counter("autofi_rows", "Rows scored.", registry=self.registry)
        self.batch_requests = Histogram(
            "autofi_batch_requests",
            "Requests scored together.",
            buckets=_REQUESTS,
            registry=self.registry,
        )
        self.batch_rows = Histogram(
            "autofi_batch_rows", "Rows scored together.", buckets=_ROWS, registry=self.registry
        )

    def observe_batch(self, requests: int, rows: int) -> None:
        self.batch_requests.observe(requests)
        self.batch_rows.observe(rows)
        self.rows.inc(rows)


class Measurement:
    """A layer that counts every request by its route (not its path, which clients choose) and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = time.perf_counter()
        try:
            with self._metrics.in_flight.track_inprogress():
                await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", _NO_ROUTE)
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - begun)
