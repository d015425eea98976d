"""The HTTP application: its routes and layers put together, and the answers to errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pyarrow as pa
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from autofi import __version__
from autofi.bundle.scorer import ScoringTimeError
from autofi.errors import AutoFIError, ExportError
from autofi.serving import openapi as description
from autofi.serving.allowed_hosts import KnownHosts
from autofi.serving.batching import MicroBatcher
from autofi.serving.health_routes import add_health
from autofi.serving.html_pages import add_pages
from autofi.serving.limits import Limits
from autofi.serving.prometheus import Measurement, Metrics
from autofi.serving.protocol import Problem, respond
from autofi.serving.refusal import RequestError, short
from autofi.serving.scoring_routes import add_scoring
from autofi.serving.served_model import Floats, ServedModel
from autofi.serving.shutdown import ClosedAtEnd, ServerState
from autofi.serving.skew_metrics import SkewMonitor


def create_app(
    model: ServedModel,
    limits: Limits | None = None,
    life: ServerState | None = None,
    *,
    host: str = "127.0.0.1",
    allowed_hosts: Sequence[str] = (),
) -> FastAPI:
    """Return an ASGI application that serves a model.

    Args:
        model: The model.
        limits: The limits of requests and batches.
        life: The state that decides when the server reports itself as not ready.
        host: The name that the server listens on.
        allowed_hosts: Further names that a request's Host may have, see `autofi.serving.serve`.
    """
    limits, life = limits or Limits(), life or ServerState()
    metrics = Metrics(model)
    batcher = MicroBatcher(_counted(model, metrics), limits, observe=metrics.observe_batch)
    life.watch(lambda: batcher.stuck_seconds, patience=limits.batch_seconds)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher.running():
            yield

    # FastAPI's own documentation pages load scripts from other servers.
    app = FastAPI(
        title="AutoFI",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(KnownHosts, host=host, allowed=allowed_hosts)
    app.add_middleware(ClosedAtEnd, life=life)
    app.add_middleware(Measurement, metrics=metrics)
    add_health(app, model, life)
    add_scoring(app, model, limits, batcher)
    _add_metrics(app, metrics)
    add_pages(app, model)
    _add_errors(app)
    description.describe(app, model.schema, most_rows=limits.rows)
    return app


def _counted(model: ServedModel, metrics: Metrics) -> Callable[[pa.Table], Floats]:
    """Return a function that scores rows, and counts them against those of training where the bundle has a profile."""
    counts = model.skew_counts()
    if counts is None:
        return model.score
    monitor = SkewMonitor(counts)
    metrics.registry.register(monitor)

    def score(table: pa.Table) -> Floats:
        probabilities = model.score(table)
        monitor.add(table)
        return probabilities

    return score


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics", **description.text("The server's metrics for Prometheus.", CONTENT_TYPE_LATEST))
    async def figures() -> Response:
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return respond(Problem(error=error.reason), error.status, error.headers)

    @app.exception_handler(ScoringTimeError)
    async def too_long(_: Request, error: ScoringTimeError) -> Response:
        return respond(Problem(error=str(error)), 504)

    @app.exception_handler(ExportError)
    async def broken(_: Request, error: ExportError) -> Response:
        return respond(Problem(error=str(error)), 500)

    @app.exception_handler(AutoFIError)
    async def impossible(_: Request, error: AutoFIError) -> Response:
        return respond(Problem(error=str(error)), 400)

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> Response:
        reason = f"{error.detail}: {request.method} {short(request.scope['path'])}; see /openapi.json."
        return respond(Problem(error=reason), error.status_code, dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return respond(Problem(error="The connection was closed before the whole body arrived."), 400)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        # The exception goes on to the server, which closes the connection; the header keeps clients from reusing it.
        problem = Problem(error="The server failed; its log has the details.")
        return respond(problem, 500, {"Connection": "close"})
