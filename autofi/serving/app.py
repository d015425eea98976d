"""The HTTP application: its routes, and what becomes of errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pyarrow as pa
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from autofi import __version__
from autofi.errors import AutoFIError
from autofi.serving import description
from autofi.serving.batching import BusyError, MicroBatcher
from autofi.serving.life import ClosedAtEnd, Life
from autofi.serving.limits import Limits
from autofi.serving.metrics import Measured, Metrics
from autofi.serving.model import VERSION, Floats, ServedModel
from autofi.serving.protocol import (
    InferAnswer,
    InferRequest,
    Live,
    ModelMetadata,
    ModelReady,
    PredictAnswer,
    Problem,
    Ready,
    ServerMetadata,
)
from autofi.serving.reading import parse, read_body
from autofi.serving.refusal import Refusal, short, shown
from autofi.serving.rows import table_of_rows
from autofi.serving.tensors import OUTPUT, inputs_of, table_of_tensors

# Reading a larger body takes milliseconds, which health checks should not wait for.
_LARGE_BODY = 1 << 16
_BINARY_PARAMETERS = ("binary_data", "binary_data_size", "binary_data_output")


def create_app(model: ServedModel, limits: Limits | None = None, life: Life | None = None) -> FastAPI:
    """An ASGI application that serves a model; `life` tells it when to call itself not ready."""
    limits, life = limits or Limits(), life or Life()
    metrics = Metrics(model)
    batcher = MicroBatcher(model.score, limits, observe=metrics.observe_batch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher.running():
            yield

    # The pages of documentation load scripts from elsewhere.
    app = FastAPI(
        title="AutoFI",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(ClosedAtEnd, life=life)
    app.add_middleware(Measured, metrics=metrics)
    _add_health(app, model, life)
    _add_scoring(app, model, limits, batcher)
    _add_metrics(app, metrics)
    _add_errors(app)
    description.describe(app, model.schema, most_rows=limits.rows)
    return app


def _add_health(app: FastAPI, model: ServedModel, life: Life) -> None:
    @app.get("/v2", **description.answers(ServerMetadata))
    async def server_metadata() -> Response:
        return _json(ServerMetadata(name="autofi", version=__version__, extensions=[]))

    @app.get("/v2/health/live", **description.answers(Live))
    async def live() -> Response:
        return _json(Live(live=True))

    @app.get("/v2/health/ready", **description.answers(Ready, not_ready=Ready))
    async def ready() -> Response:
        return _json(Ready(ready=life.ready), 200 if life.ready else 503)

    @app.get("/v2/models/{name}", **description.answers(ModelMetadata, 404))
    @app.get("/v2/models/{name}/versions/{version}", **description.answers(ModelMetadata, 404))
    async def model_metadata(name: str, version: str = VERSION) -> Response:
        _check_model(model, name, version)
        return _json(
            ModelMetadata(
                name=model.name,
                versions=[VERSION],
                platform="autofi",
                inputs=inputs_of(model.schema),
                outputs=[OUTPUT],
            )
        )

    @app.get("/v2/models/{name}/ready", **description.answers(ModelReady, 404, not_ready=ModelReady))
    @app.get(
        "/v2/models/{name}/versions/{version}/ready",
        **description.answers(ModelReady, 404, not_ready=ModelReady),
    )
    async def model_ready(name: str, version: str = VERSION) -> Response:
        _check_model(model, name, version)
        return _json(ModelReady(name=model.name, ready=life.ready), 200 if life.ready else 503)


def _add_scoring(app: FastAPI, model: ServedModel, limits: Limits, batcher: MicroBatcher) -> None:
    async def scored(request: Request, read: Callable[[bytes], pa.Table]) -> Floats:
        body = await read_body(request, most_bytes=limits.body_bytes)
        table = read(body) if len(body) < _LARGE_BODY else await run_in_threadpool(read, body)
        try:
            return await batcher.score(table)
        except BusyError:
            raise Refusal(503, "As many requests wait as may: try again.", {"Retry-After": "1"}) from None

    @app.post("/predict", **description.scoring(PredictAnswer, description.ROWS))
    async def predict(request: Request) -> Response:
        def read(body: bytes) -> pa.Table:
            return table_of_rows(parse(body), model.schema, most_rows=limits.rows)

        probabilities = await scored(request, read)
        return JSONResponse({"probabilities": probabilities.tolist()})

    @app.post("/v2/models/{name}/infer", **description.scoring(InferAnswer, description.TENSORS, 404))
    @app.post(
        "/v2/models/{name}/versions/{version}/infer",
        **description.scoring(InferAnswer, description.TENSORS, 404),
    )
    async def infer(request: Request, name: str, version: str = VERSION) -> Response:
        _check_model(model, name, version)
        asked: InferRequest | None = None

        def read(body: bytes) -> pa.Table:
            nonlocal asked
            asked = _infer_request(parse(body))
            return table_of_tensors(asked.inputs, model.schema, most_rows=limits.rows)

        probabilities = await scored(request, read)
        output = OUTPUT.model_dump() | {"shape": [len(probabilities)], "data": probabilities.tolist()}
        answer: dict[str, Any] = {"model_name": model.name, "model_version": VERSION}
        if asked is not None and asked.id is not None:
            answer["id"] = asked.id
        return JSONResponse(answer | {"outputs": [output]})


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics", **description.text("The server's figures for Prometheus.", CONTENT_TYPE_LATEST))
    async def figures() -> Response:
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return _json(Problem(error=error.reason), error.status, error.headers)

    @app.exception_handler(AutoFIError)
    async def impossible(_: Request, error: AutoFIError) -> Response:
        return _json(Problem(error=str(error)), 400)

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> Response:
        reason = f"{error.detail}: {request.method} {short(request.url.path)}; see /openapi.json."
        return _json(Problem(error=reason), error.status_code, dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return _json(Problem(error="The connection was closed before the whole body came."), 400)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _json(Problem(error="The server failed; its log says where."), 500)


def _check_model(model: ServedModel, name: str, version: str) -> None:
    if name != model.name:
        raise Refusal(404, f"No model is named '{short(name)}': this server has '{model.name}'.")
    if version != VERSION:
        raise Refusal(404, f"Model '{model.name}' has no version '{short(version)}': it has '{VERSION}'.")


def _infer_request(document: Any) -> InferRequest:
    try:
        request = InferRequest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(short(str(part)) for part in first["loc"]) or "the body"
        found = "" if first["type"] == "missing" else f"; found {shown(first['input'])}"
        rule = first["msg"].partition(" or instance of ")[0]
        raise Refusal(400, f"A request is as the protocol says: at {place}, {rule}{found}.") from None
    outputs = request.outputs or []
    for output in outputs:
        if output.name != OUTPUT.name:
            raise Refusal(400, f"The output is '{OUTPUT.name}': found '{short(output.name)}' in outputs.")
    given = [request.parameters]
    given += [tensor.parameters for tensor in request.inputs]
    given += [output.parameters for output in outputs]
    for parameters in given:
        for name in _BINARY_PARAMETERS:
            if parameters and parameters.get(name):
                raise Refusal(
                    400,
                    f"Tensors are sent as JSON: the binary extension is not supported; leave '{name}' out.",
                )
    return request


def _json(answer: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(answer.model_dump(), status, headers)
